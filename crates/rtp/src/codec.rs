//! The codecs and header extensions this system knows by name.

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// A payload format. Payloads are passed through; only headers and descriptors are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// Redundant audio, RFC 2198, with Opus inside.
    Red,
    /// G.711 mu-law, RFC 3551.
    Pcmu,
    /// G.711 A-law, RFC 3551.
    Pcma,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// RFC 7798.
    H265,
    /// AV1 RTP specification, with the dependency descriptor.
    Av1,
}

impl Codec {
    /// Every codec, audio first.
    pub const ALL: [Self; 9] =
        [Self::Opus, Self::Red, Self::Pcmu, Self::Pcma, Self::Vp8, Self::Vp9, Self::H264, Self::H265, Self::Av1];

    /// The encoding name in `a=rtpmap`, in its usual spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Red => "red",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Av1 => "AV1",
        }
    }

    /// The codec with this encoding name; names are compared without case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Audio or video.
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Opus | Self::Red | Self::Pcmu | Self::Pcma => MediaKind::Audio,
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::H265 | Self::Av1 => MediaKind::Video,
        }
    }

    /// RTP clock rate, Hz.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus | Self::Red => 48_000,
            Self::Pcmu | Self::Pcma => 8_000,
            _ => 90_000,
        }
    }
}

/// A header extension (RFC 8285) that is read or written somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Extension {
    /// MID of the media section, RFC 9143.
    Mid,
    /// RTP stream id, RFC 8852.
    Rid,
    /// Repaired RTP stream id, RFC 8852.
    RepairedRid,
    /// Client-to-mixer audio level, RFC 6464.
    AudioLevel,
    /// abs-send-time.
    AbsSendTime,
    /// Transport-wide sequence number, draft-holmer-rmcat-transport-wide-cc-extensions-01.
    TransportCc,
    /// abs-capture-time.
    AbsCaptureTime,
    /// playout-delay.
    PlayoutDelay,
    /// AV1 dependency descriptor.
    DependencyDescriptor,
    /// Video orientation, 3GPP TS 26.114.
    VideoOrientation,
}

impl Extension {
    /// Every extension.
    pub const ALL: [Self; 10] = [
        Self::Mid,
        Self::Rid,
        Self::RepairedRid,
        Self::AudioLevel,
        Self::AbsSendTime,
        Self::TransportCc,
        Self::AbsCaptureTime,
        Self::PlayoutDelay,
        Self::DependencyDescriptor,
        Self::VideoOrientation,
    ];

    /// The URI in `a=extmap`.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::TransportCc => "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            Self::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            Self::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Self::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
            Self::VideoOrientation => "urn:3gpp:video-orientation",
        }
    }

    /// The extension with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| extension.uri() == uri)
    }
}

/// The ids that one description gave to the extensions: 1 to 255, 0 = not negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtensionMap([u8; Extension::ALL.len()]);

impl ExtensionMap {
    /// The id of `extension`, if it was negotiated.
    pub const fn id(&self, extension: Extension) -> Option<u8> {
        match self.0[extension as usize] {
            0 => None,
            id => Some(id),
        }
    }

    /// Gives `extension` the id `id`; 0 takes it out.
    pub const fn set(&mut self, extension: Extension, id: u8) {
        self.0[extension as usize] = id;
    }

    /// The extension with id `id`; none for 0.
    pub fn extension(&self, id: u8) -> Option<Extension> {
        if id == 0 {
            return None;
        }
        self.0.iter().position(|known| *known == id).and_then(|index| Extension::ALL.get(index).copied())
    }
}
