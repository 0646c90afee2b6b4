//! Tells what a datagram is (RFC 7983) and, for a connectivity check, whom it is for. No state, no allocation, no panics.

use crate::stun::BindingRequest;

/// What a datagram on a bundled media port holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramKind {
    /// STUN: to [`crate::Transport::handle_datagram`].
    Stun,
    /// DTLS: to [`crate::Transport::handle_datagram`].
    Dtls,
    /// SRTP: to [`crate::Transport::open_rtp`].
    Rtp,
    /// SRTCP: to [`crate::Transport::open_rtcp`].
    Rtcp,
    /// Nothing we speak.
    Unknown,
}

/// Classifies a datagram by its first bytes (RFC 7983, section 7; RFC 5761, section 4 for RTCP).
pub fn classify(datagram: &[u8]) -> DatagramKind {
    match datagram {
        [0..=3, ..] => DatagramKind::Stun,
        [20..=63, ..] => DatagramKind::Dtls,
        [128..=191, 192..=223, ..] => DatagramKind::Rtcp,
        [128..=191, _, ..] => DatagramKind::Rtp,
        _ => DatagramKind::Unknown,
    }
}

/// The two halves of the USERNAME of a STUN binding request: (the receiver's ufrag, the sender's ufrag).
/// `None` when the datagram is no well-formed binding request with such a name.
pub fn stun_username(datagram: &[u8]) -> Option<(&str, &str)> {
    BindingRequest::parse(datagram).map(|request| (request.local_ufrag, request.remote_ufrag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_first_bytes() {
        let cases: [(&[u8], DatagramKind); 12] = [
            (&[], DatagramKind::Unknown),
            (&[0, 1], DatagramKind::Stun),
            (&[3], DatagramKind::Stun),
            (&[4, 0], DatagramKind::Unknown),
            (&[20, 254], DatagramKind::Dtls),
            (&[63], DatagramKind::Dtls),
            (&[64, 0], DatagramKind::Unknown),
            (&[128], DatagramKind::Unknown),
            (&[0x80, 96], DatagramKind::Rtp),
            (&[0x90, 0x80 | 111], DatagramKind::Rtp),
            (&[0x81, 200], DatagramKind::Rtcp),
            (&[192, 0], DatagramKind::Unknown),
        ];
        for (datagram, kind) in cases {
            assert_eq!(classify(datagram), kind, "{datagram:?}");
        }
    }
}
