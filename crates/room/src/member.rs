//! One member: one session of one identity. Holds what it is, what it may do and what it wishes; decides nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use livekit_protocol as proto;
use proto::participant_info::{Kind, State};
use proto::signal_response::Message;

use crate::data_track::{DataTrack, DataTrackNumber};
use crate::permission::TrackPermissions;
use crate::score::Quality;
use crate::target::TrackSettings;
use crate::track::{Track, Voice};
use crate::{Joiner, MemberKey, SubscriptionNumber, TrackNumber};

/// More capabilities of a client are not passed on.
const CAPABILITIES_MAX: usize = 32;

/// What a member wishes for a track, which may not exist (yet).
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// It asked to have it or not to have it; else the member's general rule holds.
    pub(crate) subscribe: Option<bool>,
    /// How it shows it.
    pub(crate) settings: Option<TrackSettings>,
    /// When it was last wished for.
    pub(crate) since: Instant,
}

/// A reliable packet kept for a member that is not active yet.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) at: Instant,
    pub(crate) payload: Bytes,
}

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) key: MemberKey,
    pub(crate) sid: String,
    pub(crate) identity: String,
    pub(crate) name: String,
    pub(crate) metadata: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) kind: Kind,
    kind_details: Vec<i32>,
    pub(crate) permission: proto::ParticipantPermission,
    client: proto::ClientInfo,
    region: String,
    pub(crate) auto_subscribe: bool,
    pub(crate) auto_subscribe_data_track: bool,
    pub(crate) adaptive_stream: bool,
    pub(crate) state: State,
    joined_at_ms: i64,
    version: u32,
    pub(crate) is_publisher: bool,
    /// Since when it has no signalling socket.
    pub(crate) detached_since: Option<Instant>,
    /// What it must hear when it has one again.
    pub(crate) owed: Vec<Message>,
    /// More than is kept was owed to it: what it believes has a hole.
    pub(crate) missed: bool,

    /// Its tracks, pending ones included, in the order of their requests.
    pub(crate) tracks: Vec<TrackNumber>,
    /// Requests that wait for a track with the same client id to end.
    pub(crate) queued: BTreeMap<String, VecDeque<proto::AddTrackRequest>>,
    /// Who may subscribe to its tracks; `None` = everyone.
    pub(crate) track_permissions: Option<TrackPermissions>,

    /// What it receives.
    pub(crate) subscriptions: BTreeMap<TrackNumber, SubscriptionNumber>,
    /// What it wishes, by track sid.
    pub(crate) wishes: BTreeMap<String, Wish>,
    /// Tracks that it cannot decode, with the codec (index in the track's list) that it waits for.
    pub(crate) undecodable: BTreeMap<TrackNumber, Option<usize>>,
    /// Tracks that it was told it may not have.
    pub(crate) denied: BTreeSet<TrackNumber>,

    /// Its data tracks by its own handle.
    pub(crate) data_tracks: BTreeMap<u16, DataTrackNumber>,
    /// What it receives, by its own handle.
    pub(crate) data_handles: BTreeMap<u16, DataTrackNumber>,
    /// Next handle to try.
    pub(crate) next_data_handle: u16,
    /// It was sent handles at least once.
    pub(crate) had_data_handles: bool,
    /// Data tracks that it asked for or declined, by sid.
    pub(crate) data_wishes: BTreeMap<String, bool>,
    /// What it keeps for others, by encoded key.
    pub(crate) data_blobs: BTreeMap<Vec<u8>, proto::DataBlob>,

    /// Sequence of the last reliable packet accepted from it.
    pub(crate) last_reliable: u32,
    pub(crate) held: VecDeque<Held>,
    pub(crate) held_bytes: usize,

    /// It pretends to speak.
    pub(crate) simulates_speech: bool,
    /// Others were told at least once that it speaks.
    pub(crate) has_spoken: bool,
    /// What others were last told of its voice.
    pub(crate) voice: Voice,
    /// What others were last told of its connection.
    pub(crate) quality: Option<Quality>,
}

impl Member {
    pub(crate) fn new(key: MemberKey, sid: String, joiner: Joiner, region: String, wall_ms: i64) -> Self {
        Self {
            key,
            sid,
            identity: joiner.identity,
            name: joiner.name,
            metadata: joiner.metadata,
            attributes: joiner.attributes,
            kind: joiner.kind,
            kind_details: joiner.kind_details.into_iter().map(|detail| detail as i32).collect(),
            permission: joiner.permission,
            client: joiner.client,
            region,
            auto_subscribe: joiner.auto_subscribe,
            auto_subscribe_data_track: joiner.auto_subscribe_data_track,
            adaptive_stream: joiner.adaptive_stream,
            state: State::Joining,
            joined_at_ms: wall_ms,
            version: 1,
            is_publisher: false,
            detached_since: None,
            owed: Vec::new(),
            missed: false,
            tracks: Vec::new(),
            queued: BTreeMap::new(),
            track_permissions: None,
            subscriptions: BTreeMap::new(),
            wishes: BTreeMap::new(),
            undecodable: BTreeMap::new(),
            denied: BTreeSet::new(),
            data_tracks: BTreeMap::new(),
            data_handles: BTreeMap::new(),
            next_data_handle: 1,
            had_data_handles: false,
            data_wishes: BTreeMap::new(),
            data_blobs: BTreeMap::new(),
            last_reliable: 0,
            held: VecDeque::new(),
            held_bytes: 0,
            simulates_speech: false,
            has_spoken: false,
            voice: Voice::default(),
            quality: None,
        }
    }

