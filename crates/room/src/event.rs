//! What happened in a room, numbered and timed for those outside: web-hooks, usage, metrics (docs/protocol.md#events).
//!
//! [`Room`](crate::Room) says what happened as it happens. [`Chronicle`] puts that into the order that the outside can
//! rely on, numbers it, and can end the story by itself when the room cannot any more:
//!
//! * a room has started before anybody joins, and has finished after everybody left;
//! * a participant has joined before it publishes, and its tracks have ended before it leaves;
//! * who never joined leaves no trace but [`RoomEventKind::ConnectionAborted`].

use std::collections::BTreeMap;

use livekit_protocol as proto;

/// One event of one session of a room.
#[derive(Debug, Clone)]
pub struct RoomEvent {
    /// Sid of the session, `RM_…`.
    pub room_sid: String,
    /// Counts up from 1 with each event of the session, without holes.
    pub sequence: u64,
    /// When it happened, milliseconds since the Unix epoch; never less than that of the event before.
    pub unix_ms: i64,
    /// What happened.
    pub kind: RoomEventKind,
}

/// What happens in rooms.
#[derive(Debug, Clone)]
pub enum RoomEventKind {
    /// The room is open. Always the first.
    RoomStarted(Box<proto::Room>),
    /// The room is over. Always the last.
    RoomFinished(Box<proto::Room>),
    /// A member became active.
    ParticipantJoined(Box<proto::ParticipantInfo>),
    /// An active member left.
    ParticipantLeft(Box<proto::ParticipantInfo>),
    /// A member left that never became active.
    ConnectionAborted(Box<proto::ParticipantInfo>),
    /// A track became visible.
    TrackPublished {
        /// Whose.
        participant: Box<proto::ParticipantInfo>,
        /// Which.
        track: Box<proto::TrackInfo>,
    },
    /// A visible track ended.
    TrackUnpublished {
        /// Whose.
        participant: Box<proto::ParticipantInfo>,
        /// Which.
        track: Box<proto::TrackInfo>,
    },
}

/// The story of one session of a room, as the outside is told it.
#[derive(Debug)]
pub struct Chronicle {
    room: proto::Room,
    told: u64,
    last_ms: i64,
    /// Those who joined and did not leave, by sid.
    present: BTreeMap<String, Present>,
    /// Tracks of members that are not active yet, by the member's sid.
    early: BTreeMap<String, Vec<proto::TrackInfo>>,
    finished: bool,
}

/// What is needed to tell of somebody's end.
#[derive(Debug)]
struct Present {
    info: proto::ParticipantInfo,
    tracks: Vec<proto::TrackInfo>,
}

impl Present {
    /// Without what may be large: metadata, attributes, the tracks' own list.
    fn new(info: &proto::ParticipantInfo) -> Self {
        let info = proto::ParticipantInfo {
            sid: info.sid.clone(),
            identity: info.identity.clone(),
            name: info.name.clone(),
            kind: info.kind,
            joined_at: info.joined_at,
            joined_at_ms: info.joined_at_ms,
            is_publisher: info.is_publisher,
            state: info.state,
            ..Default::default()
        };
        Self { info, tracks: Vec::new() }
    }
}

impl Chronicle {
    /// Begins the story, and tells that the room has started at its creation time.
    pub fn begin(room: proto::Room) -> (Self, RoomEvent) {
        let started = RoomEventKind::RoomStarted(Box::new(room.clone()));
        let last_ms = room.creation_time_ms;
        let mut chronicle =
            Self { room, told: 0, last_ms, present: BTreeMap::new(), early: BTreeMap::new(), finished: false };
        let event = chronicle.tell(last_ms, started);
        (chronicle, event)
    }

