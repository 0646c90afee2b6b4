//! Counters as values. Each shard counts for itself and publishes a copy about once a second, off the packet path.

use std::ops::AddAssign;

use tutti_transport::TransportFailure;

/// What the whole media plane counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaMetrics {
    /// Each shard, in the order of their numbers; at most about a second old.
    pub shards: Vec<ShardMetrics>,
    /// What the ICE-TCP front counted.
    pub tcp: TcpFrontMetrics,
}

impl MediaMetrics {
    /// The sum over all shards.
    pub fn total(&self) -> ShardMetrics {
        let mut total = ShardMetrics::default();
        for shard in &self.shards {
            total += *shard;
        }
        total
    }
}

/// What the ICE-TCP front counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpFrontMetrics {
    /// Connections handed to a shard.
    pub accepted: u64,
    /// Connections closed to make room for others, because too many were waiting.
    pub refused: u64,
    /// Connections closed because their first frame was late, no binding request, or for nobody here.
    pub invalid: u64,
}

macro_rules! shard_metrics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What one shard counted since the start, and how much it holds now.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct ShardMetrics {
            $($(#[$doc])* pub $name: u64,)*
            /// Transports that failed, by reason.
            pub failures: Failures,
            /// The way out of the sockets.
            pub send: SendCounters,
        }

        impl ShardMetrics {
            /// Every number with its name, gauges and counters alike, in a fixed order; `failures` and `send` are not
            /// among them.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }

        impl AddAssign for ShardMetrics {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
                self.failures += other.failures;
                self.send += other.send;
            }
        }
    };
}

shard_metrics! {
    /// Gauge: transports open.
    transports,
    /// Gauge: transports whose handshake is not done.
    half_open,
    /// Gauge: tracks published here.
    tracks,
    /// Gauge: tracks of other shards that have subscribers here.
    replicas,
    /// Gauge: subscriptions.
    subscriptions,
    /// Gauge: ICE-TCP connections.
    tcp_connections,
    /// Gauge: bytes of reliable data held for senders and receivers.
    data_held,
    /// Peers that took no reliable data for 15 seconds while there was some.
    data_stalled,
    /// Datagrams and TCP frames taken.
    datagrams_in,
    /// Their bytes.
    bytes_in,
    /// RTP packets from publishers that were opened and parsed.
    rtp_in,
    /// RTP packets sealed for subscribers, retransmissions and padding included.
    rtp_out,
    /// Retransmissions among them.
    retransmissions_out,
    /// RTCP packets opened.
    rtcp_in,
    /// RTCP packets sealed.
    rtcp_out,
    /// Connectivity checks whose user name is nobody's here.
    dropped_unknown_ufrag,
    /// Datagrams from an address that is nobody's here.
    dropped_unknown_address,
    /// Datagrams of no protocol we speak.
    dropped_unknown_protocol,
    /// Datagrams the kernel dropped because the socket's buffer was full.
    dropped_by_kernel,
    /// Datagrams of one peer above its rate.
    dropped_peer_rate,
    /// Connectivity checks to somebody here that are malformed or not authentic.
    dropped_unauthentic_checks,
    /// Connectivity checks of one peer from an address where another one is.
    dropped_held_address,
    /// DTLS from an address that no authentic check came from, or before the peer's description.
    dropped_early_dtls,
    /// RTP and RTCP that could not be opened: no keys yet, or not authentic.
    dropped_unopened,
    /// RTP and RTCP that was here before, or is too old to tell.
    dropped_replayed,
    /// RTP and RTCP that was opened but is malformed.
    dropped_malformed,
    /// RTP whose source belongs to no published track.
    dropped_unknown_source,
    /// RTP of unknown sources above the rate at which one peer's are looked for.
    dropped_source_rate,
    /// RTCP of one peer above its rate.
    dropped_feedback_rate,
    /// Candidates of peers that are malformed, of no use, or too many.
    dropped_candidates,
    /// SCTP packets and channel messages that are malformed or out of place.
    dropped_sctp,
    /// Messages on lossy data channels of one peer above its rate; reliable ones are slowed instead.
    dropped_message_rate,
    /// Lossy messages for peers that read too slowly, and messages that a peer takes none of that size of, or has no
    /// channel for.
    dropped_messages_out,
    /// Messages on data channels that arrived, those above the rate included.
    messages_in,
    /// Messages handed to data channels.
    messages_out,
    /// DTLS handshakes done.
    handshakes,
    /// Packets for subscribers dropped before sealing: overwritten in their ring, or no path or keys.
    dropped_unsent,
    /// Commands about a transport, track or subscription that is not here (any more).
    commands_ignored,
    /// Packets copied to other shards.
    relayed_out,
    /// Packets copied from other shards.
    relayed_in,
    /// Packets lost because the ring to another shard was full.
    relay_full,
    /// Panics caught; each ended one transport.
    panics,
    /// ICE-TCP frames dropped because the peer reads too slowly.
    tcp_dropped,
    /// Receive calls that failed, and messages that could not be read.
    receive_errors,
}

/// How many reasons there are.
const REASONS: usize = 21;

/// Transports that failed, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures([u64; REASONS]);

impl Failures {
    /// One more.
    pub(crate) fn count(&mut self, reason: TransportFailure) {
        if let Some((_, count)) = TransportFailure::all().zip(&mut self.0).find(|(known, _)| *known == reason) {
            *count += 1;
        }
    }

    /// Every reason with its number, in a fixed order.
    pub fn by_reason(&self) -> impl Iterator<Item = (TransportFailure, u64)> {
        TransportFailure::all().zip(self.0)
    }

    /// How many failed, for whatever reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl AddAssign for Failures {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

/// What became of datagrams on their way out; running totals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendCounters {
    /// Datagrams handed to the kernel.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// System calls.
    pub calls: u64,
    /// Datagrams that left as part of a run.
    pub segmented: u64,
    /// Datagrams dropped: the send buffer stayed full.
    pub dropped_full: u64,
    /// Datagrams dropped: the kernel refused them (no route, not permitted, too large).
    pub dropped_refused: u64,
    /// Datagrams dropped: no socket serves their local address.
    pub dropped_no_socket: u64,
    /// Times a device refused a run, after which its socket sends single datagrams.
    pub segmentation_refused: u64,
}

impl AddAssign for SendCounters {
    fn add_assign(&mut self, other: Self) {
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
        self.calls += other.calls;
        self.segmented += other.segmented;
        self.dropped_full += other.dropped_full;
        self.dropped_refused += other.dropped_refused;
        self.dropped_no_socket += other.dropped_no_socket;
        self.segmentation_refused += other.segmentation_refused;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_counted_under_its_reason() {
        let mut failures = Failures::default();
        for (times, reason) in (1..).zip(TransportFailure::all()) {
            (0..times).for_each(|_| failures.count(reason));
        }
        let reasons = TransportFailure::all().count() as u64;
        assert!(failures.by_reason().map(|(_, count)| count).eq(1..=reasons));
        assert_eq!(failures.total(), reasons * (reasons + 1) / 2);
    }
}
