//! Data tracks: handles on both sides.

use bytes::Bytes;
use livekit_protocol as proto;
use proto::request_response::Reason;
use proto::signal_response::Message;
use tutti_room::{MemberKey, Request};

use crate::stage::Stage;

fn publish(handle: u32, name: &str) -> Request {
    let request = proto::PublishDataTrackRequest { pub_handle: handle, name: name.into(), ..Default::default() };
    Request::PublishDataTrack(request)
}

fn published(stage: &mut Stage, key: MemberKey, handle: u32, name: &str) -> proto::DataTrackInfo {
    stage.handle(key, publish(handle, name));
    let messages = stage.messages(key).into_iter();
    let info =
        messages.filter_map(|it| if let Message::PublishDataTrackResponse(it) = it { it.info } else { None }).next();
    info.unwrap()
}

fn subscribe(sids: &[&str], subscribe: bool) -> Request {
    let update =
        |sid: &&str| proto::update_data_subscription::Update { track_sid: (*sid).to_owned(), subscribe, options: None };
    Request::DataSubscription(proto::UpdateDataSubscription { updates: sids.iter().map(update).collect() })
}

/// The maps a member was sent: handle and track sid, in order.
fn maps(stage: &mut Stage, key: MemberKey) -> Vec<Vec<(u32, String)>> {
    let messages = stage.messages(key).into_iter();
    let maps = messages
        .filter_map(|it| if let Message::DataTrackSubscriberHandles(it) = it { Some(it.sub_handles) } else { None });
    maps.map(|map| {
        let mut map: Vec<_> = map.into_iter().map(|(handle, track)| (handle, track.track_sid)).collect();
        map.sort();
        map
    })
    .collect()
}

fn packet(handle: u16, tail: &[u8]) -> Request {
    let mut bytes = vec![0x18, 0];
    bytes.extend_from_slice(&handle.to_be_bytes());
    bytes.extend_from_slice(&[0, 1, 0, 2, 0, 0, 0, 3]);
    bytes.extend_from_slice(tail);
    Request::DataTrackPacket(Bytes::from(bytes))
}

#[test]
fn published_and_shown() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.clear();
    let info = published(&mut stage, ada, 7, "position");
    assert!(info.sid.starts_with("DTR_") && info.pub_handle == 7);
    assert_eq!(stage.updates(bea).last().map(|it| it.data_tracks.clone()), Some(vec![info.clone()]));
    stage.handle(ada, Request::UnpublishDataTrack(proto::UnpublishDataTrackRequest { pub_handle: 7 }));
    let messages = stage.messages(ada);
    assert!(
        matches!(messages.as_slice(), [Message::UnpublishDataTrackResponse(it)] if it.info.as_ref() == Some(&info))
    );
    assert_eq!(stage.updates(bea).last().map(|it| it.data_tracks.len()), Some(0));
    assert_eq!(stage.room.census().data_tracks, 0);
}

#[test]
fn refusals() {
    let mut stage = Stage::with(|settings| settings.limits.data_tracks = 3);
    let ada = stage.enter("ada");
    let mute = stage.enter_as("mute", |joiner| joiner.permission.can_publish_data = false);
    published(&mut stage, ada, 1, "one");
    let custom =
        proto::DataTrackFrameEncoding { value: Some(proto::data_track_frame_encoding::Value::Custom("x".repeat(33))) };
    let strange = proto::PublishDataTrackRequest {
        pub_handle: 9,
        name: "nine".into(),
        frame_encoding: Some(custom),
        ..Default::default()
    };
    published(&mut stage, ada, 2, "two");
    for (member, request, reason) in [
        (mute, publish(1, "one"), Reason::NotAllowed),
        (ada, publish(0, "x"), Reason::InvalidHandle),
        (ada, publish(65536, "x"), Reason::InvalidHandle),
        (ada, publish(3, ""), Reason::InvalidName),
        (ada, publish(3, &"x".repeat(257)), Reason::InvalidName),
        (ada, publish(1, "x"), Reason::DuplicateHandle),
        (ada, publish(3, "one"), Reason::DuplicateName),
        (ada, Request::PublishDataTrack(strange), Reason::InvalidRequest),
        (ada, Request::UnpublishDataTrack(proto::UnpublishDataTrackRequest { pub_handle: 3 }), Reason::InvalidHandle),
        (
            ada,
            Request::UnpublishDataTrack(proto::UnpublishDataTrackRequest { pub_handle: 70_000 }),
            Reason::InvalidHandle,
        ),
    ] {
        stage.clear();
        stage.handle(member, request.clone());
        let responses = stage.responses(member);
        assert_eq!(responses.iter().map(proto::RequestResponse::reason).collect::<Vec<_>>(), [reason], "{request:?}");
        assert!(responses[0].request.is_some());
    }
    published(&mut stage, ada, 3, "three");
    stage.handle(ada, publish(4, "four"));
    assert_eq!(stage.responses(ada)[0].reason(), Reason::LimitExceeded);
}

