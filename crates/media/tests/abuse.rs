//! Peers that mean harm, and strangers: each bound bites, says so in its counter, and the call next door loses nothing.

mod world;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tutti_forward::SubscriptionKey;
use tutti_id::{RoomKey, ShardNumber};
use tutti_media::plane::ufrag_prefix;
use tutti_media::shard::ShardCommand;
use tutti_media::{MediaCommand, MediaEvent, ShardMetrics};
use tutti_transport::{
    Certificate, Channel, Datagram, DtlsRole, Fingerprint, IceCredentials, LocalAddresses, OpenTransport, Output, Path,
    Proto, RemoteParameters, SCTP_PORT, Transport, TransportCommand, TransportConfig, TransportEvent, TransportFailure,
    TransportId,
};
use world::{Kind, Packet, ROOM, Sink, Source, World, fingerprint, same_stream, shard_address, stun_request};

const SECOND: Duration = Duration::from_secs(1);
const HOSTILE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 9, 9)), 6000);
const STRANGER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 8, 8, 8)), 1);

/// Two honest clients, one of whom listens to the other.
struct Call {
    talker: usize,
    listener: usize,
    source: Source,
    sink: Sink,
    sent: Vec<Packet>,
}

impl Call {
    fn new(world: &mut World) -> Self {
        let [talker, listener] = world.connected([0, 0]);
        let source = Source::audio(world, "a");
        let sink = world.sink("1", Kind::Audio);
        let track = world.publish(talker, &source);
        world.subscribe(listener, track, &sink);
        let mut call = Self { talker, listener, source, sink, sent: Vec::new() };
        call.talk(world, SECOND);
        call
    }

    fn talk(&mut self, world: &mut World, span: Duration) {
        let sent = world.talk(self.talker, &mut self.source, span);
        self.sent.extend(sent);
    }

    /// It goes on, and from the first packet that arrived until now nothing was missing.
    #[track_caller]
    fn goes_on(&mut self, world: &mut World) {
        self.talk(world, SECOND);
        world.run_for(SECOND);
        let arrived: Vec<_> = world.clients[self.listener].of(self.sink.ssrc).collect();
        same_stream(&self.sink, &self.sent, &arrived);
        let failed = world.events.iter().any(|event| {
            let honest = [world.id(self.talker), world.id(self.listener)];
            matches!(event, MediaEvent::Transport { id, event: TransportEvent::Failed { .. } } if honest.contains(id))
        });
        assert!(!failed, "{:?}", world.events);
    }
}

/// A peer with keys of its own and no manners: whatever it wants sealed is sealed.
struct Hostile {
    id: TransportId,
    transport: Transport,
    inbox: Rc<RefCell<Vec<Vec<u8>>>>,
    rtp_index: u64,
}

impl Hostile {
    fn join(world: &mut World) -> Self {
        let id = TransportId::new(RoomKey(4), 7);
        let ours = IceCredentials { ufrag: "hostilehostile".into(), pwd: "password-of-the-hostile-one".into() };
        let server = IceCredentials {
            ufrag: format!("{}hostile", ufrag_prefix(ShardNumber(0))),
            pwd: "password-for-the-hostile-one".into(),
        };
        let config = Arc::new(TransportConfig::new(Certificate::generate().expect("certificate")));
        let remote = |ice: &IceCredentials, fingerprint: Fingerprint, dtls_role| {
            let remote = RemoteParameters {
                ice: ice.clone(),
                fingerprints: fingerprint.into(),
                dtls_role,
                data_channels: true,
                sctp_port: SCTP_PORT,
                max_message_size: Some(65_536),
            };
            TransportCommand::SetRemote(Box::new(remote))
        };
        let open = OpenTransport { ice: server.clone(), ice_lite: true, open_channels: Vec::new() };
        world.command(MediaCommand::Transport {
            shard: ShardNumber(0),
            id,
            command: TransportCommand::Open(Box::new(open)),
        });
        world.transport(id, remote(&ours, config.fingerprint(), DtlsRole::Server));
        let open = OpenTransport {
            ice: ours,
            ice_lite: false,
            open_channels: vec![Channel::Reliable, Channel::Lossy, Channel::DataTrack],
        };
        let local = LocalAddresses { udp: vec![HOSTILE], tcp: Vec::new() };
        let mut transport = Transport::new(open, &local, &config, 1, world.now);
        transport.handle_command(world.now, remote(&server, fingerprint(), DtlsRole::Client));
        let address = shard_address(0);
        let candidate = format!("candidate:1 1 udp 2113937151 {} {} typ host", address.ip(), address.port());
        transport.handle_command(world.now, TransportCommand::AddRemoteCandidate(candidate));

        let inbox = Rc::new(RefCell::new(Vec::new()));
        let caught = Rc::clone(&inbox);
        world.loses = Box::new(move |flight| {
            let for_us = flight.destination == HOSTILE;
            if for_us {
                caught.borrow_mut().push(flight.bytes.clone());
            }
            for_us
        });
        let mut hostile = Self { id, transport, inbox, rtp_index: 0 };
        let mut open = 0;
        for _ in 0..500 {
            open += hostile.turn(world);
            if open == 3 {
                return hostile;
            }
        }
        panic!("the hostile peer did not get in: {:?}", world.events);
    }

