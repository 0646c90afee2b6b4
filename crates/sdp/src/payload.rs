//! One payload type of a media section: `a=rtpmap`, `a=fmtp`, `a=rtcp-fb` together.

use std::borrow::Cow;

use crate::feedback::FeedbackSet;

/// Encoding names that stand in nearly every description: they cost no allocation.
const NAMES: [&str; 15] = [
    "rtx",
    "H264",
    "VP9",
    "VP8",
    "AV1",
    "H265",
    "opus",
    "red",
    "ulpfec",
    "PCMU",
    "PCMA",
    "G722",
    "CN",
    "telephone-event",
    "flexfec-03",
];

/// `name` as an encoding name.
pub(crate) fn encoding_name(name: &str) -> Cow<'static, str> {
    match NAMES.into_iter().find(|known| *known == name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_owned()),
    }
}

/// A payload type and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// RTP payload type, 0 to 127.
    pub number: u8,
    /// Encoding name as written (`VP8`, `opus`, `rtx`); compared without case. Empty: no `a=rtpmap`.
    pub encoding: Cow<'static, str>,
    /// RTP clock rate, Hz.
    pub clock_rate: u32,
    /// Audio channels; 1 if not stated.
    pub channels: u8,
    /// Format parameters as written, without the payload type; several lines are joined by `;`.
    pub parameters: String,
    /// Feedback messages, those of `a=rtcp-fb:*` included.
    pub feedback: FeedbackSet,
}

impl Payload {
    /// A payload type with nothing but its number. The static ones of RFC 3551 that WebRTC uses without
    /// `a=rtpmap` get their names.
    pub fn new(number: u8) -> Self {
        let encoding = match number {
            0 => "PCMU",
            8 => "PCMA",
            _ => "",
        };
        Self {
            number,
            encoding: Cow::Borrowed(encoding),
            clock_rate: if encoding.is_empty() { 0 } else { 8_000 },
            channels: 1,
            parameters: String::new(),
            feedback: FeedbackSet::default(),
        }
    }

    /// Whether the encoding name is `name`, without case.
    pub fn is(&self, name: &str) -> bool {
        self.encoding.eq_ignore_ascii_case(name)
    }

    /// The value of one `name=value` parameter; names are compared without case. The last one counts, as browsers
    /// that repeat themselves mean it so.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .split(';')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(key, _)| key.trim_ascii().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_ascii())
            .next_back()
    }

    /// The payload type that this one retransmits (`apt`, RFC 4588, section 8.1), if it is `rtx`.
    pub fn retransmits(&self) -> Option<u8> {
        if !self.is("rtx") {
            return None;
        }
        self.parameter("apt")?.parse().ok().filter(|number| *number < 128)
    }
}
