//! Restriction ids (`a=rid`, RFC 8851) and simulcast (`a=simulcast`, RFC 8853).

/// Which way a restriction id goes, seen from the side that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RidDirection {
    /// It sends such a stream.
    Send,
    /// It receives such a stream.
    Recv,
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
