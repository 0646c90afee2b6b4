//! A life of our transport against itself: restarts, silence, impostors, late descriptions, garbage.

mod network;

use std::time::Duration;

use bytes::Bytes;
use network::{Network, Ours, OursBuilder, Packet, Random, Side, credentials};
use tutti_transport::*;

const SERVER: &str = "192.0.2.1:7882";
const CLIENT: &str = "198.51.100.7:40000";
const ALL: [Channel; 3] = [Channel::Reliable, Channel::Lossy, Channel::DataTrack];

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A full agent that is the DTLS client and opens the channels, and a server of either kind. Nobody knows of the other.
fn strangers(seed: u64, server_lite: bool) -> (Network, Ours, Ours) {
    let network = Network::new(seed);
    let client = OursBuilder::new(CLIENT, "clnt").full().opening(&ALL).build(network.now);
    let server = OursBuilder::new(SERVER, "serv");
    let server = if server_lite { server } else { server.full() }.build(network.now);
    (network, client, server)
}

fn candidate(address: &str) -> String {
    let (ip, port) = address.rsplit_once(':').unwrap();
    format!("candidate:1 1 udp 2113937151 {ip} {port} typ host")
}

fn introduce(network: &Network, client: &mut Ours, server: &mut Ours) {
    let (client_ice, server_ice) = (client.ice.clone(), server.ice.clone());
    server.set_remote(network.now, &client_ice, Ours::fingerprint(), DtlsRole::Server);
    client.set_remote(network.now, &server_ice, Ours::fingerprint(), DtlsRole::Client);
    client.add_candidate(network.now, candidate(SERVER));
}

fn is_up(client: &mut Ours, server: &mut Ours) -> bool {
    client.open() == ALL && server.open() == ALL && client.connected() > 0 && server.connected() > 0
}

fn connect(seed: u64, server_lite: bool) -> (Network, Ours, Ours) {
    let (mut network, mut client, mut server) = strangers(seed, server_lite);
    introduce(&network, &mut client, &mut server);
    assert!(network.run(&mut client, &mut server, seconds(5), is_up), "{:?} {:?}", client.events, server.events);
    (network, client, server)
}

fn rtp(index: u64) -> (Vec<u8>, Vec<u8>) {
    let mut header = vec![0x80, 111];
    header.extend((index as u16).to_be_bytes());
    header.extend([0, 0, 0, 1, 0, 0, 0, 42]);
    (header, vec![index as u8; 100])
}

/// Media and data pass both ways.
fn exchange(network: &mut Network, client: &mut Ours, server: &mut Ours, index: u64) {
    let (header, payload) = rtp(index);
    let whole = [header.clone(), payload.clone()].concat();
    network.send(Side::Client, client.seal_rtp(&header, &payload, index));
    network.send(Side::Server, server.seal_rtp(&header, &payload, index));
    let message = Bytes::from(index.to_string());
    client.send(network.now, Channel::Reliable, message.clone());
    server.send(network.now, Channel::Reliable, message.clone());
    let passed = network.run(client, server, seconds(20), |client, server| {
        [client, server]
            .iter()
            .all(|end| end.rtp.last() == Some(&whole) && end.messages(Channel::Reliable).last() == Some(&message))
    });
    assert!(passed, "index {index}");
}

#[test]
fn two_of_ours_connect_and_exchange() {
    for server_lite in [true, false] {
        let (mut network, mut client, mut server) = connect(1, server_lite);
        exchange(&mut network, &mut client, &mut server, 1);
        network.pass(&mut client, &mut server, seconds(120));
        exchange(&mut network, &mut client, &mut server, 2);
        for end in [&client, &server] {
            assert_eq!((end.connected(), end.disconnected(), end.failed()), (1, 0, None));
        }
        assert!(client.largest <= 1200 && server.largest <= 1200);
    }
}

#[test]
fn connects_through_loss() {
    for seed in 0..10 {
        for server_lite in [true, false] {
            let (mut network, mut client, mut server) = strangers(seed, server_lite);
            network.loss = 10 + 2 * seed;
            network.jitter = Duration::from_millis(15);
            introduce(&network, &mut client, &mut server);
            let up = network.run(&mut client, &mut server, seconds(30), is_up);
            assert!(up, "seed {seed}: {:?} {:?}", client.events, server.events);
        }
    }
}

