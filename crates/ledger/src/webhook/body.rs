//! What is sent of an event.

use livekit_protocol as proto;
use serde_json::{Value, json};
use tutti_store::{Event, Fact, OutboxEvent};

/// `Content-Type` of the protocol's web-hooks.
pub const LIVEKIT_TYPE: &str = "application/webhook+json";
/// `Content-Type` of ours.
pub const TUTTI_TYPE: &str = "application/json";

/// The id of an event, the same at every attempt: receivers know by it what they had before.
pub fn id(event: &OutboxEvent) -> String {
    match event.session.strip_prefix("RM_") {
        Some(session) => format!("EV_{session}_{}", event.sequence),
        None => format!("EV_{}", event.id),
    }
}

/// An event as the protocol's web-hooks have it (`WebhookEvent` in proto3 JSON); `None` for one that the protocol does
/// not know.
///
/// # Errors
/// The row is not what we wrote.
pub fn livekit(event: &OutboxEvent) -> Result<Option<Vec<u8>>, serde_json::Error> {
    if event.session.is_empty() {
        return Ok(None);
    }
    let fact: Fact = serde_json::from_str(&event.body)?;
    // Participants and tracks come with their room, by sid and name.
    let room = || proto::Room { sid: fact.session.clone(), name: fact.room.clone(), ..proto::Room::default() };
    let mut told = proto::WebhookEvent {
        event: fact.event.kind().to_owned(),
        id: id(event),
        created_at: fact.at_ms / 1000,
        ..proto::WebhookEvent::default()
    };
    match fact.event.clone() {
        Event::RoomStarted { room } | Event::RoomFinished { room, .. } => told.room = Some(*room),
        Event::ParticipantJoined { participant, .. }
        | Event::ParticipantLeft { participant, .. }
        | Event::ParticipantConnectionAborted { participant, .. } => {
            told.room = Some(room());
            told.participant = Some(*participant);
        }
        Event::TrackPublished { participant, track } | Event::TrackUnpublished { participant, track } => {
            told.room = Some(room());
            told.participant = Some(*participant);
            told.track = Some(*track);
        }
    }
    serde_json::to_vec(&told).map(Some)
}

/// An event as we tell it ourselves.
///
/// # Errors
/// The row is not what we wrote.
pub fn tutti(event: &OutboxEvent) -> Result<Vec<u8>, serde_json::Error> {
    let body: Value = serde_json::from_str(&event.body)?;
    // Of a fact, only what happened: the rest is said beside it.
    let data = body.get("event").cloned().unwrap_or(body);
    serde_json::to_vec(&json!({
        "id": id(event),
        "type": event.kind,
        "app": event.app,
        "room": event.room,
        "session": event.session,
        "sequence": event.sequence,
        "position": event.id,
        "at_ms": event.at_ms,
        "node": event.node,
        "data": data,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, what: Value) -> OutboxEvent {
        let body = json!({
            "app": "default", "room": "r", "session": "RM_abc", "sequence": 7, "at_ms": 1_760_000_000_999_i64, "node": "ND_1",
            "event": what,
        });
        OutboxEvent {
            id: 42,
            app: "default".into(),
            room: "r".into(),
            session: "RM_abc".into(),
            sequence: 7,
            kind: kind.into(),
            at_ms: 1_760_000_000_999,
            node: "ND_1".into(),
            body: body.to_string(),
        }
    }

    fn read(body: &[u8]) -> Value {
        serde_json::from_slice(body).expect("JSON")
    }

    #[test]
    fn the_protocols_form() {
        let joined = json!({"kind": "participant_joined", "participant": {"sid": "PA_1", "identity": "ann"}});
        let body = livekit(&event("participant_joined", joined)).expect("a fact").expect("known to the protocol");
        let told = read(&body);
        assert_eq!(told["event"], "participant_joined");
        assert_eq!(told["id"], "EV_abc_7");
        assert_eq!(told["createdAt"], "1760000000", "64 bits are a text in proto3 JSON");
        assert_eq!((&told["room"]["sid"], &told["room"]["name"]), (&json!("RM_abc"), &json!("r")));
        assert_eq!(told["participant"]["identity"], "ann");

        let published = json!({
            "kind": "track_published", "participant": {"sid": "PA_1"}, "track": {"sid": "TR_1", "type": "VIDEO"},
        });
        let told = read(&livekit(&event("track_published", published)).expect("a fact").expect("known"));
        assert_eq!((&told["track"]["sid"], &told["track"]["type"]), (&json!("TR_1"), &json!("VIDEO")));

        let finished = json!({"kind": "room_finished", "room": {"sid": "RM_abc", "name": "r"}, "reason": "node_lost"});
        let told = read(&livekit(&event("room_finished", finished)).expect("a fact").expect("known"));
        assert_eq!(told["room"]["sid"], "RM_abc");
        assert!(told.get("participant").is_none());
    }

    #[test]
    fn our_form() {
        let left = json!({"kind": "participant_left", "participant": {"sid": "PA_1"}, "reason": "client_initiated", "stay_ms": 5});
        let told = read(&tutti(&event("participant_left", left)).expect("a fact"));
        assert_eq!(
            (&told["type"], &told["sequence"], &told["position"]),
            (&json!("participant_left"), &json!(7), &json!(42))
        );
        assert_eq!((&told["app"], &told["session"]), (&json!("default"), &json!("RM_abc")));
        assert_eq!((&told["data"]["reason"], &told["data"]["stay_ms"]), (&json!("client_initiated"), &json!(5)));
    }

    #[test]
    fn what_is_of_no_room_is_ours_alone() {
        let row = OutboxEvent {
            session: String::new(),
            sequence: 0,
            body: r#"{"id":"a"}"#.into(),
            ..event("app_created", json!({}))
        };
        assert_eq!(livekit(&row).expect("nothing wrong"), None);
        let told = read(&tutti(&row).expect("JSON"));
        assert_eq!((&told["id"], &told["data"]["id"]), (&json!("EV_42"), &json!("a")));
        assert!(livekit(&OutboxEvent { body: "{".into(), ..event("room_started", json!({})) }).is_err());
    }
}
