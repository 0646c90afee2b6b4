//! The dialogue with one client, message by message, without a room or a network.

mod data;
mod descriptions;
mod ends;
mod join;
mod promises;
mod replay;
mod requests;
mod stage;

#[expect(unreachable_pub, reason = "shared with the fuzz targets, which are another crate")]
#[path = "../../../../fuzz/src/strict.rs"]
mod strict;
