//! Transports and tracks that come and go, strangers, and messages.

mod world;

use std::net::SocketAddr;
use std::time::Duration;

use tutti_forward::{ForwardCommand, SubscriptionKey, TrackKey};
use tutti_media::MediaEvent;
use tutti_media::batch::SendBatch;
use tutti_media::shard::ShardCommand;
use tutti_transport::{Channel, Path, Proto, TransportCommand, TransportEvent};
use world::{Kind, ROOM, Source, World, same_stream, shard_address};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_subscription_made_before_its_transport_is_up_starts_with_a_key_frame() {
    let mut world = World::new(1);
    let [publisher] = world.connected([0]);
    let mut camera = Source::video(&mut world, "1");
    let video = world.publish(publisher, &camera);
    world.film(publisher, &mut camera, 3, SECOND);
    let subscriber = world.join(0, false);
    let sees = world.sink("v", Kind::Video);
    world.subscribe(subscriber, video, &sees);
    let filmed = world.film(publisher, &mut camera, 3, 2 * SECOND);
    world.run_for(SECOND);
    let arrived: Vec<_> = world.clients[subscriber].of(sees.ssrc).collect();
    same_stream(&sees, &filmed, &arrived);
    assert_eq!(arrived[0].payload[4] & 1, 0, "a key frame");
}

#[test]
fn a_subscription_made_before_its_track_waits_for_it() {
    let mut world = World::new(1);
    let [publisher, subscriber] = world.connected([0; 2]);
    let mut microphone = Source::audio(&mut world, "0");
    let hears = world.sink("a", Kind::Audio);
    // The next key but one: the subscription takes the next.
    let track = TrackKey::new(ROOM, 2);
    world.subscribe(subscriber, track, &hears);
    assert_eq!(world.publish(publisher, &microphone), track);
    let talked = world.talk(publisher, &mut microphone, SECOND);
    world.run_for(SECOND);
    assert_eq!(same_stream(&hears, &talked, &world.clients[subscriber].of(hears.ssrc).collect::<Vec<_>>()), 0);
}

#[test]
fn what_is_taken_back_carries_nothing_more() {
    let mut world = World::new(1);
    let [publisher, a, b] = world.connected([0; 3]);
    let mut microphone = Source::audio(&mut world, "0");
    let audio = world.publish(publisher, &microphone);
    let first = world.sink("a", Kind::Audio);
    let second = world.sink("a", Kind::Audio);
    let subscription = world.subscribe(a, audio, &first);
    world.subscribe(b, audio, &second);
    world.talk(publisher, &mut microphone, SECOND);

    world.forward(a, ForwardCommand::Unsubscribe(subscription));
    world.run_for(Duration::from_millis(50));
    let (to_a, to_b) = (world.clients[a].arrived.len(), world.clients[b].arrived.len());
    world.talk(publisher, &mut microphone, SECOND);
    assert_eq!(world.clients[a].arrived.len(), to_a);
    assert!(world.clients[b].arrived.len() >= to_b + 49);

    world.forward(publisher, ForwardCommand::Unpublish(audio));
    world.run_for(Duration::from_millis(50));
    let to_b = world.clients[b].arrived.len();
    world.talk(publisher, &mut microphone, SECOND);
    assert_eq!(world.clients[b].arrived.len(), to_b);
    let metrics = world.shards[0].metrics();
    assert_eq!((metrics.tracks, metrics.subscriptions), (0, 1));
    assert!(metrics.dropped_unknown_source >= 49, "{metrics:?}");
}

