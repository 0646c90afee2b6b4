//! What can go wrong at the two doors of a room that answer: joining and the server API.
//!
//! Requests of members are answered on their socket instead, by a `RequestResponse`.

use std::collections::BTreeMap;

/// Why somebody cannot join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The room is over.
    #[error("the room is closed")]
    Closed,
    /// As many members as the settings allow are in the room.
    #[error("room is full: max participants {max}")]
    Full {
        /// The limit.
        max: u32,
    },
    /// The identity joined or resumed too often lately.
    #[error("too many joins of this identity")]
    TooOften,
    /// The identity is empty.
    #[error("the identity is empty")]
    IdentityEmpty,
    /// A text of the joiner cannot be taken.
    #[error(transparent)]
    Text(#[from] BadText),
}

/// Why no room can be made with these settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The room's name is empty.
    #[error("no room name")]
    NameEmpty,
    /// The preset that is asked for is not in the configuration.
    #[error("room preset does not exist")]
    NoSuchPreset,
    /// The room's name or metadata cannot be taken.
    #[error(transparent)]
    Text(#[from] BadText),
}

/// Why the server API's request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// The room is over.
    #[error("the room is closed")]
    Closed,
    /// Nobody with this identity is in the room.
    #[error("participant does not exist: {identity}")]
    NoSuchMember {
        /// Identity asked for.
        identity: String,
    },
    /// The member has no such track.
    #[error("track does not exist: {sid}")]
    NoSuchTrack {
        /// Track sid asked for.
        sid: String,
    },
    /// Unmuting from afar is switched off.
    #[error("remote unmute is not enabled")]
    UnmuteDisabled,
    /// A reliable message is for somebody who has too much waiting; nobody got it.
    #[error("participant takes data too slowly, try again later: {identity}")]
    Behind {
        /// Whose data waits.
        identity: String,
    },
    /// A text cannot be taken.
    #[error(transparent)]
    Text(#[from] BadText),
}

/// A text that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// It is over its limit.
    #[error("{what} exceeds {bytes_max} bytes")]
    TooLong {
        /// Which text: `room name`, `identity`, `name`, `metadata`, `attributes`.
        what: &'static str,
        /// The limit, bytes.
        bytes_max: usize,
    },
    /// It names somebody or something and holds a control character.
    #[error("{what} contains a control character")]
    ControlCharacter {
        /// Which text: `room name`, `identity`, `name`, `attribute key`.
        what: &'static str,
    },
}

impl BadText {
    /// Checks the length of a text.
    pub(crate) fn check(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Self> {
        if bytes > bytes_max { Err(Self::TooLong { what, bytes_max }) } else { Ok(()) }
    }

    /// Checks attributes: their keys are names, their values may be anything.
    pub(crate) fn check_attributes(attributes: &BTreeMap<String, String>, bytes_max: usize) -> Result<(), Self> {
        let bytes = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        Self::check("attributes", bytes, bytes_max)?;
        let mut keys = attributes.keys();
        let control = keys.any(|key| key.chars().any(char::is_control));
        if control { Err(Self::ControlCharacter { what: "attribute key" }) } else { Ok(()) }
    }

    /// Checks a name: names stand in logs, lists and web pages, one a line.
    pub(crate) fn check_name(what: &'static str, name: &str, bytes_max: usize) -> Result<(), Self> {
        Self::check(what, name.len(), bytes_max)?;
        if name.chars().any(char::is_control) { Err(Self::ControlCharacter { what }) } else { Ok(()) }
    }
}
