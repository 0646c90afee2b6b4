//! What the control plane asks of a transport, and what it hears back.
//!
//! Plain values only: they cross a thread boundary through a bounded mailbox.

use bytes::Bytes;
use tutti_id::RoomKey;

use crate::failure::TransportFailure;

/// Names one transport (peer connection) on this node. The upper 32 bits are the key of the room it belongs to,
/// so that an event finds its room without a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransportId(pub u64);

impl TransportId {
    /// The id with number `index` in this room.
    pub const fn new(room: RoomKey, index: u32) -> Self {
        Self(room.with_index(index))
    }

    /// The room that this transport belongs to.
    pub const fn room(self) -> RoomKey {
        RoomKey::of(self.0)
    }

    /// Its number in the room.
    pub const fn index(self) -> u32 {
        RoomKey::index_of(self.0)
    }
}

/// An ICE user name fragment and password (RFC 8839, section 5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 ice-chars. Ours begin with the shard, see `tutti-media`.
    pub ufrag: String,
    /// 22 to 256 ice-chars. Secret: never logged.
    pub pwd: String,
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// Which side starts the DTLS handshake (RFC 8842, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    /// We send the ClientHello (`a=setup:active` in our description).
    Client,
    /// The peer does (`a=setup:passive` in our description).
    Server,
}

/// The SHA-256 fingerprint of a certificate of ours (RFC 8122).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// A hash function that certificates are named by and that is strong enough to trust, the weaker ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateHash {
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

/// Which certificates a peer may show (RFC 8122, section 5.1): of the functions that its description names, the strongest
/// counts, and its certificate must have one of the digests by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFingerprints {
    hash: CertificateHash,
    /// In order, each once.
    digests: Vec<Vec<u8>>,
}

impl PeerFingerprints {
    /// Reads the fingerprints of a description. `None` when there is none by a function that we trust.
    pub fn strongest(stated: impl IntoIterator<Item = (CertificateHash, Vec<u8>)>) -> Option<Self> {
        let mut stated: Vec<_> = stated.into_iter().collect();
        let hash = stated.iter().map(|(hash, _)| *hash).max()?;
        stated.retain(|(of, _)| *of == hash);
        let mut digests: Vec<_> = stated.into_iter().map(|(_, digest)| digest).collect();
        digests.sort_unstable();
        digests.dedup();
        Some(Self { hash, digests })
    }

    /// Function and digests, for comparison with a certificate.
    pub(crate) fn parts(&self) -> (CertificateHash, &[Vec<u8>]) {
        (self.hash, &self.digests)
    }
}

impl From<Fingerprint> for PeerFingerprints {
    fn from(fingerprint: Fingerprint) -> Self {
        Self { hash: CertificateHash::Sha256, digests: vec![fingerprint.0.to_vec()] }
    }
}

/// How a data channel delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reliability {
    /// Ordered and complete.
    Reliable,
    /// Unordered, never retransmitted.
    Lossy,
}

/// The data channels of the LiveKit protocol (docs/protocol.md#data-channels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// `_reliable`: ordered, complete; `DataPacket` messages.
    Reliable,
    /// `_lossy`: unordered, `maxRetransmits` 0; `DataPacket` messages.
    Lossy,
    /// `_data_track`: unordered, `maxRetransmits` 0; raw data-track packets.
    DataTrack,
    /// Any other label: a channel of the application's own, opened by the peer. Raw messages up, nothing down.
    Application,
}

impl Channel {
    /// The label on the wire; empty for [`Channel::Application`], which we never open.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Reliable => "_reliable",
            Self::Lossy => "_lossy",
            Self::DataTrack => "_data_track",
            Self::Application => "",
        }
    }

    /// The channel with this label.
    pub fn from_label(label: &str) -> Self {
        let ours = [Self::Reliable, Self::Lossy, Self::DataTrack].into_iter().find(|channel| channel.label() == label);
        ours.unwrap_or(Self::Application)
    }

    /// How the channel delivers. What comes on a channel of an application's own is passed on as complete as it came.
    pub const fn reliability(self) -> Reliability {
        match self {
            Self::Reliable | Self::Application => Reliability::Reliable,
            Self::Lossy | Self::DataTrack => Reliability::Lossy,
        }
    }
}

