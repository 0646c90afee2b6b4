//! Who gets which track, and how much of it.

use livekit_protocol as proto;
use proto::TrackSource::{Camera, Microphone};
use proto::signal_response::Message;
use proto::{SubscriptionError, VideoQuality};
use tutti_room::{AdminRequest, MemberKey, Notice, Request, SubscriptionNumber, Target};

use crate::stage::{Published, Stage, secs};

fn want(sids: &[&str], subscribe: bool) -> Request {
    let track_sids = sids.iter().map(|sid| (*sid).to_owned()).collect();
    Request::Subscription(proto::UpdateSubscription { track_sids, subscribe, ..Default::default() })
}

fn show(sid: &str, change: impl FnOnce(&mut proto::UpdateTrackSettings)) -> Request {
    let mut settings = proto::UpdateTrackSettings { track_sids: vec![sid.to_owned()], ..Default::default() };
    change(&mut settings);
    Request::TrackSettings(settings)
}

fn target(spatial: u8) -> Target {
    Target { paused: false, spatial, temporal: 7 }
}

fn targets(stage: &mut Stage, key: MemberKey) -> Vec<Target> {
    let notices = stage.take(key).into_iter();
    notices.filter_map(|notice| if let Notice::SetTarget(_, target) = notice { Some(target) } else { None }).collect()
}

fn ended(stage: &mut Stage, key: MemberKey) -> Vec<SubscriptionNumber> {
    let notices = stage.take(key).into_iter();
    notices.filter_map(|notice| if let Notice::Unsubscribe(number) = notice { Some(number) } else { None }).collect()
}

/// A publisher with a camera, and a viewer that starts as told.
fn pair(change: impl FnOnce(&mut tutti_room::Joiner)) -> (Stage, MemberKey, MemberKey, Published) {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let camera = stage.publish(ada, Camera);
    let bea = stage.enter_as("bea", change);
    (stage, ada, bea, camera)
}

#[test]
fn existing_tracks_come_with_the_join() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let camera = stage.publish(ada, Camera);
    let microphone = stage.publish(ada, Microphone);
    let bea = stage.join("bea");
    let given: Vec<_> = stage.subscribes(bea);
    assert_eq!(given.iter().map(|it| it.track).collect::<Vec<_>>(), [camera.number, microphone.number]);
    assert!(given.iter().all(|it| it.publisher == ada && it.publisher_sid == stage.sid(ada) && !it.sync_stream));
    // What is published before it is active comes when it is.
    let late = stage.publish(ada, Camera);
    assert!(stage.subscribes(bea).is_empty());
    stage.handle(bea, Request::Active);
    assert_eq!(stage.subscribes(bea).iter().map(|it| it.track).collect::<Vec<_>>(), [late.number]);
    // An old client gets everything when it is active.
    let old = stage.join_as("old", |joiner| joiner.client.protocol = 7);
    assert!(stage.subscribes(old).is_empty());
    stage.handle(old, Request::Active);
    assert_eq!(stage.subscribes(old).len(), 3);
}

#[test]
fn nothing_by_itself_without_auto_subscribe() {
    let (mut stage, ada, bea, camera) = pair(|joiner| joiner.auto_subscribe = false);
    assert!(stage.subscribes(bea).is_empty());
    let microphone = stage.publish(ada, Microphone);
    assert!(stage.subscribes(bea).is_empty());
    let by_participant = proto::ParticipantTracks { track_sids: vec![microphone.sid.clone()], ..Default::default() };
    let update = proto::UpdateSubscription {
        track_sids: vec![camera.sid.clone()],
        subscribe: true,
        participant_tracks: vec![by_participant],
    };
    stage.handle(bea, Request::Subscription(update));
    assert_eq!(stage.subscribes(bea).len(), 2);
    stage.handle(bea, want(&[&camera.sid], true));
    assert!(stage.subscribes(bea).is_empty(), "it has it");
    stage.handle(bea, want(&[&camera.sid], false));
    assert_eq!(ended(&mut stage, bea).len(), 1);
}

#[test]
fn declined_tracks_stay_declined() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let camera = stage.publish(ada, Camera);
    let bea = stage.join("bea");
    stage.handle(bea, want(&[&camera.sid], false));
    stage.clear();
    stage.handle(bea, Request::Active);
    assert!(stage.subscribes(bea).is_empty());
    stage.handle(bea, want(&[&camera.sid], true));
    assert_eq!(stage.subscribes(bea).len(), 1);
}

