//! Leaving: how soon others hear of it, and that nothing stays behind.

use livekit_protocol as proto;
use proto::DisconnectReason;
use proto::participant_info::State;
use tutti_room::{AdminRequest, Notice, Request, RoomEventKind};

use crate::stage::{Stage, millis, secs};

#[test]
fn publishers_departure_is_seen_at_once() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let camera = stage.publish(ada, proto::TrackSource::Camera);
    let subscription = stage.subscribes(bea).remove(0).subscription;
    stage.clear();
    let sid = stage.sid(ada);
    stage.handle(ada, Request::Leave(DisconnectReason::ClientInitiated));
    assert!(stage.take(ada).is_empty(), "who leaves by itself is told nothing");
    let told = stage.take(bea);
    let Some(Notice::Send(first)) = told.first() else { panic!("{told:?}") };
    let proto::signal_response::Message::Update(update) = first.as_ref() else { panic!("{first:?}") };
    let [info] = update.participants.as_slice() else { panic!("{update:?}") };
    assert_eq!((info.sid.as_str(), info.state()), (sid.as_str(), State::Disconnected));
    assert_eq!(info.disconnect_reason(), DisconnectReason::ClientInitiated);
    assert!(matches!(told.get(1), Some(Notice::Unsubscribe(gone)) if *gone == subscription));
    let kinds: Vec<_> = stage.events.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 2);
    assert!(matches!(&stage.events[0], RoomEventKind::TrackUnpublished { track, .. } if track.sid == camera.sid));
    assert!(matches!(&stage.events[1], RoomEventKind::ParticipantLeft(info) if info.sid == sid));
    assert_eq!(stage.room.find("ada"), None);
    let census = stage.room.census();
    assert_eq!((census.members, census.tracks, census.subscriptions), (1, 0, 0));
}

#[test]
fn departures_of_viewers_are_prompt_but_collected() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let viewers: Vec<_> = (0..100).map(|n| stage.enter(&format!("viewer {n}"))).collect();
    stage.advance(secs(10));
    stage.clear();
    for viewer in viewers {
        stage.handle(viewer, Request::Leave(DisconnectReason::ClientInitiated));
    }
    assert_eq!(stage.updates(ada).len(), 1, "the first is told at once");
    stage.advance(millis(250));
    let rest = stage.updates(ada);
    assert_eq!(rest.len(), 99, "the others at once after that");
    assert!(rest.iter().all(|info| info.state() == State::Disconnected));
    stage.advance(secs(10));
    assert!(stage.updates(ada).is_empty(), "each once");
}

#[test]
fn never_active_is_an_aborted_connection() {
    let mut stage = Stage::new();
    let ada = stage.join("ada");
    stage.handle(ada, Request::Leave(DisconnectReason::SignalClose));
    assert!(matches!(&stage.events[..], [RoomEventKind::ConnectionAborted(info)] if info.identity == "ada"));
}

#[test]
fn not_active_within_a_minute_is_out() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.join("ada"), stage.enter("bea"));
    stage.advance(secs(59));
    assert_eq!(stage.room.member_count(), 2);
    stage.clear();
    stage.advance(secs(1));
    assert!(matches!(
        stage.take(ada).last(),
        Some(Notice::Leave { reason: DisconnectReason::JoinFailure, action: proto::leave_request::Action::Disconnect })
    ));
    let gone: Vec<_> = stage.updates(bea).into_iter().map(|info| info.disconnect_reason()).collect();
    assert_eq!(gone, [DisconnectReason::JoinFailure]);
    stage.advance(secs(120));
    assert_eq!(stage.room.member_count(), 1);
}

#[test]
fn removed_by_the_server_api() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    stage.admin(AdminRequest::Remove { identity: "ada".into() }).unwrap();
    assert!(matches!(stage.take(ada).last(), Some(Notice::Leave { reason: DisconnectReason::ParticipantRemoved, .. })));
    assert_eq!(stage.room.member_count(), 0);
    assert!(stage.admin(AdminRequest::Remove { identity: "ada".into() }).is_err());
    // What the dialogue still has to say is ignored.
    stage.handle(ada, Request::Active);
    stage.handle(ada, Request::Leave(DisconnectReason::ClientInitiated));
    assert_eq!(stage.room.member_count(), 0);
}
