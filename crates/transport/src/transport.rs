//! The state machine of one peer's transport: joins ICE, DTLS, SRTP and data channels.
//!
//! Owns the order of things: checks before DTLS, the peer's certificate before its keys, DTLS before data channels,
//! and what is said to the control plane. The parts know nothing of each other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::certificate::TransportConfig;
use crate::command::{
    Channel, DtlsRole, OpenTransport, Reliability, RemoteParameters, TransportCommand, TransportEvent,
};
use crate::counters::Counters;
use crate::data::{DATA_BACKLOG, DATA_WINDOW, DataAssociation, DataConfig, DataEvent, Dropped};
use crate::demux::{DatagramKind, classify};
use crate::dtls::{DtlsAssociation, DtlsFailure, DtlsOutput};
use crate::failure::TransportFailure;
use crate::ice::{CandidateText, Heard, IceAgent, read_candidate};
use crate::liveness::{Liveness, Verdict};
use crate::path::{Contents, Datagram, LocalAddresses, Output, Path, TcpConnection, Transmit};
use crate::srtp::{SrtpError, SrtpSession};

/// DTLS datagrams kept until the peer's description arrives: two flights of a ClientHello in two fragments. The peer's
/// own retransmission would come up to a second later.
const EARLY_DTLS_MAX: usize = 4;

/// Largest datagram kept so, bytes.
const EARLY_DTLS_LEN_MAX: usize = 2048;

/// How long a peer that ICE can reach may take to finish DTLS. Other LiveKit servers allow 10 to 20 seconds.
pub(crate) const DTLS_WITHIN: Duration = Duration::from_secs(20);

/// What of the peer's descriptions must not change, or is needed later.
struct Remote {
    role: DtlsRole,
    data_channels: bool,
    sctp_port: u16,
    message_max: u32,
}

/// What the owner said of reliable messages.
#[derive(Clone, Copy)]
struct DataRule {
    governed: bool,
    window: u32,
    backlog_max: u32,
}

