//! Our transport as a server against a str0m client, which shares no glue with it: connection in every role, data
//! channels both ways, SRTP both ways, loss, ICE-TCP, a client that moves.

mod network;

use std::time::Duration;

use network::{Network, Ours, OursBuilder, Packet, Side, Theirs, TheirsConfig};
use str0m::Event;
use str0m::media::MediaKind;
use tutti_transport::{Channel, DtlsRole, Proto, TcpConnection};

const SERVER: &str = "192.0.2.1:7882";
const CLIENT: &str = "198.51.100.7:40000";
const ALL: [Channel; 3] = [Channel::Reliable, Channel::Lossy, Channel::DataTrack];
const LABELS: [&str; 3] = ["_data_track", "_lossy", "_reliable"];

/// How a pair is set up.
struct Setup {
    seed: u64,
    /// Ours is a full agent.
    full: bool,
    /// Ours is the DTLS client.
    dtls_client: bool,
    /// Ours opens the channels.
    we_open: bool,
    tcp: bool,
    labels: &'static [&'static str],
}

impl Default for Setup {
    fn default() -> Self {
        Self { seed: 1, full: false, dtls_client: false, we_open: false, tcp: false, labels: &LABELS }
    }
}

fn pair(setup: Setup) -> (Network, Theirs, Ours) {
    let network = Network::new(setup.seed);
    let mut builder = OursBuilder::new(SERVER, "server");
    if setup.full {
        builder = builder.full();
    }
    if setup.we_open {
        builder = builder.opening(&ALL);
    }
    let mut server = builder.build(network.now);
    let mut client = Theirs::new(
        network.now,
        TheirsConfig {
            address: CLIENT.parse().unwrap(),
            server: SERVER.parse().unwrap(),
            tcp: setup.tcp,
            dtls_client: !setup.dtls_client,
            remote_ice: server.ice.clone(),
            remote_fingerprint: Ours::fingerprint(),
            open: if setup.we_open { Vec::new() } else { setup.labels.to_vec() },
        },
    );
    let role = if setup.dtls_client { DtlsRole::Client } else { DtlsRole::Server };
    let (ice, fingerprint) = (client.credentials(), client.fingerprint());
    server.set_remote(network.now, &ice, fingerprint, role);
    if setup.full {
        server.add_candidate(network.now, "candidate:1 1 udp 2113937151 198.51.100.7 40000 typ host".into());
    }
    (network, client, server)
}

fn connect(setup: Setup) -> (Network, Theirs, Ours) {
    let (mut network, mut client, mut server) = pair(setup);
    let up = network.run(&mut client, &mut server, Duration::from_secs(20), |client, server| {
        client.open() == LABELS && server.open() == ALL && server.connected() == 1
    });
    assert!(up, "server {:?}, client channels {:?}", server.events, client.open());
    (network, client, server)
}

fn exchange(network: &mut Network, client: &mut Theirs, server: &mut Ours) {
    let large: Vec<u8> = (0..60 * 1024).map(|i| (i * 31) as u8).collect();
    let small = b"hello".to_vec();
    for label in LABELS {
        client.write(label, true, &small);
    }
    client.write("_reliable", true, &large);
    client.write("_reliable", false, "text".as_bytes());
    for channel in ALL {
        server.send(network.now, channel, small.clone());
    }
    server.send(network.now, Channel::Reliable, Vec::new());
    server.send(network.now, Channel::Reliable, large.clone());
    // The other side's SCTP backs off up to a minute at every loss.
    let done = network.run(client, server, Duration::from_secs(3600), |client, server| {
        client.messages("_reliable").len() == 3 && server.messages(Channel::Reliable).len() == 3
    });
    assert!(done, "client {}, server {}", client.messages("_reliable").len(), server.messages(Channel::Reliable).len());
    assert_eq!(client.messages("_reliable"), [small.clone(), Vec::new(), large.clone()]);
    assert_eq!(server.messages(Channel::Reliable), [small, large, b"text".to_vec()]);
}

