//! RTCP feedback messages (`a=rtcp-fb`, RFC 4585) as a small set.

/// A feedback message that is understood here; others are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Feedback {
    /// Receiver-estimated maximum bitrate, draft-alvestrand-rmcat-remb.
    GoogRemb,
    /// Transport-wide feedback, draft-holmer-rmcat-transport-wide-cc-extensions-01.
    TransportCc,
    /// Full intra request, RFC 5104, section 7.1.
    CcmFir,
    /// Negative acknowledgement, RFC 4585, section 4.2.
    Nack,
    /// Picture loss indication, RFC 4585, section 4.2.
    NackPli,
}

impl Feedback {
    /// Every message, in the order in which they are written.
    pub const ALL: [Self; 5] = [Self::GoogRemb, Self::TransportCc, Self::CcmFir, Self::Nack, Self::NackPli];

    /// The words in the attribute, after the payload type.
    pub const fn text(self) -> &'static str {
        match self {
            Self::GoogRemb => "goog-remb",
            Self::TransportCc => "transport-cc",
            Self::CcmFir => "ccm fir",
            Self::Nack => "nack",
            Self::NackPli => "nack pli",
        }
    }

    /// The message with these words, in any case (RFC 5234, section 2.3).
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        Self::ALL.into_iter().find(|feedback| feedback.text().eq_ignore_ascii_case(text))
    }
}

/// The feedback messages of one payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedbackSet(u8);

impl FeedbackSet {
    /// The set of these.
    pub const fn of(messages: &[Feedback]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < messages.len() {
            bits |= 1 << messages[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Whether `feedback` is in it.
    pub const fn contains(self, feedback: Feedback) -> bool {
        self.0 & (1 << feedback as u8) != 0
    }

    /// Puts `feedback` in.
    pub const fn insert(&mut self, feedback: Feedback) {
        self.0 |= 1 << feedback as u8;
    }

    /// What is in both.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its messages, in the order in which they are written.
    pub fn iter(self) -> impl Iterator<Item = Feedback> {
        Feedback::ALL.into_iter().filter(move |feedback| self.contains(*feedback))
    }
}