#[test]
fn wished_for_before_it_exists() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let bea = stage.enter_as("bea", |joiner| joiner.auto_subscribe = false);
    let request = stage.track_request(Camera);
    let track = stage.add_track(ada, request).unwrap();
    stage.handle(bea, want(&[&track.sid, "TR_never"], true));
    stage.handle(bea, show(&track.sid, |it| it.quality = VideoQuality::Low as i32));
    assert!(stage.subscribes(bea).is_empty(), "not negotiated yet");
    stage.negotiate(ada, track.number, "0", "video/VP8");
    assert_eq!(stage.subscribes(bea).iter().map(|it| it.target).collect::<Vec<_>>(), [target(0)]);
    stage.advance(secs(59));
    assert!(stage.messages(bea).iter().all(|message| !matches!(message, Message::SubscriptionResponse(_))));
    stage.advance(secs(1));
    let failures: Vec<_> = stage
        .messages(bea)
        .into_iter()
        .filter_map(|message| {
            if let Message::SubscriptionResponse(it) = message { Some((it.track_sid.clone(), it.err())) } else { None }
        })
        .collect();
    assert_eq!(failures, [("TR_never".to_owned(), SubscriptionError::SeTrackNotfound)]);
}

#[test]
fn wishes_are_limited() {
    let mut stage = Stage::with(|settings| settings.limits.wishes = 3);
    let (ada, bea) = (stage.enter("ada"), stage.enter_as("bea", |joiner| joiner.auto_subscribe = false));
    stage.handle(bea, want(&["TR_1", "TR_2", "TR_3", "TR_4", &"x".repeat(1000)], true));
    let camera = stage.publish(ada, Camera);
    stage.handle(bea, want(&[&camera.sid], true));
    assert!(stage.subscribes(bea).is_empty());
    stage.advance(secs(60));
    assert_eq!(stage.messages(bea).iter().filter(|it| matches!(it, Message::SubscriptionResponse(_))).count(), 3);
    stage.handle(bea, want(&[&camera.sid], true));
    assert_eq!(stage.subscribes(bea).len(), 1);
}

#[test]
fn start_and_settings() {
    let (mut stage, _, bea, camera) = pair(|_| {});
    assert_eq!(stage.subscribes(bea)[0].target, target(2));
    let high_fps = |fps| Target { paused: false, spatial: 2, temporal: fps };
    type Change = fn(&mut proto::UpdateTrackSettings);
    let steps: [(Change, Option<Target>); 8] = [
        (|it| it.quality = 0, Some(target(0))),
        (|it| (it.width, it.height) = (600, 300), Some(target(1))),
        (|it| (it.width, it.height, it.quality) = (600, 300, 2), None),
        (|it| (it.width, it.height) = (360, 700), Some(target(1))),
        (|it| it.disabled = true, Some(Target { paused: true, spatial: 0, temporal: 7 })),
        (|it| (it.quality, it.fps) = (2, 15), Some(high_fps(1))),
        (|it| (it.quality, it.fps) = (2, 5), Some(high_fps(0))),
        (|it| it.quality = 2, Some(high_fps(7))),
    ];
    for (number, (change, expected)) in steps.into_iter().enumerate() {
        stage.handle(bea, show(&camera.sid, change));
        let expected: Vec<_> = expected.into_iter().filter(|_| number != 3).collect();
        assert_eq!(targets(&mut stage, bea), expected, "step {number}");
    }
}

#[test]
fn adaptive_clients_start_low_and_are_never_left_dark() {
    let (mut stage, _, bea, camera) = pair(|joiner| joiner.adaptive_stream = true);
    assert_eq!(stage.subscribes(bea)[0].target, target(0));
    stage.handle(bea, show(&camera.sid, |it| it.disabled = true));
    stage.handle(bea, want(&[&camera.sid], false));
    stage.clear();
    stage.handle(bea, want(&[&camera.sid], true));
    assert!(!stage.subscribes(bea)[0].target.paused);

    let (mut stage, _, cai, camera) = pair(|_| {});
    stage.handle(cai, show(&camera.sid, |it| it.disabled = true));
    stage.handle(cai, want(&[&camera.sid], false));
    stage.clear();
    stage.handle(cai, want(&[&camera.sid], true));
    assert!(stage.subscribes(cai)[0].target.paused, "others said so themselves");
    let tape = stage.enter_as("tape", |joiner| {
        joiner.adaptive_stream = true;
        joiner.kind = proto::participant_info::Kind::Egress;
    });
    assert_eq!(stage.subscribes(tape)[0].target, target(2), "recorders get the best");
}

