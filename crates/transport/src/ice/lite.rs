//! An ICE-lite agent (RFC 8445, section 2.5): answers authentic checks and sends where the peer nominates.
//!
//! Needs nothing per check but one HMAC each way, and a timer only for peers that do not check by themselves (`consent`). Before a peer has proved to know the password it gets
//! no answer at all, and no answer is larger than its request.

use std::collections::VecDeque;
use std::time::Instant;

use super::consent::Consent;
use super::{Heard, KnownPaths};
use crate::command::IceCredentials;
use crate::path::{Datagram, Path, Proto, TcpConnection, Transmit};
use crate::stun::{self, BindingRequest, IntegrityKey};

/// Credentials of one ICE generation.
pub(super) struct Generation {
    ufrag: String,
    key: IntegrityKey,
    /// The peer's fragment, once its description arrived. Its password is only for agents that send checks.
    remote_ufrag: Option<String>,
    /// Whether a path was nominated under these credentials.
    nominated: bool,
    /// Whether these are the credentials of a restart.
    restarted: bool,
    /// Consent under these credentials is lost for good.
    revoked: bool,
}

impl Generation {
    fn new(local: &IceCredentials, restarted: bool) -> Self {
        let key = IntegrityKey::new(&local.pwd);
        Self { ufrag: local.ufrag.clone(), key, remote_ufrag: None, nominated: false, restarted, revoked: false }
    }

    pub(super) fn ufrag(&self) -> &str {
        &self.ufrag
    }

    pub(super) fn key(&self) -> &IntegrityKey {
        &self.key
    }

    fn accepts(&self, request: &BindingRequest<'_>) -> bool {
        !self.revoked
            && self.ufrag == request.local_ufrag
            && self.remote_ufrag.as_deref().is_none_or(|remote| remote == request.remote_ufrag)
            && request.is_authentic(&self.key)
    }
}

/// The lite agent.
pub(crate) struct LiteAgent {
    current: Generation,
    /// The generation before, while a restart is under way.
    previous: Option<Box<Generation>>,
    paths: KnownPaths,
    selected: Option<Path>,
    transmits: VecDeque<Transmit>,
    consent: Consent,
    restarts_done: u32,
    credentials_revision: u32,
}

impl LiteAgent {
    /// An agent that answers checks for `local`.
    pub(super) fn new(local: &IceCredentials) -> Self {
        Self {
            current: Generation::new(local, false),
            previous: None,
            paths: KnownPaths::default(),
            selected: None,
            transmits: VecDeque::new(),
            consent: Consent::default(),
            restarts_done: 0,
            credentials_revision: 0,
        }
    }

    pub(super) fn handle_stun(&mut self, now: Instant, datagram: &Datagram<'_>) -> Heard {
        let Some(request) = BindingRequest::parse(datagram.contents) else { return self.handle_answer(now, datagram) };
        let (is_current, key) = if self.current.accepts(&request) {
            (true, &self.current.key)
        } else {
            match &self.previous {
                Some(previous) if previous.accepts(&request) => (false, &previous.key),
                _ => return Heard::Rejected,
            }
        };
        let answer = if request.controlled {
            // A lite agent never controls, so it is the peer who must change (RFC 8445, section 6.1.1).
            stun::error(request.transaction, stun::ROLE_CONFLICT, key)
        } else {
            stun::success(request.transaction, datagram.source, key)
        };
        if answer.len() > datagram.contents.len() {
            return Heard::Rejected;
        }
        let path = datagram.path();
        self.transmits.push_back(Transmit {
            proto: path.proto,
            source: path.local,
            destination: path.remote,
            contents: answer,
        });
        if request.controlled {
            return Heard::Authentic;
        }
        self.paths.record(path, now, self.selected);
        self.select(path, is_current, request.use_candidate);
        Heard::Authentic
    }

    /// An answer to a question of ours renews the path that it came by.
    fn handle_answer(&mut self, now: Instant, datagram: &Datagram<'_>) -> Heard {
        let path = datagram.path();
        if !self.paths.contains(&path) || !self.consent.takes(datagram.contents) {
            return Heard::Rejected;
        }
        self.paths.record(path, now, self.selected);
        Heard::Authentic
    }

    /// Follows the latest nomination. The peer controls and nominates only what it selected itself, so comparing
    /// priorities would only delay a change of network.
    fn select(&mut self, path: Path, is_current: bool, nominated: bool) {
        if nominated && is_current {
            if self.current.restarted && !self.current.nominated {
                self.restarts_done += 1;
            }
            self.current.nominated = true;
            if self.previous.take().is_some() {
                self.credentials_revision += 1;
            }
            self.selected = Some(path);
        } else if (nominated && !self.current.nominated) || self.selected.is_none() {
            self.selected = Some(path);
        }
    }

    pub(super) fn note_traffic(&mut self, path: Path) {
        if !self.current.nominated && self.previous.is_none() && self.paths.contains(&path) {
            self.selected = Some(path);
        }
    }

    pub(super) fn set_remote(&mut self, remote: &IceCredentials) {
        self.current.remote_ufrag = Some(remote.ufrag.clone());
        self.consent.set_remote(remote);
    }

    pub(super) fn restart(&mut self, local: &IceCredentials) {
        if self.current.ufrag == local.ufrag {
            return;
        }
        let before = std::mem::replace(&mut self.current, Generation::new(local, true));
        self.consent.forget();
        // A generation under which nothing was nominated is of no use to anyone while an older one carries media.
        if self.previous.is_none() && !before.revoked {
            self.previous = Some(Box::new(before));
        }
        self.credentials_revision += 1;
    }

    pub(super) fn close_tcp(&mut self, connection: TcpConnection) {
        self.paths.retain(|path| path.proto != Proto::Tcp(connection));
        if self.selected.is_some_and(|selected| !self.paths.contains(&selected)) {
            self.selected = self.paths.latest();
            self.current.nominated = false;
        }
    }

    pub(super) fn revoke(&mut self) {
        self.paths.retain(|_| false);
        self.selected = None;
        self.transmits.clear();
        // A restart that is under way may still bring the peer back.
        self.current.revoked = !self.is_restarting();
        if self.previous.take().is_some() {
            self.credentials_revision += 1;
        }
    }

    /// Asks a silent peer whether it is there.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let due = self.poll_timeout().is_some_and(|deadline| deadline <= now);
        if let Some(Path { proto, remote, local }) = self.selected
            && due
            && let Some(contents) = self.consent.ask(now, &self.current)
        {
            self.transmits.push_back(Transmit { proto, source: local, destination: remote, contents });
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let selected = self.selected?;
        self.consent.poll_timeout(self.paths.last_heard(Some(selected))?)
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(super) fn local_ufrags(&self) -> (&str, Option<&str>) {
        (&self.current.ufrag, self.previous.as_ref().map(|previous| previous.ufrag.as_str()))
    }

    pub(super) fn selected(&self) -> Option<Path> {
        self.selected
    }

    pub(super) fn paths(&self) -> &KnownPaths {
        &self.paths
    }

    pub(super) fn is_restarting(&self) -> bool {
        self.current.restarted && !self.current.nominated
    }

    pub(super) fn credentials_revision(&self) -> u32 {
        self.credentials_revision
    }

    pub(super) fn restarts_done(&self) -> u32 {
        self.restarts_done
    }
}
