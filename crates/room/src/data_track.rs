//! One data track of a member. Holds; decides nothing.

use std::collections::BTreeMap;

use livekit_protocol as proto;

use crate::MemberKey;

/// Names one data track of a room for as long as the room lives; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DataTrackNumber(pub(crate) u32);

/// One data track.
#[derive(Debug)]
pub(crate) struct DataTrack {
    pub(crate) publisher: MemberKey,
    pub(crate) info: proto::DataTrackInfo,
    /// Who gets it, and under which handle.
    pub(crate) subscribers: BTreeMap<MemberKey, u16>,
}
