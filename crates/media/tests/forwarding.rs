//! One shard and unmodified str0m clients: what is published arrives, whole, in order and under the right names.

mod world;

use std::time::Duration;

use tutti_forward::{ForwardCommand, ForwardEvent, LayerTarget};
use tutti_rtp::Codec;
use world::{Kind, Source, World, made_for, of_layer, same_stream, same_stream_repaired};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn audio_and_video_reach_every_subscriber() {
    let mut world = World::new(1);
    let [publisher, a, b, c] = world.connected([0; 4]);
    let mut microphone = Source::audio(&mut world, "0");
    let mut camera = Source::video(&mut world, "1");
    let audio = world.publish(publisher, &microphone);
    let video = world.publish(publisher, &camera);
    let mut sinks = Vec::new();
    for subscriber in [a, b, c] {
        let hears = world.sink("a", Kind::Audio);
        let sees = world.sink("v", Kind::Video);
        world.subscribe(subscriber, audio, &hears);
        world.subscribe(subscriber, video, &sees);
        sinks.push((subscriber, hears, sees));
    }
    let talked = world.talk(publisher, &mut microphone, SECOND);
    let filmed = world.film(publisher, &mut camera, 5, SECOND);
    world.run_for(SECOND);
    for (subscriber, hears, sees) in &sinks {
        let client = &world.clients[*subscriber];
        assert_eq!(same_stream(hears, &talked, &client.of(hears.ssrc).collect::<Vec<_>>()), 0);
        assert_eq!(same_stream(sees, &filmed, &client.of(sees.ssrc).collect::<Vec<_>>()), 0);
    }
    // Nothing comes back to who sent it.
    assert!(world.clients[publisher].arrived.is_empty());
    let started: Vec<_> = world
        .forward_events()
        .filter_map(|event| match event {
            ForwardEvent::TrackStarted { track, codec } => Some((*track, *codec)),
            _ => None,
        })
        .collect();
    assert_eq!(started, [(audio, Codec::Opus), (video, Codec::Vp8)]);
    let metrics = world.shards[0].metrics();
    assert_eq!((metrics.transports, metrics.tracks, metrics.subscriptions), (4, 2, 6));
    assert_eq!(metrics.rtp_out, 3 * (talked.len() + filmed.len()) as u64);
    assert_eq!(metrics.panics, 0);
}

#[test]
fn jitter_is_that_of_the_network() {
    let mut world = World::new(1);
    let [publisher] = world.connected([0]);
    let mut microphone = Source::audio(&mut world, "0");
    world.publish(publisher, &microphone);
    // The shard is busy: every other packet is taken 8 ms after it arrived.
    let mut late = false;
    world.waits = Box::new(move |flight| {
        late ^= flight.rtp().is_some();
        if late { Duration::from_millis(8) } else { Duration::ZERO }
    });
    world.talk(publisher, &mut microphone, 6 * SECOND);
    let jitter_ms = world.forward_events().find_map(|event| match event {
        ForwardEvent::Upstream { quality, .. } => Some(quality.jitter_ms),
        _ => None,
    });
    assert!(jitter_ms.is_some_and(|jitter_ms| jitter_ms < 0.5), "{jitter_ms:?}");
}

#[test]
fn what_a_subscriber_lost_is_sent_again() {
    let mut world = World::new(1);
    let [publisher, subscriber] = world.connected([0; 2]);
    let mut camera = Source::video(&mut world, "1");
    let video = world.publish(publisher, &camera);
    let sees = world.sink("v", Kind::Video);
    world.subscribe(subscriber, video, &sees);
    let (ssrc, mut number) = (sees.ssrc, 0);
    world.loses = Box::new(move |flight| {
        let Some((_, _, of)) = flight.rtp().filter(|_| !flight.from_client) else { return false };
        number += u32::from(of == ssrc);
        of == ssrc && number % 10 == 5 && number < 250
    });
    let filmed = world.film(publisher, &mut camera, 5, 2 * SECOND);
    world.run_for(SECOND);
    let client = &world.clients[subscriber];
    assert_eq!(same_stream_repaired(&sees, &filmed, &client.of(ssrc).collect::<Vec<_>>()), 0);
    let metrics = world.shards[0].metrics();
    assert!(metrics.retransmissions_out >= 25, "{metrics:?}");
    assert!(metrics.retransmissions_out <= 50, "{metrics:?}");
}

#[test]
fn what_the_server_lost_is_asked_for() {
    let mut world = World::new(1);
    let [publisher, subscriber] = world.connected([0; 2]);
    let mut camera = Source::video(&mut world, "1");
    let video = world.publish(publisher, &camera);
    let sees = world.sink("v", Kind::Video);
    world.subscribe(subscriber, video, &sees);
    let (ssrc, mut number) = (camera.layers[0].ssrc, 0);
    world.loses = Box::new(move |flight| {
        let Some((_, _, of)) = flight.rtp().filter(|_| flight.from_client) else { return false };
        number += u32::from(of == ssrc);
        // Not the last ones: nothing after them would show that they are missing.
        of == ssrc && number % 10 == 5 && number < 250
    });
    let filmed = world.film(publisher, &mut camera, 5, 2 * SECOND);
    world.run_for(SECOND);
    let client = &world.clients[subscriber];
    assert_eq!(same_stream_repaired(&sees, &filmed, &client.of(sees.ssrc).collect::<Vec<_>>()), 0);
}