#[test]
fn publisher_hears_of_its_first_subscriber_once() {
    let (mut stage, ada, bea, camera) = pair(|joiner| joiner.permission.hidden = true);
    let cai = stage.enter("cai");
    let dan = stage.enter("dan");
    let numbers = [bea, cai, dan].map(|key| stage.subscribes(key)[0].subscription);
    stage.clear();
    let heard = |stage: &mut Stage| -> Vec<String> {
        let messages = stage.messages(ada).into_iter();
        messages
            .filter_map(|it| if let Message::TrackSubscribed(it) = it { Some(it.track_sid) } else { None })
            .collect()
    };
    stage.handle(bea, Request::Subscribed(numbers[0]));
    assert!(heard(&mut stage).is_empty(), "hidden");
    stage.handle(dan, Request::Subscribed(numbers[1]));
    assert!(heard(&mut stage).is_empty(), "not its subscription");
    stage.handle(cai, Request::Subscribed(numbers[1]));
    assert_eq!(heard(&mut stage), [camera.sid]);
    stage.handle(dan, Request::Subscribed(numbers[2]));
    assert!(heard(&mut stage).is_empty());
}

#[test]
fn without_a_common_codec() {
    let (mut stage, _, bea, camera) = pair(|_| {});
    let number = stage.subscribes(bea)[0].subscription;
    stage.handle(bea, Request::SubscriptionFailed(number, SubscriptionError::SeCodecUnsupported));
    let told = stage.take(bea);
    assert!(matches!(&told[0], Notice::Unsubscribe(gone) if *gone == number));
    assert!(matches!(&told[1], Notice::Send(message) if matches!(message.as_ref(), Message::SubscriptionResponse(it)
        if it.track_sid == camera.sid && it.err() == SubscriptionError::SeCodecUnsupported)));
    stage.handle(bea, Request::Active);
    assert!(stage.subscribes(bea).is_empty(), "not tried again by itself");
    stage.handle(bea, want(&[&camera.sid], true));
    assert_eq!(stage.subscribes(bea).len(), 1, "but when asked for");
}

/// A track in VP9 with VP8 on demand.
fn publish_with_backup(stage: &mut Stage, key: MemberKey) -> (Published, proto::AddTrackRequest) {
    let mut request = stage.track_request(Camera);
    request.simulcast_codecs[0].codec = "vp9".into();
    request.simulcast_codecs.push(proto::SimulcastCodec { codec: "vp8".into(), ..Default::default() });
    let camera = stage.add_track(key, request.clone()).unwrap();
    stage.negotiate(key, camera.number, "0", "video/VP9");
    (camera, request)
}

/// The codecs of the last demand, with how many qualities of each are wanted.
fn demand(stage: &mut Stage, key: MemberKey) -> Option<Vec<(String, usize)>> {
    let messages = stage.messages(key).into_iter();
    let mut updates = messages.filter_map(|message| match message {
        Message::SubscribedQualityUpdate(update) => Some(update.subscribed_codecs),
        _ => None,
    });
    let enabled = |codec: &proto::SubscribedCodec| {
        (codec.codec.clone(), codec.qualities.iter().filter(|quality| quality.enabled).count())
    };
    updates.next_back().map(|codecs| codecs.iter().map(enabled).collect())
}

