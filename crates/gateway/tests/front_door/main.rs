//! The front door as clients see it: a whole server on loopback, plain HTTP and WebSocket clients.

mod abuse;
mod agent;
mod http;
mod refusals;
mod server;
mod socket;
