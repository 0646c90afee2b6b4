//! The front door as clients see it: a whole server on loopback, plain HTTP and WebSocket clients.

mod http;
mod server;
mod socket;
