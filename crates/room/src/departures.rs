//! Who left lately, for those who could not hear of it. Holds; decides nothing.

use std::collections::VecDeque;
use std::time::Instant;

use livekit_protocol as proto;

/// Departures remembered.
const DEPARTURES_MAX: usize = 2048;

/// Who left lately.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    recent: VecDeque<(Instant, proto::ParticipantInfo)>,
}

impl Departures {
    pub(crate) fn record(&mut self, now: Instant, info: proto::ParticipantInfo) {
        if self.recent.len() >= DEPARTURES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((now, info));
    }

    pub(crate) fn since(&self, from: Instant) -> impl Iterator<Item = &proto::ParticipantInfo> {
        self.recent.iter().filter(move |(at, _)| *at >= from).map(|(_, info)| info)
    }
}
