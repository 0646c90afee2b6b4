//! What happened, as a value that can be written down: in the journal, in history, in the outbox.
//!
//! Facts of a session of a room are numbered from 1 without holes and come in an order that can be relied on
//! (docs/protocol.md#events): started before joined, joined before published, left before finished.

use std::net::IpAddr;

use livekit_protocol as proto;
use serde::{Deserialize, Serialize};
use tutti_id::RoomName;
use tutti_room::{RoomEvent, RoomEventKind};

/// Why what was open ended when its node was killed or lost its power.
pub const NODE_LOST: &str = "node_lost";

/// One fact of one session of a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Whose room.
    pub app: String,
    /// The room's name in its app.
    pub room: String,
    /// Sid of the session, `RM_…`.
    pub session: String,
    /// Number in the session, from 1.
    pub sequence: i64,
    /// When, milliseconds since 1970 UTC; never before the fact before it.
    pub at_ms: i64,
    /// The node that saw it, `ND_…`.
    pub node: String,
    /// What happened.
    pub event: Event,
}

/// What happens in rooms. Rooms, participants and tracks are as the protocol shows them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The room is open. Always the first.
    RoomStarted {
        /// Which.
        room: Box<proto::Room>,
    },
    /// The room is over. Always the last.
    RoomFinished {
        /// Which.
        room: Box<proto::Room>,
        /// [`NODE_LOST`], or empty.
        #[serde(default)]
        reason: String,
    },
    /// Somebody's media path stands.
    ParticipantJoined {
        /// Who.
        participant: Box<proto::ParticipantInfo>,
        /// With what.
        #[serde(default)]
        client: Client,
    },
    /// Somebody who had joined left.
    ParticipantLeft {
        /// Who.
        participant: Box<proto::ParticipantInfo>,
        /// `client_initiated`, `participant_removed`, … as the protocol names reasons, or [`NODE_LOST`].
        reason: String,
        /// How long it was there, milliseconds.
        stay_ms: i64,
    },
    /// Somebody left who never joined.
    ParticipantConnectionAborted {
        /// Who.
        participant: Box<proto::ParticipantInfo>,
        /// As for one who left.
        reason: String,
        /// With what.
        #[serde(default)]
        client: Client,
    },
    /// A track became visible.
    TrackPublished {
        /// Whose.
        participant: Box<proto::ParticipantInfo>,
        /// Which.
        track: Box<proto::TrackInfo>,
    },
    /// A visible track ended.
    TrackUnpublished {
        /// Whose.
        participant: Box<proto::ParticipantInfo>,
        /// Which.
        track: Box<proto::TrackInfo>,
    },
}

impl Event {
    /// The name of the kind, as web-hooks of the protocol spell it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RoomStarted { .. } => "room_started",
            Self::RoomFinished { .. } => "room_finished",
            Self::ParticipantJoined { .. } => "participant_joined",
            Self::ParticipantLeft { .. } => "participant_left",
            Self::ParticipantConnectionAborted { .. } => "participant_connection_aborted",
            Self::TrackPublished { .. } => "track_published",
            Self::TrackUnpublished { .. } => "track_unpublished",
        }
    }
}

/// What somebody joined with, as far as it was said. Addresses are kept as a class only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    /// `js`, `swift`, `android`, …
    pub sdk: String,
    /// Its version.
    pub sdk_version: String,
    /// Operating system.
    pub os: String,
    /// Its version.
    pub os_version: String,
    /// Model of the device.
    pub device: String,
    /// Browser.
    pub browser: String,
    /// Its version.
    pub browser_version: String,
    /// `wifi`, `wired`, `cellular`, `vpn`.
    pub network: String,
    /// `loopback`, `private` or `public`, and `4` or `6`: `public4`.
    pub address_class: String,
}

impl From<&proto::ClientInfo> for Client {
    fn from(info: &proto::ClientInfo) -> Self {
        let sdk = match info.sdk() {
            proto::client_info::Sdk::Unknown => String::new(),
            sdk => sdk.as_str_name().to_lowercase(),
        };
        Self {
            sdk,
            sdk_version: info.version.clone(),
            os: info.os.clone(),
            os_version: info.os_version.clone(),
            device: info.device_model.clone(),
            browser: info.browser.clone(),
            browser_version: info.browser_version.clone(),
            network: info.network.clone(),
            address_class: info.address.parse().map(address_class).unwrap_or_default(),
        }
    }
}

