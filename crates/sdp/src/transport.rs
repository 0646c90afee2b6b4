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

    /// The role with this word, in any case.
    pub fn from_text(text: &str) -> Option<Self> {
        let roles = [Self::ActPass, Self::Active, Self::Passive, Self::HoldConn];
        roles.into_iter().find(|setup| setup.text().eq_ignore_ascii_case(text))
    }
}

/// A hash function by which a certificate is named (RFC 8122, section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hash {
    /// `sha-1`: too weak to trust, still written by old clients beside others.
    Sha1,
    /// `sha-224`.
    Sha224,
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
    /// Another one, by its name in lower case.
    Other(String),
}

impl Hash {
    /// The word in the attribute.
    pub fn text(&self) -> &str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
            Self::Other(text) => text,
        }
    }

    /// The function with this name, in any case.
    pub fn from_text(text: &str) -> Self {
        let known = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];
        let known = known.into_iter().find(|hash| hash.text().eq_ignore_ascii_case(text));
        known.unwrap_or_else(|| Self::Other(text.to_ascii_lowercase()))
    }

    /// Length of its digests, bytes, if it is known.
    pub const fn digest_len(&self) -> Option<usize> {
        match self {
            Self::Sha1 => Some(20),
            Self::Sha224 => Some(28),
            Self::Sha256 => Some(32),
            Self::Sha384 => Some(48),
            Self::Sha512 => Some(64),
            Self::Other(_) => None,
        }
    }
}

/// One `a=fingerprint` line: what a certificate hashes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// By which function.
    pub hash: Hash,
    /// The result: as long as the function makes it, 1 to 64 bytes if that is unknown.
    pub digest: Vec<u8>,
}

impl Fingerprint {
    /// A fingerprint by the function that everybody knows.
    pub fn sha256(digest: [u8; 32]) -> Self {
        Self { hash: Hash::Sha256, digest: digest.to_vec() }
    }
}

/// What a session or one of its sections says of the transport.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransportAttributes {
    /// User name fragment, 4 to 256 characters.
    pub ice_ufrag: Option<String>,
    /// Password, 22 to 256 characters.
    pub ice_pwd: Option<String>,
    /// Certificates: one that is used has a fingerprint here by each function that stands here.
    pub fingerprints: Vec<Fingerprint>,
    /// Connection role.
    pub setup: Option<Setup>,
    /// `a=ice-options` holds `trickle`.
    pub trickle: bool,
}
