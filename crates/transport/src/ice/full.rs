//! A full ICE agent around that of the `is` crate, for peers that cannot do with a lite one.
//!
//! Adds what that agent leaves to its user: bounds on what an authentic peer may make it remember, answers to checks
//! under the old credentials during a restart, and the way from an address back to an ICE-TCP connection.
//! It draws transaction ids from its own generator, which RFC 8489 allows: they are protected by the integrity check.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgentEvent, IceCreds, Protocol};

use super::candidate::RemoteCandidate;
use super::{Heard, KnownPaths};
use crate::command::IceCredentials;
use crate::path::{Contents, Datagram, LocalAddresses, Path, Proto, TcpConnection, Transmit};
use crate::stun::{self, BindingRequest, IntegrityKey};

/// Candidates taken from one peer per generation. Chrome on a laptop with VPN trickles about a dozen.
const CANDIDATES_MAX: u32 = 32;

/// Paths that checks may arrive by per generation; each new one makes the agent remember a candidate and a pair.
const NEW_PATHS_MAX: u32 = 32;

/// Longest USERNAME that the agent can write, bytes.
const USERNAME_LEN_MAX: usize = 128;

/// Pace of checks (RFC 8445, section 14.2 asks for 50 ms unless the network is known to carry more; a peer has few
/// pairs with a server, so that they do not add up).
const PACE: Duration = Duration::from_millis(20);

/// Checks that wait for the peer's credentials are answered in one go, up to this many.
const QUEUED_CHECKS: usize = 8;

/// The full agent.
pub(crate) struct FullAgent {
    agent: is::IceAgent,
    ufrag: String,
    key: IntegrityKey,
    /// Our credentials before the restart that is under way.
    previous: Option<(String, IntegrityKey)>,
    remote: Option<IceCredentials>,
    /// The peer's new credentials, arrived before our own restart.
    remote_early: Option<IceCredentials>,
    paths: KnownPaths,
    selected: Option<Path>,
    transmits: VecDeque<Transmit>,
    deadline: Option<Instant>,
    candidates: u32,
    new_paths: u32,
    restarting: bool,
    restarts_done: u32,
    credentials_revision: u32,
    revoked: bool,
}

impl FullAgent {
    pub(super) fn new(
        local: &IceCredentials,
        addresses: &LocalAddresses,
        controlling: bool,
        seed: u64,
        now: Instant,
    ) -> Self {
        let mut agent = is::IceAgent::new(credentials(local));
        agent.set_control_tie_breaker(seed);
        agent.set_controlling(controlling);
        agent.set_timing_advance(PACE);
        let udp = addresses.udp.iter().map(|addr| Candidate::builder().udp().host(*addr).build());
        let tcp = addresses.tcp.iter().map(|addr| Candidate::builder().tcp().host(*addr).build());
        // An address that can be no candidate (link-local, multicast) is simply not offered.
        for candidate in udp.chain(tcp).flatten() {
            agent.add_local_candidate(candidate);
        }
        let mut full = Self {
            agent,
            ufrag: local.ufrag.clone(),
            key: IntegrityKey::new(&local.pwd),
            previous: None,
            remote: None,
            remote_early: None,
            paths: KnownPaths::default(),
            selected: None,
            transmits: VecDeque::new(),
            deadline: None,
            candidates: 0,
            new_paths: 0,
            restarting: false,
            restarts_done: 0,
            credentials_revision: 0,
            revoked: false,
        };
        full.handle_timeout(now);
        full
    }

    pub(super) fn control(&mut self) {
        self.agent.set_controlling(true);
    }

    pub(super) fn handle_stun(&mut self, now: Instant, datagram: &Datagram<'_>) -> Heard {
        let path = datagram.path();
        if self.revoked || !stun::is_well_formed(datagram.contents) {
            return Heard::Rejected;
        }
        let known = self.paths.contains(&path);
        if !known && self.new_paths >= NEW_PATHS_MAX {
            return Heard::Rejected;
        }
        if let Some(request) = BindingRequest::parse(datagram.contents)
            && request.local_ufrag != self.ufrag
        {
            return self.answer_previous(now, &request, datagram);
        }
        let Ok(message) = StunMessage::parse(datagram.contents) else { return Heard::Rejected };
        let packet = StunPacket {
            proto: if path.proto.is_tcp() { Protocol::Tcp } else { Protocol::Udp },
            source: datagram.source,
            destination: datagram.destination,
            message,
        };
        if !self.agent.handle_packet(now, packet) {
            return Heard::Rejected;
        }
        if !known {
            self.new_paths += 1;
        }
        self.paths.record(path, now, self.selected);
        self.handle_timeout(now);
        Heard::Authentic
    }

    /// A check under the credentials from before the restart keeps that path alive, and does no more.
    fn answer_previous(&mut self, now: Instant, request: &BindingRequest<'_>, datagram: &Datagram<'_>) -> Heard {
        let path = datagram.path();
        let Some((ufrag, key)) = &self.previous else { return Heard::Rejected };
        if ufrag != request.local_ufrag || !self.paths.contains(&path) || !request.is_authentic(key) {
            return Heard::Rejected;
        }
        let contents = stun::success(request.transaction, datagram.source, key);
        if contents.len() > datagram.contents.len() {
            return Heard::Rejected;
        }
        self.transmits.push_back(Transmit {
            proto: path.proto,
            source: path.local,
            destination: path.remote,
            contents,
        });
        self.paths.record(path, now, self.selected);
        Heard::Authentic
    }

