//! ICE (RFC 8445): which paths the peer is known to be on, and which of them is selected.
//!
//! Owns credentials, connectivity checks and path selection. Does not decide when a silent peer is given up
//! (`liveness`) and does not see what else the paths carry.
//!
//! * `lite`: the server's usual half: it answers checks and follows the peer's nomination. A few hundred bytes, one
//!   HMAC per check, no walks.
//! * `consent`: the lite agent's questions to a peer that does not check by itself.
//! * `full`: a full agent for the few peers that need one, around the agent of the `is` crate.
//! * `candidate`: what may become of a trickled candidate.

mod candidate;
mod consent;
mod full;
mod lite;
#[cfg(test)]
mod tests;

use std::time::Instant;

use crate::command::{IceCredentials, OpenTransport};
use crate::path::{Datagram, LocalAddresses, Path, TcpConnection, Transmit};

pub(crate) use candidate::{CandidateText, RemoteCandidate, read_candidate};
#[cfg(test)]
pub(crate) use consent::{ASKED_AFTER, ASKED_EVERY};
use full::FullAgent;
use lite::LiteAgent;

/// Paths remembered per transport. A peer with several interfaces, both families and TCP has fewer at once; more come
/// from an authentic peer that plays with its source address.
pub const PATHS_MAX: usize = 16;

/// What a STUN datagram was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Malformed, not authentic, not for us, or beyond a bound.
    Rejected,
    /// From the peer.
    Authentic,
}

/// One agent of either kind.
pub(crate) enum IceAgent {
    /// Answers, and asks only who is silent.
    Lite(Box<LiteAgent>),
    /// Checks as well.
    Full(Box<FullAgent>),
}

impl IceAgent {
    /// The agent that `open` asks for.
    pub(crate) fn new(open: &OpenTransport, local: &LocalAddresses, seed: u64, now: Instant) -> Self {
        if open.ice_lite {
            Self::Lite(Box::new(LiteAgent::new(&open.ice)))
        } else {
            // Whoever opens the channels made the offer, and the offerer controls (RFC 8445, section 6.1.1).
            // Should the peer think so too, the tie-breakers decide.
            let controlling = !open.open_channels.is_empty();
            Self::Full(Box::new(FullAgent::new(&open.ice, local, controlling, seed, now)))
        }
    }

    /// The peer is lite, so that we control. A lite agent of ours never does.
    pub(crate) fn control(&mut self) {
        if let Self::Full(agent) = self {
            agent.control();
        }
    }

    /// Takes a STUN datagram.
    pub(crate) fn handle_stun(&mut self, now: Instant, datagram: &Datagram<'_>) -> Heard {
        match self {
            Self::Lite(agent) => agent.handle_stun(now, datagram),
            Self::Full(agent) => agent.handle_stun(now, datagram),
        }
    }

    /// The peer's credentials, for the first time, again, or after a restart. `false` when they cannot be used.
    #[must_use]
    pub(crate) fn set_remote(&mut self, now: Instant, remote: &IceCredentials) -> bool {
        match self {
            Self::Lite(agent) => {
                agent.set_remote(remote);
                true
            }
            Self::Full(agent) => agent.set_remote(now, remote),
        }
    }

    /// New local credentials. The selected path stays until a check under them selects another.
    pub(crate) fn restart(&mut self, now: Instant, local: &IceCredentials) {
        match self {
            Self::Lite(agent) => agent.restart(local),
            Self::Full(agent) => agent.restart(now, local),
        }
    }

    /// A candidate of the peer. `false` when it is beyond the bound. A lite agent needs none.
    #[must_use]
    pub(crate) fn add_candidate(&mut self, now: Instant, candidate: RemoteCandidate) -> bool {
        match self {
            Self::Lite(_) => true,
            Self::Full(agent) => agent.add_candidate(now, candidate),
        }
    }

    /// A DTLS datagram came by a known path: until something is nominated, answers go the way the peer speaks.
    pub(crate) fn note_traffic(&mut self, path: Path) {
        if let Self::Lite(agent) = self {
            agent.note_traffic(path);
        }
    }

    /// The connection is gone, and with it all paths over it.
    pub(crate) fn close_tcp(&mut self, connection: TcpConnection) {
        match self {
            Self::Lite(agent) => agent.close_tcp(connection),
            Self::Full(agent) => agent.close_tcp(connection),
        }
    }

