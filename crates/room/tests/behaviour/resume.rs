//! Losing the socket and coming back.

use livekit_protocol as proto;
use proto::TrackSource::{Camera, Microphone};
use proto::participant_info::State;
use proto::signal_response::Message;
use tutti_room::{AdminRequest, Notice, Request, Target};

use crate::stage::{Stage, secs};

fn kind(message: &Message) -> &'static str {
    match message {
        Message::Update(_) => "update",
        Message::RoomUpdate(_) => "room",
        Message::SpeakersChanged(_) => "speakers",
        Message::ConnectionQuality(_) => "quality",
        Message::SubscribedQualityUpdate(_) => "demand",
        Message::Mute(_) => "mute",
        Message::TrackUnpublished(_) => "unpublished",
        Message::DataTrackSubscriberHandles(_) => "handles",
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_is_told_in_order() {
    let mut stage = Stage::new();
    let [ada, bea, cai, dan] = ["ada", "bea", "cai", "dan"].map(|identity| stage.enter(identity));
    let (camera, microphone) = (stage.publish(ada, Camera), stage.publish(bea, Microphone));
    stage.advance(secs(10));
    stage.handle(ada, Request::Detached);
    stage.clear();
    let (ada_sid, cai_sid) = (stage.sid(ada), stage.sid(cai));
    stage.handle(cai, Request::Leave(proto::DisconnectReason::ClientInitiated));
    stage.handle(dan, Request::Leave(proto::DisconnectReason::ClientInitiated));
    stage.enter("dan");
    stage.handle(bea, Request::Speaker { track: microphone.number, level: 0.5, active: true });
    stage.admin(AdminRequest::MuteTrack { identity: "ada".into(), track_sid: camera.sid, muted: true }).unwrap();
    stage.advance(secs(5));
    assert!(stage.messages(ada).is_empty(), "no socket, no messages");

    stage.handle(ada, Request::Resumed);
    let told = stage.messages(ada);
    let kinds: Vec<_> = told.iter().map(kind).collect();
    assert_eq!(kinds, ["update", "update", "room", "speakers", "quality", "demand", "mute"]);
    let Message::Update(departed) = &told[0] else { panic!() };
    let departed: Vec<_> = departed.participants.iter().map(|info| (info.sid.clone(), info.state())).collect();
    assert_eq!(departed, [(cai_sid, State::Disconnected)], "dan is back");
    let Message::Update(everyone) = &told[1] else { panic!() };
    let mut identities: Vec<_> = everyone.participants.iter().map(|info| info.identity.as_str()).collect();
    identities.sort_unstable();
    assert_eq!(identities, ["ada", "bea", "dan"]);
    let own = everyone.participants.iter().find(|info| info.sid == ada_sid).unwrap();
    assert!(own.tracks[0].muted && own.tracks[0].sid.starts_with("TR_VC"));
    stage.handle(ada, Request::Detached);
    stage.handle(ada, Request::Resumed);
    assert!(
        !stage.messages(ada).iter().any(|message| matches!(message, Message::Mute(_))),
        "what was owed is told once"
    );
}

#[test]
fn who_missed_more_than_was_kept_joins_anew() {
    for (missed, whole) in [(1024, true), (1025, false)] {
        let mut stage = Stage::with(|settings| settings.remote_unmute = true);
        let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
        let camera = stage.publish(ada, Camera);
        stage.handle(ada, Request::Detached);
        for number in 0..missed {
            let track_sid = camera.sid.clone();
            let mute = AdminRequest::MuteTrack { identity: "ada".into(), track_sid, muted: number % 2 == 0 };
            stage.admin(mute).unwrap();
        }
        stage.clear();
        stage.handle(ada, Request::Resumed);
        let told = stage.take(ada);
        let owed = told
            .iter()
            .filter(|notice| matches!(notice, Notice::Send(message) if matches!(**message, Message::Mute(_))));
        let (owed, gone) = (owed.count(), stage.room.member_info(ada).is_none());
        if whole {
            assert_eq!((owed, gone), (1024, false));
            continue;
        }
        assert_eq!((owed, gone), (0, true), "no hole in what it knows");
        let (reason, action) = (proto::DisconnectReason::StateMismatch, proto::leave_request::Action::Reconnect);
        assert!(
            matches!(told.as_slice(), [Notice::Leave { reason: r, action: a }] if *r == reason && *a == action),
            "{told:?}"
        );
        let seen = stage.updates(bea);
        assert_eq!(seen.last().map(|info| info.state()), Some(State::Disconnected));
    }
}

#[test]
fn old_clients_are_not_told_of_departures() {
    let mut stage = Stage::new();
    let ada = stage.enter_as("ada", |joiner| joiner.client.protocol = 8);
    let bea = stage.enter("bea");
    stage.handle(ada, Request::Detached);
    stage.handle(bea, Request::Leave(proto::DisconnectReason::ClientInitiated));
    stage.clear();
    stage.handle(ada, Request::Resumed);
    assert_eq!(stage.messages(ada).iter().map(kind).collect::<Vec<_>>(), ["update", "room"]);
}

#[test]
fn media_goes_on_without_a_socket() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let camera = stage.publish(bea, Camera);
    let before = stage.subscribes(ada).remove(0).subscription;
    stage.handle(ada, Request::Detached);
    let second = stage.publish(bea, Camera);
    stage.handle(bea, Request::Unpublish(camera.number));
    let told = stage.take(ada);
    assert!(
        matches!(told.as_slice(), [Notice::Subscribe(new), Notice::Unsubscribe(old)]
            if new.track == second.number && *old == before),
        "{told:?}"
    );
}