    /// Exchanges what waits and lets ten milliseconds pass; how many channels opened.
    fn turn(&mut self, world: &mut World) -> usize {
        let mut open = 0;
        for contents in self.inbox.take() {
            let datagram =
                Datagram { proto: Proto::Udp, source: shard_address(0), destination: HOSTILE, contents: &contents };
            if matches!(contents.first(), Some(0..=63)) {
                self.transport.handle_datagram(world.now, datagram);
            }
        }
        if self.transport.poll_timeout().is_some_and(|due| due <= world.now) {
            self.transport.handle_timeout(world.now);
        }
        while let Some(output) = self.transport.poll_output() {
            match output {
                Output::Transmit(transmit) | Output::Check(transmit) => {
                    self.send(world, transmit.contents.into_vec());
                }
                Output::Event(TransportEvent::ChannelOpen(_)) => open += 1,
                Output::Event(_) => {}
            }
        }
        world.run_for(Duration::from_millis(10));
        open
    }

    /// One of its connectivity checks, which the server takes for authentic wherever it seems to come from.
    fn check(&mut self, world: &mut World) -> Vec<u8> {
        for _ in 0..1_000 {
            self.transport.handle_timeout(world.now);
            while let Some(output) = self.transport.poll_output() {
                if let Output::Check(transmit) = output {
                    return transmit.contents.into_vec();
                }
            }
            world.run_for(Duration::from_millis(10));
        }
        panic!("no check in ten seconds");
    }

    fn send(&self, world: &mut World, mut bytes: Vec<u8>) {
        from(world, HOSTILE, &mut bytes);
    }

    fn send_rtcp(&mut self, world: &mut World, plain: &[u8]) {
        let mut sealed = vec![0; plain.len() + 32];
        let length = self.transport.seal_rtcp(plain, &mut sealed).expect("sealed");
        sealed.truncate(length);
        self.send(world, sealed);
    }

    fn send_rtp(&mut self, world: &mut World, ssrc: u32) {
        self.rtp_index += 1;
        let mut header = vec![0x80, 111];
        header.extend((self.rtp_index as u16).to_be_bytes());
        header.extend(1u32.to_be_bytes());
        header.extend(ssrc.to_be_bytes());
        let mut sealed = vec![0; 200];
        let length = self.transport.seal_rtp(&header, &[7; 100], self.rtp_index, &mut sealed).expect("sealed");
        sealed.truncate(length);
        self.send(world, sealed);
    }
}

/// A datagram reaches the shard from `source`, whoever really sent it; whether it was taken.
fn from(world: &mut World, source: SocketAddr, bytes: &mut [u8]) -> bool {
    let path = Path { proto: Proto::Udp, remote: source, local: shard_address(0) };
    world.shards[0].handle_datagram(world.now, path, bytes)
}

fn metrics(world: &World) -> ShardMetrics {
    world.shards[0].metrics()
}

/// Pseudo-random bytes that look like each protocol in turn.
fn junk(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes: Vec<u8> = (0..20 + number as usize % 200)
        .map(|_| {
            state = state.wrapping_mul(0xd129_0d3d_7c2b_4f15).rotate_left(23);
            state as u8
        })
        .collect();
    let front: &[u8] = match number % 6 {
        0 => &[0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42],
        1 => &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 50, 1],
        2 => &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
        3 => &[23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 1, 0, 3],
        4 => &[0x90, 111],
        _ => &[0x81, 201],
    };
    bytes[..front.len()].copy_from_slice(front);
    bytes
}