    /// Forgets every path: consent is lost for good, and only a restart brings it back (RFC 7675, section 5.1).
    pub(crate) fn revoke(&mut self) {
        match self {
            Self::Lite(agent) => agent.revoke(),
            Self::Full(agent) => agent.revoke(),
        }
    }

    /// Advances timers.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Lite(agent) => agent.handle_timeout(now),
            Self::Full(agent) => agent.handle_timeout(now),
        }
    }

    /// When `handle_timeout` is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Lite(agent) => agent.poll_timeout(),
            Self::Full(agent) => agent.poll_timeout(),
        }
    }

    /// The next STUN datagram to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        match self {
            Self::Lite(agent) => agent.poll_transmit(),
            Self::Full(agent) => agent.poll_transmit(),
        }
    }

    /// Our user name fragments whose checks are answered, the current one first.
    pub(crate) fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        let (current, previous) = match self {
            Self::Lite(agent) => agent.local_ufrags(),
            Self::Full(agent) => agent.local_ufrags(),
        };
        std::iter::once(current).chain(previous)
    }

    /// The path to send on.
    pub(crate) fn selected(&self) -> Option<Path> {
        match self {
            Self::Lite(agent) => agent.selected(),
            Self::Full(agent) => agent.selected(),
        }
    }

    /// When the peer was last heard where it matters: on the selected path, or anywhere while there is none.
    pub(crate) fn last_heard(&self) -> Option<Instant> {
        match self {
            Self::Lite(agent) => agent.paths().last_heard(agent.selected()),
            Self::Full(agent) => agent.paths().last_heard(agent.selected()),
        }
    }

    /// How often the peer has been nominated or selected anew under new credentials: grows when a restart is done.
    pub(crate) fn restarts_done(&self) -> u32 {
        match self {
            Self::Lite(agent) => agent.restarts_done(),
            Self::Full(agent) => agent.restarts_done(),
        }
    }

    /// Whether new local credentials wait for their first nomination.
    pub(crate) fn is_restarting(&self) -> bool {
        match self {
            Self::Lite(agent) => agent.is_restarting(),
            Self::Full(agent) => agent.is_restarting(),
        }
    }

    /// Changes with the known paths and with our credentials.
    pub(crate) fn revision(&self) -> u32 {
        let restarts = match self {
            Self::Lite(agent) => agent.credentials_revision(),
            Self::Full(agent) => agent.credentials_revision(),
        };
        self.paths().revision.wrapping_add(restarts)
    }

    /// The paths an authentic check came by.
    pub(crate) fn paths(&self) -> &KnownPaths {
        match self {
            Self::Lite(agent) => agent.paths(),
            Self::Full(agent) => agent.paths(),
        }
    }
}

/// Paths by which the peer proved to know the password, and when it last did.
#[derive(Debug, Default)]
pub(crate) struct KnownPaths {
    entries: Vec<KnownPath>,
    /// Changes with every path that comes or goes.
    revision: u32,
}

#[derive(Debug, Clone, Copy)]
struct KnownPath {
    path: Path,
    heard_at: Instant,
}

impl KnownPaths {
    /// Whether the path is known.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.entries.iter().any(|entry| entry.path == *path)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Path> {
        self.entries.iter().map(|entry| entry.path)
    }

    /// Records an authentic check. Beyond the bound the path that was silent longest goes, but never `selected`.
    fn record(&mut self, path: Path, now: Instant, selected: Option<Path>) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.path == path) {
            entry.heard_at = now;
            return;
        }
        if self.entries.len() >= PATHS_MAX {
            let silent = self.entries.iter().enumerate().filter(|(_, entry)| Some(entry.path) != selected);
            if let Some((at, _)) = silent.min_by_key(|(_, entry)| entry.heard_at) {
                self.entries.remove(at);
            }
        }
        self.entries.push(KnownPath { path, heard_at: now });
        self.revision += 1;
    }

    fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|entry| keep(&entry.path));
        if self.entries.len() != before {
            self.revision += 1;
        }
    }

    fn last_heard(&self, selected: Option<Path>) -> Option<Instant> {
        let relevant = self.entries.iter().filter(|entry| selected.is_none_or(|selected| selected == entry.path));
        relevant.map(|entry| entry.heard_at).max()
    }

    /// The path heard last.
    fn latest(&self) -> Option<Path> {
        self.entries.iter().max_by_key(|entry| entry.heard_at).map(|entry| entry.path)
    }
}
