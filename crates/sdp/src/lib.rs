//! Session descriptions (RFC 8866) as WebRTC uses them (RFC 8829), as typed values.
//!
//! [`SessionDescription::parse`] is a line walker: it knows the attributes that browsers and SFUs live by, leaves all
//! others out, and stops with a line number at what it cannot read. [`SessionDescription`]'s `Display` writes the text.
//! No policy lives here: which codec, which role or which section is decided above.

mod attribute;
mod error;
mod feedback;
mod media;
mod payload;
mod read;
mod session;
mod simulcast;
mod source;
mod transport;
mod write;

pub use error::{Error, Fault};
pub use feedback::{Feedback, FeedbackSet};
pub use media::{Direction, ExtensionMapping, MediaKind, MediaSection, Protocol};
pub use payload::Payload;
pub use session::SessionDescription;
pub use simulcast::{Rid, RidDirection, Simulcast};
pub use source::{GroupSemantics, Msid, Source, SourceGroup};
pub use transport::{Fingerprint, Hash, Setup, TransportAttributes};

/// Bounds on what is read. Beyond them a description is refused, not cut.
pub mod limits {
    /// Bytes of a description.
    pub const DESCRIPTION_BYTES_MAX: usize = 1 << 20;
    /// Bytes of one line.
    pub const LINE_BYTES_MAX: usize = 8 << 10;
    /// Media sections.
    pub const SECTIONS_MAX: usize = 1000;
    /// Repetitions of one attribute in one section, where a section may hold several of them.
    pub const ATTRIBUTES_MAX: usize = 256;
    /// Fingerprints of one section, or of the session.
    pub const FINGERPRINTS_MAX: usize = 32;
    /// Bytes of the parameters of one payload type, all its `a=fmtp` lines together.
    pub const PARAMETERS_BYTES_MAX: usize = 4 << 10;
}
