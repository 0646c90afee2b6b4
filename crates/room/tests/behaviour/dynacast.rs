//! What a publisher is told of the layers that anybody wants.

use livekit_protocol as proto;
use proto::TrackSource::{Camera, Microphone};
use proto::VideoQuality;
use proto::signal_response::Message;
use tutti_room::{MemberKey, Request};

use crate::stage::{Stage, millis, secs};

/// The best enabled quality of each message's first codec; -1 = off. Every message must list all three.
fn told(stage: &mut Stage, key: MemberKey) -> Vec<i32> {
    let messages = stage.messages(key).into_iter();
    let updates = messages.filter_map(|it| if let Message::SubscribedQualityUpdate(it) = it { Some(it) } else { None });
    updates
        .map(|update| {
            let codec = &update.subscribed_codecs[0];
            assert_eq!((codec.codec.as_str(), codec.qualities.len()), ("vp8", 3));
            #[expect(deprecated, reason = "older clients use these fields")]
            let old = &update.subscribed_qualities;
            assert_eq!(old, &codec.qualities);
            let best = codec.qualities.iter().filter(|quality| quality.enabled).map(|quality| quality.quality).max();
            let best = best.unwrap_or(-1);
            assert!(codec.qualities.iter().all(|quality| quality.enabled == (quality.quality <= best)));
            best
        })
        .collect()
}

fn show(sid: &str, quality: VideoQuality, disabled: bool) -> Request {
    Request::TrackSettings(proto::UpdateTrackSettings {
        track_sids: vec![sid.to_owned()],
        disabled,
        quality: quality as i32,
        ..Default::default()
    })
}

#[test]
fn up_at_once_down_after_five_seconds() {
    use VideoQuality::{High, Low, Medium};
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let camera = stage.publish(ada, Camera);
    assert!(told(&mut stage, ada).is_empty());
    stage.advance(secs(5));
    assert_eq!(told(&mut stage, ada), [-1], "nobody is there");
    let bea = stage.enter_as("bea", |joiner| joiner.adaptive_stream = true);
    assert_eq!(told(&mut stage, ada), [0]);
    stage.handle(bea, show(&camera.sid, High, false));
    assert_eq!(told(&mut stage, ada), [2]);
    stage.handle(bea, show(&camera.sid, Medium, false));
    stage.advance(millis(4999));
    assert!(told(&mut stage, ada).is_empty());
    stage.advance(millis(1));
    assert_eq!(told(&mut stage, ada), [1]);
    // The best of all counts, hidden ones too.
    let spy = stage.enter_as("spy", |joiner| joiner.permission.hidden = true);
    assert_eq!(told(&mut stage, ada), [2]);
    stage.handle(spy, show(&camera.sid, Low, false));
    stage.advance(secs(3));
    stage.handle(bea, show(&camera.sid, High, false));
    stage.advance(secs(60));
    assert!(told(&mut stage, ada).is_empty(), "it came back in time");
    stage.handle(bea, show(&camera.sid, High, true));
    stage.advance(secs(5));
    assert_eq!(told(&mut stage, ada), [0]);
    stage.handle(spy, Request::Leave(proto::DisconnectReason::ClientInitiated));
    stage.handle(bea, Request::Leave(proto::DisconnectReason::ClientInitiated));
    stage.advance(secs(5));
    assert_eq!(told(&mut stage, ada), [-1]);
}

#[test]
fn audio_is_not_layered() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    stage.publish(ada, Microphone);
    stage.enter("bea");
    stage.advance(secs(30));
    assert!(told(&mut stage, ada).is_empty());
}

#[test]
fn resumed_publishers_are_told_again() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    stage.publish(ada, Camera);
    let bea = stage.enter_as("bea", |joiner| joiner.adaptive_stream = true);
    stage.advance(secs(10));
    assert_eq!(told(&mut stage, ada), [0]);
    stage.handle(ada, Request::Detached);
    stage.handle(bea, Request::Leave(proto::DisconnectReason::ClientInitiated));
    stage.advance(secs(10));
    assert!(told(&mut stage, ada).is_empty());
    stage.handle(ada, Request::Resumed);
    assert_eq!(told(&mut stage, ada), [-1]);
}
