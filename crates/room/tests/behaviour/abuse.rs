//! Members that mean harm: what they do to everyone else in the room is bounded and counted, and others do not wait.

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use proto::TrackSource;
use proto::signal_response::Message;
use tutti_room::{Delivery, JoinError, MemberKey, Notice, Request};

use crate::stage::{Stage, joiner, millis, secs};

fn attribute(value: &str) -> Request {
    Request::UpdateMetadata(proto::UpdateParticipantMetadata {
        attributes: [("mood".to_owned(), value.to_owned())].into(),
        ..Default::default()
    })
}

fn mood(info: &proto::ParticipantInfo) -> Option<&str> {
    info.attributes.get("mood").map(String::as_str)
}

fn entered(stage: &mut Stage, identity: &str, metadata: &str) -> MemberKey {
    let key = stage.enter_as(identity, |joiner| {
        joiner.permission.can_update_metadata = true;
        joiner.metadata = metadata.to_owned();
    });
    stage.advance(secs(60));
    stage.clear();
    key
}

#[test]
fn changes_in_a_storm_are_told_as_few() {
    let mut stage = Stage::new();
    let hostile = entered(&mut stage, "hostile", "");
    let honest = entered(&mut stage, "honest", "");
    let witness = entered(&mut stage, "witness", "");
    for round in 0..2000 {
        stage.handle(hostile, attribute(&round.to_string()));
    }
    assert_eq!(stage.updates(witness).len(), 400, "the burst");
    assert_eq!(stage.room.over_limit().updates, 1600);
    // Somebody else's change is told at once.
    stage.handle(honest, attribute("calm"));
    let told = stage.updates(witness);
    assert_eq!(told.iter().map(mood).collect::<Vec<_>>(), [Some("calm")]);
    // What was put off comes as one, and tells how it is now. The one who did it hears of it as well.
    stage.clear();
    stage.advance(secs(1));
    for who in [witness, hostile] {
        let told = stage.updates(who);
        assert_eq!(told.iter().map(mood).collect::<Vec<_>>(), [Some("1999")]);
    }
    // On and on: ten a second.
    for round in 0..400 {
        stage.handle(hostile, attribute(&round.to_string()));
        stage.advance(millis(10));
    }
    assert!((35..=50).contains(&stage.updates(witness).len()));
    stage.advance(secs(1));
    assert_eq!(stage.info(hostile).attributes.get("mood").map(String::as_str), Some("399"));
}

#[test]
fn large_announcements_count_as_many() {
    let mut stage = Stage::new();
    let hostile = entered(&mut stage, "hostile", &"x".repeat(400 * 1024));
    let witness = entered(&mut stage, "witness", "");
    for round in 0..1000 {
        stage.handle(hostile, attribute(&round.to_string()));
        stage.advance(millis(10));
    }
    let told = stage.updates(witness);
    let bytes: usize = told.iter().map(prost::Message::encoded_len).sum();
    assert!(bytes <= (400 + 10 * 10 + 101) * 4096, "{bytes} bytes in ten seconds");
    stage.advance(secs(30));
    assert_eq!(stage.updates(witness).last().and_then(mood), Some("999"));
}

/// A client drops media of a track that it was not told of.
#[test]
fn a_track_whose_announcement_is_put_off_is_given_after_it() {
    let mut stage = Stage::new();
    let hostile = entered(&mut stage, "hostile", "");
    let witness = entered(&mut stage, "witness", "");
    for round in 0..400 {
        stage.handle(hostile, attribute(&round.to_string()));
    }
    stage.clear();
    let track = stage.publish(hostile, TrackSource::Microphone);
    // Asking for it by name makes no difference.
    let wish = proto::UpdateSubscription { track_sids: vec![track.sid.clone()], subscribe: true, ..Default::default() };
    stage.handle(witness, Request::Subscription(wish));
    assert!(!stage.take(witness).iter().any(|notice| matches!(notice, Notice::Subscribe(_))));
    stage.advance(secs(1));
    let told = stage.take(witness);
    let named = told.iter().position(|notice| match notice {
        Notice::Send(message) => matches!(&**message, Message::Update(update)
            if update.participants.iter().flat_map(|info| &info.tracks).any(|info| info.sid == track.sid)),
        _ => false,
    });
    let given =
        told.iter().position(|notice| matches!(notice, Notice::Subscribe(given) if given.info.sid == track.sid));
    assert!(named.is_some() && named < given, "{told:?}");
}