#[test]
fn closing_a_transport_leaves_nothing_of_it() {
    let mut world = World::new(1);
    let [publisher, subscriber, other] = world.connected([0; 3]);
    let mut microphone = Source::audio(&mut world, "0");
    let audio = world.publish(publisher, &microphone);
    let hears = world.sink("a", Kind::Audio);
    let others = world.sink("a", Kind::Audio);
    world.subscribe(subscriber, audio, &hears);
    world.subscribe(other, audio, &others);
    world.talk(publisher, &mut microphone, SECOND);

    world.transport(world.id(subscriber), TransportCommand::Close);
    let talked = world.talk(publisher, &mut microphone, SECOND);
    world.run_for(Duration::from_millis(100));
    let arrived: Vec<_> = world.clients[other].of(others.ssrc).collect();
    assert!(arrived.len() >= 2 * talked.len() - 1, "the other one goes on");

    world.transport(world.id(publisher), TransportCommand::Close);
    world.transport(world.id(other), TransportCommand::Close);
    let metrics = world.shards[0].metrics();
    assert_eq!((metrics.transports, metrics.tracks, metrics.subscriptions), (0, 0, 0));
    // What was armed for them runs out.
    world.run_for(60 * SECOND);
    assert_eq!(metrics.panics, 0);
    assert_eq!(world.shards[0].poll_timeout(), None, "nothing is due any more");
}

#[test]
fn a_peer_whose_address_changes_is_followed() {
    let mut world = World::new(1);
    let [publisher, subscriber] = world.connected([0; 2]);
    let mut microphone = Source::audio(&mut world, "0");
    let audio = world.publish(publisher, &microphone);
    let hears = world.sink("a", Kind::Audio);
    world.subscribe(subscriber, audio, &hears);
    world.talk(publisher, &mut microphone, SECOND);
    // Both come from other ports from now on, as behind a NAT that forgot them.
    for client in [publisher, subscriber] {
        let old = world.clients[client].outside;
        world.clients[client].outside.set_port(old.port() + 1);
    }
    world.talk(publisher, &mut microphone, 15 * SECOND);
    let before = world.clients[subscriber].arrived.len();
    let talked = world.talk(publisher, &mut microphone, SECOND);
    world.run_for(SECOND);
    assert_eq!(world.clients[subscriber].arrived.len() - before, talked.len(), "all that was said since");
    let metrics = world.shards[0].metrics();
    assert!(metrics.dropped_unknown_address > 0, "until the next check, its packets are nobody's");
}

#[test]
fn an_address_that_was_left_is_free_for_others() {
    let mut world = World::new(1);
    let [first, other] = world.connected([0; 2]);
    let left = world.clients[first].outside;
    world.clients[first].outside.set_port(left.port() + 1);
    // Its checks come from the new address now, and nothing from the old one.
    world.run_for(25 * SECOND);
    let second = world.join(0, false);
    world.clients[second].outside = left;
    world.run_until(5 * SECOND, |world| world.is_connected(second));
    assert_eq!(world.shards[0].metrics().dropped_held_address, 0);
    // The address of a peer that is gone is free at once.
    let left = world.clients[other].outside;
    world.clients[other].outside.set_port(left.port() + 1);
    world.transport(world.id(other), TransportCommand::Close);
    let third = world.join(0, false);
    world.clients[third].outside = left;
    world.run_until(5 * SECOND, |world| world.is_connected(third));
    assert_eq!(world.shards[0].metrics().dropped_held_address, 0);
}

#[test]
fn an_address_left_a_moment_ago_is_free_after_a_while() {
    let mut world = World::new(1);
    let [first] = world.connected([0]);
    let left = world.clients[first].outside;
    world.clients[first].outside.set_port(left.port() + 1);
    let second = world.join(0, false);
    world.clients[second].outside = left;
    world.run_for(10 * SECOND);
    assert!(!world.is_connected(second));
    assert!(world.shards[0].metrics().dropped_held_address > 0);
    world.run_until(15 * SECOND, |world| world.is_connected(second));
}