/// One peer's secure transport.
pub struct Transport {
    config: Arc<TransportConfig>,
    ice: IceAgent,
    liveness: Liveness,
    remote: Option<Remote>,
    dtls: Option<Box<DtlsAssociation>>,
    early_dtls: Vec<Vec<u8>>,
    /// When DTLS must be done, once both it and a path are there.
    dtls_due: Option<Instant>,
    srtp: Option<Box<SrtpSession>>,
    data: Option<Box<DataAssociation>>,
    /// Since when data channels have packets to make.
    data_due: Option<Instant>,
    open_channels: Vec<Channel>,
    data_rule: DataRule,
    /// The last thing said was that the peer is connected.
    connected: bool,
    /// The last thing said was that the peer is given up.
    failed: bool,
    /// Closed, or failed for good: nothing is taken and nothing sent any more.
    over: bool,
    restarts_seen: u32,
    selected_before: Option<Path>,
    ice_revision: u32,
    path_revision: u32,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Transport {
    /// A transport that answers checks for `open.ice` from now on. `seed` must be unpredictable: the tie-breaker of a
    /// full agent comes from it.
    pub fn new(
        open: OpenTransport,
        local: &LocalAddresses,
        config: &Arc<TransportConfig>,
        seed: u64,
        now: Instant,
    ) -> Self {
        Self {
            config: Arc::clone(config),
            ice: IceAgent::new(&open, local, seed, now),
            liveness: Liveness::new(),
            remote: None,
            dtls: None,
            early_dtls: Vec::new(),
            dtls_due: None,
            srtp: None,
            data: None,
            data_due: None,
            open_channels: open.open_channels,
            data_rule: DataRule { governed: false, window: DATA_WINDOW, backlog_max: DATA_BACKLOG },
            connected: false,
            failed: false,
            over: false,
            restarts_seen: 0,
            selected_before: None,
            ice_revision: 0,
            path_revision: 0,
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Does what the control plane asks. `Open` is ignored: it made this transport.
    ///
    /// For an ICE restart `RestartIce` comes first, then `SetRemote` with the peer's new credentials.
    pub fn handle_command(&mut self, now: Instant, command: TransportCommand) {
        if self.over {
            return;
        }
        match command {
            TransportCommand::Open(_) => {}
            TransportCommand::SetRemote(remote) => self.set_remote(now, &remote),
            TransportCommand::AddRemoteCandidate(text) => self.add_candidate(now, &text),
            TransportCommand::RestartIce(local) => {
                self.ice.restart(now, &local);
                self.liveness.expect(now);
            }
            TransportCommand::Send { channel, payload } => self.send(now, channel, &payload),
            TransportCommand::DataTaken(total) => {
                if let Some(data) = &mut self.data {
                    data.take(total);
                }
            }
            TransportCommand::Close => self.close(now),
        }
        self.progress(now);
    }

    /// The owner will say with [`TransportCommand::DataTaken`] which reliable messages were passed on; until then they
    /// hold the peer's window. Without this call a peer may send as fast as it can. Call it on a new transport.
    pub fn govern_data(&mut self) {
        self.data_rule.governed = true;
    }

    /// How much of the peer's reliable messages may be on its way at once (at most [`crate::DATA_WINDOW`]), and what
    /// [`TransportEvent::DataProgress`] says may wait for it.
    pub fn limit_data(&mut self, window: u32, backlog_max: u32) {
        (self.data_rule.window, self.data_rule.backlog_max) = (window, backlog_max);
        if let Some(data) = &mut self.data {
            data.set_window(window);
        }
    }

    /// What reliable messages keep in memory, both ways, bytes.
    pub fn data_held(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.held())
    }

    /// The peer is an ICE-lite agent (`a=ice-lite`): a full agent of ours controls, whoever made the offer
    /// (RFC 8445, section 6.1.1). Call it before the peer's description is set. Without effect on a lite agent.
    pub fn expect_lite_peer(&mut self) {
        self.ice.control();
    }

    /// Takes a STUN or DTLS datagram ([`crate::classify`]). Anything else is ignored.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        if self.over {
            return;
        }
        match classify(datagram.contents) {
            DatagramKind::Stun => match self.ice.handle_stun(now, &datagram) {
                Heard::Authentic => self.counters.stun_checks += 1,
                Heard::Rejected => self.counters.stun_rejected += 1,
            },
            DatagramKind::Dtls => self.handle_dtls(now, &datagram),
            DatagramKind::Rtp | DatagramKind::Rtcp | DatagramKind::Unknown => return,
        }
        self.progress(now);
    }

    /// The ICE-TCP connection is gone: paths over it are no longer used.
    pub fn handle_tcp_closed(&mut self, now: Instant, connection: TcpConnection) {
        self.ice.close_tcp(connection);
        self.progress(now);
    }

    /// Data channels have packets to make: [`Transport::handle_timeout`] does it, and [`Transport::poll_timeout`] asks for
    /// it at once. An owner that has more inputs at hand takes them first: what is made for all of them together costs
    /// little more than for one.
    pub fn has_data_due(&self) -> bool {
        self.data_due.is_some()
    }