/// What a new transport starts from.
#[derive(Debug, Clone)]
pub struct OpenTransport {
    /// Our credentials, already in the description that the peer gets.
    pub ice: IceCredentials,
    /// ICE-lite (RFC 8445, section 2.5); `false` for peers that need a full agent.
    pub ice_lite: bool,
    /// Data channels that we open, in this order (in-band, RFC 8832). Empty where the peer opens them.
    pub open_channels: Vec<Channel>,
}

/// What the peer's description said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteParameters {
    /// The peer's credentials. New ones on a transport that already has some mean an ICE restart.
    pub ice: IceCredentials,
    /// The certificates the peer may present.
    pub fingerprints: PeerFingerprints,
    /// Our side of the DTLS handshake. Fixed by the first description.
    pub dtls_role: DtlsRole,
    /// Whether the descriptions hold an application section.
    pub data_channels: bool,
    /// Port of the peer's SCTP (`a=sctp-port`, RFC 8841, section 5), which nothing but SCTP's own header tells apart. Not 0.
    pub sctp_port: u16,
    /// Largest message the peer accepts, bytes (`a=max-message-size`; 0 in SDP means no limit and is `None` here).
    pub max_message_size: Option<u32>,
}

/// What the control plane asks of one transport.
#[derive(Debug, Clone)]
pub enum TransportCommand {
    /// Create it. Packets for its user name fragment are accepted from now on.
    Open(Box<OpenTransport>),
    /// The peer's description arrived, for the first time or again.
    SetRemote(Box<RemoteParameters>),
    /// A trickled candidate: the text of `candidate:…` without `a=`. Malformed or unusable ones are counted and ignored.
    AddRemoteCandidate(String),
    /// Our new credentials for an ICE restart. Packets for the old ones stay valid until the new pair is nominated.
    RestartIce(IceCredentials),
    /// Reliable messages of this weight ([`crate::data_weight`]), since the transport was opened, were passed on and no
    /// longer count against the peer's window. Read where [`crate::Transport::govern_data`] was called.
    DataTaken(u64),
    /// Queue a message on a data channel. On a lossy one it is dropped and counted when the queue is over its bound; on
    /// the reliable one it waits as long as the peer takes, see [`TransportEvent::DataProgress`].
    Send {
        /// Channel to send on.
        channel: Channel,
        /// One whole message.
        payload: Bytes,
    },
    /// Close and forget it.
    Close,
}

/// What a transport tells the control plane.
#[derive(Debug, Clone)]
pub enum TransportEvent {
    /// ICE and DTLS are up. Sent again when a restart or a silent spell ended.
    Connected {
        /// The selected pair runs over ICE-TCP.
        tcp: bool,
    },
    /// No consent (RFC 7675) or no check answered for the disconnect time. May recover.
    Disconnected,
    /// Gave up: no pair, consent lost for good, or the handshake failed. The transport stays until closed.
    Failed {
        /// Why.
        reason: TransportFailure,
    },
    /// A channel is open in both directions.
    ChannelOpen(Channel),
    /// One whole message arrived.
    Message {
        /// Channel it arrived on.
        channel: Channel,
        /// The message.
        payload: Bytes,
    },
    /// The peer comes on with the reliable messages that were sent to it. Said every 64 KiB.
    DataProgress {
        /// Weight ([`crate::data_weight`]) of all messages, since the transport was opened, that no longer wait.
        sent: u64,
        /// Weight of what may wait for this peer before those who send to it should be slowed.
        backlog_max: u32,
    },
    /// The peer has acknowledged nothing for 15 seconds, with reliable messages under way to it.
    DataStalled,
    /// A reliable message cannot be delivered: the peer takes none of this size, or has closed its channel.
    DataUndelivered {
        /// Size of the message.
        bytes: usize,
    },
}