    /// Notes that what others see of it changed.
    pub(crate) fn touch(&mut self) {
        self.version = self.version.wrapping_add(1);
    }

    pub(crate) fn is_active(&self) -> bool {
        self.state == State::Active
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.detached_since.is_none()
    }

    /// Nobody else sees it.
    pub(crate) fn is_hidden(&self) -> bool {
        self.permission.hidden
    }

    /// Exempt from track permissions.
    pub(crate) fn is_recorder(&self) -> bool {
        is_recorder(self.kind, &self.permission)
    }

    pub(crate) fn is_agent(&self) -> bool {
        is_agent(self.kind, &self.permission)
    }

    /// Does not count as a participant and keeps no room open.
    pub(crate) fn is_dependent(&self) -> bool {
        is_dependent(self.kind, &self.permission)
    }

    /// Protocol version that the client speaks.
    pub(crate) fn protocol(&self) -> i32 {
        self.client.protocol
    }

    /// Early Rust clients cannot decode `TrackSubscribed` and `RequestResponse` (docs/protocol.md#client-quirks).
    pub(crate) fn decodes(&self, message: &Message) -> bool {
        let early_rust = self.client.sdk == proto::client_info::Sdk::Rust as i32 && self.protocol() < 10;
        !(early_rust && matches!(message, Message::TrackSubscribed(_) | Message::RequestResponse(_)))
    }

    /// Requests that wait for an answer or a section.
    pub(crate) fn queued_len(&self) -> usize {
        self.queued.values().map(VecDeque::len).sum()
    }

    /// The member as others see it, without tracks.
    fn bare_info(&self) -> proto::ParticipantInfo {
        proto::ParticipantInfo {
            sid: self.sid.clone(),
            identity: self.identity.clone(),
            state: self.state as i32,
            metadata: self.metadata.clone(),
            joined_at: self.joined_at_ms / 1000,
            joined_at_ms: self.joined_at_ms,
            name: self.name.clone(),
            version: self.version,
            permission: Some(self.permission.clone()),
            is_publisher: self.is_publisher,
            kind: self.kind as i32,
            attributes: self.attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            kind_details: self.kind_details.clone(),
            client_protocol: self.client.client_protocol,
            capabilities: self.client.capabilities.iter().copied().take(CAPABILITIES_MAX).collect(),
            region: self.region.clone(),
            ..Default::default()
        }
    }

    /// The member as others see it, with all its visible tracks (row 6 of docs/compatibility.md#the-45-rows).
    pub(crate) fn info(
        &self,
        tracks: &BTreeMap<TrackNumber, Track>,
        data_tracks: &BTreeMap<DataTrackNumber, DataTrack>,
    ) -> proto::ParticipantInfo {
        let mut info = self.bare_info();
        let visible = self.tracks.iter().filter_map(|number| tracks.get(number)).filter(|track| track.visible);
        info.tracks = visible.map(|track| track.info.clone()).collect();
        let data_tracks = self.data_tracks.values().filter_map(|number| data_tracks.get(number));
        info.data_tracks = data_tracks.map(|track| track.info.clone()).collect();
        info
    }

    /// The last word on a member.
    pub(crate) fn departed_info(&self, reason: proto::DisconnectReason) -> proto::ParticipantInfo {
        let mut info = self.bare_info();
        info.version = self.version.wrapping_add(1);
        info.state = State::Disconnected as i32;
        info.disconnect_reason = reason as i32;
        info
    }
}

/// Whether somebody of this kind, with these rights, records.
#[expect(deprecated, reason = "tokens still state it")]
pub(crate) fn is_recorder(kind: Kind, permission: &proto::ParticipantPermission) -> bool {
    permission.recorder || kind == Kind::Egress
}

#[expect(deprecated, reason = "tokens still state it")]
fn is_agent(kind: Kind, permission: &proto::ParticipantPermission) -> bool {
    permission.agent || kind == Kind::Agent
}

/// Whether somebody of this kind, with these rights, does not count as a participant.
pub(crate) fn is_dependent(kind: Kind, permission: &proto::ParticipantPermission) -> bool {
    is_recorder(kind, permission) || is_agent(kind, permission)
}
