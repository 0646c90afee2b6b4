//! The whole media plane on real sockets: two shards on 127.0.0.1, clients over UDP and over TCP. Ports come from the
//! system; every wait has a bound that only a failure reaches.

mod world;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use str0m::net::Protocol;
use tutti_forward::{ForwardCommand, SubscriptionKey, TrackKey};
use tutti_id::ShardNumber;
use tutti_media::plane::ufrag_prefix;
use tutti_media::{MediaCommand, MediaConfig, MediaError, MediaEvent, MediaPlane};
use tutti_transport::tcp_frame::{self, Framer};
use tutti_transport::{
    DtlsRole, IceCredentials, OpenTransport, RemoteParameters, SCTP_PORT, TransportCommand, TransportEvent, TransportId,
};
use world::{Client, Kind, ROOM, Sink, Source, Way, World, same_stream};

const PATIENCE: Duration = Duration::from_secs(30);
/// How long a socket is listened to before the next gets its turn.
const TURN: Duration = Duration::from_millis(2);
const PACKETS: usize = 100;

/// A client's end of the wire.
enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Framer),
}

struct Participant {
    client: Client,
    wire: Wire,
}

impl Participant {
    /// Opens a transport on the shard that the plane chooses and a socket to one of its candidates.
    fn join(plane: &MediaPlane, number: u32, others: usize, tcp: bool) -> (Self, ShardNumber) {
        let placement = plane.place(ROOM, others);
        let wanted = if tcp { "tcp" } else { "udp" };
        let candidate = placement.candidates.iter().find(|text| text.contains(wanted)).expect("a candidate");
        let fields: Vec<&str> = candidate.split(' ').collect();
        let server: SocketAddr = format!("{}:{}", fields[4], fields[5]).parse().expect("address");
        let wire = if tcp {
            let stream = TcpStream::connect(server).expect("connect");
            stream.set_read_timeout(Some(TURN)).expect("timeout");
            Wire::Tcp(stream, Framer::new())
        } else {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
            socket.set_read_timeout(Some(TURN)).expect("timeout");
            Wire::Udp(socket)
        };
        let address = match &wire {
            Wire::Udp(socket) => socket.local_addr(),
            Wire::Tcp(stream, _) => stream.local_addr(),
        };
        let id = TransportId::new(ROOM, number);
        let ice = IceCredentials {
            ufrag: format!("{}loopback{number:04}", ufrag_prefix(placement.shard)),
            pwd: format!("password-of-loopback-{number:04}"),
        };
        let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
        let way = Way { address: address.expect("address"), server, protocol, channels: false };
        let mut client = Client::new(Instant::now(), id, way, &ice, plane.fingerprint());
        let open = OpenTransport { ice, ice_lite: true, open_channels: Vec::new() };
        let remote = RemoteParameters {
            ice: client.credentials(),
            fingerprints: client.fingerprint().into(),
            dtls_role: DtlsRole::Server,
            data_channels: true,
            sctp_port: SCTP_PORT,
            max_message_size: None,
        };
        let shard = placement.shard;
        for command in [TransportCommand::Open(Box::new(open)), TransportCommand::SetRemote(Box::new(remote))] {
            plane.send_blocking(MediaCommand::Transport { shard, id, command }).expect("sent");
        }
        (Self { client, wire }, shard)
    }

