//! What a room tells its members' dialogues, and its owner.

use bytes::Bytes;
use livekit_protocol as proto;
use proto::signal_response::Message;

use crate::{CallError, CallNumber, Delivery, MemberKey, RoomEventKind, SubscriptionNumber, TrackNumber};

/// How much of a track a subscriber gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Nothing is sent.
    pub paused: bool,
    /// Highest layer, 0 = smallest.
    pub spatial: u8,
    /// Highest temporal layer, 0 = base; 7 = all.
    pub temporal: u8,
}

/// A track that a member shall get.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    /// Name of the subscription.
    pub subscription: SubscriptionNumber,
    /// Track to send.
    pub track: TrackNumber,
    /// Member that publishes it; its transport is where the media comes from.
    pub publisher: MemberKey,
    /// Participant sid of the publisher, `PA_…`.
    pub publisher_sid: String,
    /// The track as announced.
    pub info: proto::TrackInfo,
    /// What to send at first.
    pub target: Target,
    /// Put the client's own stream name behind the participant in `msid`, so that browsers synchronise
    /// (docs/protocol.md#stream-names).
    pub sync_stream: bool,
}

/// What a member's dialogue is told.
#[derive(Debug, Clone)]
pub enum Notice {
    /// Pass this on as it is.
    Send(Box<Message>),
    /// The room accepted an `AddTrackRequest`: answer `TrackPublished` and expect a section for it.
    TrackAccepted {
        /// Name of the track.
        track: TrackNumber,
        /// Client id of the request.
        cid: String,
        /// The track as it will be announced.
        info: Box<proto::TrackInfo>,
        /// The request, for the policy of the section.
        request: Box<proto::AddTrackRequest>,
    },
    /// The room took a track of this member away (permission revoked, …): close its section.
    TrackRemoved {
        /// Name of the track.
        track: TrackNumber,
        /// Its sid.
        sid: String,
    },
    /// The member's track is muted or not: told to the media plane.
    TrackMuted {
        /// Name of the track.
        track: TrackNumber,
        /// On or off.
        muted: bool,
    },
    /// Send a track to this member.
    Subscribe(Box<Subscribe>),
    /// Stop sending it.
    Unsubscribe(SubscriptionNumber),
    /// Send more or less of it.
    SetTarget(SubscriptionNumber, Target),
    /// Name, metadata, attributes or permission of the member changed: it needs a fresh token.
    IdentityChanged(Box<proto::ParticipantInfo>),
    /// The member is out. The dialogue says `Leave` and closes everything.
    Leave {
        /// Why.
        reason: proto::DisconnectReason,
        /// What the client shall do.
        action: proto::leave_request::Action,
    },
}

/// What a room puts out; drained until empty after every input.
#[derive(Debug, Clone)]
pub enum Output {
    /// Tell these members.
    Notify {
        /// Who; never empty.
        to: Vec<MemberKey>,
        /// What.
        notice: Notice,
    },
    /// Send these bytes on the data channels of these members.
    Data {
        /// Who; never empty.
        to: Vec<MemberKey>,
        /// Which channel.
        delivery: Delivery,
        /// An encoded `DataPacket`.
        payload: Bytes,
    },
    /// Send a data-track packet to one member.
    DataTrackPacket {
        /// Who.
        to: MemberKey,
        /// The packet with this member's handle.
        payload: Bytes,
    },
    /// The end of a call of the server API.
    Called {
        /// Which.
        call: CallNumber,
        /// What the participant returned.
        outcome: Result<String, CallError>,
    },
    /// Something happened that the outside may want to know.
    Event(RoomEventKind),
    /// The room is over; everyone was told. Nothing follows.
    Closed,
}
