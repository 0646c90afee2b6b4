//! A whole description.

use crate::media::{ExtensionMapping, MediaSection};
use crate::transport::TransportAttributes;

/// A session description. `Display` writes it with CRLF line ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionDescription {
    /// Session id of `o=`; 0 if it is no number.
    pub session_id: u64,
    /// Session version of `o=`; grows with each description of one side.
    pub session_version: u64,
    /// Mids of the first `a=group:BUNDLE`, the tagged one first.
    pub bundle: Vec<String>,
    /// `a=ice-lite`.
    pub ice_lite: bool,
    /// `a=extmap-allow-mixed`.
    pub extmap_allow_mixed: bool,
    /// Value of `a=msid-semantic`, trimmed.
    pub msid_semantic: Option<String>,
    /// Header extensions of every section (RFC 8285, section 5).
    pub extensions: Vec<ExtensionMapping>,
    /// Transport attributes that hold for every section which has none of its own.
    pub transport: TransportAttributes,
    /// The sections, in their order.
    pub media: Vec<MediaSection>,
}