#[test]
fn two_controlled_agents_settle_who_controls() {
    for seeds in [(1, u64::MAX), (u64::MAX, 1)] {
        let mut network = Network::new(3);
        let mut ends = [(CLIENT, "clnt", seeds.0), (SERVER, "serv", seeds.1)].map(|(address, name, seed)| {
            let mut builder = OursBuilder::new(address, name).full();
            builder.seed = seed;
            builder.build(network.now)
        });
        let [client, server] = &mut ends;
        introduce(&network, client, server);
        server.add_candidate(network.now, candidate(CLIENT));
        let up =
            network.run(client, server, seconds(10), |client, server| client.connected() + server.connected() == 2);
        assert!(up, "{:?} {:?}", client.events, server.events);
    }
}

#[test]
fn an_ice_restart_keeps_dtls_srtp_and_channels() {
    for server_lite in [true, false] {
        for remote_first in [false, true] {
            let (mut network, mut client, mut server) = connect(2, server_lite);
            exchange(&mut network, &mut client, &mut server, 1);
            let (new_client, new_server) = (credentials("newc"), credentials("news"));
            let old_ufrag = server.ice.ufrag.clone();
            // The server learns of it first, and serves the old path until the new one is there.
            if remote_first && !server_lite {
                server.set_remote(network.now, &new_client, Ours::fingerprint(), DtlsRole::Server);
                server.restart(network.now, new_server.clone());
            } else {
                server.restart(network.now, new_server.clone());
                server.set_remote(network.now, &new_client, Ours::fingerprint(), DtlsRole::Server);
            }
            let ufrags: Vec<&str> = server.transport.local_ufrags().collect();
            assert_eq!(ufrags, [new_server.ufrag.as_str(), old_ufrag.as_str()]);
            exchange(&mut network, &mut client, &mut server, 2);
            network.pass(&mut client, &mut server, seconds(5));
            exchange(&mut network, &mut client, &mut server, 3);
            assert_eq!(server.connected(), 1);

            client.restart(network.now, new_client);
            client.set_remote(network.now, &new_server, Ours::fingerprint(), DtlsRole::Client);
            client.add_candidate(network.now, candidate(SERVER));
            let done = network.run(&mut client, &mut server, seconds(5), |client, server| {
                client.connected() == 2 && server.connected() == 2
            });
            assert!(done, "{:?} {:?}", client.events, server.events);
            assert_eq!(server.transport.local_ufrags().count(), 1);
            exchange(&mut network, &mut client, &mut server, 4);
            network.pass(&mut client, &mut server, seconds(60));
            exchange(&mut network, &mut client, &mut server, 5);
            for end in [&client, &server] {
                assert_eq!(end.open(), ALL, "opened once");
                assert_eq!((end.connected(), end.disconnected(), end.failed()), (2, 0, None));
            }
        }
    }
}

#[test]
fn silence_disconnects_then_fails_and_a_restart_revives() {
    for server_lite in [true, false] {
        let (mut network, mut client, mut server) = connect(3, server_lite);
        // Fifteen seconds without a check, as docs/networks.md says, are survived.
        network.cut = true;
        network.pass(&mut client, &mut server, seconds(7));
        assert_eq!(server.disconnected(), 0);
        network.pass(&mut client, &mut server, seconds(5));
        assert_eq!((server.disconnected(), server.failed()), (1, None));
        network.cut = false;
        network.pass(&mut client, &mut server, seconds(5));
        assert_eq!((server.connected(), server.disconnected(), server.failed()), (2, 1, None));
        exchange(&mut network, &mut client, &mut server, 1);

        // Longer ones are not: the peer may be dead.
        network.cut = true;
        network.pass(&mut client, &mut server, seconds(12));
        assert_eq!((server.disconnected(), server.failed()), (2, None));
        network.pass(&mut client, &mut server, seconds(3));
        assert_eq!((server.disconnected(), server.failed()), (2, Some(TransportFailure::NoChecks)));
        assert_eq!(server.transport.selected(), None, "nothing may be sent any more");
        network.cut = false;
        network.pass(&mut client, &mut server, seconds(5));
        assert_eq!(server.connected(), 2, "old checks no longer count");

        let (new_client, new_server) = (credentials("newc"), credentials("news"));
        server.restart(network.now, new_server.clone());
        server.set_remote(network.now, &new_client, Ours::fingerprint(), DtlsRole::Server);
        client.restart(network.now, new_client);
        client.set_remote(network.now, &new_server, Ours::fingerprint(), DtlsRole::Client);
        client.add_candidate(network.now, candidate(SERVER));
        let revived = network.run(&mut client, &mut server, seconds(10), |client, server| {
            client.connected() == 3 && server.connected() == 3
        });
        assert!(revived, "{:?} {:?}", client.events, server.events);
        exchange(&mut network, &mut client, &mut server, 2);
    }
}

