//! One media section.

use crate::attribute::DATA_CHANNELS;
use crate::payload::Payload;
use crate::simulcast::{Rid, Simulcast};
use crate::source::{Msid, Source, SourceGroup};
use crate::transport::TransportAttributes;

/// What a media section carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Data channels.
    Application,
    /// Something else; such a section is to be rejected.
    Other(String),
}

impl MediaKind {
    /// The word in the `m=` line.
    pub fn text(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Application => "application",
            Self::Other(text) => text,
        }
    }

    /// The kind with this word.
    pub fn from_text(text: &str) -> Self {
        match text {
            "audio" => Self::Audio,
            "video" => Self::Video,
            "application" => Self::Application,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The protocol of an `m=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// `UDP/TLS/RTP/SAVPF`.
    DtlsRtp,
    /// `UDP/DTLS/SCTP`, RFC 8841.
    DtlsSctp,
    /// Another, as written.
    Other(String),
}

impl Protocol {
    /// The word in the `m=` line.
    pub fn text(&self) -> &str {
        match self {
            Self::DtlsRtp => "UDP/TLS/RTP/SAVPF",
            Self::DtlsSctp => "UDP/DTLS/SCTP",
            Self::Other(text) => text,
        }
    }

    /// The protocol with this word.
    pub fn from_text(text: &str) -> Self {
        match text {
            "UDP/TLS/RTP/SAVPF" => Self::DtlsRtp,
            "UDP/DTLS/SCTP" => Self::DtlsSctp,
            other => Self::Other(other.to_owned()),
        }
    }

    /// RTP over DTLS-SRTP, whichever of the names it is given that RFC 8829, section 5.1.2 wants taken for it.
    pub fn is_dtls_rtp(&self) -> bool {
        const NAMES: [&str; 8] = [
            "UDP/TLS/RTP/SAVPF",
            "UDP/TLS/RTP/SAVP",
            "TCP/DTLS/RTP/SAVPF",
            "TCP/DTLS/RTP/SAVP",
            "RTP/SAVPF",
            "RTP/SAVP",
            "RTP/AVPF",
            "RTP/AVP",
        ];
        NAMES.iter().any(|name| name.eq_ignore_ascii_case(self.text()))
    }

    /// SCTP over DTLS (RFC 8841, section 4), the name before that RFC included.
    pub fn is_dtls_sctp(&self) -> bool {
        const NAMES: [&str; 3] = ["UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP"];
        NAMES.iter().any(|name| name.eq_ignore_ascii_case(self.text()))
    }

    /// Formats are RTP payload types.
    pub fn is_rtp(&self) -> bool {
        match self {
            Self::DtlsRtp => true,
            Self::DtlsSctp => false,
            Self::Other(text) => text.as_bytes().windows(4).any(|part| part.eq_ignore_ascii_case(b"RTP/")),
        }
    }
}

/// Which way media flows, seen from the side that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// From the writer.
    SendOnly,
    /// To the writer.
    RecvOnly,
    /// Not at all.
    Inactive,
}

impl Direction {
    /// The direction with these two halves.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The writer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// The writer receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The attribute's name.
    pub const fn text(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction with this name.
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive].into_iter().find(|d| d.text() == text)
    }
}

/// One `a=extmap` line (RFC 8285).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionMapping {
    /// Id in packets; above 255 it is a mere offer to choose one (RFC 8285, section 6).
    pub id: u16,
    /// Direction, where it is limited to one.
    pub direction: Option<Direction>,
    /// What it is.
    pub uri: String,
}

/// One media section, with all that is understood of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSection {
    /// What it carries.
    pub kind: MediaKind,
    /// Port; 0 = rejected, unless `bundle_only`.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Payload types in the order of the `m=` line. Empty for protocols that have none.
    pub payloads: Vec<Payload>,
    /// Formats of the `m=` line where they are no payload types, such as `webrtc-datachannel`.
    pub format: String,
    /// Name of the section.
    pub mid: Option<String>,
    /// `a=bundle-only`, RFC 9143.
    pub bundle_only: bool,
    /// Which way media flows; the session's default is already applied.
    pub direction: Direction,
    /// Transport attributes of this section.
    pub transport: TransportAttributes,
    /// `a=rtcp-mux`.
    pub rtcp_mux: bool,
    /// `a=rtcp-rsize`.
    pub rtcp_rsize: bool,
    /// `a=extmap-allow-mixed` on this section.
    pub extmap_allow_mixed: bool,
    /// Header extensions.
    pub extensions: Vec<ExtensionMapping>,
    /// `a=msid` lines.
    pub msids: Vec<Msid>,
    /// Sources.
    pub sources: Vec<Source>,
    /// Groups of sources.
    pub source_groups: Vec<SourceGroup>,
    /// Restriction ids.
    pub rids: Vec<Rid>,
    /// Simulcast streams.
    pub simulcast: Option<Simulcast>,
    /// `candidate:…` texts.
    pub candidates: Vec<String>,
    /// `a=end-of-candidates`.
    pub end_of_candidates: bool,
    /// SCTP port.
    pub sctp_port: Option<u16>,
    /// The port of data channels in `a=sctpmap`, as it was said before RFC 8841.
    pub sctp_map: Option<u16>,
    /// Largest data channel message that the writer takes, bytes; 0 = any.
    pub max_message_size: Option<u64>,
}

impl MediaSection {
    /// A section with nothing in it: port 9, inactive.
    pub fn new(kind: MediaKind, protocol: Protocol) -> Self {
        Self {
            kind,
            port: 9,
            protocol,
            payloads: Vec::new(),
            format: String::new(),
            mid: None,
            bundle_only: false,
            direction: Direction::Inactive,
            transport: TransportAttributes::default(),
            rtcp_mux: false,
            rtcp_rsize: false,
            extmap_allow_mixed: false,
            extensions: Vec::new(),
            msids: Vec::new(),
            sources: Vec::new(),
            source_groups: Vec::new(),
            rids: Vec::new(),
            simulcast: None,
            candidates: Vec::new(),
            end_of_candidates: false,
            sctp_port: None,
            sctp_map: None,
            max_message_size: None,
        }
    }

    /// The section is rejected, or was given up (RFC 8829, section 5.2.2).
    pub fn is_rejected(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }

    /// The section is for data channels, in the form of RFC 8841 or in the one before it.
    pub fn is_data_channels(&self) -> bool {
        let named = || self.format.split(' ').any(|format| format == DATA_CHANNELS);
        self.kind == MediaKind::Application && self.protocol.is_dtls_sctp() && (named() || self.sctp_map.is_some())
    }

    /// The payload with this type.
    pub fn payload(&self, number: u8) -> Option<&Payload> {
        self.payloads.iter().find(|payload| payload.number == number)
    }

    /// Stream and track: `a=msid`, else what `a=ssrc` lines say.
    pub fn msid(&self) -> Option<&Msid> {
        self.msids.first().or_else(|| self.sources.iter().find_map(|source| source.msid.as_ref()))
    }
}
