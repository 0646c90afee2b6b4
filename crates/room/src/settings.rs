//! What a room is told at its creation: times, limits, codecs. Values only; the defaults are those of the
//! reference server (docs/protocol.md#lifetimes).

use std::time::Duration;

use livekit_protocol::{RoomConfiguration, VideoQuality};

use crate::SettingsError;
use crate::error::BadText;

/// Settings of one room. They do not change while it lives, except for the metadata, which the room then owns.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Name of the room, as in the token.
    pub name: String,
    /// The room ends when nobody has joined for this long after its creation.
    pub empty_timeout: Duration,
    /// The room ends when the last member that counts has been gone for this long.
    pub departure_timeout: Duration,
    /// Most members at a time, not counting agents and recorders; 0 = no limit.
    pub max_participants: u32,
    /// Room metadata at the start.
    pub metadata: String,
    /// Group the tracks of a member by the stream names that its client gave (docs/protocol.md#stream-names).
    pub sync_streams: bool,
    /// MIME types that may be published, preferred first, video and audio mixed. A request for another codec gets the
    /// first one of its kind instead.
    pub codecs: Vec<String>,
    /// The server API may unmute tracks.
    pub remote_unmute: bool,
    /// What a video subscription starts with when the client says what sizes it shows.
    pub start_quality_adaptive: VideoQuality,
    /// What any other video subscription starts with.
    pub start_quality: VideoQuality,
    /// A member that is not active after this long is taken out.
    pub join_timeout: Duration,
    /// Region that participants are said to be in; may be empty.
    pub region: String,
    /// Changes of members that publish nothing are collected for this long, once a burst of them was announced at once.
    pub update_batch_interval: Duration,
    /// How many messages, to all members together, an interval may spend on announcing them at once. Small rooms never
    /// wait; in a large one a change costs as many messages as it has members. At least one change is announced at once.
    pub update_burst_messages: usize,
    /// Departures of members that publish nothing are announced at most this often.
    pub departure_batch_interval: Duration,
    /// Largest `ParticipantUpdate` of a batch, encoded bytes; a single participant may exceed it.
    pub update_batch_bytes_max: usize,
    /// `RoomUpdate`s about counts are at least this far apart.
    pub room_update_interval: Duration,
    /// A layer that nobody wants any more is switched off after this long.
    pub dynacast_decrease_delay: Duration,
    /// Connection quality is judged this often.
    pub quality_interval: Duration,
    /// A wanted track that does not exist is given up after this long.
    pub wanted_track_timeout: Duration,
    /// What a member may not exceed.
    pub limits: Limits,
}

impl Settings {
    /// The settings of a room called `name`: these, with what whoever makes the room asks for on top. The one place
    /// where somebody's wishes become a room; nothing over a limit gets past it.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn of_room(&self, name: &str, config: Option<&RoomConfiguration>) -> Result<Self, SettingsError> {
        if name.is_empty() {
            return Err(SettingsError::NameEmpty);
        }
        BadText::check_name("room name", name, self.limits.room_name_bytes)?;
        let mut settings = Self { name: name.to_owned(), ..self.clone() };
        let Some(config) = config else { return Ok(settings) };
        BadText::check("metadata", config.metadata.len(), self.limits.metadata_bytes)?;
        if config.empty_timeout > 0 {
            settings.empty_timeout = Duration::from_secs(config.empty_timeout.into());
        }
        if config.departure_timeout > 0 {
            settings.departure_timeout = Duration::from_secs(config.departure_timeout.into());
        }
        if config.max_participants > 0 {
            settings.max_participants = config.max_participants;
        }
        if !config.metadata.is_empty() {
            settings.metadata.clone_from(&config.metadata);
        }
        settings.sync_streams |= config.sync_streams;
        Ok(settings)
    }
}

/// Limits of one room and its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Name of the room, bytes.
    pub room_name_bytes: usize,
    /// Room and participant metadata, bytes.
    pub metadata_bytes: usize,
    /// Keys and values of a participant's attributes together, bytes.
    pub attributes_bytes: usize,
    /// Participant name, bytes.
    pub name_bytes: usize,
    /// Participant identity, bytes.
    pub identity_bytes: usize,
    /// Tracks of one member that are accepted but not negotiated yet.
    pub pending_tracks: usize,
    /// Requests of one member that wait for a track with the same client id to end.
    pub queued_tracks_per_cid: usize,
    /// Tracks of one member, pending ones included.
    pub tracks: usize,
    /// Client id, name and stream of a track, bytes each.
    pub track_text_bytes: usize,
    /// Data tracks of one member.
    pub data_tracks: usize,
    /// Name of a data track, bytes.
    pub data_track_name_bytes: usize,
    /// Name of a frame or schema encoding that is not a well-known one, bytes.
    pub data_track_encoding_bytes: usize,
    /// Data blobs of one member with their keys together, bytes; 0 = none.
    pub data_blobs_bytes: usize,
    /// Tracks for which one member may have wishes (subscription, settings), existing or not.
    pub wishes: usize,
    /// Entries of one `SubscriptionPermission`.
    pub track_permissions: usize,
    /// Reliable data kept for one member that is not active yet, bytes.
    pub held_data_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            room_name_bytes: 256,
            metadata_bytes: 512 * 1024,
            attributes_bytes: 64 * 1024,
            name_bytes: 256,
            identity_bytes: 256,
            pending_tracks: 20,
            queued_tracks_per_cid: 3,
            tracks: 200,
            track_text_bytes: 1024,
            data_tracks: 256,
            data_track_name_bytes: 256,
            data_track_encoding_bytes: 32,
            data_blobs_bytes: 64_000,
            wishes: 20_000,
            track_permissions: 10_000,
            held_data_bytes: 100 * 1024,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let codecs = [
            "video/VP8",
            "video/H264",
            "video/VP9",
            "video/AV1",
            "video/H265",
            "audio/opus",
            "audio/red",
            "audio/PCMU",
            "audio/PCMA",
        ];
        Self {
            name: String::new(),
            empty_timeout: Duration::from_secs(300),
            departure_timeout: Duration::from_secs(20),
            max_participants: 0,
            metadata: String::new(),
            sync_streams: false,
            codecs: codecs.map(str::to_owned).to_vec(),
            remote_unmute: false,
            start_quality_adaptive: VideoQuality::Low,
            start_quality: VideoQuality::High,
            join_timeout: Duration::from_secs(60),
            region: String::new(),
            update_batch_interval: Duration::from_secs(3),
            update_burst_messages: 2_000,
            departure_batch_interval: Duration::from_millis(250),
            update_batch_bytes_max: 128 * 1024,
            room_update_interval: Duration::from_secs(5),
            dynacast_decrease_delay: Duration::from_secs(5),
            quality_interval: Duration::from_secs(5),
            wanted_track_timeout: Duration::from_secs(60),
            limits: Limits::default(),
        }
    }
}