#[test]
fn who_never_comes_fails() {
    let (mut network, mut client, mut server) = strangers(4, true);
    server.set_remote(network.now, &credentials("clnt"), Ours::fingerprint(), DtlsRole::Server);
    network.pass(&mut client, &mut server, seconds(29));
    assert_eq!(server.failed(), None);
    network.pass(&mut client, &mut server, seconds(2));
    assert!(server.failed().is_some());
    assert_eq!(server.connected() + server.disconnected(), 0);
}

#[test]
fn who_checks_but_never_shakes_hands_fails() {
    let (mut network, mut client, mut server) = strangers(4, true);
    let (client_ice, server_ice) = (client.ice.clone(), server.ice.clone());
    server.set_remote(network.now, &client_ice, Ours::fingerprint(), DtlsRole::Server);
    // Both wait for the other's ClientHello.
    client.set_remote(network.now, &server_ice, Ours::fingerprint(), DtlsRole::Server);
    client.add_candidate(network.now, candidate(SERVER));
    network.pass(&mut client, &mut server, seconds(18));
    assert_eq!(server.failed(), None);
    network.pass(&mut client, &mut server, seconds(4));
    assert_eq!(server.failed(), Some(TransportFailure::HandshakeTimeout));
}

#[test]
fn a_wrong_certificate_fails() {
    // Whichever side is deceived.
    for (client_expects, server_expects) in
        [(Fingerprint([1; 32]), Ours::fingerprint()), (Ours::fingerprint(), Fingerprint([1; 32]))]
    {
        let (mut network, mut client, mut server) = strangers(5, true);
        let (client_ice, server_ice) = (client.ice.clone(), server.ice.clone());
        server.set_remote(network.now, &client_ice, server_expects, DtlsRole::Server);
        client.set_remote(network.now, &server_ice, client_expects, DtlsRole::Client);
        client.add_candidate(network.now, candidate(SERVER));
        network.pass(&mut client, &mut server, seconds(5));
        let deceived = if client_expects == Ours::fingerprint() { &server } else { &client };
        assert_eq!(deceived.failed(), Some(DtlsFailure::Fingerprint.into()));
        assert!(!deceived.transport.is_secure());
        assert_eq!(deceived.connected(), 0);
        assert!(deceived.transport.seal_rtp(&rtp(1).0, b"x", 1, &mut [0; 100]).is_err());
        assert_eq!(client.open().len() + server.open().len(), 0);
    }
}

#[test]
fn a_changed_certificate_fails() {
    let (network, client, mut server) = connect(6, true);
    server.set_remote(network.now, &client.ice, Ours::fingerprint(), DtlsRole::Server);
    assert!(server.transport.is_secure(), "the same again is nothing");
    server.set_remote(network.now, &client.ice, Fingerprint([9; 32]), DtlsRole::Server);
    assert!(!server.transport.is_secure());
}

#[test]
fn a_wrong_password_gets_no_answer() {
    for (ufrag, pwd) in [(true, false), (false, true)] {
        let (mut network, mut client, mut server) = strangers(7, true);
        let client_ice = client.ice.clone();
        server.set_remote(network.now, &client_ice, Ours::fingerprint(), DtlsRole::Server);
        let mut wrong = credentials("serv");
        if !ufrag {
            wrong.ufrag = "otherfrag".into();
        }
        if !pwd {
            wrong.pwd = "notthepasswordnotthepass".into();
        }
        client.set_remote(network.now, &wrong, Ours::fingerprint(), DtlsRole::Client);
        client.add_candidate(network.now, candidate(SERVER));
        network.pass(&mut client, &mut server, seconds(10));
        assert_eq!(network.sent.iter().filter(|(side, _)| *side == Side::Server).count(), 0);
        let counters = server.transport.counters();
        assert!(counters.stun_rejected > 5 && counters.stun_checks == 0);
        assert_eq!(server.transport.paths().count(), 0);
    }
}

#[test]
fn a_description_that_comes_late_costs_no_retransmission() {
    let (mut network, mut client, mut server) = strangers(8, true);
    let (client_ice, server_ice) = (client.ice.clone(), server.ice.clone());
    client.set_remote(network.now, &server_ice, Ours::fingerprint(), DtlsRole::Client);
    client.add_candidate(network.now, candidate(SERVER));
    // The client's checks are answered and its ClientHello has come.
    network.pass(&mut client, &mut server, Duration::from_millis(150));
    let before = network.elapsed();
    server.set_remote(network.now, &client_ice, Ours::fingerprint(), DtlsRole::Server);
    assert!(network.run(&mut client, &mut server, seconds(5), |_, server| server.connected() == 1));
    // One round trip, not a repeated ClientHello.
    assert!(network.elapsed() - before < Duration::from_millis(60), "took {:?}", network.elapsed() - before);
    assert_eq!(server.transport.counters().dtls_rejected, 0);
}