#[test]
fn connects_in_every_role_and_exchanges_messages() {
    for full in [false, true] {
        for dtls_client in [false, true] {
            for we_open in [false, true] {
                let setup = Setup { full, dtls_client, we_open, ..Setup::default() };
                let (mut network, mut client, mut server) = connect(setup);
                assert!(network.elapsed() < Duration::from_millis(900), "took {:?}", network.elapsed());
                exchange(&mut network, &mut client, &mut server);
                for label in &LABELS[..2] {
                    assert_eq!(client.messages(label), [b"hello"], "{label}");
                }
                assert_eq!(server.messages(Channel::Lossy), [b"hello".as_slice()]);
                assert_eq!(server.messages(Channel::DataTrack), [b"hello".as_slice()]);
                assert!(server.largest <= 1200, "datagram of {} bytes", server.largest);
                let counters = server.transport.counters();
                assert_eq!((counters.messages_received, counters.messages_sent), (5, 5));
                assert_eq!(counters.messages_dropped_reliable + counters.messages_dropped_lossy, 0);
                assert_eq!((server.failed(), server.disconnected()), (None, 0));
            }
        }
    }
}

/// The other side's DTLS gives up after four retransmissions and its SCTP repeats an INIT after 3, 9, 21 seconds: a
/// whole connection through loss is tried between two of ours.
#[test]
fn exchanges_messages_through_loss() {
    for (loss, seed) in [(10, 1), (20, 2), (30, 3), (30, 4), (30, 5)] {
        for dtls_client in [false, true] {
            let setup = Setup { seed, dtls_client, we_open: dtls_client, ..Setup::default() };
            let (mut network, mut client, mut server) = connect(setup);
            network.loss = loss;
            network.jitter = Duration::from_millis(10);
            exchange(&mut network, &mut client, &mut server);
            assert_eq!(server.failed(), None);
        }
    }
}

#[test]
fn channels_of_an_applications_own_are_granted_counted_and_read() {
    let setup = Setup { labels: &["_reliable", "_lossy", "_data_track", "chat"], ..Setup::default() };
    let (mut network, mut client, mut server) = pair(setup);
    let up = network.run(&mut client, &mut server, Duration::from_secs(5), |client, _| client.open().len() == 4);
    assert!(up);
    client.write("chat", true, b"for everyone");
    client.write("_reliable", true, b"for us");
    network.pass(&mut client, &mut server, Duration::from_secs(1));
    assert_eq!(server.messages(Channel::Reliable), [b"for us".as_slice()]);
    assert_eq!(server.messages(Channel::Application), [b"for everyone".as_slice()]);
    assert_eq!(server.transport.counters().channels_foreign, 1);
    assert_eq!(server.transport.counters().messages_received, 2);
}

#[test]
fn ice_tcp_passive() {
    let (mut network, mut client, mut server) = connect(Setup { tcp: true, ..Setup::default() });
    exchange(&mut network, &mut client, &mut server);
    let path = server.transport.selected().unwrap();
    assert_eq!(path.proto, Proto::Tcp(TcpConnection(5)));
    assert!(format!("{:?}", server.events).contains("Connected { tcp: true }"));
    server.transport.handle_tcp_closed(network.now, TcpConnection(5));
    assert_eq!(server.transport.selected(), None);
    assert_eq!(server.transport.paths().count(), 0);
}

