//! What things are called in every layer. Values only: what a name belongs to is for its owner to find.
//!
//! | module | owns |
//! |---|---|
//! | [`room`] | a room: by app and name for those outside, by key for those on its node |
//! | [`shard`] | a shard of the media plane |
//!
//! Must not: know what is behind a name, or make one up.

mod room;
mod shard;

pub use room::{AppId, RoomKey, RoomName};
pub use shard::ShardNumber;
