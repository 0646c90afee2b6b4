//! The task that runs one room: its queues, its clock, its clients' sockets and the way to the media plane.
//!
//! Decides nothing about the room; that is [`RoomRound`]'s. Nothing here waits for a client: a socket whose queue is full
//! is closed. However it ends, the room is out of the node's tables then.

use std::collections::BTreeMap;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;
use tutti_id::{RoomKey, RoomName};
use tutti_media::MediaCommand;
use tutti_room::{MemberKey, OverLimit, Room};
use tutti_signal::Placement;

use crate::input::{
    Answer, Failure, Note, Outgoing, Refusal, RoomInput, RoomOutput, Seat, SocketAddress, SocketNumber, Ticket,
};
use crate::journal;
use crate::lanes::{Ends, JoinReply, Lanes, Post, WayBack};
use crate::room_core::RoomStart;
use crate::room_round::{INPUTS_PER_ROUND, RoomRound};
use crate::shared::Shared;

/// Messages that may wait for one socket. A client that lets more pile up is disconnected and may resume.
pub(crate) const SOCKET_QUEUE: usize = 1024;

/// The room's end of one socket.
struct Socket {
    /// Whose it is; unknown until the room says.
    member: Option<MemberKey>,
    queue: mpsc::Sender<Outgoing>,
}

/// A join that the room has not answered.
struct Joining {
    responses: mpsc::Receiver<Outgoing>,
    reply: JoinReply,
}

/// One room while it lives.
pub(crate) struct RoomTask {
    round: RoomRound,
    lanes: Arc<Lanes>,
    sockets: BTreeMap<SocketNumber, Socket>,
    sockets_made: u64,
    joining: BTreeMap<SocketNumber, Joining>,
    asking: BTreeMap<Ticket, oneshot::Sender<Answer>>,
    /// Sockets that could not take a message, until the room was told.
    gone: Vec<RoomInput>,
    commands: Vec<MediaCommand>,
    registered: Registered,
}

/// The room's place in the node's tables and counters, until this is dropped.
struct Registered {
    shared: Arc<Shared>,
    key: RoomKey,
    name: RoomName,
    /// Members that the node counted.
    members: usize,
    /// What the node counted of limits that were met.
    over_limit: OverLimit,
}

impl Registered {
    fn count(&mut self, members: usize, over_limit: OverLimit) {
        let counters = &self.shared.counters;
        counters.participants_changed(members as i64 - self.members as i64);
        self.members = members;
        counters.count_over_limit(over_limit, std::mem::replace(&mut self.over_limit, over_limit));
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.shared.counters.participants_changed(-(self.members as i64));
        self.shared.directory.forget(self.key, &self.name);
    }
}

impl RoomTask {
    /// The room called `name`. `lanes` are the way to this task.
    pub(crate) fn new(key: RoomKey, name: RoomName, room: Room, shared: Arc<Shared>, lanes: Arc<Lanes>) -> Self {
        let sif_trailer = rand::random::<[u8; 16]>().to_vec();
        let round = RoomRound::new(RoomStart { key, room, facts: shared.facts.clone(), sif_trailer });
        Self {
            round,
            lanes,
            sockets: BTreeMap::new(),
            sockets_made: 0,
            joining: BTreeMap::new(),
            asking: BTreeMap::new(),
            gone: Vec::new(),
            commands: Vec::new(),
            registered: Registered { shared, key, name, members: 0, over_limit: OverLimit::default() },
        }
    }

