//! What a transport counted since it was opened.

/// Running totals of one transport. Everything that is dropped without a word to the peer is counted here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Authentic connectivity checks from the peer, and its answers to ours.
    pub stun_checks: u64,
    /// STUN datagrams that were malformed, not authentic, not for us, or beyond a bound.
    pub stun_rejected: u64,
    /// Candidates whose address is an mDNS name.
    pub candidates_mdns: u64,
    /// Candidates that were malformed, of an unsupported kind, or beyond the bound.
    pub candidates_ignored: u64,
    /// DTLS datagrams from an address no authentic check came from, or too early and beyond the bound.
    pub dtls_rejected: u64,
    /// Changes of the selected path after the first one.
    pub path_changes: u64,
    /// SRTP packets opened.
    pub srtp_opened: u64,
    /// SRTP packets whose tag was wrong, or malformed.
    pub srtp_rejected: u64,
    /// SRTP packets that were replays, or too old for the window.
    pub srtp_replayed: u64,
    /// SRTCP packets opened.
    pub srtcp_opened: u64,
    /// SRTCP packets whose tag was wrong, or malformed.
    pub srtcp_rejected: u64,
    /// SRTCP packets that were replays, or too old for the window.
    pub srtcp_replayed: u64,
    /// Data-channel messages received.
    pub messages_received: u64,
    /// Data-channel messages handed to SCTP.
    pub messages_sent: u64,
    /// Messages for `_reliable` dropped: queue over its bound, larger than the peer accepts, or no channel.
    pub messages_dropped_reliable: u64,
    /// Messages for the lossy channels dropped, for the same reasons.
    pub messages_dropped_lossy: u64,
    /// Data channels the peer opened with a label that is not ours.
    pub channels_ignored: u64,
    /// SCTP packets or DCEP messages that were malformed or out of place.
    pub data_rejected: u64,
}
