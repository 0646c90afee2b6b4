//! Synchronisation sources and stream ids: `a=ssrc`, `a=ssrc-group` (RFC 5576), `a=msid` (RFC 8830).

/// A stream id and a track id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Msid {
    /// Id of the media stream; `-` = none.
    pub stream: String,
    /// Id of the track; empty if left out.
    pub track: String,
}

/// What `a=ssrc` lines say of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// The source.
    pub ssrc: u32,
    /// Canonical name, if stated.
    pub cname: Option<String>,
    /// Stream and track, if stated (older descriptions).
    pub msid: Option<Msid>,
}

/// What a group of sources means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupSemantics {
    /// A source and its retransmissions.
    Fid,
    /// Simulcast, smallest first.
    Sim,
    /// A source and its forward error correction, RFC 5956.
    FecFr,
    /// Something else.
    Other(String),
}

impl GroupSemantics {
    /// The word in the attribute.
    pub fn text(&self) -> &str {
        match self {
            Self::Fid => "FID",
            Self::Sim => "SIM",
            Self::FecFr => "FEC-FR",
            Self::Other(text) => text,
        }
    }

    /// The meaning of this word, in any case.
    pub fn from_text(text: &str) -> Self {
        let known =
            [Self::Fid, Self::Sim, Self::FecFr].into_iter().find(|known| known.text().eq_ignore_ascii_case(text));
        known.unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

/// Sources that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceGroup {
    /// Why they belong together.
    pub semantics: GroupSemantics,
    /// The sources, in their order.
    pub ssrcs: Vec<u32>,
}
