//! Names of what is in a room; none is given twice.

use crate::data_track::DataTrackNumber;
use crate::{MemberKey, SubscriptionNumber, TrackNumber};

/// The last numbers given, each from 1 on.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    members: u32,
    tracks: u32,
    subscriptions: u32,
    data_tracks: u32,
}

impl Numbers {
    pub(crate) fn member(&mut self) -> MemberKey {
        MemberKey(next(&mut self.members))
    }

    pub(crate) fn track(&mut self) -> TrackNumber {
        TrackNumber(next(&mut self.tracks))
    }

    pub(crate) fn subscription(&mut self) -> SubscriptionNumber {
        SubscriptionNumber(next(&mut self.subscriptions))
    }

    pub(crate) fn data_track(&mut self) -> DataTrackNumber {
        DataTrackNumber(next(&mut self.data_tracks))
    }
}

fn next(last: &mut u32) -> u32 {
    *last += 1;
    *last
}
