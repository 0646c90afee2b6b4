//! Sockets on loopback: what goes out comes in whole, with the right addresses. Bounded waits, ports from the system.

#[expect(unreachable_pub, reason = "shared with the tests of whole shards")]
#[path = "../../tests/world/stun.rs"]
mod stun;

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use stun::stun_request;
use tutti_transport::{Path, Proto, tcp_frame};

use super::{
    Doorbell, Poll, ReceiveBatch, Sender, TcpFront, TcpLink, TcpLinkState, Token, UdpSocket, interface_addresses,
    probe_segmentation,
};
use crate::batch::SendBatch;
use crate::metrics::SendCounters;

/// Long enough for loopback on any machine; only a failing test waits it out.
const PATIENCE: Duration = Duration::from_secs(10);

fn socket(address: impl Into<SocketAddr>) -> UdpSocket {
    UdpSocket::bind(address.into(), 1 << 18).expect("bind")
}

/// Datagrams on `socket` until there are `count`: source, destination, bytes.
fn collect(socket: &UdpSocket, count: usize) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
    let mut poll = Poll::new().expect("poll");
    poll.add(socket, Token(0)).expect("add");
    let mut batch = ReceiveBatch::new();
    let mut ready = Vec::new();
    let mut arrived = Vec::new();
    let until = Instant::now() + PATIENCE;
    while arrived.len() < count && Instant::now() < until {
        poll.wait(Some(until.saturating_duration_since(Instant::now())), &mut ready).expect("wait");
        while batch.receive(socket).expect("receive") > 0 {
            batch.for_each(socket.address(), |received| {
                arrived.push((received.source, received.destination, received.bytes.to_vec()));
            });
        }
    }
    arrived
}

fn contents(mark: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| mark ^ at as u8).collect()
}

#[test]
fn runs_arrive_as_single_datagrams_with_and_without_segmentation() {
    let lengths = [1100usize, 1100, 1100, 700, 50, 1200, 1200, 1];
    for segments in [false, probe_segmentation()] {
        let (from, to) = (socket((Ipv4Addr::LOCALHOST, 0)), socket((Ipv4Addr::LOCALHOST, 0)));
        let path = Path { proto: Proto::Udp, remote: to.address(), local: from.address() };
        let mut batch = SendBatch::new(1 << 16);
        for (mark, length) in (0u8..).zip(lengths) {
            assert!(batch.push(path, &contents(mark, length)));
        }
        assert_eq!(batch.runs().iter().map(crate::batch::Run::count).collect::<Vec<_>>(), [4, 1, 3]);
        let mut counters = SendCounters::default();
        Sender::new(segments).send(std::slice::from_ref(&from), &batch, &mut counters);
        assert_eq!(counters.datagrams, 8);
        assert_eq!(counters.segmented, if segments { 7 } else { 0 });
        let arrived = collect(&to, 8);
        let expected: Vec<_> =
            (0u8..).zip(lengths).map(|(mark, length)| (from.address(), to.address(), contents(mark, length))).collect();
        assert!(arrived == expected, "with segments: {segments}");
    }
}

#[test]
fn a_wildcard_socket_knows_and_keeps_the_address_it_was_asked_at() {
    let wildcard = socket((Ipv4Addr::UNSPECIFIED, 0));
    let peer = socket((Ipv4Addr::LOCALHOST, 0));
    // Any address of 127/8 is ours.
    let asked = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 77), wildcard.address().port()));
    let mut batch = SendBatch::new(4096);
    let mut counters = SendCounters::default();
    assert!(batch.push(Path { proto: Proto::Udp, remote: asked, local: peer.address() }, b"hello"));
    Sender::new(true).send(std::slice::from_ref(&peer), &batch, &mut counters);
    assert_eq!(collect(&wildcard, 1), [(peer.address(), asked, b"hello".to_vec())]);

    batch.clear();
    assert!(batch.push(Path { proto: Proto::Udp, remote: peer.address(), local: asked }, b"answer"));
    Sender::new(true).send(std::slice::from_ref(&wildcard), &batch, &mut counters);
    assert_eq!(collect(&peer, 1), [(asked, peer.address(), b"answer".to_vec())]);
}

#[test]
fn ipv6_where_there_is_any() {
    let Ok(wildcard) = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0).into(), 1 << 16) else { return };
    let Ok(peer) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0).into(), 1 << 16) else { return };
    let asked = SocketAddr::from((Ipv6Addr::LOCALHOST, wildcard.address().port()));
    let mut batch = SendBatch::new(4096);
    let mut counters = SendCounters::default();
    for _ in 0..3 {
        assert!(batch.push(Path { proto: Proto::Udp, remote: asked, local: peer.address() }, &[7; 500]));
    }
    Sender::new(true).send(std::slice::from_ref(&peer), &batch, &mut counters);
    assert_eq!(collect(&wildcard, 3), vec![(peer.address(), asked, vec![7; 500]); 3]);
    batch.clear();
    assert!(batch.push(Path { proto: Proto::Udp, remote: peer.address(), local: asked }, b"answer"));
    Sender::new(true).send(std::slice::from_ref(&wildcard), &batch, &mut counters);
    assert_eq!(collect(&peer, 1), [(asked, peer.address(), b"answer".to_vec())]);
}