#[test]
fn nothing_put_off_outlives_its_member() {
    let mut stage = Stage::new();
    let hostile = entered(&mut stage, "hostile", "");
    let witness = entered(&mut stage, "witness", "");
    for round in 0..500 {
        stage.handle(hostile, attribute(&round.to_string()));
    }
    stage.handle(hostile, Request::Leave(proto::DisconnectReason::ClientInitiated));
    stage.clear();
    stage.advance(secs(10));
    let told = stage.updates(witness);
    assert!(told.iter().all(|info| info.state() == proto::participant_info::State::Disconnected), "{told:?}");
}

#[test]
fn data_for_everybody_has_a_rate() {
    let mut stage = Stage::new();
    let [hostile, honest, _witness] = ["hostile", "honest", "witness"].map(|who| entered(&mut stage, who, ""));
    let user = proto::UserPacket { payload: vec![7; 60_000], ..Default::default() };
    let packet =
        proto::DataPacket { value: Some(proto::data_packet::Value::User(user)), ..Default::default() }.encode_to_vec();
    let send = |stage: &mut Stage, from| {
        let payload = Bytes::from(packet.clone());
        stage.handle(from, Request::Data { delivery: Delivery::Lossy, payload });
        std::mem::take(&mut stage.data).len()
    };
    // 51 datagrams to each of two others.
    let burst: usize = (0..12_000).map(|_| send(&mut stage, hostile)).sum();
    assert_eq!(burst, 1_000_000 / 102);
    assert_eq!(stage.room.over_limit().data, 12_000 - burst as u64);
    assert_eq!(send(&mut stage, honest), 1);
    // A second later there is room for 50,000 more datagrams, and leaving and coming back gives no more than that.
    let hostile = stage.enter("hostile");
    stage.advance(secs(1));
    let later: usize = (0..1000).map(|_| send(&mut stage, hostile)).sum();
    assert_eq!(later, (1_000_000 % 102 + 50_000) / 102);
}

#[test]
fn an_identity_comes_so_often_and_no_more() {
    let mut stage = Stage::new();
    let witness = stage.enter("witness");
    for _ in 0..20 {
        stage.enter("hostile");
    }
    assert_eq!(stage.try_join(joiner("hostile")), Err(JoinError::TooOften));
    assert_eq!(stage.try_join(joiner("hostile")), Err(JoinError::TooOften));
    assert_eq!(stage.room.over_limit().joins, 2);
    assert!(stage.room.find("hostile").is_some(), "the session that it has goes on");
    stage.enter("honest");
    stage.advance(secs(1));
    stage.enter("hostile");
    assert_eq!(stage.try_join(joiner("hostile")), Err(JoinError::TooOften));
    assert!(stage.room.member_info(witness).is_some());
}

#[test]
fn what_is_refused_for_a_limit_is_counted() {
    let mut stage = Stage::new();
    let hostile = stage.enter("hostile");
    let track = |cid: u32| Request::AddTrack(proto::AddTrackRequest { cid: cid.to_string(), ..Default::default() });
    for cid in 0..1000 {
        stage.handle(hostile, track(cid));
    }
    assert_eq!(stage.room.over_limit().requests, 980, "twenty may wait");
    assert_eq!(stage.room.census().tracks, 20);
    let sids = (0..30_000).map(|sid| format!("TR_{sid}")).collect();
    let wish = proto::UpdateSubscription { track_sids: sids, subscribe: true, ..Default::default() };
    stage.handle(hostile, Request::Subscription(wish));
    assert_eq!(stage.room.over_limit().requests, 980 + 10_000);
}