    /// Advances timers, and makes the packets of data channels. Harmless when nothing is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.over {
            return;
        }
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if due(self.ice.poll_timeout()) {
            self.ice.handle_timeout(now);
        }
        if due(self.dtls_timeout())
            && let Some(dtls) = &mut self.dtls
        {
            dtls.handle_timeout(now);
        }
        if due(self.dtls_due) {
            self.end(TransportFailure::HandshakeTimeout);
        }
        if let Some(data) = &mut self.data
            && due(data.poll_timeout())
        {
            data.handle_timeout(now);
        }
        self.judge(now);
        self.progress(now);
        if let Err(failure) = self.send_data(now) {
            self.end(failure.into());
        }
    }

    /// The next thing to send or tell. Drain after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Transport::handle_timeout`] is wanted next. Ask after draining the output.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let data = self.data.as_ref().and_then(|data| data.poll_timeout());
        let checks = [self.ice.poll_timeout(), self.liveness.poll_timeout()];
        let rest = [self.dtls_timeout(), self.dtls_due, data, self.data_due];
        checks.into_iter().chain(rest).flatten().min()
    }

    /// Our user name fragments whose checks this transport answers: the current one and,
    /// while an ICE restart is under way, the one before.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        self.ice.local_ufrags()
    }

    /// The path to send media on, once there is one. Changes when the peer moves.
    pub fn selected(&self) -> Option<Path> {
        if self.over { None } else { self.ice.selected() }
    }

    /// All paths that the peer has proved to be on, the selected one among them: its packets may come by any of them.
    pub fn paths(&self) -> impl Iterator<Item = Path> {
        self.ice.paths().iter()
    }

    /// A number that changes whenever [`Transport::selected`], [`Transport::paths`] or [`Transport::local_ufrags`] do,
    /// so that the owner of address tables need not compare them.
    pub fn path_revision(&self) -> u32 {
        self.path_revision
    }

    /// Whether DTLS is up, so that media can be sealed and opened.
    pub fn is_secure(&self) -> bool {
        self.srtp.is_some()
    }

    /// Authenticates and decrypts one SRTP packet in place. Returns the length of the plain packet, which stays at
    /// the front of `packet`: header as it was, then payload. After an error the bytes are worth nothing.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let opened = self.srtp.as_mut().ok_or(SrtpError::NotReady).and_then(|srtp| srtp.open_rtp(packet));
        match opened {
            Ok(_) => self.counters.srtp_opened += 1,
            Err(SrtpError::Replayed) => self.counters.srtp_replayed += 1,
            Err(_) => self.counters.srtp_rejected += 1,
        }
        opened
    }

    /// Authenticates and decrypts one SRTCP compound packet in place. Returns the length of the plain packet.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let opened = self.srtp.as_mut().ok_or(SrtpError::NotReady).and_then(|srtp| srtp.open_rtcp(packet));
        match opened {
            Ok(_) => self.counters.srtcp_opened += 1,
            Err(SrtpError::Replayed) => self.counters.srtcp_replayed += 1,
            Err(_) => self.counters.srtcp_rejected += 1,
        }
        opened
    }

    /// Seals one RTP packet given as header (with CSRCs and extensions) and payload into `out`; returns its length.
    /// `out` needs room for both and [`crate::SRTP_OVERHEAD_MAX`].
    ///
    /// `index` is the 48-bit packet index of RFC 3711, section 3.3.1: rollover counter << 16 | sequence number; its low
    /// 16 bits must be the sequence number in `header`. Begin with a rollover counter of zero and a sequence number
    /// below 32768, since a receiver that misses the first packets cannot know of a rollover.
    /// **An index of an SSRC must never be sealed with two different packets**: under GCM that gives the authentication
    /// key away. A retransmission under the original SSRC must repeat header and payload bit for bit.
    pub fn seal_rtp(&self, header: &[u8], payload: &[u8], index: u64, out: &mut [u8]) -> Result<usize, SrtpError> {
        self.srtp.as_ref().ok_or(SrtpError::NotReady)?.seal_rtp(header, payload, index, out)
    }

    /// Seals one RTCP compound packet into `out`; returns its length.
    /// `out` needs room for it and [`crate::SRTCP_OVERHEAD_MAX`].
    pub fn seal_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Result<usize, SrtpError> {
        self.srtp.as_mut().ok_or(SrtpError::NotReady)?.seal_rtcp(packet, out)
    }

    /// What was counted since the transport was opened.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn set_remote(&mut self, now: Instant, parameters: &RemoteParameters) {
        if !self.ice.set_remote(now, &parameters.ice) {
            return self.end(TransportFailure::UserFragment);
        }
        self.liveness.expect(now);
        let message_max = parameters.max_message_size.unwrap_or(u32::MAX);
        if let Some(remote) = &mut self.remote {
            if !remote.data_channels {
                (remote.data_channels, remote.sctp_port) = (parameters.data_channels, parameters.sctp_port);
            }
            remote.message_max = message_max;
            if let Some(data) = &mut self.data {
                data.set_send_message_max(message_max);
            }
            // A new certificate asks for a new DTLS association (RFC 8842, section 5.5), whose SRTP streams would begin
            // anew as well, each with a rollover counter of zero. The peer gets a new transport in place of it.
            if self.dtls.as_ref().is_some_and(|dtls| *dtls.expected() != parameters.fingerprints) {
                self.end(TransportFailure::CertificateChanged);
            }
            return;
        }
        let role = parameters.dtls_role;
        let RemoteParameters { data_channels, sctp_port, .. } = *parameters;
        self.remote = Some(Remote { role, data_channels, sctp_port, message_max });
        match DtlsAssociation::new(&self.config.certificate, role, parameters.fingerprints.clone()) {
            Ok(dtls) => self.dtls = Some(Box::new(dtls)),
            Err(failure) => return self.end(failure.into()),
        }
        for datagram in std::mem::take(&mut self.early_dtls) {
            self.read_dtls(now, &datagram);
        }
    }

    fn add_candidate(&mut self, now: Instant, text: &str) {
        match read_candidate(text) {
            CandidateText::Usable(candidate) => {
                if !self.ice.add_candidate(now, candidate) {
                    self.counters.candidates_ignored += 1;
                }
            }
            CandidateText::Mdns => self.counters.candidates_mdns += 1,
            CandidateText::End => {}
            CandidateText::Unusable => self.counters.candidates_ignored += 1,
        }
    }

    fn send(&mut self, now: Instant, channel: Channel, payload: &Bytes) {
        let sent = self.data.as_mut().map_or(Err(Dropped::NotOpen), |data| data.send(now, channel, payload));
        match (sent, channel.reliability()) {
            (Ok(()), _) => self.counters.messages_sent += 1,
            (Err(Dropped::Overrun), _) => self.end(TransportFailure::DataOverrun),
            (Err(_), Reliability::Reliable) => self.undelivered(payload.len()),
            (Err(_), Reliability::Lossy) => self.counters.messages_dropped_lossy += 1,
        }
    }

    fn undelivered(&mut self, bytes: usize) {
        self.counters.messages_dropped_reliable += 1;
        self.tell(TransportEvent::DataUndelivered { bytes });
    }

    fn close(&mut self, now: Instant) {
        // Messages that were sent before the close leave once at least. A failure changes nothing: all ends here.
        let _ = self.send_data(now);
        if let Some(dtls) = &mut self.dtls {
            dtls.close();
        }
        // The close_notify alert.
        self.transmit_dtls(now);
        self.finish();
    }

    fn handle_dtls(&mut self, now: Instant, datagram: &Datagram<'_>) {
        let path = datagram.path();
        if !self.ice.paths().contains(&path) {
            self.counters.dtls_rejected += 1;
            return;
        }
        self.ice.note_traffic(path);
        match &mut self.dtls {
            Some(_) => self.read_dtls(now, datagram.contents),
            None if self.early_dtls.len() < EARLY_DTLS_MAX && datagram.contents.len() <= EARLY_DTLS_LEN_MAX => {
                self.early_dtls.push(datagram.contents.to_vec());
            }
            None => self.counters.dtls_rejected += 1,
        }
    }

    /// When DTLS wants time. Before there is a path it has nothing to send and its timers do not run.
    fn dtls_timeout(&self) -> Option<Instant> {
        let dtls = self.dtls.as_ref()?;
        self.ice.selected()?;
        dtls.poll_timeout()
    }

    /// Applies what the clock says of a silent peer.
    fn judge(&mut self, now: Instant) {
        while let Some(verdict) = self.liveness.handle_timeout(now) {
            match verdict {
                Verdict::Alive => {}
                Verdict::Silent => {
                    if std::mem::take(&mut self.connected) {
                        self.tell(TransportEvent::Disconnected);
                    }
                }
                Verdict::Dead => {
                    self.connected = false;
                    self.ice.revoke();
                    if self.ice.is_restarting() {
                        self.liveness.expect(now);
                    }
                    self.tell_failed(TransportFailure::NoChecks);
                }
            }
        }
    }

    /// Carries what one part has for another, and outwards, until nothing is left.
    fn progress(&mut self, now: Instant) {
        if !self.over {
            if let Some(heard_at) = self.ice.last_heard() {
                self.liveness.hear(heard_at);
            }
            while let Some(transmit) = self.ice.poll_transmit() {
                let check = crate::stun::is_request(&transmit.contents);
                self.outputs.push_back(if check { Output::Check(transmit) } else { Output::Transmit(transmit) });
            }
            self.exchange(now);
        }
        self.note_paths();
        self.announce();
        self.relay_data_events();
    }

    /// Hands a datagram of the peer to DTLS, and on what comes out of it.
    fn read_dtls(&mut self, now: Instant, datagram: &[u8]) {
        let (Some(dtls), Some(remote)) = (&mut self.dtls, &self.remote) else { return };
        let (srtp, data, counters) = (&mut self.srtp, &mut self.data, &mut self.counters);
        let (config, open_channels, rule) = (&self.config.data, &self.open_channels, self.data_rule);
        let mut keys_usable = true;
        let outcome = dtls.handle_datagram(now, datagram, &mut |output| match output {
            DtlsOutput::Keys(profile, material) => {
                *srtp = SrtpSession::new(profile, material, remote.role).map(Box::new);
                keys_usable = srtp.is_some();
            }
            DtlsOutput::Data(packet) if remote.data_channels => {
                // The peer's first packet may come in the datagram that ends the handshake.
                data.get_or_insert_with(|| begin_data(config, remote, open_channels, rule)).handle_packet(now, packet);
            }
            DtlsOutput::Data(_) => counters.data_rejected += 1,
        });
        let outcome = if keys_usable { outcome } else { Err(DtlsFailure::Profile) };
        if let Err(failure) = outcome {
            self.end_dtls(now, failure);
        }
    }

    /// Sends what DTLS has to send.
    fn transmit_dtls(&mut self, now: Instant) {
        let (Some(path), Some(dtls)) = (self.ice.selected(), &mut self.dtls) else { return };
        let outputs = &mut self.outputs;
        let outcome = dtls.transmit(now, &mut |datagram| outputs.push_back(transmit(path, datagram)));
        if let Err(failure) = outcome {
            self.end(failure.into());
        }
    }

    /// Sends what DTLS has to say, keeps the time of the handshake, and begins data channels after it.
    fn exchange(&mut self, now: Instant) {
        self.transmit_dtls(now);
        let (Some(_), Some(dtls), Some(remote)) = (self.ice.selected(), &self.dtls, &self.remote) else { return };
        self.dtls_due = if dtls.is_connected() { None } else { self.dtls_due.or(Some(now + DTLS_WITHIN)) };
        if !dtls.is_connected() || !remote.data_channels {
            return;
        }
        let (config, rule) = (&self.config.data, self.data_rule);
        let data = self.data.get_or_insert_with(|| begin_data(config, remote, &self.open_channels, rule));
        if data.is_due() {
            self.data_due.get_or_insert(now);
        }
    }

    /// Moves SCTP packets from data channels through DTLS to the peer.
    fn send_data(&mut self, now: Instant) -> Result<(), DtlsFailure> {
        self.data_due = None;
        let (Some(path), Some(dtls), Some(data)) = (self.ice.selected(), &mut self.dtls, &mut self.data) else {
            return Ok(());
        };
        let outputs = &mut self.outputs;
        let mut outcome = Ok(());
        data.drain_packets(now, |packet| match dtls.seal(packet) {
            Ok(datagram) => outputs.push_back(transmit(path, datagram)),
            Err(failure) => outcome = Err(failure),
        });
        outcome
    }

    fn relay_data_events(&mut self) {
        while let Some(event) = self.data.as_mut().and_then(|data| data.poll_event()) {
            match event {
                DataEvent::Open(channel) => {
                    self.counters.channels_foreign += u64::from(channel == Channel::Application);
                    self.tell(TransportEvent::ChannelOpen(channel));
                }
                DataEvent::Message(channel, payload) => {
                    self.counters.messages_received += 1;
                    self.tell(TransportEvent::Message { channel, payload });
                }
                DataEvent::Progress(sent) => {
                    let backlog_max = self.data_rule.backlog_max;
                    self.tell(TransportEvent::DataProgress { sent, backlog_max });
                }
                DataEvent::Stalled => self.tell(TransportEvent::DataStalled),
                DataEvent::Unsent(bytes) => self.undelivered(bytes),
                DataEvent::Rejected => self.counters.data_rejected += 1,
                DataEvent::Lost => return self.end(TransportFailure::AssociationLost),
            }
        }
    }

    fn note_paths(&mut self) {
        let selected = self.selected();
        if selected != self.selected_before {
            if self.selected_before.is_some() && selected.is_some() {
                self.counters.path_changes += 1;
            }
            self.selected_before = selected;
            self.path_revision = self.path_revision.wrapping_add(1);
        }
        let revision = self.ice.revision();
        if revision != self.ice_revision {
            self.ice_revision = revision;
            self.path_revision = self.path_revision.wrapping_add(1);
        }
    }

    /// Says that the peer is connected, when it newly is.
    fn announce(&mut self) {
        let restarts = self.ice.restarts_done();
        if restarts != self.restarts_seen {
            self.restarts_seen = restarts;
            self.connected = false;
        }
        let secure = self.dtls.as_ref().is_some_and(|dtls| dtls.is_connected());
        if self.connected || !secure || !self.liveness.is_alive() {
            return;
        }
        if let Some(path) = self.selected() {
            self.connected = true;
            self.failed = false;
            self.tell(TransportEvent::Connected { tcp: path.proto.is_tcp() });
        }
    }

    /// Fails for good because of DTLS, which may have something to tell the peer.
    fn end_dtls(&mut self, now: Instant, failure: DtlsFailure) {
        self.transmit_dtls(now);
        self.end(failure.into());
    }

    /// Fails for good.
    fn end(&mut self, reason: TransportFailure) {
        if !self.over {
            self.tell_failed(reason);
            self.finish();
        }
    }

    /// Lets go of everything that a peer could still reach.
    fn finish(&mut self) {
        self.over = true;
        self.connected = false;
        self.dtls = None;
        self.srtp = None;
        self.data = None;
        self.early_dtls = Vec::new();
        self.dtls_due = None;
        self.data_due = None;
    }

    fn tell_failed(&mut self, reason: TransportFailure) {
        if !std::mem::replace(&mut self.failed, true) {
            self.tell(TransportEvent::Failed { reason });
        }
    }

    fn tell(&mut self, event: TransportEvent) {
        self.outputs.push_back(Output::Event(event));
    }
}

fn begin_data(config: &DataConfig, remote: &Remote, open_channels: &[Channel], rule: DataRule) -> Box<DataAssociation> {
    let Remote { role, sctp_port, message_max, .. } = *remote;
    let mut data = Box::new(DataAssociation::new(config, role, open_channels, sctp_port, message_max));
    if rule.governed {
        data.govern();
    }
    data.set_window(rule.window);
    data
}

fn transmit(path: Path, datagram: Vec<u8>) -> Output {
    Output::Transmit(Transmit {
        proto: path.proto,
        source: path.local,
        destination: path.remote,
        contents: Contents::from_vec(datagram),
    })
}