#[test]
fn srtp_both_ways() {
    let (mut network, mut client, mut server) = connect(Setup::default());
    client.rtc.direct_api().declare_media("vid".into(), MediaKind::Video);
    client.rtc.direct_api().expect_stream_rx(77.into(), None, "vid".into(), None);
    client.rtc.direct_api().declare_stream_tx(88.into(), None, "vid".into(), None);
    // Ours to theirs, over the end of the sequence numbers.
    for index in 65_400..65_700_u64 {
        let mut header = vec![0x80, 96];
        header.extend((index as u16).to_be_bytes());
        header.extend([0, 0, 1, 0, 0, 0, 0, 77]);
        let packet = server.seal_rtp(&header, &[index as u8; 300], index);
        network.send(Side::Server, packet);
        network.pass(&mut client, &mut server, Duration::from_millis(5));
    }
    network.pass(&mut client, &mut server, Duration::from_millis(100));
    let received = client.events.iter().filter(|event| matches!(event, Event::RtpPacket(_))).count();
    assert_eq!(received, 300);

    // Theirs to ours, and their reports.
    for number in 0..100_u64 {
        let now = network.now;
        let mut api = client.rtc.direct_api();
        let stream = api.stream_tx(&88.into()).unwrap();
        let write = str0m::rtp::RtpWrite::new(96.into(), (65_500 + number).into(), number as u32 * 3000, now, [7; 200]);
        stream.write_rtp(write);
        network.pass(&mut client, &mut server, Duration::from_millis(20));
    }
    network.pass(&mut client, &mut server, Duration::from_secs(3));
    let media = server.rtp.iter().filter(|packet| packet.ends_with(&[7; 200]) && packet[8..12] == [0, 0, 0, 88]);
    assert_eq!(media.count(), 100);
    assert!(!server.rtcp.is_empty(), "sender reports");
    let counters = server.transport.counters();
    assert_eq!((counters.srtp_rejected, counters.srtp_replayed, counters.srtcp_rejected), (0, 0, 0));

    // Our report is accepted too: str0m answers one about a stream it sends with its statistics.
    let report =
        [0x81, 201, 0, 7, 0, 0, 0, 77, 0, 0, 0, 88, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut contents = vec![0; 100];
    let len = server.transport.seal_rtcp(&report, &mut contents).unwrap();
    contents.truncate(len);
    let packet: Packet = server.packet(contents);
    network.send(Side::Server, packet);
    network.pass(&mut client, &mut server, Duration::from_millis(100));
}

#[test]
fn a_client_behind_a_nat_that_rebinds_stays_connected() {
    let (mut network, mut client, mut server) = connect(Setup::default());
    let before = server.transport.selected().unwrap();
    let revision = server.transport.path_revision();
    let outside = "203.0.113.9:51111".parse().unwrap();
    network.nat = Some((CLIENT.parse().unwrap(), outside));
    let moved = network.run(&mut client, &mut server, Duration::from_secs(10), |_, server| {
        server.transport.selected().is_some_and(|path| path.remote == outside)
    });
    assert!(moved, "from {before:?} to {:?}", server.transport.selected());
    assert_ne!(server.transport.path_revision(), revision);
    assert_eq!(server.transport.counters().path_changes, 1);
    exchange(&mut network, &mut client, &mut server);
    network.pass(&mut client, &mut server, Duration::from_secs(60));
    assert_eq!((server.connected(), server.disconnected(), server.failed()), (1, 0, None));
}

#[test]
fn an_idle_client_stays_connected_and_costs_next_to_nothing() {
    let (mut network, mut client, mut server) = connect(Setup::default());
    network.pass(&mut client, &mut server, Duration::from_secs(2));
    let before = network.sent.len();
    network.server_timeouts = 0;
    network.pass(&mut client, &mut server, Duration::from_secs(300));
    assert_eq!(network.server_timeouts, 0, "its checks come before any timer is due");
    let answers = network.sent[before..].iter().filter(|(side, _)| *side == Side::Server).count();
    let checks = network.sent[before..].iter().filter(|(side, _)| *side == Side::Client).count();
    assert_eq!(answers, checks, "one answer per check and nothing else");
    assert_eq!((server.connected(), server.disconnected(), server.failed()), (1, 0, None));
}

#[test]
fn the_peer_says_good_bye() {
    let (mut network, mut client, mut server) = connect(Setup::default());
    client.rtc.close().unwrap();
    let over = network.run(&mut client, &mut server, Duration::from_secs(2), |_, server| server.failed().is_some());
    assert!(over);
    assert!(!server.transport.is_secure());
    assert_eq!(server.transport.selected(), None);
    assert_eq!(server.transport.poll_timeout(), None);
}
