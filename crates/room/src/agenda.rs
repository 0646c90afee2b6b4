//! What a room must do when, without being asked: one deadline for each duty.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::{CallNumber, MemberKey, TrackNumber};

/// A duty with a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Duty {
    /// Take the member out unless it is active.
    JoinDeadline(MemberKey),
    /// Give up wanted tracks that still do not exist.
    Wishes(MemberKey),
    /// End the member's pretended speech.
    SimulatedSpeech(MemberKey),
    /// Tell the publisher of layers that nobody wants any more.
    Dynacast(TrackNumber),
    /// Announce what the member changed faster than it may be announced.
    Announce(MemberKey),
    /// Give up a call of the server API.
    Call(CallNumber),
    /// Announce collected joins and departures.
    Updates,
    /// Announce the room's counts.
    RoomUpdate,
    /// Judge connection quality.
    Quality,
    /// Close the room if nobody is there.
    Idle,
}

/// Deadlines in order.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    order: BTreeSet<(Instant, Duty)>,
    at: BTreeMap<Duty, Instant>,
}

impl Agenda {
    /// Sets or moves the deadline of a duty.
    pub(crate) fn set(&mut self, duty: Duty, at: Instant) {
        self.cancel(duty);
        self.at.insert(duty, at);
        self.order.insert((at, duty));
    }

    /// Sets the deadline unless an earlier one stands.
    pub(crate) fn set_no_later(&mut self, duty: Duty, at: Instant) {
        if self.at.get(&duty).is_none_or(|standing| *standing > at) {
            self.set(duty, at);
        }
    }

    pub(crate) fn cancel(&mut self, duty: Duty) {
        if let Some(at) = self.at.remove(&duty) {
            self.order.remove(&(at, duty));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.order.clear();
        self.at.clear();
    }

    pub(crate) fn is_set(&self, duty: Duty) -> bool {
        self.at.contains_key(&duty)
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the earliest duty whose deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Duty> {
        let (at, duty) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.cancel(duty);
        Some(duty)
    }

    /// How many duties stand.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_deadline_for_each_duty() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut agenda = Agenda::default();
        agenda.set(Duty::Idle, at(5));
        agenda.set(Duty::Quality, at(3));
        agenda.set(Duty::Idle, at(1));
        agenda.set_no_later(Duty::Idle, at(2));
        agenda.set_no_later(Duty::Quality, at(2));
        assert_eq!(agenda.len(), 2);
        assert_eq!(agenda.next(), Some(at(1)));
        assert_eq!(agenda.pop_due(start), None);
        assert_eq!(agenda.pop_due(at(2)), Some(Duty::Idle));
        assert_eq!(agenda.pop_due(at(2)), Some(Duty::Quality));
        assert_eq!(agenda.pop_due(at(9)), None);
        assert!(!agenda.is_set(Duty::Idle));
    }
}