    /// Something happened: what is to be told now, in order.
    pub fn record(&mut self, unix_ms: i64, kind: RoomEventKind) -> Vec<RoomEvent> {
        if self.finished {
            return Vec::new();
        }
        match &kind {
            RoomEventKind::ParticipantJoined(info) => {
                let mut events = Vec::new();
                let mut present = Present::new(info);
                present.tracks = self.early.remove(&info.sid).unwrap_or_default();
                let (participant, tracks) = (info.clone(), present.tracks.clone());
                self.present.insert(info.sid.clone(), present);
                events.push(self.tell(unix_ms, kind));
                for track in tracks {
                    let (participant, track) = (participant.clone(), Box::new(track));
                    events.push(self.tell(unix_ms, RoomEventKind::TrackPublished { participant, track }));
                }
                return events;
            }
            RoomEventKind::TrackPublished { participant, track } => match self.present.get_mut(&participant.sid) {
                Some(present) => present.tracks.push((**track).clone()),
                None => {
                    self.early.entry(participant.sid.clone()).or_default().push((**track).clone());
                    return Vec::new();
                }
            },
            RoomEventKind::TrackUnpublished { participant, track } => match self.present.get_mut(&participant.sid) {
                Some(present) => present.tracks.retain(|known| known.sid != track.sid),
                None => {
                    if let Some(early) = self.early.get_mut(&participant.sid) {
                        early.retain(|known| known.sid != track.sid);
                    }
                    return Vec::new();
                }
            },
            RoomEventKind::ParticipantLeft(info) | RoomEventKind::ConnectionAborted(info) => {
                self.present.remove(&info.sid);
                self.early.remove(&info.sid);
            }
            RoomEventKind::RoomFinished(_) => return self.finish(unix_ms, proto::DisconnectReason::RoomClosed),
            RoomEventKind::RoomStarted(_) => return Vec::new(),
        }
        vec![self.tell(unix_ms, kind)]
    }

    /// Ends the story: tells of the end of whoever is still there, with `reason`, and of the room's. Nothing follows;
    /// a second call tells nothing.
    pub fn finish(&mut self, unix_ms: i64, reason: proto::DisconnectReason) -> Vec<RoomEvent> {
        if std::mem::replace(&mut self.finished, true) {
            return Vec::new();
        }
        self.early.clear();
        let mut events = Vec::new();
        for (_, mut present) in std::mem::take(&mut self.present) {
            for track in std::mem::take(&mut present.tracks) {
                let (participant, track) = (Box::new(present.info.clone()), Box::new(track));
                events.push(self.tell(unix_ms, RoomEventKind::TrackUnpublished { participant, track }));
            }
            present.info.state = proto::participant_info::State::Disconnected as i32;
            present.info.disconnect_reason = reason as i32;
            events.push(self.tell(unix_ms, RoomEventKind::ParticipantLeft(Box::new(present.info))));
        }
        let room = proto::Room { num_participants: 0, num_publishers: 0, ..self.room.clone() };
        events.push(self.tell(unix_ms, RoomEventKind::RoomFinished(Box::new(room))));
        events
    }

    fn tell(&mut self, unix_ms: i64, kind: RoomEventKind) -> RoomEvent {
        self.told += 1;
        self.last_ms = self.last_ms.max(unix_ms);
        RoomEvent { room_sid: self.room.sid.clone(), sequence: self.told, unix_ms: self.last_ms, kind }
    }
}

#[cfg(test)]
mod tests {
    use proto::DisconnectReason;

    use super::*;

    fn chronicle() -> Chronicle {
        let room = proto::Room { sid: "RM_1".into(), creation_time_ms: 1_000, ..Default::default() };
        let (chronicle, event) = Chronicle::begin(room);
        assert_eq!(short(&event), "1 at 1000: started");
        assert_eq!(event.room_sid, "RM_1");
        chronicle
    }

    fn who(sid: &str) -> Box<proto::ParticipantInfo> {
        Box::new(proto::ParticipantInfo { sid: sid.into(), ..Default::default() })
    }

