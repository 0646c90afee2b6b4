//! What needs a look inside: a panic ends the peer that it happened to, and the tables forget it.

mod promised;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tutti_id::{RoomKey, ShardNumber};
use tutti_rtp::rtcp::{Packet, packets};
use tutti_transport::{
    Certificate, IceCredentials, LocalAddresses, OpenTransport, Proto, TransportCommand, TransportConfig,
    TransportEvent, TransportId,
};

use crate::command::MediaEvent;
use crate::shard::demux::{Demux, Known};
use crate::shard::ids::PeerIndex;
use crate::shard::observer::PathObserver;
use crate::shard::{ShardCommand, ShardConfig, ShardCore};

fn core() -> (ShardCore, Instant) {
    let now = Instant::now();
    let certificate = Certificate::generate().expect("certificate");
    let transport = Arc::new(TransportConfig::new(certificate));
    let config = ShardConfig { shard: ShardNumber(0), transport, local: LocalAddresses::default(), seed: [1; 32] };
    (ShardCore::new(config, now), now)
}

fn open(core: &mut ShardCore, now: Instant, index: u32) -> TransportId {
    let id = TransportId::new(RoomKey(1), index);
    let ice = IceCredentials { ufrag: format!("0000abcd{index:04}"), pwd: "p".repeat(24) };
    let open = OpenTransport { ice, ice_lite: true, open_channels: Vec::new() };
    core.handle_command(now, ShardCommand::Transport { id, command: TransportCommand::Open(Box::new(open)) });
    id
}

#[test]
fn a_panic_ends_the_peer_it_happened_to() {
    let (mut core, now) = core();
    let (first, second) = (open(&mut core, now, 1), open(&mut core, now, 2));
    let index = core.peers.find(first).expect("open");
    core.guarded(now, |core| {
        core.blame = Some(index);
        panic!("a fault in the middle of a peer");
    });
    let metrics = core.metrics();
    assert_eq!((metrics.panics, metrics.transports), (1, 1));
    assert!(core.peers.contains(second));
    assert_eq!(core.demux.by_ufrag("0000abcd0001"), None);
    let event = std::iter::from_fn(|| core.poll_event()).find_map(|event| match event {
        MediaEvent::Transport { id, event: TransportEvent::Failed { .. } } => Some(id),
        _ => None,
    });
    assert_eq!(event, Some(first));

    // Outside of any peer, nobody is ended.
    core.guarded(now, |_| panic!("a fault of nobody"));
    assert_eq!((core.metrics().panics, core.metrics().transports), (2, 1));
}

#[test]
fn feedback_is_read_as_far_as_it_can_be_true() {
    // 65,528 packets, all lost, in runs of 8191 (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1.3).
    let mut told = vec![0x8f, 205, 0, 8];
    told.extend([0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0xff, 0xf8, 0, 0, 0, 0]);
    for run in [8191u16, 8191, 8191, 8191, 8191, 8191, 8191, 8191] {
        told.extend(run.to_be_bytes());
    }
    let mut observer = PathObserver::default();
    for packet in packets(&told) {
        match packet {
            Ok(Packet::TransportFeedback(feedback)) => observer.on_feedback(&feedback),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((observer.arrived, observer.lost), (0, 4096));
}

#[test]
fn addresses_stay_bounded_and_are_held_by_proof() {
    let now = Instant::now();
    let mut demux = Demux::default();
    let (mut first, mut second) = (Known::default(), Known::default());
    let (a, b) = (PeerIndex(1), PeerIndex(2));
    let source = |port: u16| (Proto::Udp, SocketAddr::from(([10, 0, 0, 9], port)));
    for port in 1..=20 {
        demux.bind(&mut first, a, source(port), Some(source(1)));
    }
    // The selected one stayed, the oldest others went.
    assert_eq!(demux.by_address(&source(1)), Some(a));
    assert_eq!(
        (1..=20).filter(|&port| demux.by_address(&source(port)).is_some()).count(),
        16,
        "as many as a transport has paths"
    );
    // What is only expected takes nothing away, and holds nothing.
    demux.expect(&mut second, b, source(20), None);
    assert_eq!(demux.by_address(&source(20)), Some(a));
    assert!(!first.holds(now, &source(20)));
    // Proof holds an address for 15 s, and no other one.
    first.prove(now, &source(20));
    assert!(first.holds(now + Duration::from_millis(14_999), &source(20)));
    assert!(!first.holds(now + Duration::from_secs(15), &source(20)));
    assert!(!first.holds(now, &source(19)));
    demux.bind(&mut second, b, source(20), None);
    assert_eq!(demux.by_address(&source(20)), Some(b));
    // Back again, it is known once and not yet proved.
    demux.bind(&mut first, a, source(20), None);
    assert!(!first.holds(now, &source(20)));
    demux.bind(&mut second, b, source(20), None);
    // Leaving takes only what is still one's own.
    demux.remove(first, a);
    assert_eq!(demux.by_address(&source(1)), None);
    assert_eq!(demux.by_address(&source(20)), Some(b));
}

#[test]
fn names_change_with_an_ice_restart() {
    let mut demux = Demux::default();
    let (mut first, mut second) = (Known::default(), Known::default());
    let (a, b) = (PeerIndex(1), PeerIndex(2));
    let lead = |demux: &Demux| ["one", "two", "three"].map(|name| demux.by_ufrag(name).map(|peer| peer.0));
    // (names of a, where the names lead)
    let steps: [(&[&str], [Option<u32>; 3]); 5] = [
        (&["one"], [Some(1), None, None]),
        (&["one"], [Some(1), None, None]),
        (&["two", "one"], [Some(1), Some(1), None]),
        (&["two"], [None, Some(1), None]),
        (&["three"], [None, None, Some(1)]),
    ];
    for (names, expected) in steps {
        demux.name(&mut first, a, names.iter().copied());
        assert_eq!(lead(&demux), expected, "{names:?}");
    }
    // A name has one owner.
    demux.name(&mut second, b, ["three"].into_iter());
    assert_eq!(lead(&demux), [None, None, Some(1)]);
    demux.remove(first, a);
    assert_eq!(lead(&demux), [None, None, None]);
}