    pub(super) fn set_remote(&mut self, now: Instant, remote: &IceCredentials) -> bool {
        if remote.ufrag.len() + 1 + self.ufrag.len() > USERNAME_LEN_MAX {
            return false;
        }
        match &self.remote {
            Some(current) if current == remote => {}
            Some(_) => self.remote_early = Some(remote.clone()),
            None => {
                self.agent.set_remote_credentials(credentials(remote));
                self.remote = Some(remote.clone());
                for _ in 0..QUEUED_CHECKS {
                    self.handle_timeout(now);
                }
            }
        }
        true
    }

    pub(super) fn restart(&mut self, now: Instant, local: &IceCredentials) {
        if self.ufrag == local.ufrag {
            return;
        }
        let ufrag = std::mem::replace(&mut self.ufrag, local.ufrag.clone());
        let key = std::mem::replace(&mut self.key, IntegrityKey::new(&local.pwd));
        if !self.restarting && !self.revoked {
            self.previous = Some((ufrag, key));
        }
        self.credentials_revision += 1;
        self.agent.ice_restart(credentials(local), true);
        self.remote = None;
        self.candidates = 0;
        self.new_paths = 0;
        self.restarting = true;
        self.revoked = false;
        self.handle_timeout(now);
        if let Some(remote) = self.remote_early.take() {
            // Its length was checked when it came.
            let _ = self.set_remote(now, &remote);
        }
    }

    pub(super) fn add_candidate(&mut self, now: Instant, candidate: RemoteCandidate) -> bool {
        if self.candidates >= CANDIDATES_MAX {
            return false;
        }
        self.candidates += 1;
        self.agent.add_remote_candidate(candidate.0);
        self.handle_timeout(now);
        true
    }

    pub(super) fn close_tcp(&mut self, connection: TcpConnection) {
        // Else the agent holds on to the pair until its checks have all failed.
        let gone: Vec<_> = self.paths.iter().filter(|path| path.proto == Proto::Tcp(connection)).collect();
        let candidates: Vec<Candidate> = self
            .agent
            .remote_candidates()
            .filter(|known| known.proto() != Protocol::Udp && gone.iter().any(|path| path.remote == known.addr()))
            .collect();
        for candidate in candidates {
            self.agent.invalidate_candidate(&candidate);
        }
        self.paths.retain(|path| path.proto != Proto::Tcp(connection));
        if self.selected.is_some_and(|selected| selected.proto == Proto::Tcp(connection)) {
            self.selected = None;
        }
    }

    pub(super) fn revoke(&mut self) {
        self.paths.retain(|_| false);
        self.selected = None;
        self.transmits.clear();
        if self.previous.take().is_some() {
            self.credentials_revision += 1;
        }
        self.revoked = !self.restarting;
        if self.revoked {
            self.deadline = None;
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.revoked {
            return;
        }
        self.agent.handle_timeout(now);
        while let Some(transmit) = self.agent.poll_transmit() {
            let proto = self.proto_to(transmit.proto, transmit.destination);
            // A check to an ICE-TCP address without a connection goes nowhere: the peer connects, not we.
            if let Some(proto) = proto {
                self.transmits.push_back(Transmit {
                    proto,
                    source: transmit.source,
                    destination: transmit.destination,
                    contents: Contents::from_slice(&transmit.contents),
                });
            }
        }
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { proto, source, destination } = event
                && let Some(proto) = self.proto_to(proto, destination)
            {
                self.selected = Some(Path { proto, remote: destination, local: source });
                if self.previous.take().is_some() {
                    self.credentials_revision += 1;
                }
                if std::mem::take(&mut self.restarting) {
                    self.restarts_done += 1;
                }
            }
        }
        self.deadline = self.agent.poll_timeout();
    }

    fn proto_to(&self, proto: Protocol, remote: std::net::SocketAddr) -> Option<Proto> {
        match proto {
            Protocol::Udp => Some(Proto::Udp),
            _ => self.paths.iter().find(|path| path.proto.is_tcp() && path.remote == remote).map(|path| path.proto),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(super) fn local_ufrags(&self) -> (&str, Option<&str>) {
        (&self.ufrag, self.previous.as_ref().map(|(ufrag, _)| ufrag.as_str()))
    }

    pub(super) fn selected(&self) -> Option<Path> {
        self.selected
    }

    pub(super) fn paths(&self) -> &KnownPaths {
        &self.paths
    }

    pub(super) fn is_restarting(&self) -> bool {
        self.restarting
    }

    pub(super) fn credentials_revision(&self) -> u32 {
        self.credentials_revision
    }

    pub(super) fn restarts_done(&self) -> u32 {
        self.restarts_done
    }
}

fn credentials(ours: &IceCredentials) -> IceCreds {
    IceCreds { ufrag: ours.ufrag.clone(), pass: ours.pwd.clone() }
}