#[test]
fn dtls_from_strangers_is_not_read() {
    let (mut network, mut client, mut server) = connect(9, true);
    for contents in [vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], vec![23; 100]] {
        let packet = Packet {
            proto: Proto::Udp,
            source: "203.0.113.66:6666".parse().unwrap(),
            destination: SERVER.parse().unwrap(),
            contents,
        };
        network.send(Side::Client, packet);
    }
    network.pass(&mut client, &mut server, seconds(1));
    assert_eq!(server.transport.counters().dtls_rejected, 2);
    exchange(&mut network, &mut client, &mut server, 1);
}

#[test]
fn nothing_unauthentic_is_answered_and_no_answer_is_larger_than_its_request() {
    let (mut network, mut client, mut server) = strangers(10, true);
    let mut random = Random::new(10);
    // Real checks, recorded from a client that knows the password.
    let mut checks = Vec::new();
    client.set_remote(network.now, &server.ice, Ours::fingerprint(), DtlsRole::Client);
    client.add_candidate(network.now, candidate(SERVER));
    for _ in 0..20 {
        network::Endpoint::drain(&mut client, network.now, &mut |packet| checks.push(packet));
        network.now += Duration::from_millis(500);
        network::Endpoint::handle_timeout(&mut client, network.now);
    }
    assert!(checks.len() > 5);
    for round in 0..3000 {
        let mut packet = checks[round % checks.len()].clone();
        match round % 4 {
            0 => packet.contents.truncate(random.below(packet.contents.len() as u64) as usize),
            1 => {
                let at = random.below(packet.contents.len() as u64) as usize;
                packet.contents[at] ^= 1 << random.below(8);
            }
            2 => packet.contents.iter_mut().skip(20).for_each(|byte| *byte = random.next() as u8),
            _ => {}
        }
        let mut answered = 0;
        network::Endpoint::receive(&mut server, network.now, &mut packet);
        network::Endpoint::drain(&mut server, network.now, &mut |answer| answered += answer.contents.len());
        assert!(answered <= packet.contents.len(), "{answered} bytes for {}", packet.contents.len());
        if round % 4 == 0 || round % 4 == 2 {
            assert_eq!(answered, 0);
        }
    }
}

#[test]
fn an_authentic_peer_cannot_make_us_remember_without_end() {
    for lite in [true, false] {
        let (mut network, mut client, mut server) = connect(11, lite);
        let selected = server.transport.selected();
        let mut sent = Vec::new();
        for round in 0..400_u16 {
            network.now += Duration::from_millis(100);
            network::Endpoint::handle_timeout(&mut client, network.now);
            network::Endpoint::drain(&mut client, network.now, &mut |packet| sent.push(packet));
            for mut packet in sent.drain(..) {
                if packet.contents[0] < 4 {
                    // A real check without nomination would do the same; one with it moves the path, which is the peer's
                    // right.
                    packet.source.set_port(10_000 + round);
                    network::Endpoint::receive(&mut server, network.now, &mut packet);
                }
            }
            network::Endpoint::drain(&mut server, network.now, &mut |_| {});
        }
        assert!(server.transport.paths().count() <= 16);
        assert!(selected.is_some());
        for number in 0..200 {
            server.add_candidate(network.now, format!("candidate:1 1 udp 1 203.0.113.5 {} typ host", 1000 + number));
        }
        let ignored = server.transport.counters().candidates_ignored;
        assert!(lite || ignored == 200 - 32, "{ignored}");
    }
}

