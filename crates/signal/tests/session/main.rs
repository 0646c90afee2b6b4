//! The dialogue with one client, message by message, without a room or a network.

mod data;
mod descriptions;
mod ends;
mod join;
mod requests;
mod stage;
