//! Who is told that somebody speaks.

use livekit_protocol as proto;
use proto::TrackSource::{Microphone, ScreenShareAudio};
use proto::signal_response::Message;
use tutti_room::{MemberKey, Request};

use crate::stage::{Published, Stage, secs};

/// (sid, level, active) of every entry a member was sent.
fn heard(stage: &mut Stage, key: MemberKey) -> Vec<(String, f32, bool)> {
    let messages = stage.messages(key).into_iter();
    let speakers =
        messages.filter_map(|it| if let Message::SpeakersChanged(it) = it { Some(it.speakers) } else { None });
    speakers.flatten().map(|speaker| (speaker.sid, speaker.level, speaker.active)).collect()
}

fn speak(stage: &mut Stage, key: MemberKey, track: &Published, level: f32, active: bool) {
    stage.handle(key, Request::Speaker { track: track.number, level, active });
}

#[test]
fn subscribers_and_the_speaker_hear_changes() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let deaf = stage.enter_as("deaf", |joiner| joiner.auto_subscribe = false);
    let microphone = stage.publish(ada, Microphone);
    stage.clear();
    let sid = stage.sid(ada);
    let entry = |level, active| vec![(sid.clone(), level, active)];
    for (level, active, expected) in [
        (0.5, true, entry(0.5, true)),
        (0.5, true, vec![]),
        (0.75, true, entry(0.75, true)),
        (7.0, true, entry(1.0, true)),
        (f32::NAN, true, entry(0.0, true)),
        (0.3, false, entry(0.0, false)),
        (0.0, false, vec![]),
    ] {
        speak(&mut stage, ada, &microphone, level, active);
        assert_eq!(heard(&mut stage, bea), expected);
        assert_eq!(heard(&mut stage, ada), expected);
        assert!(heard(&mut stage, deaf).is_empty());
    }
    speak(&mut stage, bea, &microphone, 0.5, true);
    assert!(heard(&mut stage, ada).is_empty(), "not its track");
}

#[test]
fn newcomers_learn_who_speaks_and_leavers_are_silent() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let microphone = stage.publish(ada, Microphone);
    speak(&mut stage, ada, &microphone, 0.5, true);
    let sid = stage.sid(ada);
    let bea = stage.enter("bea");
    assert_eq!(heard(&mut stage, bea), [(sid.clone(), 0.5, true)]);
    let silent = [(sid.clone(), 0.0, false)];
    let unsubscribe =
        proto::UpdateSubscription { track_sids: vec![microphone.sid.clone()], subscribe: false, ..Default::default() };
    stage.handle(bea, Request::Subscription(unsubscribe));
    assert_eq!(heard(&mut stage, bea), silent);

    let cai = stage.enter("cai");
    stage.clear();
    stage.handle(ada, Request::Mute(proto::MuteTrackRequest { sid: microphone.sid.clone(), muted: true }));
    assert_eq!(heard(&mut stage, cai), silent);
    speak(&mut stage, ada, &microphone, 0.5, true);
    assert!(heard(&mut stage, cai).is_empty(), "muted");
    stage.handle(ada, Request::Mute(proto::MuteTrackRequest { sid: microphone.sid.clone(), muted: false }));
    speak(&mut stage, ada, &microphone, 0.5, true);
    stage.clear();
    stage.handle(ada, Request::Unpublish(microphone.number));
    assert_eq!(heard(&mut stage, cai), silent);
    assert_eq!(heard(&mut stage, ada), silent);

    let microphone = stage.publish(ada, Microphone);
    speak(&mut stage, ada, &microphone, 0.5, true);
    stage.clear();
    stage.handle(ada, Request::Leave(proto::DisconnectReason::ClientInitiated));
    assert_eq!(heard(&mut stage, cai), silent);
}

#[test]
fn loudest_track_counts() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let (microphone, screen) = (stage.publish(ada, Microphone), stage.publish(ada, ScreenShareAudio));
    stage.clear();
    speak(&mut stage, ada, &microphone, 0.5, true);
    speak(&mut stage, ada, &screen, 0.25, true);
    let levels = |heard: Vec<(String, f32, bool)>| heard.into_iter().map(|(_, level, _)| level).collect::<Vec<_>>();
    assert_eq!(levels(heard(&mut stage, bea)), [0.5]);
    speak(&mut stage, ada, &microphone, 0.0, false);
    assert_eq!(levels(heard(&mut stage, bea)), [0.25]);
    speak(&mut stage, ada, &screen, 0.0, false);
    assert_eq!(levels(heard(&mut stage, bea)), [0.0]);
}

#[test]
fn pretended_speech() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.clear();
    let sid = stage.sid(ada);
    stage.handle(ada, Request::SimulateSpeaker { seconds: 3 });
    for member in [ada, bea] {
        assert_eq!(heard(&mut stage, member), [(sid.clone(), 0.9, true)]);
    }
    stage.advance(secs(3));
    for member in [ada, bea] {
        assert_eq!(heard(&mut stage, member), [(sid.clone(), 0.0, false)]);
    }
    stage.handle(ada, Request::SimulateSpeaker { seconds: 1_000_000 });
    stage.clear();
    stage.advance(secs(60));
    assert_eq!(heard(&mut stage, bea).len(), 1, "never longer than a minute");
}