    fn published(sid: &str, track: &str) -> RoomEventKind {
        let track = Box::new(proto::TrackInfo { sid: track.into(), ..Default::default() });
        RoomEventKind::TrackPublished { participant: who(sid), track }
    }

    fn unpublished(sid: &str, track: &str) -> RoomEventKind {
        let track = Box::new(proto::TrackInfo { sid: track.into(), ..Default::default() });
        RoomEventKind::TrackUnpublished { participant: who(sid), track }
    }

    fn short(event: &RoomEvent) -> String {
        let what = match &event.kind {
            RoomEventKind::RoomStarted(_) => "started".to_owned(),
            RoomEventKind::RoomFinished(_) => "finished".to_owned(),
            RoomEventKind::ParticipantJoined(who) => format!("{} joined", who.sid),
            RoomEventKind::ParticipantLeft(who) => format!("{} left", who.sid),
            RoomEventKind::ConnectionAborted(who) => format!("{} aborted", who.sid),
            RoomEventKind::TrackPublished { participant, track } => format!("{} +{}", participant.sid, track.sid),
            RoomEventKind::TrackUnpublished { participant, track } => format!("{} -{}", participant.sid, track.sid),
        };
        format!("{} at {}: {what}", event.sequence, event.unix_ms)
    }

    fn told(events: &[RoomEvent]) -> Vec<String> {
        events.iter().map(short).collect()
    }

    #[test]
    fn who_publishes_before_it_is_active_has_joined_first() {
        let mut chronicle = chronicle();
        assert!(chronicle.record(1_001, published("PA_a", "TR_1")).is_empty());
        assert!(chronicle.record(1_002, published("PA_a", "TR_2")).is_empty());
        assert!(chronicle.record(1_003, unpublished("PA_a", "TR_1")).is_empty(), "nobody heard of it");
        let events = chronicle.record(1_004, RoomEventKind::ParticipantJoined(who("PA_a")));
        assert_eq!(told(&events), ["2 at 1004: PA_a joined", "3 at 1004: PA_a +TR_2"]);
        assert_eq!(told(&chronicle.record(1_005, unpublished("PA_a", "TR_2"))), ["4 at 1005: PA_a -TR_2"]);
        assert_eq!(
            told(&chronicle.record(1_006, RoomEventKind::ParticipantLeft(who("PA_a")))),
            ["5 at 1006: PA_a left"]
        );
    }

    #[test]
    fn who_never_joined_has_published_nothing() {
        let mut chronicle = chronicle();
        assert!(chronicle.record(1_001, published("PA_a", "TR_1")).is_empty());
        assert!(chronicle.record(1_002, unpublished("PA_a", "TR_1")).is_empty());
        let events = chronicle.record(1_003, RoomEventKind::ConnectionAborted(who("PA_a")));
        assert_eq!(told(&events), ["2 at 1003: PA_a aborted"]);
    }

    #[test]
    fn a_story_that_breaks_off_is_told_to_its_end_once() {
        let mut chronicle = chronicle();
        for sid in ["PA_a", "PA_b"] {
            chronicle.record(1_001, RoomEventKind::ParticipantJoined(who(sid)));
        }
        chronicle.record(1_002, published("PA_b", "TR_1"));
        chronicle.record(1_003, published("PA_c", "TR_2"));
        let events = chronicle.finish(900, DisconnectReason::StateMismatch);
        // Time never goes back; the early track was never told of.
        let must = ["5 at 1002: PA_a left", "6 at 1002: PA_b -TR_1", "7 at 1002: PA_b left", "8 at 1002: finished"];
        assert_eq!(told(&events), must);
        let RoomEventKind::ParticipantLeft(left) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!(left.disconnect_reason(), DisconnectReason::StateMismatch);
        assert!(chronicle.finish(2_000, DisconnectReason::RoomClosed).is_empty());
        assert!(chronicle.record(2_000, published("PA_a", "TR_9")).is_empty());
    }
}
