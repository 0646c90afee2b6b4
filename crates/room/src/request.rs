//! What a member (through its dialogue), the media plane and the server API ask of a room.

use bytes::Bytes;
use livekit_protocol as proto;

/// Names one member of a room for as long as the room lives; never reused. A member is one session of one identity:
/// the same identity joining again is a new member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberKey(pub u32);

/// Names one published track of a room for as long as the room lives; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackNumber(pub u32);

/// Names one subscription of a room for as long as the room lives; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionNumber(pub u32);

/// Who joins, and with what rights. Built from a verified token and the client's own words.
#[derive(Debug, Clone, PartialEq)]
pub struct Joiner {
    /// `sub` of the token. Not empty, at most 256 bytes.
    pub identity: String,
    /// Display name.
    pub name: String,
    /// Participant metadata.
    pub metadata: String,
    /// Participant attributes.
    pub attributes: std::collections::BTreeMap<String, String>,
    /// Kind that the token states.
    pub kind: proto::participant_info::Kind,
    /// Details of the kind.
    pub kind_details: Vec<proto::participant_info::KindDetail>,
    /// Rights, with the token's defaults filled in. `recorder` exempts from track permissions and from counting.
    pub permission: proto::ParticipantPermission,
    /// What the client says of itself, quirks are decided by it.
    pub client: proto::ClientInfo,
    /// Subscribe to everything without being asked.
    pub auto_subscribe: bool,
    /// Subscribe to every data track without being asked.
    pub auto_subscribe_data_track: bool,
    /// The client says what sizes it shows: video starts at the lowest layer.
    pub adaptive_stream: bool,
}

/// What a published section turned out to be once both descriptions agreed on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// Track that the section carries.
    pub track: TrackNumber,
    /// MID of the section.
    pub mid: String,
    /// MIME type in use, such as `video/VP8`.
    pub mime_type: String,
    /// Track id in the description, where it differs from the client id in the request.
    pub sdp_cid: String,
}

/// Delivery of a data packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// In order and complete.
    Reliable,
    /// At once or never.
    Lossy,
}

/// How well one leg of a track fared in the last window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// Share of packets lost and not repaired, 0.0 to 1.0.
    pub loss: f32,
    /// Jitter, ms.
    pub jitter_ms: f32,
    /// Round trip, ms.
    pub rtt_ms: Option<f32>,
    /// Payload rate, bit/s.
    pub bitrate: u64,
    /// Spatial layers seen (lowest bit = smallest); 0 = nothing arrived.
    pub layers: u8,
}

/// One member's request.
#[derive(Debug, Clone)]
pub enum Request {
    /// Its primary transport is connected for the first time.
    Active,
    /// Its signalling socket went away; media goes on (docs/protocol.md#resume).
    Detached,
    /// A new socket took over the session.
    Resumed,
    /// It wants to publish. Answered by [`crate::Notice::TrackAccepted`] or a `RequestResponse`.
    AddTrack(proto::AddTrackRequest),
    /// A section for an accepted track was negotiated: the track becomes visible.
    Negotiated(Negotiated),
    /// The section of a track ended: the track is unpublished.
    Unpublish(TrackNumber),
    /// It muted or unmuted its own track.
    Mute(proto::MuteTrackRequest),
    /// It wants or no longer wants tracks.
    Subscription(proto::UpdateSubscription),
    /// How it shows tracks.
    TrackSettings(proto::UpdateTrackSettings),
    /// Who may subscribe to its tracks.
    SubscriptionPermission(proto::SubscriptionPermission),
    /// Its own metadata, name, attributes.
    UpdateMetadata(proto::UpdateParticipantMetadata),
    /// Features of its audio track changed.
    UpdateAudioTrack(proto::UpdateLocalAudioTrack),
    /// Size of its video track changed.
    UpdateVideoTrack(proto::UpdateLocalVideoTrack),
    /// A data track begins.
    PublishDataTrack(proto::PublishDataTrackRequest),
    /// A data track ends.
    UnpublishDataTrack(proto::UnpublishDataTrackRequest),
    /// It keeps a data blob in the room.
    StoreDataBlob(proto::StoreDataBlobRequest),
    /// It asks for a data blob of somebody.
    GetDataBlob(proto::GetDataBlobRequest),
    /// It wants or no longer wants data tracks.
    DataSubscription(proto::UpdateDataSubscription),
    /// After a resume: what it believes.
    SyncState(Box<proto::SyncState>),
    /// An encoded `DataPacket` arrived from it.
    Data {
        /// Channel it came on; it leaves on the same.
        delivery: Delivery,
        /// The encoded packet.
        payload: Bytes,
    },
    /// A message arrived from it on a data channel of the application's own: no packet, just what the application sent.
    ApplicationData(Bytes),
    /// A raw data-track packet arrived from it.
    DataTrackPacket(Bytes),
    /// The subscription is described to the subscriber: media may flow. The publisher hears `TrackSubscribed` once.
    Subscribed(SubscriptionNumber),
    /// The subscriber cannot take the track: no codec in common.
    SubscriptionFailed(SubscriptionNumber, proto::SubscriptionError),
    /// Its transport reported on a track it publishes.
    Upstream(TrackNumber, Leg),
    /// Its transport reported on a track it receives.
    Downstream(SubscriptionNumber, Leg),
    /// Its microphone level changed.
    Speaker {
        /// Audio track.
        track: TrackNumber,
        /// 0.0 to 1.0.
        level: f32,
        /// Speaking.
        active: bool,
    },
    /// It is gone for good.
    Leave(proto::DisconnectReason),
    /// A test of clients (docs/protocol.md#resume); `speaker_update` only, the dialogue sees to the others.
    SimulateSpeaker {
        /// How long to pretend, seconds, at most 60.
        seconds: u32,
    },
}

/// What the server API asks of a room.
#[derive(Debug, Clone)]
pub enum AdminRequest {
    /// Take a member out.
    Remove {
        /// Who.
        identity: String,
    },
    /// Mute a track; unmuting is refused unless the settings allow it.
    MuteTrack {
        /// Whose.
        identity: String,
        /// Which.
        track_sid: String,
        /// On or off.
        muted: bool,
    },
    /// Change name, metadata, attributes, permission. Empty strings mean unchanged.
    UpdateParticipant(Box<proto::UpdateParticipantRequest>),
    /// Subscribe or unsubscribe on behalf.
    UpdateSubscriptions(proto::UpdateSubscriptionsRequest),
    /// A packet to everyone or to some.
    SendData(proto::SendDataRequest),
    /// New room metadata.
    UpdateMetadata(String),
    /// End the room: `Leave` with reason `ROOM_DELETED`.
    Close,
    /// The node stops: `Leave` with reason `SERVER_SHUTDOWN`, clients may reconnect.
    Shutdown,
}
