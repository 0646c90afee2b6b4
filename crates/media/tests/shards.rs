//! Several shards: who gets what does not depend on where anybody lives.

mod world;

use std::time::Duration;

use tutti_forward::{ForwardCommand, LayerTarget};
use tutti_transport::TransportCommand;
use world::{Kind, Packet, Sink, Source, World, made_for, same_stream, same_stream_repaired};

const SECOND: Duration = Duration::from_secs(1);

/// A microphone and a camera, what was sent by them, and seven subscribers.
struct Call {
    world: World,
    /// Client, what it hears by, what it sees by.
    sinks: Vec<(usize, Sink, Sink)>,
    talked: Vec<Packet>,
    filmed: Vec<Packet>,
}

/// The first three subscribers are there from the start, the others come while media flows.
fn call(shards: u16) -> Call {
    let mut world = World::new(shards);
    let on = |client: u16| client % shards;
    let [publisher, a, b, c] = world.connected([0, on(1), on(2), on(3)]);
    let mut microphone = Source::audio(&mut world, "0");
    let mut camera = Source::video(&mut world, "1");
    let audio = world.publish(publisher, &microphone);
    let video = world.publish(publisher, &camera);
    let mut sinks = Vec::new();
    let mut subscribe = |world: &mut World, client| {
        let hears = world.sink("a", Kind::Audio);
        let sees = world.sink("v", Kind::Video);
        world.subscribe(client, audio, &hears);
        world.subscribe(client, video, &sees);
        sinks.push((client, hears, sees));
    };
    for client in [a, b, c] {
        subscribe(&mut world, client);
    }
    let mut talked = world.talk(publisher, &mut microphone, SECOND);
    let mut filmed = world.film(publisher, &mut camera, 4, SECOND);
    let late = world.connected([on(4), on(5), on(6), on(7)]);
    for client in late {
        subscribe(&mut world, client);
    }
    talked.extend(world.talk(publisher, &mut microphone, SECOND));
    filmed.extend(world.film(publisher, &mut camera, 4, SECOND));
    world.run_for(SECOND);
    Call { world, sinks, talked, filmed }
}

#[test]
fn four_shards_give_what_one_gives() {
    let mut counts = Vec::new();
    for shards in [1, 4] {
        let Call { world, sinks, talked, filmed } = call(shards);
        let count = |(client, hears, sees): &(usize, Sink, Sink)| {
            let client = &world.clients[*client];
            let heard: Vec<_> = client.of(hears.ssrc).collect();
            let seen: Vec<_> = client.of(sees.ssrc).collect();
            // Each got everything from its first packet on; `same_stream` checks it against what was sent.
            let missed = (same_stream(hears, &talked, &heard), same_stream(sees, &filmed, &seen));
            assert_eq!(seen[0].payload[4] & 1, 0, "a key frame");
            missed
        };
        let missed: Vec<_> = sinks.iter().map(count).collect();
        assert!(missed[..3].iter().all(|missed| *missed == (0, 0)), "with {shards} shards: {missed:?}");
        counts.push(missed);
        let total = world.shards.iter().map(|shard| shard.metrics()).fold((0, 0, 0), |sum, metrics| {
            (sum.0 + metrics.relayed_out, sum.1 + metrics.relayed_in, sum.2 + metrics.relay_full + metrics.panics)
        });
        assert_eq!(total.0, total.1);
        assert_eq!(total.2, 0);
        // One copy for each of the other shards, however many subscribers it has.
        let copies = (talked.len() + filmed.len()) as u64 * u64::from(shards - 1);
        assert!(total.0 <= copies && total.0 * 10 >= copies * 9, "{total:?} of {copies}");
    }
    // Those who came late waited for the same key frame, give or take the way between the shards.
    for (one, four) in counts[0].iter().zip(&counts[1]) {
        assert!(one.0.abs_diff(four.0) <= 2 && one.1.abs_diff(four.1) <= 16, "{counts:?}");
    }
}

#[test]
fn losses_are_repaired_on_the_subscribers_shard() {
    let mut world = World::new(2);
    let [publisher, subscriber] = world.connected([0, 1]);
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
    let arrived: Vec<_> = world.clients[subscriber].of(ssrc).collect();
    assert_eq!(same_stream_repaired(&sees, &filmed, &arrived), 0);
    assert!(world.shards[1].metrics().retransmissions_out >= 24);
    assert_eq!(world.shards[0].metrics().retransmissions_out, 0);
}

