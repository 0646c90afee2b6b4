//! Restriction ids (`a=rid`, RFC 8851) and simulcast (`a=simulcast`, RFC 8853).

/// Which way a restriction id goes, seen from the side that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RidDirection {
    /// It sends such a stream.
    Send,
    /// It receives such a stream.
    Recv,
}

impl RidDirection {
    /// The word in the attributes.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Recv => "recv",
        }
    }

    /// The direction with this word, in any case.
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Send, Self::Recv].into_iter().find(|direction| direction.text().eq_ignore_ascii_case(text))
    }
}

/// One `a=rid` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rid {
    /// The id.
    pub id: String,
    /// Which way it goes.
    pub direction: RidDirection,
    /// Payload types and restrictions as written; empty if there are none.
    pub restrictions: String,
}

/// The streams of `a=simulcast`: restriction ids in the order of preference. Of alternatives (`a,b`) the first is
/// kept; the mark of initially paused streams (`~`) is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Simulcast {
    /// Streams that the writer sends.
    pub send: Vec<String>,
    /// Streams that the writer receives.
    pub recv: Vec<String>,
}
