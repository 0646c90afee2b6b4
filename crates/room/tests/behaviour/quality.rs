//! Connection quality: judged every five seconds, told when it changes.

use livekit_protocol as proto;
use proto::ConnectionQuality::{self, Excellent, Lost, Poor};
use proto::TrackSource::{Camera, Microphone};
use proto::signal_response::Message;
use tutti_room::{Leg, MemberKey, Request};

use crate::stage::{Stage, secs};

const GOOD_LEG: Leg = Leg { loss: 0.0, jitter_ms: 5.0, rtt_ms: Some(30.0), bitrate: 3_000_000, layers: 0b111 };
const BAD_LEG: Leg = Leg { loss: 0.3, ..GOOD_LEG };
const NO_LEG: Leg = Leg { layers: 0, bitrate: 0, ..GOOD_LEG };

fn told(stage: &mut Stage, key: MemberKey) -> Vec<(String, ConnectionQuality)> {
    let messages = stage.messages(key).into_iter();
    let updates =
        messages.filter_map(|it| if let Message::ConnectionQuality(it) = it { Some(it.updates) } else { None });
    let updates: Vec<_> = updates.flatten().collect();
    assert!(updates.iter().all(|update| (1.0..=4.5).contains(&update.score)));
    updates.into_iter().map(|update| (update.participant_sid.clone(), update.quality())).collect()
}

#[test]
fn everyone_is_told_of_itself_and_of_whom_it_sees() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let camera = stage.publish(ada, Camera);
    stage.clear();
    let (a, b) = (stage.sid(ada), stage.sid(bea));
    stage.advance(secs(5));
    assert_eq!(told(&mut stage, ada), [(a.clone(), Excellent)]);
    assert_eq!(told(&mut stage, bea), [(a.clone(), Excellent), (b, Excellent)]);
    stage.advance(secs(20));
    assert!(told(&mut stage, bea).is_empty(), "nothing changed");

    for _ in 0..3 {
        stage.handle(ada, Request::Upstream(camera.number, BAD_LEG));
    }
    stage.advance(secs(5));
    assert_eq!(told(&mut stage, ada), [(a.clone(), Poor)]);
    assert_eq!(told(&mut stage, bea), [(a.clone(), Poor)]);
    let cai = stage.enter("cai");
    assert_eq!(told(&mut stage, cai), [(a.clone(), Poor)], "newcomers are told how it stands");

    // Muted tracks do not count, and begin anew.
    stage.handle(ada, Request::Mute(proto::MuteTrackRequest { sid: camera.sid.clone(), muted: true }));
    stage.handle(ada, Request::Upstream(camera.number, NO_LEG));
    stage.advance(secs(5));
    assert_eq!(told(&mut stage, ada), [(a, Excellent)]);
}

#[test]
fn nothing_arriving_is_lost_for_clients_that_know_it() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let old = stage.enter_as("old", |joiner| joiner.client.protocol = 10);
    let older = stage.enter_as("older", |joiner| joiner.client.protocol = 4);
    let microphone = stage.publish(ada, Microphone);
    stage.advance(secs(5));
    stage.clear();
    for _ in 0..3 {
        stage.handle(ada, Request::Upstream(microphone.number, NO_LEG));
    }
    stage.advance(secs(5));
    let sid = stage.sid(ada);
    assert_eq!(told(&mut stage, ada), [(sid.clone(), Lost)]);
    assert_eq!(told(&mut stage, old), [(sid, Poor)]);
    assert!(told(&mut stage, older).is_empty());
}

#[test]
fn what_is_received_counts_too() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.publish(ada, Camera);
    let subscription = stage.subscribes(bea)[0].subscription;
    stage.advance(secs(5));
    stage.clear();
    for _ in 0..3 {
        stage.handle(bea, Request::Downstream(subscription, BAD_LEG));
        stage.handle(ada, Request::Downstream(subscription, BAD_LEG));
    }
    stage.advance(secs(5));
    let sid = stage.sid(bea);
    assert_eq!(told(&mut stage, bea), [(sid, Poor)]);
    assert!(told(&mut stage, ada).is_empty(), "the sender is not to blame");
}

#[test]
fn layers_nobody_wants_are_not_missed() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let camera = stage.publish(ada, Camera);
    stage.enter_as("bea", |joiner| joiner.adaptive_stream = true);
    stage.advance(secs(10));
    stage.clear();
    for _ in 0..10 {
        stage.handle(ada, Request::Upstream(camera.number, Leg { layers: 0b001, bitrate: 150_000, ..GOOD_LEG }));
        stage.advance(secs(5));
    }
    assert!(told(&mut stage, ada).is_empty(), "still excellent");
}