#[test]
fn the_address_of_a_peer_that_is_there_cannot_be_taken() {
    let mut world = World::new(1);
    let mut call = Call::new(&mut world);
    let mut hostile = Hostile::join(&mut world);
    let check = hostile.check(&mut world);
    let victims = [call.talker, call.listener].map(|client| world.clients[client].outside);
    // Authentic checks that seem to come from the addresses of both, twice a second for longer than consent lasts.
    for _ in 0..80 {
        for victim in victims {
            assert!(!from(&mut world, victim, &mut check.clone()));
        }
        call.talk(&mut world, SECOND / 2);
    }
    assert_eq!(metrics(&world).dropped_held_address, 160);
    call.goes_on(&mut world);
}

#[test]
fn strangers_get_no_answer_and_hold_nothing() {
    let mut world = World::new(1);
    let mut call = Call::new(&mut world);
    let answers = Rc::new(RefCell::new(0));
    let count = Rc::clone(&answers);
    world.loses = Box::new(move |flight| {
        *count.borrow_mut() += usize::from(flight.destination == STRANGER);
        false
    });
    let before = metrics(&world);
    for number in 0..30_000u64 {
        let source = SocketAddr::new(STRANGER.ip(), 1 + (number % 60_000) as u16);
        assert!(!from(&mut world, source, &mut junk(number)));
    }
    let mut request = stun_request("0000client0000:x");
    assert!(!from(&mut world, STRANGER, &mut request), "a name proves nothing without the password");
    call.goes_on(&mut world);
    let after = metrics(&world);
    let unknown = after.dropped_unknown_address + after.dropped_unknown_ufrag + after.dropped_unknown_protocol
        - (before.dropped_unknown_address + before.dropped_unknown_ufrag + before.dropped_unknown_protocol);
    assert_eq!(unknown, 30_000);
    assert_eq!(after.dropped_unauthentic_checks - before.dropped_unauthentic_checks, 1);
    assert_eq!((after.transports, after.half_open), (before.transports, 0));
    assert_eq!(*answers.borrow(), 0);
}

#[test]
fn junk_in_the_name_of_a_peer_does_not_end_it() {
    let mut world = World::new(1);
    let mut call = Call::new(&mut world);
    let honest = [world.clients[call.talker].outside, world.clients[call.listener].outside];
    for number in 0..6_000u64 {
        from(&mut world, honest[number as usize % 2], &mut junk(number / 2));
    }
    call.goes_on(&mut world);
    assert!(metrics(&world).dropped_unopened >= 1_900);
    assert_eq!(metrics(&world).panics, 0);
}

#[test]
fn a_peer_has_a_rate_of_datagrams() {
    let mut world = World::new(1);
    let mut call = Call::new(&mut world);
    let hostile = Hostile::join(&mut world);
    world.run_for(SECOND);
    for number in 0..30_000u64 {
        let mut bytes = junk(6 * number + 4);
        assert!(from(&mut world, HOSTILE, &mut bytes), "it is somebody's, dropped or not");
    }
    assert_eq!(metrics(&world).dropped_peer_rate, 20_000);
    assert_eq!(metrics(&world).dropped_unopened, 10_000);
    // A second later there is room for as many again.
    world.run_for(SECOND);
    hostile.send(&mut world, junk(4));
    assert_eq!(metrics(&world).dropped_peer_rate, 20_000);
    call.goes_on(&mut world);
}

#[test]
fn ssrcs_out_of_nowhere_are_looked_for_at_a_rate() {
    let mut world = World::new(1);
    let mut call = Call::new(&mut world);
    let mut hostile = Hostile::join(&mut world);
    for ssrc in 0..5_000u32 {
        hostile.send_rtp(&mut world, ssrc.wrapping_mul(2_654_435_761));
    }
    let counted = metrics(&world);
    assert_eq!((counted.dropped_unknown_source, counted.dropped_source_rate), (2_000, 3_000));
    assert_eq!(counted.rtp_in - call.sent.len() as u64, 5_000, "all of them were authentic");
    call.goes_on(&mut world);
}