#[test]
fn backup_codec_is_asked_for_and_offered() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let (camera, request) = publish_with_backup(&mut stage, ada);
    let (bea, cai) = (stage.enter("bea"), stage.enter("cai"));
    let number = stage.subscribes(bea)[0].subscription;
    stage.clear();
    stage.handle(bea, Request::SubscriptionFailed(number, SubscriptionError::SeCodecUnsupported));
    assert_eq!(demand(&mut stage, ada), Some(vec![("vp9".to_owned(), 3), ("vp8".to_owned(), 3)]));
    assert!(stage.take(bea).iter().all(|notice| !matches!(notice, Notice::Send(_))), "no failure is reported");

    let codec = proto::SimulcastCodec { codec: "vp8".into(), cid: "backup".into(), ..Default::default() };
    let backup = proto::AddTrackRequest {
        sid: camera.sid.clone(),
        cid: "backup".into(),
        simulcast_codecs: vec![codec],
        ..request
    };
    let accepted = stage.add_track(ada, backup).unwrap();
    assert_eq!((accepted.number, accepted.sid), (camera.number, camera.sid));
    stage.negotiate(ada, camera.number, "1", "video/VP8");
    let given = stage.subscribes(bea);
    let codecs: Vec<_> =
        given[0].info.codecs.iter().map(|codec| (codec.mime_type.as_str(), codec.mid.as_str())).collect();
    assert_eq!(codecs, [("video/VP9", "0"), ("video/VP8", "1")]);
    assert!(stage.subscribes(cai).is_empty());
    assert_eq!(stage.info(ada).tracks.len(), 1);
    assert_eq!(stage.info(ada).tracks[0].mid, "0");
}

#[test]
fn a_backup_codec_that_is_there_is_given_at_once_and_is_the_last_resort() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let (camera, request) = publish_with_backup(&mut stage, ada);
    let (bea, cai) = (stage.enter("bea"), stage.enter("cai"));
    let first = [bea, cai].map(|key| stage.subscribes(key)[0].subscription);
    stage.handle(bea, Request::SubscriptionFailed(first[0], SubscriptionError::SeCodecUnsupported));
    let codec = proto::SimulcastCodec { codec: "vp8".into(), cid: "backup".into(), ..Default::default() };
    let sid = camera.sid.clone();
    let backup = proto::AddTrackRequest { sid, cid: "backup".into(), simulcast_codecs: vec![codec], ..request };
    stage.add_track(ada, backup).unwrap();
    stage.negotiate(ada, camera.number, "1", "video/VP8");
    stage.clear();

    stage.handle(cai, Request::SubscriptionFailed(first[1], SubscriptionError::SeCodecUnsupported));
    let told = stage.take(cai);
    let [Notice::Unsubscribe(_), Notice::Subscribe(given), ..] = told.as_slice() else { panic!("{told:?}") };
    let second = given.subscription;
    stage.handle(cai, Request::SubscriptionFailed(second, SubscriptionError::SeCodecUnsupported));
    let told = stage.take(cai);
    assert!(
        matches!(told.as_slice(), [Notice::Unsubscribe(_), Notice::Send(message)]
            if matches!(message.as_ref(), Message::SubscriptionResponse(it) if it.track_sid == camera.sid)),
        "there is no third codec: {told:?}"
    );
}

#[test]
fn backup_codec_ends_with_those_who_need_it() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    publish_with_backup(&mut stage, ada);
    let [bea, cai, dan] = ["bea", "cai", "dan"].map(|identity| stage.enter(identity));
    for key in [bea, cai] {
        let number = stage.subscribes(key)[0].subscription;
        stage.handle(key, Request::SubscriptionFailed(number, SubscriptionError::SeCodecUnsupported));
    }
    stage.clear();
    stage.handle(bea, Request::Leave(proto::DisconnectReason::ClientInitiated));
    stage.advance(secs(10));
    assert_eq!(demand(&mut stage, ada), None);
    stage.handle(cai, Request::Leave(proto::DisconnectReason::ClientInitiated));
    stage.advance(secs(5));
    assert_eq!(demand(&mut stage, ada), Some(vec![("vp9".to_owned(), 3), ("vp8".to_owned(), 0)]));
    assert_eq!(stage.subscribes(dan).len(), 0);
}

#[test]
fn by_the_server_api() {
    let (mut stage, _, bea, camera) = pair(|_| {});
    stage.clear();
    let update = |subscribe| proto::UpdateSubscriptionsRequest {
        identity: "bea".into(),
        track_sids: vec![camera.sid.clone()],
        subscribe,
        ..Default::default()
    };
    stage.admin(AdminRequest::UpdateSubscriptions(update(false))).unwrap();
    assert_eq!(ended(&mut stage, bea).len(), 1);
    stage.admin(AdminRequest::UpdateSubscriptions(update(true))).unwrap();
    assert_eq!(stage.subscribes(bea).len(), 1);
}

#[test]
fn stream_groups_are_passed_where_the_room_says_so() {
    let mut stage = Stage::with(|settings| settings.sync_streams = true);
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.publish(ada, Camera);
    let given = stage.subscribes(bea);
    assert!(given[0].sync_stream && given[0].info.stream == "camera");
}