    /// Runs until the room is over.
    pub(crate) async fn run(mut self, mut ends: Ends) {
        let mut inputs = Vec::new();
        self.carry_out(Instant::now());
        while !self.round.is_over() {
            let deadline = self.round.poll_timeout();
            let due = async {
                match deadline {
                    Some(at) => sleep_until(at.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(event) = ends.state.recv() => inputs.push(RoomInput::Media(event)),
                Some(post) = ends.work.recv() => inputs.push(self.accept(post)),
                () = due => {}
            }
            // Each lane has its turn in every round.
            let waiting = std::iter::from_fn(|| ends.state.try_recv());
            inputs.extend(waiting.take(INPUTS_PER_ROUND - 1).map(RoomInput::Media));
            for post in std::iter::from_fn(|| ends.work.try_recv().ok()).take(INPUTS_PER_ROUND) {
                inputs.push(self.accept(post));
            }
            self.turn(Instant::now(), inputs.drain(..));
            for command in self.commands.drain(..) {
                // A transport that is gone already, or a media plane that stops, needs no command.
                if let Err(error) = self.registered.shared.media.send(command).await {
                    tracing::debug!(room = %self.registered.name, %error, "media command dropped");
                }
            }
        }
        // Whoever still waits for an answer gets none by what is dropped here: the node makes a new room for them.
    }

    /// Notes who waits for an answer.
    fn accept(&mut self, post: Post) -> RoomInput {
        let Post { mut input, way_back } = post;
        match (&mut input, way_back) {
            (RoomInput::Join { socket, .. }, WayBack::Join(reply)) => {
                self.sockets_made += 1;
                *socket = SocketNumber(self.sockets_made);
                let (queue, responses) = mpsc::channel(SOCKET_QUEUE);
                self.sockets.insert(*socket, Socket { member: None, queue });
                self.joining.insert(*socket, Joining { responses, reply });
            }
            (RoomInput::Ask { ticket, .. }, WayBack::Ask(reply)) => {
                self.asking.insert(*ticket, reply);
            }
            (RoomInput::SocketGone { socket, .. }, _) => {
                self.sockets.remove(socket);
            }
            _ => {}
        }
        input
    }

    /// One round, and those that follow from sockets that cannot take what it said.
    fn turn(&mut self, now: Instant, inputs: impl Iterator<Item = RoomInput>) {
        if self.lanes.is_overrun() {
            self.round.abandon(now, Failure::Overrun);
        }
        self.take(now, inputs);
        while !self.gone.is_empty() && !self.round.is_over() {
            let gone = std::mem::take(&mut self.gone);
            self.take(now, gone.into_iter());
        }
    }

    fn take(&mut self, now: Instant, inputs: impl Iterator<Item = RoomInput>) {
        let Registered { shared, key, .. } = &self.registered;
        let mut seat = |members| {
            let placed = shared.media.place(*key, members);
            let fingerprint = shared.media.fingerprint();
            let placement = Placement { shard: placed.shard, candidates: placed.candidates, fingerprint };
            Seat { placement, ice_servers: shared.ice_servers.clone(), seed: rand::random() }
        };
        self.round.take(now, unix_ms(), inputs, &mut seat);
        self.carry_out(now);
    }

    /// Carries out what the room says. A panic in that ends the room as one inside it does.
    fn carry_out(&mut self, now: Instant) {
        if catch_unwind(AssertUnwindSafe(|| self.carry_out_all())).is_err() {
            self.round.abandon(now, Failure::Panic);
            if catch_unwind(AssertUnwindSafe(|| self.carry_out_all())).is_err() {
                tracing::error!(room = %self.registered.name, "the last words of a room that failed are lost");
            }
        }
    }

    fn carry_out_all(&mut self) {
        // Before anybody hears of it.
        self.registered.count(self.round.core().member_count(), self.round.core().room().over_limit());
        while let Some(output) = self.round.poll_output() {
            match output {
                RoomOutput::Send { socket, outgoing } => self.send(socket, outgoing),
                RoomOutput::Admitted { socket, outcome } => self.admitted(socket, outcome),
                RoomOutput::Answer { ticket, answer } => {
                    if let Some(reply) = self.asking.remove(&ticket) {
                        let _ = reply.send(answer);
                    }
                }
                RoomOutput::Media(command) => self.commands.push(command),
                RoomOutput::Event(event) => (self.registered.shared.events)(&self.registered.name, &event),
                RoomOutput::Note(note) => self.note(&note),
                RoomOutput::Over => {}
            }
        }
    }

    fn admitted(&mut self, socket: SocketNumber, outcome: Result<MemberKey, Refusal>) {
        let Some(Joining { responses, reply }) = self.joining.remove(&socket) else { return };
        match outcome {
            Ok(member) => {
                if let Some(socket) = self.sockets.get_mut(&socket) {
                    socket.member = Some(member);
                }
                reply(Ok((SocketAddress { room: self.registered.key, member, socket }, responses)));
            }
            // Another room may take them.
            Err(Refusal::Over) => drop(self.sockets.remove(&socket)),
            Err(refusal) => {
                self.sockets.remove(&socket);
                reply(Err(refusal));
            }
        }
    }

    fn send(&mut self, number: SocketNumber, outgoing: Outgoing) {
        let Some(socket) = self.sockets.get(&number) else { return };
        let ends = matches!(outgoing, Outgoing::Close);
        let sent = socket.queue.try_send(outgoing);
        if ends {
            self.sockets.remove(&number);
            return;
        }
        let Err(error) = sent else { return };
        let Some(Socket { member, .. }) = self.sockets.remove(&number) else { return };
        let Registered { shared, name, .. } = &self.registered;
        let participant = member.and_then(|member| self.round.core().room().identity_of(member)).unwrap_or_default();
        if matches!(error, mpsc::error::TrySendError::Full(_)) {
            tracing::warn!(room = %name, %participant, "client reads too slowly; its socket is closed");
            shared.counters.slow_sockets.fetch_add(1, Ordering::Relaxed);
        } else {
            // It left or comes again over another socket, and this is on its way to the room.
            tracing::debug!(room = %name, %participant, "client closed its socket");
        }
        // A socket without a member is of a join under way: whoever gets it will find it closed.
        self.gone.extend(member.map(|member| RoomInput::SocketGone { member, socket: number }));
    }

    fn note(&self, note: &Note) {
        let Registered { shared, name, .. } = &self.registered;
        match note {
            Note::Refused { .. } => drop(shared.counters.refused.fetch_add(1, Ordering::Relaxed)),
            Note::Failed(Failure::Panic) => drop(shared.counters.rooms_panicked.fetch_add(1, Ordering::Relaxed)),
            Note::Failed(Failure::Overrun) => drop(shared.counters.rooms_overrun.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
        journal::note(name, note);
    }
}

/// Unix time, ms.
pub(crate) fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests;