#[test]
fn strangers_get_no_answer() {
    let mut world = World::new(1);
    let [_client] = world.connected([0]);
    let stranger: SocketAddr = "10.9.9.9:1".parse().expect("address");
    let path = Path { proto: Proto::Udp, remote: stranger, local: shard_address(0) };
    let before = world.shards[0].metrics();
    // STUN that is no check, DTLS, RTP, RTCP, nothing known, nothing.
    let datagrams: [&[u8]; 6] = [
        &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        &[0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4],
        &[0x80, 200, 0, 1, 0, 0, 0, 0],
        &[255; 40],
        &[],
    ];
    let mut batch = SendBatch::new(1 << 16);
    for datagram in datagrams {
        assert!(!world.shards[0].handle_datagram(world.now, path, &mut datagram.to_vec()), "{datagram:?}");
        world.shards[0].flush(world.now, &mut batch);
        assert!(batch.is_empty(), "{datagram:?}");
    }
    let after = world.shards[0].metrics();
    assert_eq!(after.dropped_unknown_address - before.dropped_unknown_address, 4);
    assert_eq!(after.dropped_unknown_protocol - before.dropped_unknown_protocol, 2);
}

#[test]
fn commands_about_what_is_not_there_are_counted() {
    let mut world = World::new(1);
    let [a, b] = world.connected([0; 2]);
    let microphone = Source::audio(&mut world, "0");
    let audio = world.publish(a, &microphone);
    let hears = world.sink("x", Kind::Audio);
    let subscription = world.subscribe(b, audio, &hears);
    let now = world.now;
    let before = world.shards[0].metrics().commands_ignored;
    let (ida, idb) = (world.id(a), world.id(b));
    let forward = |transport, command| ShardCommand::Forward { transport, command };
    let unknown = tutti_transport::TransportId::new(ROOM, 77);
    let commands = [
        ShardCommand::Transport { id: unknown, command: TransportCommand::Close },
        forward(unknown, ForwardCommand::Unpublish(audio)),
        // Of somebody else.
        forward(idb, ForwardCommand::Unpublish(audio)),
        forward(ida, ForwardCommand::Unsubscribe(subscription)),
        forward(idb, ForwardCommand::SetMuted(audio, true)),
        forward(ida, ForwardCommand::SetTarget(subscription, tutti_forward::LayerTarget::ALL)),
        // Twice.
        forward(idb, ForwardCommand::Subscribe(Box::new(hears.section(subscription, audio)))),
        forward(idb, ForwardCommand::Publish(Box::new(microphone.section(audio)))),
        forward(ida, ForwardCommand::Unsubscribe(SubscriptionKey::new(ROOM, 99))),
    ];
    let count = commands.len() as u64;
    for command in commands {
        world.shards[0].handle_command(now, command);
    }
    assert_eq!(world.shards[0].metrics().commands_ignored - before, count);
    let metrics = world.shards[0].metrics();
    assert_eq!((metrics.transports, metrics.tracks, metrics.subscriptions), (2, 1, 1));
}

#[test]
fn messages_go_both_ways() {
    let mut world = World::new(1);
    let client = world.join(0, true);
    let id = world.id(client);
    let opened = |world: &World, channel| {
        world.events.iter().any(|event| {
            matches!(event, MediaEvent::Transport { id: of, event: TransportEvent::ChannelOpen(open) }
                if *of == id && *open == channel)
        })
    };
    world.run_until(5 * SECOND, |world| {
        opened(world, Channel::Reliable) && opened(world, Channel::Lossy) && world.clients[client].channels.len() == 2
    });
    world.clients[client].send_message("_reliable", b"hello from the client");
    let long = vec![7u8; 40_000];
    let send = |channel, payload: &[u8]| TransportCommand::Send { channel, payload: payload.to_vec().into() };
    world.transport(id, send(Channel::Reliable, &long));
    world.transport(id, send(Channel::Lossy, b"hello from the server"));
    world.run_for(2 * SECOND);
    let arrived = world.events.iter().find_map(|event| match event {
        MediaEvent::Transport { event: TransportEvent::Message { channel, payload }, .. } => {
            Some((*channel, payload.to_vec()))
        }
        _ => None,
    });
    assert_eq!(arrived, Some((Channel::Reliable, b"hello from the client".to_vec())));
    let mut messages = world.clients[client].messages.clone();
    messages.sort();
    assert_eq!(messages, [("_lossy".into(), b"hello from the server".to_vec()), ("_reliable".into(), long)]);
}
