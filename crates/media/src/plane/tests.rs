//! Addresses, names and routing: values in, values out.

use std::net::{IpAddr, SocketAddr};

use tutti_forward::{
    Encoding, ForwardCommand, LayerMode, LayerTarget, PayloadFormat, PublishTrack, SendSection, SubscribeTrack,
    SubscriptionKey, TrackKey,
};
use tutti_id::{RoomKey, ShardNumber};
use tutti_rtp::{Codec, ExtensionMap, MediaKind};
use tutti_transport::{IceCredentials, OpenTransport, TransportCommand, TransportId};

use super::candidates::{candidates, reachable};
use super::routing::{Routed, Routing};
use super::{shard_of_ufrag, ufrag_prefix};
use crate::command::MediaCommand;
use crate::config::MediaError;
use crate::shard::ShardCommand;

const ROOM: RoomKey = RoomKey(9);

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("address")).collect()
}

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().expect("address")).collect()
}

#[test]
fn reachable_addresses() {
    let interfaces = ["127.0.0.1", "10.0.0.5", "192.168.1.2", "169.254.3.4", "::1", "2001:db8::5", "fe80::1"];
    // (bound, interfaces, loopback wanted, expected)
    let cases: [(&str, &[&str], bool, &[&str]); 8] = [
        ("0.0.0.0", &interfaces, false, &["10.0.0.5", "192.168.1.2"]),
        ("0.0.0.0", &interfaces, true, &["127.0.0.1", "10.0.0.5", "192.168.1.2"]),
        ("::", &interfaces, false, &["2001:db8::5"]),
        ("10.0.0.5", &interfaces, false, &["10.0.0.5"]),
        ("127.0.0.1", &interfaces, false, &["127.0.0.1"]),
        ("0.0.0.0", &["127.0.0.1", "::1"], false, &["127.0.0.1"]),
        ("::", &["127.0.0.1", "10.0.0.5", "::1"], false, &[]),
        ("0.0.0.0", &[], true, &[]),
    ];
    for (bound, interfaces, loopback, expected) in cases {
        let bound = bound.parse().expect("address");
        assert_eq!(reachable(bound, &ips(interfaces), loopback), ips(expected), "{bound} {loopback}");
    }
}

#[test]
fn candidate_texts() {
    let udp = addresses(&["10.0.0.5:7883", "[2001:db8::5]:7883"]);
    let tcp = addresses(&["10.0.0.5:7881"]);
    assert_eq!(
        candidates(&udp, &tcp, &[]),
        [
            "candidate:1 1 udp 2130706431 10.0.0.5 7883 typ host",
            "candidate:2 1 udp 2130706175 2001:db8::5 7883 typ host",
            "candidate:3 1 tcp 1520435199 10.0.0.5 7881 typ host tcptype passive",
        ]
    );
    assert_eq!(
        candidates(&udp, &tcp, &ips(&["203.0.113.9"])),
        [
            "candidate:1 1 udp 2130706431 203.0.113.9 7883 typ host",
            "candidate:2 1 tcp 1520435199 203.0.113.9 7881 typ host tcptype passive",
        ]
    );
}

#[test]
fn the_shard_stands_at_the_front_of_a_ufrag() {
    assert_eq!(ufrag_prefix(ShardNumber(0)), "0000");
    assert_eq!(ufrag_prefix(ShardNumber(0x1a2f)), "1a2f");
    let cases = [
        ("00030123abcd", Some(3)),
        ("ffffabcdefgh", Some(0xffff)),
        ("0003", Some(3)),
        ("003", None),
        ("00G3abcd", None),
        ("000Aabcd", None),
        ("+003abcd", None),
        ("é03abcd", None),
        ("", None),
    ];
    for (ufrag, expected) in cases {
        assert_eq!(shard_of_ufrag(ufrag), expected.map(ShardNumber), "{ufrag}");
    }
}

fn transport(index: u32) -> TransportId {
    TransportId::new(ROOM, index)
}