#[test]
fn what_cannot_be_sent_is_counted_and_the_rest_leaves() {
    let (from, to) = (socket((Ipv4Addr::LOCALHOST, 0)), socket((Ipv4Addr::LOCALHOST, 0)));
    let path = Path { proto: Proto::Udp, remote: to.address(), local: from.address() };
    let elsewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let mut batch = SendBatch::new(1 << 17);
    assert!(batch.push(path, b"first"));
    // A loopback source cannot reach another network.
    assert!(batch.push(Path { remote: elsewhere, ..path }, b"unroutable"));
    assert!(batch.push(Path { local: elsewhere, ..path }, b"no socket"));
    assert!(batch.push(path, b"last"));
    let mut counters = SendCounters::default();
    Sender::new(true).send(std::slice::from_ref(&from), &batch, &mut counters);
    let arrived: Vec<_> = collect(&to, 2).into_iter().map(|arrived| arrived.2).collect();
    assert_eq!(arrived, [b"first".to_vec(), b"last".to_vec()]);
    assert_eq!((counters.datagrams, counters.dropped_refused, counters.dropped_no_socket), (2, 1, 1));
}

#[test]
fn a_doorbell_wakes_once_for_many_rings() {
    let bell = Doorbell::new().expect("doorbell");
    let mut poll = Poll::new().expect("poll");
    poll.add(&bell, Token(5)).expect("add");
    let mut ready = Vec::new();
    poll.wait(Some(Duration::ZERO), &mut ready).expect("wait");
    assert!(ready.is_empty());
    bell.ring();
    bell.ring();
    poll.wait(Some(PATIENCE), &mut ready).expect("wait");
    assert_eq!(ready.len(), 1);
    assert_eq!((ready[0].token, ready[0].readable), (Token(5), true));
    bell.answer();
    poll.wait(Some(Duration::ZERO), &mut ready).expect("wait");
    assert!(ready.is_empty());
    bell.ring();
    poll.wait(Some(PATIENCE), &mut ready).expect("wait");
    assert_eq!(ready.len(), 1);
}

#[test]
fn interfaces_include_loopback() {
    let addresses = interface_addresses().expect("interfaces");
    assert!(addresses.iter().any(std::net::IpAddr::is_loopback), "{addresses:?}");
}

fn framed(packet: &[u8]) -> Vec<u8> {
    let mut bytes = tcp_frame::header(packet.len()).expect("length").to_vec();
    bytes.extend_from_slice(packet);
    bytes
}

/// Stops the front when the test ends, also when it fails.
struct Halt(Arc<AtomicBool>, Arc<Doorbell>);

impl Drop for Halt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
        self.1.ring();
    }
}

#[test]
fn tcp_connections_are_sorted_by_their_first_frame() {
    let mut front = TcpFront::bind(&[(Ipv4Addr::LOCALHOST, 0).into()], 16).expect("bind");
    let address = front.addresses()[0];
    let (bell, stop) = (Arc::new(Doorbell::new().expect("doorbell")), Arc::new(AtomicBool::new(false)));
    let (handed, taken) = mpsc::channel();
    std::thread::scope(|scope| {
        let _halt = Halt(stop.clone(), bell.clone());
        scope.spawn(move || {
            let hand_over = |ufrag: &str, stream| handed.send((ufrag.to_owned(), stream)).is_ok();
            front.run(&bell, || stop.load(Ordering::Acquire), hand_over, |_, _| {}).expect("run");
        });

        // In two pieces, so that the front has to wait for the second.
        let mut client = TcpStream::connect(address).expect("connect");
        let request = framed(&stun_request("0003abcdefgh:peer"));
        client.write_all(&request[..7]).expect("write");
        client.flush().expect("flush");
        client.write_all(&request[7..]).expect("write");
        let (ufrag, stream) = taken.recv_timeout(PATIENCE).expect("handed over");
        assert_eq!(ufrag, "0003abcdefgh");

        // Nothing was taken from it yet, and frames go both ways.
        let mut link = TcpLink::new(stream).expect("link");
        assert_eq!(link.remote(), client.local_addr().expect("address"));
        let mut frames = Vec::new();
        let until = Instant::now() + PATIENCE;
        while frames.is_empty() && Instant::now() < until {
            assert_eq!(link.read(|frame| frames.push(frame.to_vec())), TcpLinkState::Open);
        }
        assert_eq!(frames, [request[2..].to_vec()]);
        assert_eq!(link.send(Instant::now(), b"response"), TcpLinkState::Open);
        let mut answer = [0; 10];
        client.set_read_timeout(Some(PATIENCE)).expect("timeout");
        std::io::Read::read_exact(&mut client, &mut answer).expect("read");
        assert_eq!(answer, *b"\0\x08response");

        // Anything else than a binding request is closed.
        let mut stranger = TcpStream::connect(address).expect("connect");
        stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("write");
        stranger.set_read_timeout(Some(PATIENCE)).expect("timeout");
        // A reset counts too: our end had unread bytes.
        assert!(matches!(std::io::Read::read(&mut stranger, &mut [0; 1]), Ok(0) | Err(_)));
    });
}

