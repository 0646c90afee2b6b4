//! What can be wrong with a request to forward.

use crate::TrackKey;

/// A request that cannot be carried out. Bad packets are no errors: they are dropped and counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// A section of one track was given to another.
    #[error("section of track {given:?} given to track {own:?}")]
    OtherTrack {
        /// The track asked.
        own: TrackKey,
        /// The track that the section belongs to.
        given: TrackKey,
    },
    /// Too many sections, streams or payload types in one track.
    #[error("track {track:?} has too many {what}: at most {max}")]
    TooMany {
        /// The track.
        track: TrackKey,
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// A section without a stream or without a payload type.
    #[error("track {track:?} has a section without {what}")]
    Missing {
        /// The track.
        track: TrackKey,
        /// What is missing.
        what: &'static str,
    },
}