#[test]
fn odd_candidates_are_counted() {
    let (network, _, mut server) = strangers(12, false);
    let cases: [(&str, u64, u64); 8] = [
        ("candidate:1 1 udp 2113937151 0fcd1a2e-1111-2222-3333-444444444444.local 50000 typ host", 1, 0),
        ("a=candidate:1 1 udp 2113937151 198.51.100.9 50000 typ host generation 0 network-cost 999", 1, 0),
        ("candidate:1 1 UDP 2113937151 2001:db8::1 50000 typ srflx raddr 0.0.0.0 rport 0", 1, 0),
        ("candidate:1 1 tcp 1518280447 198.51.100.9 9 typ host tcptype active", 1, 0),
        ("", 1, 0),
        ("candidate:1 2 udp 2113937150 198.51.100.9 50001 typ host", 1, 1),
        ("candidate:1 1 udp x y z", 1, 2),
        ("candidate:1 1 udp 1 example.org 50000 typ host", 1, 3),
    ];
    for (text, mdns, ignored) in cases {
        server.add_candidate(network.now, text.into());
        let counters = server.transport.counters();
        assert_eq!((counters.candidates_mdns, counters.candidates_ignored), (mdns, ignored), "{text}");
    }
}

#[test]
fn garbage_of_every_kind_is_survived() {
    for lite in [true, false] {
        let (mut network, mut client, mut server) = connect(13, lite);
        let mut random = Random::new(13);
        let path = server.transport.selected().unwrap();
        for round in 0..20_000_u64 {
            let len = random.below(if round % 10 == 0 { 1500 } else { 60 });
            let mut contents: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            if let Some(first) = contents.first_mut() {
                *first = [0, 1, 3, 20, 21, 22, 23, 63, 128, 0x90, 191, *first][random.below(12) as usize];
            }
            match contents.first() {
                // Something that gets past the first checks of STUN and of DTLS.
                Some(0..=3) if len >= 20 && round % 2 == 0 => {
                    contents.truncate(contents.len() / 4 * 4);
                    let length = (contents.len() - 20) as u16;
                    contents[..2].copy_from_slice(&[random.below(2) as u8, [1, 17][random.below(2) as usize]]);
                    contents[2..4].copy_from_slice(&length.to_be_bytes());
                    contents[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
                }
                Some(20..=63) if len >= 13 && round % 2 == 0 => {
                    let length = contents.len() as u16 - 13;
                    contents[1..5].copy_from_slice(&[254, 253, 0, random.below(3) as u8]);
                    contents[11..13].copy_from_slice(&length.to_be_bytes());
                }
                _ => {}
            }
            let mut packet = Packet { proto: Proto::Udp, source: path.remote, destination: path.local, contents };
            network::Endpoint::receive(&mut server, network.now, &mut packet);
        }
        assert!(server.rtp.is_empty() && server.rtcp.is_empty());
        let counters = server.transport.counters();
        assert!(counters.srtp_rejected > 100 && counters.srtcp_rejected > 10 && counters.stun_rejected > 100);
        exchange(&mut network, &mut client, &mut server, 1);
    }
}

#[test]
fn garbage_before_and_during_the_handshake_does_not_panic() {
    let mut random = Random::new(14);
    for seed in 0..60 {
        let (mut network, mut client, mut server) = strangers(seed, seed % 2 == 0);
        introduce(&network, &mut client, &mut server);
        for _ in 0..60 {
            network.pass(&mut client, &mut server, Duration::from_millis(5));
            let contents: Vec<u8> = (0..random.below(300)).map(|_| random.next() as u8).collect();
            for first in [0, 22, 23, 128] {
                let mut contents = contents.clone();
                if let Some(byte) = contents.first_mut() {
                    *byte = first;
                }
                let mut packet = Packet {
                    proto: Proto::Udp,
                    source: CLIENT.parse().unwrap(),
                    destination: SERVER.parse().unwrap(),
                    contents,
                };
                network::Endpoint::receive(&mut server, network.now, &mut packet);
            }
        }
    }
}

#[test]
fn closing_says_good_bye_once() {
    let (mut network, mut client, mut server) = connect(15, true);
    server.transport.handle_command(network.now, TransportCommand::Close);
    assert!(network.run(&mut client, &mut server, seconds(1), |client, _| client.failed().is_some()));
    assert_eq!(client.failed(), Some(DtlsFailure::Closed.into()));
    assert_eq!(server.failed(), None, "it was asked to");
    assert_eq!((server.transport.selected(), server.transport.poll_timeout()), (None, None));
    server.send(network.now, Channel::Reliable, "late");
    server.transport.handle_timeout(network.now);
    assert!(server.transport.poll_output().is_none());
}

#[test]
fn messages_without_a_channel_are_counted() {
    let (network, mut client, _) = strangers(16, true);
    client.send(network.now, Channel::Reliable, "a");
    client.send(network.now, Channel::Lossy, "a");
    client.send(network.now, Channel::DataTrack, "a");
    let counters = client.transport.counters();
    assert_eq!((counters.messages_dropped_reliable, counters.messages_dropped_lossy), (1, 2));
}
