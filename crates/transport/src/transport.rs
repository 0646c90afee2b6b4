//! The state machine of one peer's transport: joins ICE, DTLS, SRTP and data channels.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::certificate::TransportConfig;
use crate::command::{OpenTransport, TransportCommand};
use crate::counters::Counters;
use crate::path::{Datagram, LocalAddresses, Output, Path, TcpConnection};
use crate::srtp::{SrtpError, SrtpProfile};

/// One peer's secure transport.
pub struct Transport {
    #[expect(dead_code)]
    config: Arc<TransportConfig>,
    ufrags: Vec<String>,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Transport {
    /// A transport that answers checks for `open.ice` from now on. `seed` must be unpredictable:
    /// transaction ids and tie-breakers come from it.
    pub fn new(
        open: OpenTransport,
        local: &LocalAddresses,
        config: &Arc<TransportConfig>,
        seed: u64,
        now: Instant,
    ) -> Self {
        let _ = (local, seed, now);
        Self {
            config: Arc::clone(config),
            ufrags: vec![open.ice.ufrag],
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Does what the control plane asks. `Open` is ignored: it made this transport.
    pub fn handle_command(&mut self, now: Instant, command: TransportCommand) {
        let _ = (now, command);
    }

    /// Takes a STUN or DTLS datagram ([`crate::classify`]). Anything else is ignored.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let _ = (now, datagram);
    }

    /// The ICE-TCP connection is gone: paths over it are no longer used.
    pub fn handle_tcp_closed(&mut self, now: Instant, connection: TcpConnection) {
        let _ = (now, connection);
    }

    /// Advances timers. Harmless when nothing is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// The next thing to send or tell. Drain after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Transport::handle_timeout`] is wanted next. Ask after draining the output.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Our user name fragments whose checks this transport answers: the current one and,
    /// while an ICE restart is under way, the one before.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        self.ufrags.iter().map(String::as_str)
    }

    /// The path that media is sent on, once there is one. Changes when the peer moves; the owner compares it after
    /// each drain to keep its table of addresses right.
    pub fn selected(&self) -> Option<Path> {
        None
    }

    /// Whether DTLS is up, so that media can be sealed and opened.
    pub fn is_secure(&self) -> bool {
        false
    }

    /// The negotiated SRTP profile, once DTLS is up.
    pub fn srtp_profile(&self) -> Option<SrtpProfile> {
        None
    }

    /// Authenticates and decrypts one SRTP packet in place. Returns the length of the plain packet, which stays at
    /// the front of `packet`: header as it was, then payload.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let _ = packet;
        Err(SrtpError::NotReady)
    }

    /// Authenticates and decrypts one SRTCP compound packet in place. Returns the length of the plain packet.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let _ = packet;
        Err(SrtpError::NotReady)
    }

    /// Seals one RTP packet given as header (with CSRCs and extensions) and payload into `out`; returns its length.
    /// `out` needs room for both and [`crate::SRTP_OVERHEAD_MAX`].
    ///
    /// `index` is the 48-bit packet index of RFC 3711, section 3.3.1: rollover counter << 16 | sequence number; its low
    /// 16 bits must be the sequence number in `header`. **An index of an SSRC must never be sealed with two different
    /// packets**: under GCM that gives the authentication key away. A retransmission under the original SSRC must
    /// repeat header and payload bit for bit.
    pub fn seal_rtp(&self, header: &[u8], payload: &[u8], index: u64, out: &mut [u8]) -> Result<usize, SrtpError> {
        let _ = (header, payload, index, out);
        Err(SrtpError::NotReady)
    }

    /// Seals one RTCP compound packet into `out`; returns its length.
    /// `out` needs room for it and [`crate::SRTCP_OVERHEAD_MAX`].
    pub fn seal_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Result<usize, SrtpError> {
        let _ = (packet, out);
        Err(SrtpError::NotReady)
    }

    /// What was counted since the transport was opened.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}
