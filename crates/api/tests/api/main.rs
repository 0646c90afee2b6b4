//! The server API without sockets: rights, forms, answers and errors. What it does to participants is tried with real
//! clients in `tests/e2e`.

mod agents;
mod rights;
mod rooms;
mod server;
