//! What a datagram on the shared port is, by its first bytes. Looks no deeper.

/// The protocol of a datagram, RFC 7983, section 7 and RFC 5761, section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// STUN, first byte 0 to 3.
    Stun,
    /// DTLS, first byte 20 to 63.
    Dtls,
    /// TURN ChannelData, first byte 64 to 79.
    TurnChannel,
    /// RTP or SRTP, first byte 128 to 191.
    Rtp,
    /// RTCP or SRTCP: first byte 128 to 191, second byte 192 to 223.
    Rtcp,
    /// None of these, or too short to be.
    Other,
}

impl PacketKind {
    /// Classifies a datagram. Never reads beyond the second byte.
    pub const fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [64..=79, ..] => Self::TurnChannel,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, _, ..] => Self::Rtp,
            _ => Self::Other,
        }
    }
}