    /// Sends what waits, takes what is there, and lets time pass.
    fn turn(&mut self) {
        let server_packets = self.client.drain();
        for (destination, bytes) in server_packets {
            match &mut self.wire {
                Wire::Udp(socket) => {
                    socket.send_to(&bytes, destination).expect("send");
                }
                Wire::Tcp(stream, _) => {
                    stream.write_all(&tcp_frame::header(bytes.len()).expect("length")).expect("write");
                    stream.write_all(&bytes).expect("write");
                }
            }
        }
        let mut bytes = [0; 65_536];
        let taken = match &mut self.wire {
            Wire::Udp(socket) => socket.recv_from(&mut bytes),
            Wire::Tcp(stream, _) => {
                let server = stream.peer_addr().expect("address");
                stream.read(&mut bytes).map(|length| (length, server))
            }
        };
        let now = Instant::now();
        match taken {
            Ok((length, server)) => match &mut self.wire {
                Wire::Udp(_) => self.client.receive(now, server, &bytes[..length]),
                Wire::Tcp(_, framer) => {
                    let client = &mut self.client;
                    framer.push(&bytes[..length], |frame| client.receive(now, server, frame)).expect("framing");
                }
            },
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("receive: {error}"),
        }
        self.client.handle_timeout(now);
    }
}

fn connected(events: &Receiver<MediaEvent>, seen: &mut Vec<MediaEvent>, count: usize) -> bool {
    seen.extend(events.try_iter());
    let up =
        |event: &&MediaEvent| matches!(event, MediaEvent::Transport { event: TransportEvent::Connected { .. }, .. });
    seen.iter().filter(up).count() >= count
}

