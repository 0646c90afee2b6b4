//! Rights and texts of members, changed by the server API.

use livekit_protocol as proto;
use proto::TrackSource::{Camera, Microphone};
use proto::participant_info::State;
use proto::signal_response::Message;
use tutti_room::{AdminError, AdminReply, AdminRequest, BadText, Notice, Request};

use crate::stage::{Stage, secs};

fn rights() -> proto::ParticipantPermission {
    proto::ParticipantPermission {
        can_subscribe: true,
        can_publish: true,
        can_publish_data: true,
        ..Default::default()
    }
}

fn set(identity: &str, permission: proto::ParticipantPermission) -> AdminRequest {
    AdminRequest::UpdateParticipant(Box::new(proto::UpdateParticipantRequest {
        identity: identity.into(),
        permission: Some(permission),
        ..Default::default()
    }))
}

#[test]
fn names_and_attribute_keys_hold_no_control_characters() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let before = stage.info(ada);
    let rename = |name: &str, key: &str| proto::UpdateParticipantRequest {
        identity: "ada".into(),
        name: name.into(),
        attributes: [(key.to_owned(), "1".to_owned())].into(),
        permission: Some(proto::ParticipantPermission::default()),
        ..Default::default()
    };
    for (request, what) in [(rename("a\nb", "k"), "name"), (rename("b", "k\u{1b}[31m"), "attribute key")] {
        let refused = stage.admin(AdminRequest::UpdateParticipant(Box::new(request)));
        assert_eq!(refused.err(), Some(AdminError::Text(BadText::ControlCharacter { what })));
        assert_eq!(stage.info(ada), before, "nothing changes by half");
    }
}

#[test]
fn texts() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.clear();
    let request = proto::UpdateParticipantRequest {
        identity: "ada".into(),
        name: "Ada".into(),
        attributes: [("a".to_owned(), "1".to_owned())].into(),
        ..Default::default()
    };
    let Ok(AdminReply::Participant(info)) = stage.admin(AdminRequest::UpdateParticipant(Box::new(request))) else {
        panic!()
    };
    assert_eq!(info.name, "Ada");
    let told = stage.take(ada);
    assert!(
        matches!(told.as_slice(), [Notice::Send(_), Notice::IdentityChanged(changed)] if changed == &info),
        "{told:?}"
    );
    assert_eq!(stage.updates(bea), [*info]);
    let long = proto::UpdateParticipantRequest { identity: "ada".into(), name: "x".repeat(257), ..Default::default() };
    assert!(matches!(stage.admin(AdminRequest::UpdateParticipant(Box::new(long))), Err(AdminError::Text(_))));
    assert!(matches!(stage.admin(set("nobody", rights())), Err(AdminError::NoSuchMember { .. })));
}

#[test]
fn forbidden_sources_are_taken_away() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let (camera, microphone) = (stage.publish(ada, Camera), stage.publish(ada, Microphone));
    let request = stage.track_request(Camera);
    let pending = stage.add_track(ada, request).unwrap();
    stage.clear();
    stage
        .admin(set("ada", proto::ParticipantPermission { can_publish_sources: vec![Microphone as i32], ..rights() }))
        .unwrap();
    let told = stage.take(ada);
    let removed: Vec<_> =
        told.iter().filter_map(|it| if let Notice::TrackRemoved { sid, .. } = it { Some(sid) } else { None }).collect();
    assert_eq!(removed, [&camera.sid, &pending.sid]);
    let unpublished =
        told.iter().filter(|it| matches!(it, Notice::Send(it) if matches!(it.as_ref(), Message::TrackUnpublished(_))));
    assert_eq!(unpublished.count(), 2);
    assert!(matches!(told.last(), Some(Notice::IdentityChanged(_))));
    let last = stage.updates(bea).pop().unwrap();
    assert_eq!(last.tracks.iter().map(|track| track.sid.as_str()).collect::<Vec<_>>(), [microphone.sid.as_str()]);
    assert_eq!(last.permission.unwrap().can_publish_sources, [Microphone as i32]);
    assert_eq!((stage.room.census().tracks, stage.room.census().subscriptions), (1, 1));
}

