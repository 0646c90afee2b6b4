//! One peer connection: its descriptions here, its transport on a shard.

use livekit_protocol as proto;
use rand::Rng as _;
use rand::rngs::StdRng;
use tutti_id::RoomKey;
use tutti_room::MemberKey;
use tutti_transport::{Channel, IceCredentials, OpenTransport, RemoteParameters, TransportCommand, TransportId};

use super::candidates::{credentials, usable};
use super::outbox::Outbox;
use super::{Facts, Start, codec_of};
use crate::negotiation::{CodecPolicy, Connection, LocalParameters, Peer, Role};

/// Candidates that may wait for the description they belong to.
const EARLY_CANDIDATES_MAX: usize = 64;

/// The member that a transport belongs to.
pub fn member_of(id: TransportId) -> MemberKey {
    MemberKey(id.index() >> 1)
}

/// The transports that a member of this room may have.
pub fn transports_of(room: RoomKey, member: MemberKey) -> [TransportId; 2] {
    [0, 1].map(|side| TransportId::new(room, member.0 << 1 | side))
}

/// One peer connection.
pub(super) struct Link {
    pub(super) id: TransportId,
    pub(super) connection: Connection,
    /// The shard knows its transport.
    pub(super) opened: bool,
    /// Its transport gave up, and has not been connected since.
    pub(super) failed: bool,
    ice: IceCredentials,
    ice_lite: bool,
    open_channels: Vec<Channel>,
    /// The transport knows what the client's description said.
    described: bool,
    early_candidates: Vec<String>,
}

impl Link {
    pub(super) fn new(role: Role, facts: &Facts, start: &Start, peer: &Peer, rng: &mut StdRng) -> Self {
        let [publisher, subscriber] = transports_of(start.room, start.member);
        let ice = credentials(start.placement.shard, rng);
        let ice_lite = peer.takes_ice_lite() && !start.disable_ice_lite;
        let local = LocalParameters {
            ice: ice.clone(),
            ice_lite,
            fingerprint: start.placement.fingerprint,
            candidates: usable(start, peer, start.tcp_only),
        };
        let policy = CodecPolicy::new(facts.codecs.iter().filter_map(|mime| codec_of(mime)).collect());
        let ours = role == Role::Subscriber;
        Self {
            id: if ours { subscriber } else { publisher },
            connection: Connection::new(role, peer.clone(), policy, local, rng.random()),
            opened: false,
            failed: false,
            ice,
            ice_lite,
            open_channels: if ours { vec![Channel::Reliable, Channel::Lossy, Channel::DataTrack] } else { Vec::new() },
            described: false,
            early_candidates: Vec::new(),
        }
    }

    /// Has the shard make the transport, if it has not.
    pub(super) fn open(&mut self, out: &mut Outbox) {
        if std::mem::replace(&mut self.opened, true) {
            return;
        }
        let open =
            OpenTransport { ice: self.ice.clone(), ice_lite: self.ice_lite, open_channels: self.open_channels.clone() };
        out.transport(self.id, TransportCommand::Open(Box::new(open)));
    }

    /// Ends the transport, if the shard knows it.
    pub(super) fn close(&self, out: &mut Outbox) {
        if self.opened {
            out.transport(self.id, TransportCommand::Close);
        }
    }

    /// New credentials of ours, for the transport; the caller says them to the client.
    pub(super) fn restart(&mut self, out: &mut Outbox, ice: IceCredentials) {
        self.ice.clone_from(&ice);
        out.transport(self.id, TransportCommand::RestartIce(ice));
    }

    /// The client's side is known: tells the transport, with the candidates that came before.
    pub(super) fn describe(&mut self, out: &mut Outbox, remote: Option<RemoteParameters>, candidates: Vec<String>) {
        let Some(remote) = remote else { return };
        self.described = true;
        out.transport(self.id, TransportCommand::SetRemote(Box::new(remote)));
        for candidate in candidates.into_iter().chain(std::mem::take(&mut self.early_candidates)) {
            out.transport(self.id, TransportCommand::AddRemoteCandidate(candidate));
        }
    }

    /// A candidate of the client.
    pub(super) fn add_candidate(&mut self, out: &mut Outbox, candidate: String) {
        if self.described {
            out.transport(self.id, TransportCommand::AddRemoteCandidate(candidate));
        } else if self.early_candidates.len() < EARLY_CANDIDATES_MAX {
            self.early_candidates.push(candidate);
        }
    }
}

/// The text of a candidate: `{"candidate", "sdpMid", "sdpMLineIndex"}` as JSON. `None`: it is not that, or the end of
/// candidates.
pub(super) fn candidate_text(trickle: &proto::TrickleRequest) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct CandidateInit {
        #[serde(default)]
        candidate: String,
    }
    let init = serde_json::from_str::<CandidateInit>(&trickle.candidate_init).ok()?;
    Some(init.candidate).filter(|candidate| !candidate.is_empty())
}