/// Somebody who knows a transport's name but not its password is not kept.
fn stranger_is_closed(participant: &Participant, shard: ShardNumber) {
    let Wire::Tcp(stream, _) = &participant.wire else { panic!("not over TCP") };
    let name = format!("{}loopback0003:somebody!!!", ufrag_prefix(shard));
    let mut check = vec![0, 1, 0, 64, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    check.extend([0, 6, 0, name.len() as u8]);
    check.extend(name.bytes());
    check.extend([0, 0x24, 0, 4, 1, 2, 3, 4]);
    check.extend([0, 8, 0, 20]);
    check.extend([0; 20]);
    let mut stranger = TcpStream::connect(stream.peer_addr().expect("address")).expect("connect");
    stranger.write_all(&tcp_frame::header(check.len()).expect("length")).expect("write");
    stranger.write_all(&check).expect("write");
    stranger.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let mut answer = Vec::new();
    assert_eq!(stranger.read_to_end(&mut answer).map_err(|error| error.kind()), Ok(0));
}

#[test]
fn a_call_over_udp_and_tcp_across_two_shards() {
    str0m::crypto::from_feature_flags().install_process_default();
    let config = MediaConfig {
        bind: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        udp_port_base: 0,
        tcp_port: Some(0),
        shards: 2,
        shard_subscribers_max: 1,
        pin: false,
        ..MediaConfig::default()
    };
    let (sink, events) = mpsc::channel();
    let sink = Mutex::new(sink);
    let deliver = move |event| {
        if let Ok(sink) = sink.lock() {
            let _ = sink.send(event);
        }
    };
    let plane = MediaPlane::start(config, Arc::new(deliver)).expect("start");
    assert_eq!(plane.shards(), 2);

    // Home is full with one, so the others go elsewhere.
    let (publisher, home) = Participant::join(&plane, 0, 0, false);
    let (near, _) = Participant::join(&plane, 1, 0, false);
    let (far, other) = Participant::join(&plane, 2, 1, false);
    let (tcp, tcp_shard) = Participant::join(&plane, 3, 1, true);
    assert_ne!(home, other);
    let mut participants = [publisher, near, far, tcp];
    let mut seen = Vec::new();
    let until = Instant::now() + PATIENCE;
    while !connected(&events, &mut seen, participants.len()) {
        assert!(Instant::now() < until, "not connected: {seen:?}");
        participants.iter_mut().for_each(Participant::turn);
    }
    let over_tcp = seen.iter().filter_map(|event| match event {
        MediaEvent::Transport { id, event: TransportEvent::Connected { tcp: true } } => Some(*id),
        _ => None,
    });
    assert_eq!(over_tcp.collect::<Vec<_>>(), [participants[3].client.id]);

    stranger_is_closed(&participants[3], tcp_shard);

    // One microphone to all the others.
    let mut names = World::new(0);
    let mut microphone = Source::audio(&mut names, "0");
    let track = TrackKey::new(ROOM, 1);
    participants[0].client.declare_source(&microphone);
    let forward = |transport, command| {
        plane.send_blocking(MediaCommand::Forward { transport, command }).expect("sent");
    };
    forward(participants[0].client.id, ForwardCommand::Publish(Box::new(microphone.section(track))));
    let sinks: Vec<Sink> = (1..4).map(|_| names.sink("a", Kind::Audio)).collect();
    for (number, (participant, sink)) in (1u32..).zip(participants[1..].iter_mut().zip(&sinks)) {
        participant.client.declare_sink(sink);
        let subscription = SubscriptionKey::new(ROOM, number);
        forward(participant.client.id, ForwardCommand::Subscribe(Box::new(sink.section(subscription, track))));
    }
    let mut sent = Vec::new();
    let heard = |participants: &[Participant; 4]| {
        let counts = participants[1..].iter().zip(&sinks).map(|(of, sink)| of.client.of(sink.ssrc).count());
        counts.min().unwrap_or(0)
    };
    while heard(&participants) < PACKETS {
        assert!(Instant::now() < until, "{} of {} arrived: {:?}", heard(&participants), sent.len(), plane.metrics());
        // A packet for each turn of everybody: real time decides how fast that is.
        let packets = microphone.frame(0, 1, false);
        participants[0].client.write(Instant::now(), Kind::Audio, &packets[0]);
        sent.extend(packets);
        participants.iter_mut().for_each(Participant::turn);
    }
    for (participant, sink) in participants[1..].iter().zip(&sinks) {
        let arrived: Vec<_> = participant.client.of(sink.ssrc).collect();
        // What is still on its way is not missed.
        let last = arrived.last().expect("packets").payload.clone();
        let end = sent.iter().position(|packet| packet.payload == last).expect("sent") + 1;
        same_stream(sink, &sent[..end], &arrived);
    }

    for participant in &participants {
        let id = participant.client.id;
        plane
            .send_blocking(MediaCommand::Transport { shard: ShardNumber(0), id, command: TransportCommand::Close })
            .expect("sent");
    }
    let again = plane.clone();
    plane.shutdown();
    let metrics = again.metrics();
    let total = metrics.total();
    assert_eq!((total.panics, total.tcp_dropped, metrics.tcp.accepted), (0, 0, 2));
    assert!(total.relayed_in >= PACKETS as u64 && total.relayed_in <= total.relayed_out, "{total:?}");
    let open = OpenTransport {
        ice: IceCredentials { ufrag: "0000late".into(), pwd: "p".repeat(24) },
        ice_lite: true,
        open_channels: Vec::new(),
    };
    let late = MediaCommand::Transport {
        shard: ShardNumber(0),
        id: TransportId::new(ROOM, 9),
        command: TransportCommand::Open(Box::new(open)),
    };
    assert!(matches!(again.send_blocking(late), Err(MediaError::Closed)));
}

#[test]
fn an_address_that_is_not_ours_is_a_named_error() {
    let config = MediaConfig {
        bind: vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77))],
        udp_port_base: 0,
        tcp_port: None,
        shards: 1,
        ..MediaConfig::default()
    };
    let started = MediaPlane::start(config, Arc::new(|_| {}));
    assert!(matches!(started, Err(MediaError::Bind { proto: "udp", .. })), "{started:?}");
    let config = MediaConfig { udp_port_base: 65_535, shards: 2, ..MediaConfig::default() };
    assert!(matches!(MediaPlane::start(config, Arc::new(|_| {})), Err(MediaError::Ports { .. })));
    let config = MediaConfig { bind: Vec::new(), ..MediaConfig::default() };
    assert!(matches!(MediaPlane::start(config, Arc::new(|_| {})), Err(MediaError::NoAddress)));
}
