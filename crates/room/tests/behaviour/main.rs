//! What a room does, one file for each behaviour, on a virtual clock.

mod abuse;
mod admin;
mod data;
mod data_blobs;
mod data_tracks;
mod dynacast;
mod identity;
mod join;
mod leave;
mod lifetime;
mod mute;
mod permission;
mod promises;
mod publish;
mod quality;
mod random;
mod reference;
mod replay;
mod resume;
mod rpc;
mod speakers;
mod stage;
mod subscribe;
mod updates;

#[expect(unreachable_pub, reason = "shared with the fuzz targets, which are another crate")]
#[path = "../../../../fuzz/src/strict.rs"]
mod strict;
