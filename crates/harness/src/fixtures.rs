//! Values that tests start from. What a test is about, it says itself by struct update: `NodeConfig { rooms_max: 2, ..node() }`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livekit_protocol as proto;
use prost::Message as _;
use tutti_cluster::{JoinRequest, NodeConfig, Seat};
use tutti_id::{RoomName, ShardNumber};
use tutti_media::MediaConfig;
use tutti_room::{Joiner, Settings};
use tutti_signal::{Facts, Mode, Placement};
use tutti_token::{Claims, Keys, Secret, TTL_DEFAULT};
use tutti_transport::Fingerprint;

/// Name of the API key in [`keys`], as in development mode.
pub const KEY: &str = "devkey";
/// Its secret.
pub const SECRET: &str = "secret";
/// Unix time in milliseconds where a test has no clock.
pub const UNIX_MS: i64 = 1_700_000_000_000;

/// One API key.
pub fn keys() -> Keys {
    Keys::one(KEY, Secret::new(SECRET))
}

/// A token that holds from now on.
pub fn token(claims: &Claims) -> String {
    keys().sign(KEY, claims, SystemTime::now(), TTL_DEFAULT).expect("the key is known")
}

/// A media plane of one shard on loopback: UDP alone, on a port that the system chooses.
pub fn media() -> MediaConfig {
    MediaConfig {
        bind: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        udp_port_base: 0,
        tcp_port: None,
        shards: 1,
        loopback: true,
        pin: false,
        ..MediaConfig::default()
    }
}

/// What clients are told by a node that takes every codec.
pub fn facts() -> Facts {
    Facts {
        server_info: proto::ServerInfo { version: "1.9.0".into(), protocol: 17, ..Default::default() },
        codecs: Settings::default().codecs,
        ping_interval_s: 5,
        ping_timeout_s: 15,
    }
}

/// A node that makes rooms for whoever joins.
pub fn node() -> NodeConfig {
    NodeConfig {
        media: media(),
        facts: facts(),
        ice_servers: Vec::new(),
        room: Settings::default(),
        auto_create: true,
        rooms_max: 0,
        agents: Default::default(),
    }
}

/// Somebody with every ordinary right and a current client.
pub fn joiner(identity: &str) -> Joiner {
    Joiner {
        identity: identity.into(),
        name: String::new(),
        metadata: String::new(),
        attributes: Default::default(),
        kind: proto::participant_info::Kind::Standard,
        kind_details: Vec::new(),
        permission: proto::ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            ..Default::default()
        },
        client: proto::ClientInfo { protocol: 16, ..Default::default() },
        auto_subscribe: true,
        auto_subscribe_data_track: false,
        adaptive_stream: false,
    }
}

/// A [`joiner`] who wants into a room.
pub fn join(room: &str, identity: &str, mode: Mode) -> JoinRequest {
    JoinRequest::new(RoomName::of_default_app(room), joiner(identity), mode)
}

/// What a room gives its member number `members`; nothing listens at its candidates.
pub fn seat(members: usize) -> Seat {
    let placement = Placement { shard: ShardNumber(0), candidates: Vec::new(), fingerprint: Fingerprint([0; 32]) };
    Seat { placement, ice_servers: Vec::new(), seed: [members as u8; 32] }
}

/// The query that asks for the single mode, as a client of today would.
pub fn single_join_query() -> String {
    let join = proto::JoinRequest {
        client_info: Some(proto::ClientInfo { protocol: 17, ..Default::default() }),
        connection_settings: Some(proto::ConnectionSettings { auto_subscribe: true, ..Default::default() }),
        ..Default::default()
    };
    let wrapper = proto::WrappedJoinRequest { compression: 0, join_request: join.encode_to_vec() };
    format!("join_request={}", URL_SAFE_NO_PAD.encode(wrapper.encode_to_vec()))
}
