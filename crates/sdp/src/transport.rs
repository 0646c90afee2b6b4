//! Attributes of the transport: ICE (RFC 8839), certificate (RFC 8122), connection role (RFC 4145, RFC 8842).

/// Who opens the DTLS association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// Either; the answer decides.
    ActPass,
    /// The writer does.
    Active,
    /// The reader does.
    Passive,
    /// Nobody for now.
    HoldConn,
}

impl Setup {
    /// The word in the attribute.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
            Self::HoldConn => "holdconn",
        }
    }

    /// The role with this word.
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::ActPass, Self::Active, Self::Passive, Self::HoldConn].into_iter().find(|setup| setup.text() == text)
    }
}

/// A certificate's fingerprint. Where several stand, SHA-256 is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fingerprint {
    /// The only hash in use on the web.
    Sha256([u8; 32]),
    /// Another hash, by name.
    Unsupported(String),
}

/// What a session or one of its sections says of the transport.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransportAttributes {
    /// User name fragment, 4 to 256 characters.
    pub ice_ufrag: Option<String>,
    /// Password, 22 to 256 characters.
    pub ice_pwd: Option<String>,
    /// Certificate.
    pub fingerprint: Option<Fingerprint>,
    /// Connection role.
    pub setup: Option<Setup>,
    /// `a=ice-options` holds `trickle`.
    pub trickle: bool,
}