#[test]
fn key_frame_requests_reach_the_publisher_throttled() {
    let mut world = World::new(1);
    let [publisher, early, late] = world.connected([0; 3]);
    let mut camera = Source::video(&mut world, "1");
    let video = world.publish(publisher, &camera);
    let first = world.sink("v", Kind::Video);
    world.subscribe(early, video, &first);
    world.film(publisher, &mut camera, 3, SECOND);
    let before = world.clients[publisher].key_frame_requests.len();

    // A subscriber that sees nothing asks, twice in a row.
    world.clients[early].request_key_frame(first.ssrc);
    world.run_for(Duration::from_millis(30));
    world.clients[early].request_key_frame(first.ssrc);
    world.run_for(Duration::from_millis(100));
    let asked = &world.clients[publisher].key_frame_requests[before..];
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].mid.to_string(), "1");

    // One that comes later gets a stream that begins with a key frame.
    let second = world.sink("v", Kind::Video);
    world.subscribe(late, video, &second);
    let filmed = world.film(publisher, &mut camera, 3, SECOND);
    world.run_for(SECOND);
    let arrived: Vec<_> = world.clients[late].of(second.ssrc).collect();
    let from = same_stream(&second, &filmed, &arrived);
    assert!(from < 30, "it waited for {from} packets");
    assert_eq!(arrived[0].payload[4] & 1, 0, "a key frame");
}

#[test]
fn simulcast_layers_switch_at_key_frames() {
    let mut world = World::new(1);
    let [publisher, subscriber] = world.connected([0; 2]);
    let mut camera = Source::simulcast(&mut world, "1");
    let layers = [0, 1, 2].map(|layer| camera.layers[layer].ssrc);
    let video = world.publish(publisher, &camera);
    world.film(publisher, &mut camera, 4, SECOND / 2);
    let mut sees = world.sink("v", Kind::Video);
    sees.target = LayerTarget { spatial: 0, ..LayerTarget::ALL };
    let subscription = world.subscribe(subscriber, video, &sees);

    let mut expected = Vec::new();
    for spatial in [0u8, 2, 1] {
        let target = LayerTarget { spatial, ..LayerTarget::ALL };
        world.forward(subscriber, ForwardCommand::SetTarget(subscription, target));
        let sent = world.film(publisher, &mut camera, 4, SECOND);
        expected.push(of_layer(&sent, layers[usize::from(spatial)]));
    }
    world.run_for(SECOND);
    let arrived: Vec<_> = world.clients[subscriber].of(sees.ssrc).collect();
    // One stream to the subscriber: no gap in its numbers, and time goes forward.
    for pair in arrived.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
        assert!(pair[1].timestamp.wrapping_sub(pair[0].timestamp) < 90_000, "{pair:?}");
    }
    // It held the layers in the order they were asked for, each to the end of its turn.
    let mut order: Vec<u32> =
        arrived.iter().map(|arrived| made_for(Kind::Video, &arrived.payload).expect("marked")).collect();
    order.dedup();
    assert_eq!(order, [layers[0], layers[2], layers[1]]);
    assert!(expected.iter().all(|packets| packets.len() >= 100));
    assert!(arrived.len() >= 300, "{}", arrived.len());
}

#[test]
fn a_paused_subscription_is_silent_until_it_is_resumed() {
    let mut world = World::new(1);
    let [publisher, subscriber] = world.connected([0; 2]);
    let mut microphone = Source::audio(&mut world, "0");
    let audio = world.publish(publisher, &microphone);
    let hears = world.sink("a", Kind::Audio);
    let subscription = world.subscribe(subscriber, audio, &hears);
    world.talk(publisher, &mut microphone, SECOND);
    let paused = LayerTarget { paused: true, ..LayerTarget::ALL };
    world.forward(subscriber, ForwardCommand::SetTarget(subscription, paused));
    world.run_for(Duration::from_millis(100));
    let before = world.clients[subscriber].arrived.len();
    assert!(before >= 49);
    world.talk(publisher, &mut microphone, SECOND);
    assert_eq!(world.clients[subscriber].arrived.len(), before);
    world.forward(subscriber, ForwardCommand::SetTarget(subscription, LayerTarget::ALL));
    world.talk(publisher, &mut microphone, SECOND);
    world.run_for(Duration::from_millis(100));
    let arrived: Vec<_> = world.clients[subscriber].of(hears.ssrc).collect();
    assert!(arrived.len() >= before + 49);
    // The silence is no loss.
    assert!(arrived.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
}

#[test]
fn publishers_are_told_what_arrived() {
    let mut world = World::new(1);
    let [publisher] = world.connected([0]);
    let mut camera = Source::video(&mut world, "1");
    world.publish(publisher, &camera);
    let before = world.shards[0].metrics().rtcp_out;
    world.film(publisher, &mut camera, 5, 2 * SECOND);
    // Transport-wide feedback every 50 ms or 100 ms, a receiver report every second.
    let told = world.shards[0].metrics().rtcp_out - before;
    assert!((20..=60).contains(&told), "{told}");
    // And nothing once nothing flows.
    world.run_for(2 * SECOND);
    let quiet = world.shards[0].metrics().rtcp_out;
    world.run_for(10 * SECOND);
    assert_eq!(world.shards[0].metrics().rtcp_out, quiet);
}