/// What kind of address it is, without saying which.
fn address_class(address: IpAddr) -> String {
    let address = address.to_canonical();
    let is_private = match address {
        IpAddr::V4(ip) => {
            ip.is_private() || ip.is_link_local() || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    let class = if address.is_loopback() {
        "loopback"
    } else if is_private {
        "private"
    } else {
        "public"
    };
    format!("{class}{}", if address.is_ipv4() { 4 } else { 6 })
}

impl Fact {
    /// The fact that an event of a room of this node is.
    pub fn new(room: &RoomName, node: &str, event: &RoomEvent) -> Self {
        let happened = match &event.kind {
            RoomEventKind::RoomStarted(room) => Event::RoomStarted { room: room.clone() },
            RoomEventKind::RoomFinished(room) => Event::RoomFinished { room: room.clone(), reason: String::new() },
            RoomEventKind::ParticipantJoined(participant) => {
                Event::ParticipantJoined { participant: participant.clone(), client: Client::default() }
            }
            RoomEventKind::ParticipantLeft(participant) => Event::ParticipantLeft {
                reason: reason(participant.disconnect_reason()),
                stay_ms: (event.unix_ms - joined_ms(participant)).max(0),
                participant: participant.clone(),
            },
            RoomEventKind::ConnectionAborted(participant) => Event::ParticipantConnectionAborted {
                reason: reason(participant.disconnect_reason()),
                participant: participant.clone(),
                client: Client::default(),
            },
            RoomEventKind::TrackPublished { participant, track } => {
                Event::TrackPublished { participant: participant.clone(), track: track.clone() }
            }
            RoomEventKind::TrackUnpublished { participant, track } => {
                Event::TrackUnpublished { participant: participant.clone(), track: track.clone() }
            }
        };
        Self {
            app: room.app.as_str().to_owned(),
            room: room.name.clone(),
            session: event.room_sid.clone(),
            sequence: i64::try_from(event.sequence).unwrap_or(i64::MAX),
            at_ms: event.unix_ms,
            node: node.to_owned(),
            event: happened,
        }
    }
}

/// When a participant joined, milliseconds since 1970.
pub(crate) fn joined_ms(participant: &proto::ParticipantInfo) -> i64 {
    if participant.joined_at_ms != 0 { participant.joined_at_ms } else { participant.joined_at.saturating_mul(1000) }
}

fn reason(reason: proto::DisconnectReason) -> String {
    reason.as_str_name().to_lowercase()
}

#[cfg(test)]
mod tests {
    use proto::DisconnectReason;

    use super::*;

    #[test]
    fn facts_come_back_as_they_were() {
        let participant = Box::new(proto::ParticipantInfo {
            sid: "PA_1".into(),
            identity: "ann \"ü\"\0".into(),
            joined_at_ms: 1_000,
            kind: proto::participant_info::Kind::Agent as i32,
            disconnect_reason: DisconnectReason::ParticipantRemoved as i32,
            attributes: [("a".to_owned(), "b".to_owned())].into(),
            permission: Some(proto::ParticipantPermission { can_publish: true, ..Default::default() }),
            ..Default::default()
        });
        let track = Box::new(proto::TrackInfo {
            sid: "TR_1".into(),
            r#type: proto::TrackType::Video as i32,
            width: 1280,
            ..Default::default()
        });
        let room = Box::new(proto::Room { sid: "RM_1".into(), creation_time_ms: i64::MAX, ..Default::default() });
        let kinds = [
            RoomEventKind::RoomStarted(room.clone()),
            RoomEventKind::ParticipantJoined(participant.clone()),
            RoomEventKind::TrackPublished { participant: participant.clone(), track: track.clone() },
            RoomEventKind::TrackUnpublished { participant: participant.clone(), track },
            RoomEventKind::ParticipantLeft(participant.clone()),
            RoomEventKind::ConnectionAborted(participant),
            RoomEventKind::RoomFinished(room),
        ];
        for (kind, sequence) in kinds.into_iter().zip(1..) {
            let event = RoomEvent { room_sid: "RM_1".into(), sequence, unix_ms: 5_000, kind };
            let fact = Fact::new(&RoomName::of_default_app("r"), "ND_1", &event);
            let text = serde_json::to_string(&fact).expect("facts are JSON");
            assert!(text.contains(&format!("\"kind\":\"{}\"", fact.event.kind())), "{text}");
            assert_eq!(serde_json::from_str::<Fact>(&text).expect("what was written is read"), fact, "{text}");
            if let Event::ParticipantLeft { reason, stay_ms, .. } = &fact.event {
                assert_eq!((reason.as_str(), *stay_ms), ("participant_removed", 4_000));
            }
        }
    }

    #[test]
    fn addresses_are_kept_as_classes() {
        for (address, class) in [
            ("127.0.0.1", "loopback4"),
            ("::1", "loopback6"),
            ("10.1.2.3", "private4"),
            ("100.64.0.1", "private4"),
            ("100.128.0.1", "public4"),
            ("::ffff:192.168.1.1", "private4"),
            ("fd00::1", "private6"),
            ("203.0.113.7", "public4"),
            ("2001:db8::1", "public6"),
            ("", ""),
        ] {
            let info = proto::ClientInfo { address: address.into(), ..Default::default() };
            assert_eq!(Client::from(&info).address_class, class, "{address}");
        }
    }
}