#[test]
fn new_rights_alone_are_no_departure() {
    let mut stage = Stage::new();
    let (_ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.clear();
    stage.admin(set("ada", proto::ParticipantPermission { can_subscribe: false, ..rights() })).unwrap();
    let seen: Vec<_> = stage.updates(bea).iter().map(|info| info.state()).collect();
    assert_eq!(seen, [State::Active]);
}

#[test]
fn everyone_hears_at_once_that_a_recording_begins() {
    let mut stage = Stage::new();
    let (_ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.advance(secs(10));
    stage.clear();
    let recording = |stage: &mut Stage| {
        let messages = stage.messages(bea).into_iter();
        let rooms = messages.filter_map(|it| if let Message::RoomUpdate(it) = it { it.room } else { None });
        rooms.map(|room| room.active_recording).collect::<Vec<_>>()
    };
    stage.admin(set("ada", proto::ParticipantPermission { can_subscribe: false, ..rights() })).unwrap();
    assert_eq!(recording(&mut stage), [] as [bool; 0], "nothing new about the room");
    #[expect(deprecated, reason = "tokens still state it")]
    stage.admin(set("ada", proto::ParticipantPermission { recorder: true, ..rights() })).unwrap();
    assert_eq!(recording(&mut stage), [true]);
}

#[test]
fn without_and_with_the_right_to_subscribe() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.publish(ada, Camera);
    stage.clear();
    stage.admin(set("bea", proto::ParticipantPermission { can_subscribe: false, ..rights() })).unwrap();
    assert!(stage.take(bea).iter().any(|notice| matches!(notice, Notice::Unsubscribe(_))));
    stage.publish(ada, Microphone);
    assert!(stage.subscribes(bea).is_empty());
    stage.admin(set("bea", rights())).unwrap();
    assert_eq!(stage.subscribes(bea).len(), 2);
}

#[test]
fn without_the_right_to_publish_data() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let track = proto::PublishDataTrackRequest { pub_handle: 1, name: "one".into(), ..Default::default() };
    stage.handle(ada, Request::PublishDataTrack(track));
    stage.clear();
    stage.admin(set("ada", proto::ParticipantPermission { can_publish_data: false, ..rights() })).unwrap();
    assert!(stage.messages(ada).iter().any(|it| matches!(it, Message::UnpublishDataTrackResponse(_))));
    assert_eq!(stage.room.census().data_tracks, 0);
}

#[test]
fn hiding_and_showing() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.publish(ada, Camera);
    stage.advance(secs(10));
    stage.clear();
    let version = stage.info(ada).version;
    stage.admin(set("ada", proto::ParticipantPermission { hidden: true, ..rights() })).unwrap();
    let told = stage.take(bea);
    let Some(Notice::Send(message)) = told.first() else { panic!("{told:?}") };
    let Message::Update(update) = message.as_ref() else { panic!("{message:?}") };
    assert_eq!(update.participants[0].state(), State::Disconnected);
    assert!(update.participants[0].version > version);
    assert!(matches!(told.get(1), Some(Notice::Unsubscribe(_))));
    assert_eq!(stage.updates(ada).len(), 1, "it hears of itself");

    stage.admin(set("ada", rights())).unwrap();
    let told = stage.take(bea);
    assert!(matches!(told.first(), Some(Notice::Send(_))), "seen before its track comes");
    assert!(matches!(told.get(1), Some(Notice::Subscribe(_))));
    let Some(Notice::Send(message)) = told.first() else { panic!() };
    let Message::Update(again) = message.as_ref() else { panic!() };
    assert!(again.participants[0].version > update.participants[0].version);
    assert_eq!(again.participants[0].tracks.len(), 1);
}

#[test]
fn hidden_data_tracks_are_nobodys() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let bea = stage.enter_as("bea", |joiner| joiner.auto_subscribe_data_track = true);
    let track = proto::PublishDataTrackRequest { pub_handle: 1, name: "one".into(), ..Default::default() };
    stage.handle(ada, Request::PublishDataTrack(track));
    stage.clear();
    let mut handles = |permission| {
        stage.admin(set("ada", permission)).unwrap();
        let messages = stage.messages(bea).into_iter();
        let maps = messages.filter_map(|it| match it {
            Message::DataTrackSubscriberHandles(it) => Some(it.sub_handles.len()),
            _ => None,
        });
        maps.collect::<Vec<_>>()
    };
    assert_eq!(handles(proto::ParticipantPermission { hidden: true, ..rights() }), [0]);
    assert_eq!(handles(rights()), [1]);
}
