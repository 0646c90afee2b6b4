//! The HTTP front door: health, CORS, join checks and the signalling WebSocket.
