//! Data channels (RFC 8831): SCTP over DTLS and the channels of the LiveKit protocol on it.
//!
//! Takes and gives SCTP packets; what carries them is not its business. Knows labels, not what messages mean.
//!
//! * `association`: one SCTP association around the `sctp-proto` crate, its streams and their channels.
//! * `dcep`: the messages that open a channel (RFC 8832).
//! * `packet`: what of a packet we touch ourselves.
//! * `window`: how much the peer may still send.
//! * `queue`: reliable messages that wait for the peer.

mod association;
mod dcep;
mod packet;
mod queue;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use sctp_proto::{EndpointConfig, ServerConfig, TransportConfig};

#[cfg(any(test, fuzzing))]
pub(crate) use association::STREAMS_MAX;
pub(crate) use association::{DataAssociation, DataEvent, Dropped};
#[cfg(any(test, fuzzing))]
pub(crate) use dcep::round_trip as dcep_round_trip;
pub use queue::DATA_BACKLOG;
pub use window::{DATA_WINDOW, data_weight};

/// What SCTP and DTLS add to a DATA chunk's payload in one datagram, bytes: DTLS 1.2 record header and GCM 13 + 8 + 16,
/// SCTP common header 12, DATA chunk header 16, padding 3.
const OVERHEAD: usize = 68;

/// What the library overlooks when it bundles chunks into a packet, bytes: the header of the last chunk and the padding
/// of all. Enough for sixteen chunks; a packet with more, all of them tiny, may grow to 1300 bytes.
const BUNDLING_SLACK: usize = 16 + 16 * 3;

/// Largest message that is reassembled, bytes. More than we advertise: a larger one would end the association, and
/// clients of this protocol are known to clamp loosely.
pub(crate) const RECEIVE_MESSAGE_MAX: u32 = 4 * crate::MAX_MESSAGE_SIZE;

/// Bytes of unfinished messages that the library holds: the window, and one message in pieces beside it. Whole messages
/// count in `window`.
const RECEIVE_BUFFER: u32 = DATA_WINDOW + RECEIVE_MESSAGE_MAX;

/// Retransmission time-outs, milliseconds. libwebrtc's values: RFC 9260's (3 s, 1 s, 60 s) are for other networks.
const RTO_INITIAL_MS: u64 = 500;
/// Above the 200 ms for which a peer may hold back an acknowledgement.
const RTO_MIN_MS: u64 = 400;
/// Within ICE's patience, so that a queue moves soon after a silent spell.
const RTO_MAX_MS: u64 = 3_000;

/// SCTP settings that all associations share.
#[derive(Debug, Clone)]
pub(crate) struct DataConfig {
    endpoint: Arc<EndpointConfig>,
    server: Arc<ServerConfig>,
}

impl DataConfig {
    /// Settings for datagrams of at most `datagram_max` bytes.
    pub(crate) fn new(datagram_max: usize) -> Self {
        let mut server = ServerConfig::new();
        server.transport = transport(crate::SCTP_PORT);
        let mut endpoint = EndpointConfig::new();
        endpoint.max_payload_size(datagram_max.saturating_sub(OVERHEAD + BUNDLING_SLACK) as u32);
        Self { endpoint: Arc::new(endpoint), server: Arc::new(server) }
    }

    /// Settings of an association that we begin.
    fn towards(&self, peer_port: u16) -> Arc<TransportConfig> {
        if peer_port == crate::SCTP_PORT { Arc::clone(&self.server.transport) } else { transport(peer_port) }
    }
}

fn transport(peer_port: u16) -> Arc<TransportConfig> {
    let transport = TransportConfig::default()
        .with_local_port(crate::SCTP_PORT)
        .with_remote_port(peer_port)
        .with_max_receive_message_size(RECEIVE_MESSAGE_MAX)
        .with_max_receive_buffer_size(RECEIVE_BUFFER)
        // Whether the peer is still there is for ICE to say.
        .with_max_init_retransmits(None)
        .with_max_data_retransmits(None)
        .with_rto_initial_ms(RTO_INITIAL_MS)
        .with_rto_min_ms(RTO_MIN_MS)
        .with_rto_max_ms(RTO_MAX_MS);
    Arc::new(transport)
}
