//! The one error of this crate: what was being read or written, and what was wrong with it.

/// Why bytes could not be read, or a value could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The input ends inside `what`.
    #[error("{what} ends early")]
    Truncated {
        /// The structure that was being read.
        what: &'static str,
    },
    /// The input says something that `what` does not allow.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// The structure that was being read.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A dependency descriptor refers to a template structure that has not arrived.
    #[error("dependency descriptor refers to a template that is not known")]
    UnknownTemplate,
    /// The caller's buffer is too small for `what`. Nothing of it counts as written.
    #[error("no room to write {what}")]
    NoRoom {
        /// The structure that was being written.
        what: &'static str,
    },
    /// A value does not fit the field it has to go into. Nothing was written.
    #[error("{what} cannot be represented: {reason}")]
    Unrepresentable {
        /// The structure that was being written.
        what: &'static str,
        /// The limit that was passed.
        reason: &'static str,
    },
}

impl Error {
    pub(crate) const fn truncated(what: &'static str) -> Self {
        Self::Truncated { what }
    }

    pub(crate) const fn malformed(what: &'static str, reason: &'static str) -> Self {
        Self::Malformed { what, reason }
    }

    pub(crate) const fn no_room(what: &'static str) -> Self {
        Self::NoRoom { what }
    }

    pub(crate) const fn unrepresentable(what: &'static str, reason: &'static str) -> Self {
        Self::Unrepresentable { what, reason }
    }
}
