//! What a transport counted since it was opened.

use std::ops::AddAssign;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: u64,)*) => {
        /// Running totals of one transport, or of several together. Everything that is dropped without a word to the peer
        /// is counted here.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl AddAssign for Counters {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Authentic connectivity checks from the peer, and its answers to ours.
    stun_checks: u64,
    /// STUN datagrams that were malformed, not authentic, not for us, or beyond a bound.
    stun_rejected: u64,
    /// Candidates whose address is an mDNS name.
    candidates_mdns: u64,
    /// Candidates that were malformed, of an unsupported kind, or beyond the bound.
    candidates_ignored: u64,
    /// DTLS datagrams from an address no authentic check came from, or too early and beyond the bound.
    dtls_rejected: u64,
    /// Changes of the selected path after the first one.
    path_changes: u64,
    /// SRTP packets opened.
    srtp_opened: u64,
    /// SRTP packets whose tag was wrong, or malformed.
    srtp_rejected: u64,
    /// SRTP packets that were replays, or too old for the window.
    srtp_replayed: u64,
    /// SRTCP packets opened.
    srtcp_opened: u64,
    /// SRTCP packets whose tag was wrong, or malformed.
    srtcp_rejected: u64,
    /// SRTCP packets that were replays, or too old for the window.
    srtcp_replayed: u64,
    /// Data-channel messages received.
    messages_received: u64,
    /// Data-channel messages handed to SCTP.
    messages_sent: u64,
    /// Messages for `_reliable` that could not be delivered: larger than the peer accepts, or no channel.
    messages_dropped_reliable: u64,
    /// Messages for the lossy channels dropped, for the same reasons or because their queue was full.
    messages_dropped_lossy: u64,
    /// Data channels the peer opened with a label of its own.
    channels_foreign: u64,
    /// SCTP packets or DCEP messages that were malformed or out of place.
    data_rejected: u64,
}