#[test]
fn handles_are_per_subscriber_and_told_whole() {
    let mut stage = Stage::new();
    let [ada, bea, cai] = ["ada", "bea", "cai"].map(|identity| stage.enter(identity));
    let dan = stage.enter_as("dan", |joiner| joiner.auto_subscribe_data_track = true);
    let (one, two) = (published(&mut stage, ada, 500, "one").sid, published(&mut stage, cai, 500, "two").sid);
    assert_eq!(maps(&mut stage, dan), [vec![(1, one.clone())], vec![(1, one.clone()), (2, two.clone())]]);
    stage.clear();
    stage.handle(bea, subscribe(&[&two, "DTR_later"], true));
    assert_eq!(maps(&mut stage, bea), [vec![(1, two.clone())]]);
    stage.handle(bea, subscribe(&[&one], true));
    assert_eq!(maps(&mut stage, bea), [vec![(1, two.clone()), (2, one.clone())]]);
    stage.handle(bea, subscribe(&[&one], true));
    assert!(maps(&mut stage, bea).is_empty(), "nothing changed");

    stage.handle(ada, packet(500, b"abc"));
    stage.handle(ada, packet(501, b"unknown handle"));
    stage.handle(ada, Request::DataTrackPacket(Bytes::from_static(&[0; 11])));
    let got: Vec<_> = stage.packets.drain(..).collect();
    let [(to_bea, for_bea), (to_dan, for_dan)] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!((*to_bea, *to_dan), (bea, dan));
    assert_eq!((&for_bea[2..4], &for_dan[2..4]), (&[0, 2][..], &[0, 1][..]));
    assert_eq!((&for_bea[..2], &for_bea[4..]), (&[0x18, 0][..], &for_dan[4..]), "nothing else is touched");
    assert!(for_bea.ends_with(b"abc"));

    // A handle is not given again soon.
    stage.handle(bea, subscribe(&[&one], false));
    stage.handle(bea, subscribe(&[&one], true));
    let seen = maps(&mut stage, bea);
    assert_eq!(seen, [vec![(1, two.clone())], vec![(1, two), (3, one)]]);
    stage.handle(cai, Request::Leave(proto::DisconnectReason::ClientInitiated));
    assert_eq!(maps(&mut stage, bea).last().map(Vec::len), Some(1));
}

#[test]
fn wished_for_before_it_exists_and_without_right() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let deaf = stage.enter_as("deaf", |joiner| {
        joiner.permission.can_subscribe = false;
        joiner.auto_subscribe_data_track = true;
    });
    let info = published(&mut stage, ada, 1, "one");
    assert!(maps(&mut stage, deaf).is_empty());
    stage.handle(bea, subscribe(&[&info.sid], true));
    stage.handle(deaf, subscribe(&[&info.sid], true));
    stage.handle(ada, subscribe(&[&info.sid], true));
    stage.handle(ada, packet(1, b""));
    assert_eq!(stage.packets.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [bea]);
}
