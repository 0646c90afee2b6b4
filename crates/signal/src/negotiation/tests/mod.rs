//! Negotiation against descriptions of real clients and against a model of one.

mod clauses;
mod fixtures;
mod model;
mod peer;
mod publisher;
mod random;
mod single;
mod size;
mod subscriber;

use livekit_protocol as proto;
use tutti_forward::{SubscriptionKey, TrackKey};
use tutti_id::RoomKey;
use tutti_rtp::{Codec, MediaKind};
use tutti_sdp::{MediaSection, SessionDescription};
use tutti_transport::{Fingerprint, IceCredentials};

use super::{CodecPolicy, Connection, LocalParameters, Outgoing, Peer, Role, SectionPolicy};

/// A client with nothing special about it.
fn plain() -> proto::ClientInfo {
    proto::ClientInfo {
        sdk: proto::client_info::Sdk::Js as i32,
        version: "2.21.0".to_owned(),
        protocol: 16,
        os: "macos".to_owned(),
        browser: "chrome".to_owned(),
        browser_version: "140".to_owned(),
        ..Default::default()
    }
}

/// The same in another browser and system.
fn client(browser: &str, os: &str) -> proto::ClientInfo {
    proto::ClientInfo { browser: browser.to_owned(), os: os.to_owned(), ..plain() }
}

/// Our credentials; another `index` gives others.
fn credentials(index: u32) -> IceCredentials {
    IceCredentials { ufrag: format!("0000local{index:03}"), pwd: format!("{index:032}") }
}

fn connection(role: Role, client: &proto::ClientInfo) -> Connection {
    allowing(role, client, CodecPolicy::default())
}

/// The same on a server that allows other codecs.
fn allowing(role: Role, client: &proto::ClientInfo, codecs: CodecPolicy) -> Connection {
    let local = LocalParameters {
        ice: credentials(0),
        ice_lite: true,
        fingerprint: Fingerprint([0xab; 32]),
        candidates: vec!["candidate:1 1 udp 2130706431 192.0.2.10 7882 typ host".to_owned()],
    };
    Connection::new(role, Peer::from_client(client), codecs, local, 0x1234_5678_9abc_def0)
}

fn description(kind: &str, sdp: &str, id: u32) -> proto::SessionDescription {
    proto::SessionDescription { r#type: kind.to_owned(), sdp: sdp.to_owned(), id, ..Default::default() }
}

fn parse(description: &proto::SessionDescription) -> SessionDescription {
    SessionDescription::parse(&description.sdp).unwrap()
}

fn track(index: u32) -> TrackKey {
    TrackKey::new(RoomKey(7), index)
}

fn subscription(index: u32) -> SubscriptionKey {
    SubscriptionKey::new(RoomKey(7), index)
}

fn policy(index: u32) -> SectionPolicy {
    SectionPolicy::new(track(index))
}

fn outgoing(index: u32, codecs: &[Codec]) -> Outgoing {
    Outgoing {
        subscription: subscription(index),
        track_sid: format!("TR_{index}"),
        stream: format!("PA_x|TR_{index}"),
        kind: codecs.first().map_or(MediaKind::Video, |codec| codec.kind()),
        codecs: codecs.to_vec(),
        stereo: false,
        playout_delay: false,
    }
}

/// The section with this mid.
fn section<'a>(description: &'a SessionDescription, mid: &str) -> &'a MediaSection {
    description.media.iter().find(|section| section.mid.as_deref() == Some(mid)).unwrap()
}

/// Payload types of a section, in its order.
fn numbers(section: &MediaSection) -> Vec<u8> {
    section.payloads.iter().map(|payload| payload.number).collect()
}