fn open(shard: u16, index: u32) -> MediaCommand {
    let shard = ShardNumber(shard);
    let ice = IceCredentials { ufrag: ufrag_prefix(shard) + "abcdefgh", pwd: "p".repeat(24) };
    let open = OpenTransport { ice, ice_lite: true, open_channels: Vec::new() };
    MediaCommand::Transport { shard, id: transport(index), command: TransportCommand::Open(Box::new(open)) }
}

fn close(index: u32) -> MediaCommand {
    MediaCommand::Transport { shard: ShardNumber(0), id: transport(index), command: TransportCommand::Close }
}

fn publish(by: u32, track: u32, mid: &str) -> MediaCommand {
    let section = PublishTrack {
        track: TrackKey::new(ROOM, track),
        kind: MediaKind::Audio,
        mid: mid.into(),
        formats: vec![PayloadFormat {
            codec: Codec::Opus,
            payload_type: 111,
            rtx_payload_type: None,
            profile: 0,
            nack: true,
        }],
        extensions: ExtensionMap::default(),
        encodings: vec![Encoding { rid: None, ssrc: Some(7), rtx_ssrc: None, spatial: 0 }],
        layer_mode: LayerMode::Simulcast,
        transport_cc: false,
        encrypted: false,
    };
    MediaCommand::Forward { transport: transport(by), command: ForwardCommand::Publish(Box::new(section)) }
}

fn subscribe(by: u32, subscription: u32, track: u32) -> MediaCommand {
    let subscribe = SubscribeTrack {
        track: TrackKey::new(ROOM, track),
        section: SendSection {
            subscription: SubscriptionKey::new(ROOM, subscription),
            mid: "1".into(),
            ssrc: 1000 + subscription,
            rtx_ssrc: None,
            formats: Vec::new(),
            extensions: ExtensionMap::default(),
            cname: "PA_publisher".to_owned(),
            needs_padding: false,
        },
        target: LayerTarget::ALL,
    };
    MediaCommand::Forward { transport: transport(by), command: ForwardCommand::Subscribe(Box::new(subscribe)) }
}

fn unsubscribe(by: u32, subscription: u32) -> MediaCommand {
    let command = ForwardCommand::Unsubscribe(SubscriptionKey::new(ROOM, subscription));
    MediaCommand::Forward { transport: transport(by), command }
}

fn unpublish(by: u32, track: u32) -> MediaCommand {
    let command = ForwardCommand::Unpublish(TrackKey::new(ROOM, track));
    MediaCommand::Forward { transport: transport(by), command }
}

/// What is told to whom, in short.
fn told(routed: Result<Vec<Routed>, MediaError>) -> Vec<(u16, &'static str)> {
    let name = |command: &ShardCommand| match command {
        ShardCommand::Transport { command: TransportCommand::Open(_), .. } => "open",
        ShardCommand::Transport { command: TransportCommand::Close, .. } => "close",
        ShardCommand::Transport { .. } => "transport",
        ShardCommand::Forward { command, .. } => match command {
            ForwardCommand::Publish(_) => "publish",
            ForwardCommand::Unpublish(_) => "unpublish",
            ForwardCommand::SetMuted(..) => "mute",
            ForwardCommand::Subscribe(_) => "subscribe",
            ForwardCommand::Unsubscribe(_) => "unsubscribe",
            ForwardCommand::SetTarget(..) => "target",
        },
        ShardCommand::Import { .. } => "import",
        ShardCommand::DropImport(_) => "drop",
        ShardCommand::LinkTo { .. } => "link to",
        ShardCommand::LinkFrom { .. } => "link from",
    };
    routed.expect("routed").iter().map(|(shard, command)| (shard.0, name(command))).collect()
}