#[test]
fn key_frame_requests_and_layers_cross_shards() {
    let mut world = World::new(3);
    let [publisher, a, b] = world.connected([0, 1, 2]);
    let mut camera = Source::simulcast(&mut world, "1");
    let layers = [0, 1, 2].map(|layer| camera.layers[layer].ssrc);
    let video = world.publish(publisher, &camera);
    world.film(publisher, &mut camera, 3, SECOND / 2);
    let mut low = world.sink("v", Kind::Video);
    low.target = LayerTarget { spatial: 0, ..LayerTarget::ALL };
    let high = world.sink("v", Kind::Video);
    world.subscribe(a, video, &low);
    let subscription = world.subscribe(b, video, &high);
    world.film(publisher, &mut camera, 3, SECOND);
    let of = |world: &World, client: usize, sink: &Sink| -> Vec<u32> {
        let mut order: Vec<u32> = world.clients[client]
            .of(sink.ssrc)
            .map(|arrived| made_for(Kind::Video, &arrived.payload).expect("marked"))
            .collect();
        order.dedup();
        order
    };
    assert_eq!(of(&world, a, &low), [layers[0]]);
    // A lower layer may serve until the key frame of the wanted one is there.
    assert_eq!(of(&world, b, &high).last(), Some(&layers[2]));

    // Each shard gets the layers that it wants and no others.
    let relayed = |world: &World| [1, 2].map(|shard| world.shards[shard].metrics().relayed_in);
    let before = relayed(&world);
    let sent = world.film(publisher, &mut camera, 3, SECOND).len() as u64 / 3;
    let after = relayed(&world);
    assert!([0, 1].iter().all(|&at| after[at] - before[at] <= sent), "{before:?} {after:?} {sent}");

    let asked = world.clients[publisher].key_frame_requests.len();
    world.clients[b].request_key_frame(high.ssrc);
    world.film(publisher, &mut camera, 3, SECOND);
    let requests = &world.clients[publisher].key_frame_requests[asked..];
    assert_eq!(
        requests.iter().map(|request| request.rid.map(|rid| rid.to_string())).collect::<Vec<_>>(),
        [Some("f".into())]
    );

    let target = LayerTarget { spatial: 1, ..LayerTarget::ALL };
    world.forward(b, ForwardCommand::SetTarget(subscription, target));
    world.film(publisher, &mut camera, 3, SECOND);
    assert!(of(&world, b, &high).ends_with(&[layers[2], layers[1]]));
}

#[test]
fn a_replica_goes_with_its_last_subscriber() {
    let mut world = World::new(2);
    let [publisher, a, b] = world.connected([0, 1, 1]);
    let mut microphone = Source::audio(&mut world, "0");
    let audio = world.publish(publisher, &microphone);
    let first = world.sink("a", Kind::Audio);
    let second = world.sink("a", Kind::Audio);
    let subscription = world.subscribe(a, audio, &first);
    world.subscribe(b, audio, &second);
    world.talk(publisher, &mut microphone, SECOND);
    assert_eq!(world.shards[1].metrics().replicas, 1);
    world.forward(a, ForwardCommand::Unsubscribe(subscription));
    world.transport(world.id(b), TransportCommand::Close);
    assert_eq!(world.shards[1].metrics().replicas, 0);
    let relayed = world.shards[0].metrics().relayed_out;
    world.talk(publisher, &mut microphone, SECOND);
    assert_eq!(world.shards[0].metrics().relayed_out, relayed);

    // And comes back with the next.
    let third = world.sink("b", Kind::Audio);
    world.subscribe(a, audio, &third);
    let talked = world.talk(publisher, &mut microphone, SECOND);
    world.run_for(SECOND);
    let arrived: Vec<_> = world.clients[a].of(third.ssrc).collect();
    assert!(same_stream(&third, &talked, &arrived) <= 1);

    // A track that ends at home ends here.
    world.forward(publisher, ForwardCommand::Unpublish(audio));
    assert_eq!(world.shards[1].metrics().replicas, 0);
    assert_eq!(world.shards[1].metrics().subscriptions, 1);
}
