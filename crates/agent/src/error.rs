//! What can go wrong at the doors that answer.

/// Why a back end's request about dispatches is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// The room is not there.
    #[error("requested room does not exist")]
    NoSuchRoom,
    /// The room has no such dispatch.
    #[error("dispatch ID not found")]
    NoSuchDispatch,
    /// A room has no more dispatches than this.
    #[error("a room has {max} dispatches at most")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// A text is over its limit.
    #[error("{what} exceeds {bytes_max} bytes")]
    TooLong {
        /// Which: `agent name`, `deployment`, `metadata`, `attributes`.
        what: &'static str,
        /// The limit, bytes.
        bytes_max: usize,
    },
    /// A name has a character that it must not have.
    #[error("{what} contains {character:?}")]
    Character {
        /// Which: `agent name`, `deployment`.
        what: &'static str,
        /// The character.
        character: char,
    },
}

/// No more workers are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{max} workers are connected already")]
pub struct Crowded {
    /// The limit.
    pub max: usize,
}
