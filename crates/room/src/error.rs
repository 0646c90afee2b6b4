//! What can go wrong at the two doors of a room that answer: joining and the server API.
//!
//! Requests of members are answered on their socket instead, by a `RequestResponse`.

/// Why somebody cannot join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The room is over.
    #[error("the room is closed")]
    Closed,
    /// As many members as the settings allow are in the room.
    #[error("the room is full: {max} participants")]
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
    /// A text of the joiner is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
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
    /// A text is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// A text over its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} exceeds {bytes_max} bytes")]
pub struct TooLong {
    /// Which text: `identity`, `name`, `metadata`, `attributes`.
    pub what: &'static str,
    /// The limit, bytes.
    pub bytes_max: usize,
}