#[test]
fn sync_state_is_verified() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let camera = stage.publish(ada, Camera);
    let request = stage.track_request(Microphone);
    let pending = stage.add_track(ada, request).unwrap();
    let theirs = stage.publish(bea, Camera);
    let microphone = stage.publish(bea, Microphone);
    stage.clear();
    let track = |sid: &str| proto::TrackPublishedResponse {
        cid: String::new(),
        track: Some(proto::TrackInfo { sid: sid.into(), ..Default::default() }),
    };
    let state = proto::SyncState {
        publish_tracks: vec![track(&camera.sid), track(&pending.sid)],
        track_sids_disabled: vec![theirs.sid.clone()],
        subscription: Some(proto::UpdateSubscription {
            track_sids: vec![microphone.sid],
            subscribe: false,
            participant_tracks: vec![],
        }),
        ..Default::default()
    };
    stage.handle(ada, Request::SyncState(Box::new(state)));
    let told = stage.take(ada);
    assert!(
        matches!(told.as_slice(), [Notice::SetTarget(_, Target { paused: true, .. }), Notice::Unsubscribe(_)]),
        "{told:?}"
    );

    let data = proto::PublishDataTrackResponse {
        info: Some(proto::DataTrackInfo { sid: "DTR_none".into(), ..Default::default() }),
    };
    for state in [
        proto::SyncState { publish_tracks: vec![track("TR_none")], ..Default::default() },
        proto::SyncState { publish_tracks: vec![track(&theirs.sid)], ..Default::default() },
        proto::SyncState { publish_tracks: vec![proto::TrackPublishedResponse::default()], ..Default::default() },
        proto::SyncState { publish_data_tracks: vec![data], ..Default::default() },
    ] {
        let cai = stage.enter("cai");
        stage.handle(cai, Request::SyncState(Box::new(state)));
        let told = stage.take(cai);
        assert!(matches!(
            told.last(),
            Some(Notice::Leave {
                reason: proto::DisconnectReason::StateMismatch,
                action: proto::leave_request::Action::Reconnect
            })
        ));
        assert_eq!(stage.room.find("cai"), None);
    }
}