#[test]
fn connections_that_say_nothing_give_way() {
    const PLACES: usize = 8;
    let mut front = TcpFront::bind(&[(Ipv4Addr::LOCALHOST, 0).into()], PLACES).expect("bind");
    let address = front.addresses()[0];
    let (bell, stop) = (Arc::new(Doorbell::new().expect("doorbell")), Arc::new(AtomicBool::new(false)));
    let (handed, taken) = mpsc::channel();
    let refused = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _halt = Halt(stop.clone(), bell.clone());
        let count = refused.clone();
        scope.spawn(move || {
            let hand_over = |ufrag: &str, _| handed.send(ufrag.to_owned()).is_ok();
            let count = |refused, _| count.store(refused, Ordering::Release);
            front.run(&bell, || stop.load(Ordering::Acquire), hand_over, count).expect("run");
        });

        // Five times as many as there are places, half of a frame each and then silence.
        let half = &framed(&stun_request("0000silent:peer"))[..20];
        let mut silent = Vec::new();
        for _ in 0..5 * PLACES {
            let mut stream = TcpStream::connect(address).expect("connect");
            // It may have been closed already to make room.
            let _ = stream.write_all(half);
            silent.push(stream);
        }
        let mut client = TcpStream::connect(address).expect("connect");
        client.write_all(&framed(&stun_request("0001honest:peer"))).expect("write");
        assert_eq!(taken.recv_timeout(PATIENCE).expect("handed over"), "0001honest");
        // It counts at the end of each turn.
        let until = Instant::now() + PATIENCE;
        while refused.load(Ordering::Acquire) < 4 * PLACES as u64 && Instant::now() < until {
            std::thread::yield_now();
        }
        assert!(refused.load(Ordering::Acquire) >= 4 * PLACES as u64);

        // The first of them is closed and not only forgotten: it reads the end.
        silent[0].set_read_timeout(Some(PATIENCE)).expect("timeout");
        assert!(matches!(std::io::Read::read(&mut silent[0], &mut [0; 1]), Ok(0) | Err(_)));
    });
}

#[test]
fn what_the_kernel_drops_is_told() {
    let (from, to) =
        (socket((Ipv4Addr::LOCALHOST, 0)), UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into(), 1).expect("bind"));
    assert_eq!(to.dropped_by_kernel(), 0);
    let path = Path { proto: Proto::Udp, remote: to.address(), local: from.address() };
    let mut batch = SendBatch::new(1 << 18);
    for mark in 0..100 {
        assert!(batch.push(path, &contents(mark, 1200)));
    }
    let mut counters = SendCounters::default();
    Sender::new(false).send(std::slice::from_ref(&from), &batch, &mut counters);
    assert_eq!(counters.datagrams, 100);
    let mut receive = ReceiveBatch::new();
    let mut arrived = 0;
    while receive.receive(&to).expect("receive") > 0 {
        receive.for_each(to.address(), |_| arrived += 1);
    }
    assert!(arrived < 100, "the smallest buffer there is does not hold them all");
    assert_eq!(to.dropped_by_kernel() + arrived, 100);
}

#[test]
fn a_peer_that_does_not_read_loses_frames_and_then_its_connection() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (stream, _) = listener.accept().expect("accept");
    stream.set_nonblocking(true).expect("non-blocking");
    let mut link = TcpLink::new(stream).expect("link");
    let start = Instant::now();
    let frame = [1; 1200];
    let mut sent = 0;
    while link.dropped == 0 {
        assert_eq!(link.send(start, &frame), TcpLinkState::Open);
        sent += 1;
        assert!(sent < 1_000_000, "the queue has a bound");
    }
    assert!(link.has_queued());
    assert_eq!(link.send(start + Duration::from_secs(1), &frame), TcpLinkState::Open);
    assert_eq!(link.send(start + Duration::from_secs(6), &frame), TcpLinkState::Closed);
    drop(client);
}
