//! SRTP and SRTCP (RFC 3711, RFC 7714) on the caller's buffers.
//!
//! Owns the session keys of both directions, the send index of SRTCP, and for every received source the rollover
//! counter and the replay window. Allocates only when a source is heard for the first time. Knows no transports.
//!
//! * `cipher`: the three ciphers over aws-lc.
//! * `key`: key derivation.
//! * `replay`: packet indexes and replay windows of received sources.
//! * `session`: packet layouts; joins the other three.

mod cipher;
mod key;
mod replay;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use session::SrtpSession;

/// The most bytes that [`crate::Transport::seal_rtp`] adds to a packet.
pub const SRTP_OVERHEAD_MAX: usize = 16;

/// The most bytes that [`crate::Transport::seal_rtcp`] adds to a packet: a tag of 16 and the index word.
pub const SRTCP_OVERHEAD_MAX: usize = 20;

/// The protection profile DTLS agreed on (RFC 5764, section 4.1.2; RFC 7714, section 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SrtpProfile {
    /// AEAD_AES_128_GCM.
    AeadAes128Gcm,
    /// AEAD_AES_256_GCM.
    AeadAes256Gcm,
    /// AES_CM_128_HMAC_SHA1_80.
    Aes128CmSha1_80,
}

impl SrtpProfile {
    /// Length of the master key and of the session encryption key, bytes.
    pub(crate) const fn key_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Length of the master salt and of the session salt, bytes.
    pub(crate) const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmSha1_80 => 14,
        }
    }
}

/// Why a packet was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// DTLS has not finished, so there are no keys.
    #[error("no SRTP keys yet")]
    NotReady,
    /// Too short, or its header is not RTP or RTCP.
    #[error("malformed packet")]
    Malformed,
    /// The authentication tag is wrong. The packet's bytes are spoilt.
    #[error("packet is not authentic")]
    NotAuthentic,
    /// Received before, or older than the window.
    #[error("packet was replayed or is too old")]
    Replayed,
    /// The output buffer cannot hold the packet and its tag.
    #[error("output buffer is too small")]
    NoRoom,
    /// The key has protected as many packets as it may (RFC 3711, section 9.2).
    #[error("key lifetime is over")]
    KeyExhausted,
}
