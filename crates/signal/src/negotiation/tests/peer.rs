//! Treatment of single clients.

use livekit_protocol as proto;
use proto::client_info::Sdk;
use tutti_rtp::Codec;

use super::{client, plain};
use crate::negotiation::Peer;

fn peer(info: &proto::ClientInfo) -> Peer {
    Peer::from_client(info)
}

/// A browser, its system, and what holds for them.
type Case = (&'static str, &'static str, fn(&Peer) -> bool);

#[test]
fn browsers_have_their_quirks() {
    let cases: &[Case] = &[
        ("chrome", "linux", |p| p.receives_red() && p.takes_ice_lite() && p.reuses_sections()),
        ("chrome", "linux", |p| p.takes_sync_streams() && p.takes_playout_delay()),
        ("chrome", "android", |p| !p.needs_only_preferred_codec() && p.may_publish(Codec::H264)),
        ("Firefox", "macOS", |p| !p.receives_red() && !p.takes_ice_lite() && p.reuses_sections()),
        ("firefox", "windows", |p| !p.takes_sync_streams() && !p.takes_playout_delay()),
        ("firefox", "windows", |p| !p.needs_only_preferred_codec() && p.may_publish(Codec::H264)),
        ("firefox", "Linux", |p| p.needs_only_preferred_codec() && !p.may_publish(Codec::H264)),
        ("firefox mobile", "android", |p| p.needs_only_preferred_codec() && !p.may_publish(Codec::H264)),
        ("firefox", "linux", |p| p.may_receive(Codec::H264) && !p.may_receive(Codec::Red)),
        ("safari", "macos", |p| !p.reuses_sections() && !p.receives_red() && p.takes_ice_lite()),
        ("safari", "ios", |p| !p.may_receive(Codec::Av1) && !p.may_publish(Codec::Av1)),
        ("safari", "ios", |p| p.may_receive(Codec::Vp9)),
    ];
    for (browser, os, holds) in cases {
        assert!(holds(&peer(&client(browser, os))), "{browser} on {os}");
    }
}

#[test]
fn versions_decide() {
    let version = |sdk: Sdk, version: &str, protocol| {
        peer(&proto::ClientInfo { sdk: sdk as i32, version: version.to_owned(), protocol, ..Default::default() })
    };
    assert!(!version(Sdk::Swift, "1.0.4", 9).takes_ice_tcp());
    assert!(version(Sdk::Swift, "1.0.10", 9).takes_ice_tcp());
    assert!(!version(Sdk::Go, "2.0.0", 16).takes_ice_tcp());
    assert!(version(Sdk::Go, "2.0.0", 16).needs_padding());
    assert!(!version(Sdk::Js, "1.6.2", 9).takes_reconnect_response());
    assert!(version(Sdk::Js, "1.6.3-rc.1", 9).takes_reconnect_response());
    assert!(!version(Sdk::Rust, "0.3.0", 9).takes_unknown_messages());
    assert!(version(Sdk::Rust, "0.7.0", 16).takes_unknown_messages());
    assert!(!version(Sdk::Js, "1.0.0", 5).takes_ice_lite());
    assert!(!version(Sdk::Js, "1.0.0", 3).reuses_sections());
    assert!(version(Sdk::Python, "1.2.0", 17).recycles_sections() && version(Sdk::Node, "1", 17).recycles_sections());
    assert!(!version(Sdk::Js, "2.21.0", 17).recycles_sections());
}

#[test]
fn new_safari_does_not_publish_vp9() {
    for (version, may) in [("17.5", true), ("18.3", true), ("18.3.1", false), ("18.4", false), ("26", false)] {
        let info = proto::ClientInfo { browser_version: version.to_owned(), ..client("safari", "macos") };
        assert_eq!(peer(&info).may_publish(Codec::Vp9), may, "{version}");
    }
}

#[test]
fn one_phone_does_not_publish_h264() {
    let info = proto::ClientInfo { device_model: "Xiaomi 2201117TI".to_owned(), ..client("", "Android") };
    assert!(!peer(&info).may_publish(Codec::H264));
    assert!(peer(&plain()).may_publish(Codec::H264));
}
