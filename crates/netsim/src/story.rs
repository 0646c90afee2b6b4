//! What the outside is told of one room, held against the order that it may rely on.

use std::collections::{BTreeMap, BTreeSet};

use tutti_room::{RoomEvent, RoomEventKind};

/// The events of one room so far.
#[derive(Default)]
pub(crate) struct Story {
    told: u64,
    last_ms: i64,
    /// Tracks of those who are there, by participant sid.
    present: BTreeMap<String, BTreeSet<String>>,
    finished: bool,
}

impl Story {
    /// Takes the next event; what is wrong with it goes to `faults`.
    pub(crate) fn take(&mut self, event: RoomEvent, faults: &mut Vec<String>) {
        let RoomEvent { room_sid, sequence, unix_ms, kind } = event;
        let mut must = |holds: bool, what: &str| {
            if !holds {
                faults.push(format!("event {sequence} of {room_sid}: {what}: {kind:?}"));
            }
        };
        self.told += 1;
        must(sequence == self.told, "a hole in the numbers");
        must(unix_ms >= self.last_ms, "time goes back");
        must(!self.finished, "after the end");
        self.last_ms = unix_ms;
        match &kind {
            RoomEventKind::RoomStarted(_) => must(sequence == 1, "a second start"),
            RoomEventKind::RoomFinished(_) => {
                must(self.present.is_empty(), "somebody is still there");
                self.finished = true;
            }
            RoomEventKind::ParticipantJoined(who) => {
                must(self.present.insert(who.sid.clone(), BTreeSet::new()).is_none(), "joined twice");
            }
            RoomEventKind::ParticipantLeft(who) => {
                let tracks = self.present.remove(&who.sid);
                must(tracks.is_some_and(|tracks| tracks.is_empty()), "left without having joined, or with tracks");
            }
            RoomEventKind::ConnectionAborted(who) => must(!self.present.contains_key(&who.sid), "it had joined"),
            RoomEventKind::TrackPublished { participant, track } => {
                let tracks = self.present.get_mut(&participant.sid);
                must(tracks.is_some_and(|tracks| tracks.insert(track.sid.clone())), "nobody there, or twice");
            }
            RoomEventKind::TrackUnpublished { participant, track } => {
                let tracks = self.present.get_mut(&participant.sid);
                must(tracks.is_some_and(|tracks| tracks.remove(&track.sid)), "was not published");
            }
        }
    }

    /// What is wrong with a room that is gone and was not said to be.
    pub(crate) fn unfinished(&self) -> Option<String> {
        (!self.finished).then(|| "a room is gone and nobody was told".to_owned())
    }
}