#[test]
fn a_room_stays_at_home_until_it_is_full() {
    let mut routing = Routing::new(3, 2);
    assert_eq!(routing.place(ROOM, 0), ShardNumber(0));
    told(routing.route(open(0, 1)));
    assert_eq!(routing.place(ROOM, 1), ShardNumber(0));
    // Another room goes to where there is less to do.
    assert_eq!(routing.place(RoomKey(10), 0), ShardNumber(1));
    // From the threshold on, so do further members.
    assert_eq!(routing.place(ROOM, 2), ShardNumber(1));
    told(routing.route(open(1, 2)));
    assert_eq!(routing.place(ROOM, 2), ShardNumber(2));
    // Below it, home again.
    assert_eq!(routing.place(ROOM, 1), ShardNumber(0));
}

#[test]
fn commands_follow_their_transport() {
    let mut routing = Routing::new(2, 500);
    assert!(matches!(routing.route(publish(1, 1, "0")), Err(MediaError::UnknownTransport(_))));
    assert!(matches!(routing.route(open(2, 1)), Err(MediaError::UnknownShard(ShardNumber(2)))));
    assert_eq!(told(routing.route(open(1, 1))), [(1, "open")]);
    assert_eq!(told(routing.route(publish(1, 1, "0"))), [(1, "publish")]);
    assert_eq!(told(routing.route(close(1))), [(1, "close")]);
    assert!(matches!(routing.route(close(1)), Err(MediaError::UnknownTransport(_))));
}

#[test]
fn a_track_is_imported_for_the_first_subscriber_and_dropped_with_the_last() {
    let mut routing = Routing::new(2, 500);
    for (shard, index) in [(0, 1), (0, 2), (1, 3), (1, 4)] {
        told(routing.route(open(shard, index)));
    }
    assert_eq!(told(routing.route(publish(1, 1, "0"))), [(0, "publish")]);
    assert_eq!(told(routing.route(subscribe(2, 1, 1))), [(0, "subscribe")]);
    let first = told(routing.route(subscribe(3, 2, 1)));
    assert_eq!(first, [(0, "link to"), (1, "link from"), (1, "import"), (1, "subscribe")]);
    assert_eq!(told(routing.route(subscribe(4, 3, 1))), [(1, "subscribe")]);
    // A further section goes to whoever has the track; the link is there.
    assert_eq!(told(routing.route(publish(1, 1, "5"))), [(1, "import"), (0, "publish")]);
    assert_eq!(told(routing.route(unsubscribe(3, 2))), [(1, "unsubscribe")]);
    assert_eq!(told(routing.route(unsubscribe(4, 3))), [(1, "drop"), (1, "unsubscribe")]);
    // Once more: both sections, no new link.
    assert_eq!(told(routing.route(subscribe(3, 4, 1))), [(1, "import"), (1, "import"), (1, "subscribe")]);
    assert_eq!(told(routing.route(unpublish(1, 1))), [(1, "drop"), (0, "unpublish")]);
    assert_eq!(told(routing.route(unsubscribe(3, 4))), [(1, "unsubscribe")]);
}

#[test]
fn a_subscription_may_come_before_its_track() {
    let mut routing = Routing::new(2, 500);
    told(routing.route(open(0, 1)));
    told(routing.route(open(1, 2)));
    assert_eq!(told(routing.route(subscribe(2, 1, 1))), [(1, "subscribe")]);
    let published = told(routing.route(publish(1, 1, "0")));
    assert_eq!(published, [(0, "link to"), (1, "link from"), (1, "import"), (0, "publish")]);
}

#[test]
fn closing_a_transport_undoes_what_it_had() {
    let mut routing = Routing::new(2, 500);
    for (shard, index) in [(0, 1), (1, 2)] {
        told(routing.route(open(shard, index)));
    }
    told(routing.route(publish(1, 1, "0")));
    told(routing.route(publish(2, 2, "0")));
    told(routing.route(subscribe(2, 1, 1)));
    told(routing.route(subscribe(1, 2, 2)));
    // Its own track is dropped where it was imported, and what it got is no longer imported for it.
    assert_eq!(told(routing.route(close(2))), [(1, "close"), (0, "drop"), (1, "drop")]);
    assert_eq!(told(routing.route(subscribe(1, 3, 2))), [(0, "subscribe")]);
    assert_eq!(told(routing.route(close(1))), [(0, "close")]);
}