#[test]
fn feedback_has_a_rate() {
    let mut world = World::new(1);
    let mut call = Call::new(&mut world);
    let mut hostile = Hostile::join(&mut world);
    // It gets the talker's track like anybody else, and asks for all of it again and again.
    let ssrc = world.new_ssrc();
    let sink = Sink { mid: "1".into(), kind: Kind::Audio, ssrc, rtx_ssrc: None, ..call.sink.clone() };
    let track = tutti_forward::TrackKey::new(ROOM, 1);
    let subscribe = sink.section(SubscriptionKey::new(RoomKey(4), 1), track);
    let command = tutti_forward::ForwardCommand::Subscribe(Box::new(subscribe));
    world.command(MediaCommand::Forward { transport: hostile.id, command });
    call.talk(&mut world, SECOND);
    let last = hostile.inbox.take().iter().rev().find_map(|bytes| {
        (bytes.len() > 12 && bytes[0] >> 6 == 2 && bytes[1] == 111).then(|| u16::from_be_bytes([bytes[2], bytes[3]]))
    });
    let last = last.expect("it gets the track");
    let mut storm = Vec::new();
    // 280 entries of 17 numbers each, all of them the latest ones.
    storm.extend([0x81, 205]);
    storm.extend(282u16.to_be_bytes());
    storm.extend(9u32.to_be_bytes());
    storm.extend(ssrc.to_be_bytes());
    for _ in 0..280 {
        storm.extend(last.wrapping_sub(16).to_be_bytes());
        storm.extend([0xff, 0xff]);
    }
    let before = metrics(&world);
    for _ in 0..1_000 {
        hostile.send_rtcp(&mut world, &storm);
    }
    let after = metrics(&world);
    let taken = (256 << 10) / storm.len() as u64;
    assert_eq!(after.dropped_feedback_rate, 1_000 - taken);
    call.goes_on(&mut world);
    let resent = metrics(&world).retransmissions_out - before.retransmissions_out;
    assert!((1..=17).contains(&resent), "once each, however often it asked: {resent}");
}

#[test]
fn data_messages_have_a_rate() {
    let mut world = World::new(1);
    let mut call = Call::new(&mut world);
    let mut hostile = Hostile::join(&mut world);
    let messages = |world: &World| {
        let message =
            |event: &&MediaEvent| matches!(event, MediaEvent::Transport { event: TransportEvent::Message { .. }, .. });
        world.events.iter().filter(message).count() as u64
    };
    for _ in 0..60 {
        for _ in 0..500 {
            let channel = Channel::Lossy;
            let payload = Bytes::from_static(b"junk");
            hostile.transport.handle_command(world.now, TransportCommand::Send { channel, payload });
        }
        hostile.turn(&mut world);
    }
    let counted = metrics(&world);
    assert!(counted.messages_in > 12_000, "{counted:?}");
    assert_eq!(counted.messages_in, messages(&world) + counted.dropped_message_rate);
    // The burst, and what flowed in within the second or so that this took.
    assert!((5_000..=10_000).contains(&messages(&world)), "{}", messages(&world));
    call.goes_on(&mut world);
}

#[test]
fn half_open_transports_are_bounded() {
    const PLACES: u32 = 1 << 14;
    let mut world = World::new(1);
    let mut call = Call::new(&mut world);
    let open = |world: &mut World, number: u32| {
        let id = TransportId::new(RoomKey(5), number);
        let ice = IceCredentials { ufrag: format!("0000half{number:08}"), pwd: "p".repeat(24) };
        let open = OpenTransport { ice, ice_lite: true, open_channels: Vec::new() };
        let command = TransportCommand::Open(Box::new(open));
        let now = world.now;
        world.shards[0].handle_command(now, ShardCommand::Transport { id, command });
    };
    let refused_by_metrics = |world: &World| {
        let failures = metrics(world).failures;
        let found = failures.by_reason().find(|(reason, _)| *reason == TransportFailure::TooManyHandshakes);
        found.map_or(0, |(_, count)| count)
    };
    for number in 0..PLACES + 10 {
        open(&mut world, number);
    }
    assert_eq!(metrics(&world).half_open, u64::from(PLACES));
    assert_eq!(refused_by_metrics(&world), 10);
    call.goes_on(&mut world);
    let refused = |world: &World| {
        let failed = |event: &&MediaEvent| {
            let reason = TransportFailure::TooManyHandshakes;
            matches!(event, MediaEvent::Transport { event: TransportEvent::Failed { reason: why }, .. } if *why == reason)
        };
        world.events.iter().filter(failed).count()
    };
    assert_eq!(refused(&world), 10, "and told so");
    // Whoever goes leaves its place to the next one.
    let id = TransportId::new(RoomKey(5), 0);
    let now = world.now;
    world.shards[0].handle_command(now, ShardCommand::Transport { id, command: TransportCommand::Close });
    open(&mut world, PLACES + 10);
    assert_eq!(metrics(&world).half_open, u64::from(PLACES));
    assert_eq!(refused_by_metrics(&world), 10);
}
