//! The task that runs one room: its queue, its clock, its clients' sockets and the way to the media plane.
//!
//! Decides nothing about the room; that is [`RoomCore`]'s. Nothing here waits for a client: a socket whose queue is full
//! is closed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use livekit_protocol as proto;
use proto::signal_response::Message;
use tokio::sync::{mpsc, oneshot};
use tutti_id::{RoomKey, RoomName};
use tutti_media::{MediaCommand, MediaEvent};
use tutti_room::{AdminError, AdminReply, AdminRequest, Joiner, MemberKey, OverLimit, Room, RoomEvent};
use tutti_signal::{Frame, Placement};

use crate::join::{Attached, JoinError, JoinRequest, Outgoing, RequestSender, TokenIssuer};
use crate::node::Shared;
use crate::room_core::{Refusal, RoomCore, RoomInput, RoomOutput, RoomStart, SocketNumber};

/// Messages that may wait for one socket. A client that lets more pile up is disconnected and may resume.
const SOCKET_QUEUE: usize = 1024;
/// Inputs handled before descriptions are exchanged, so that a burst of joins is one negotiation.
const INPUTS_PER_ROUND: usize = 64;

/// What reaches a room's task.
pub(crate) enum Input {
    /// Someone joins or resumes.
    Join { request: Box<JoinRequest>, reply: oneshot::Sender<Result<Attached, JoinError>> },
    /// Someone would like to know whether it could join.
    Check { joiner: Box<Joiner>, reply: oneshot::Sender<Result<(), JoinError>> },
    /// A back end would like to know who is there.
    View { reply: oneshot::Sender<View> },
    /// A back end asks something.
    Admin { request: AdminRequest, reply: oneshot::Sender<Result<AdminReply, AdminError>> },
    /// A client asks something over its socket.
    Request { member: MemberKey, socket: SocketNumber, request: Box<proto::SignalRequest> },
    /// A client's socket is gone.
    SocketGone { member: MemberKey, socket: SocketNumber },
    /// A shard reported something.
    Media(MediaEvent),
    /// The node stops: everyone is told to come again.
    Shutdown,
}

/// A room as it is in one moment.
pub(crate) struct View {
    pub(crate) room: proto::Room,
    pub(crate) participants: Vec<proto::ParticipantInfo>,
}

/// The room's end of one socket.
struct Socket {
    /// Whose it is; unknown until the room says.
    member: Option<MemberKey>,
    queue: mpsc::Sender<Outgoing>,
    issuer: Arc<dyn TokenIssuer>,
}

/// One room while it lives.
pub(crate) struct RoomTask {
    key: RoomKey,
    name: RoomName,
    core: RoomCore,
    node: Arc<Shared>,
    own: mpsc::WeakSender<Input>,
    sockets: BTreeMap<SocketNumber, Socket>,
    sockets_made: u64,
    /// Sockets that could not take a message, until the room was told.
    gone: Vec<(MemberKey, SocketNumber)>,
    commands: Vec<MediaCommand>,
    /// Members that the node counted.
    counted: usize,
    /// What the node counted of limits that were met.
    counted_over_limit: OverLimit,
    over: bool,
}

impl RoomTask {
    /// The room called `name`. `own` is the way to this task, for the clients that join.
    pub(crate) fn new(
        key: RoomKey,
        name: RoomName,
        room: Room,
        node: Arc<Shared>,
        own: mpsc::WeakSender<Input>,
    ) -> Self {
        let sif_trailer = rand::random::<[u8; 16]>().to_vec();
        let core = RoomCore::new(RoomStart { key, room, facts: node.facts.clone(), sif_trailer });
        Self {
            key,
            name,
            core,
            node,
            own,
            sockets: BTreeMap::new(),
            sockets_made: 0,
            gone: Vec::new(),
            commands: Vec::new(),
            counted: 0,
            counted_over_limit: OverLimit::default(),
            over: false,
        }
    }

    /// Runs until the room is over. A panic ends this room only: its clients are told to come again.
    pub(crate) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        while !self.over {
            let input = match self.core.poll_timeout() {
                Some(deadline) => tokio::time::timeout_at(deadline.into(), inputs.recv()).await.ok(),
                None => Some(inputs.recv().await),
            };
            let mut batch = Vec::new();
            match input {
                Some(None) => break,
                Some(Some(input)) => {
                    batch.push(input);
                    while batch.len() < INPUTS_PER_ROUND
                        && let Ok(input) = inputs.try_recv()
                    {
                        batch.push(input);
                    }
                }
                None => {}
            }
            let round = catch_unwind(AssertUnwindSafe(|| self.round(batch)));
            if round.is_err() {
                tracing::error!(room = %self.name, "room failed; its clients are told to reconnect");
                self.node.count_panic();
                self.core.abandon();
                self.carry_out();
            }
            for command in self.commands.drain(..) {
                // A transport that is gone already, or a media plane that stops, needs no command.
                if let Err(error) = self.node.media.send(command).await {
                    tracing::debug!(room = %self.name, %error, "media command dropped");
                }
            }
        }
        self.node.participants_changed(-(self.counted as i64));
        self.node.forget(self.key, &self.name);
        // Whoever still waits in the queue is answered by dropping it: the node makes a new room for them.
    }

    fn round(&mut self, batch: Vec<Input>) {
        let now = Instant::now();
        self.core.handle_timeout(now);
        self.carry_out();
        for input in batch {
            if self.over {
                // As for whoever still waits in the queue.
                return;
            }
            self.handle(now, input);
            self.settle(now);
        }
        self.core.flush(now);
        self.carry_out();
        while !self.gone.is_empty() {
            self.settle(now);
            self.core.flush(now);
            self.carry_out();
        }
    }

    fn handle(&mut self, now: Instant, input: Input) {
        let input = match input {
            Input::Join { request, reply } => {
                let attached = self.join(now, *request);
                self.carry_out();
                // A caller that went away drops its end: its `RequestSender` reports the socket as gone. A room that is
                // over drops ours: the node makes another one.
                if let Some(attached) = attached {
                    let _ = reply.send(attached);
                }
                return;
            }
            Input::Check { joiner, reply } => {
                let answer = match self.core.check(&joiner) {
                    Err(Refusal::Error(error)) => Err(error),
                    // A join would make another room.
                    Ok(()) | Err(Refusal::Over | Refusal::Leave { .. }) => Ok(()),
                };
                let _ = reply.send(answer);
                return;
            }
            Input::View { reply } => {
                let room = self.core.room();
                let _ = reply.send(View { room: room.info(), participants: room.participants() });
                return;
            }
            Input::Admin { request, reply } => {
                let answer = self.core.administer(now, request);
                self.carry_out();
                let _ = reply.send(answer);
                return;
            }
            Input::Request { member, socket, request } => RoomInput::Request { member, socket, request },
            Input::SocketGone { member, socket } => {
                self.sockets.remove(&socket);
                RoomInput::SocketGone { member, socket }
            }
            Input::Media(event) => RoomInput::Media(event),
            Input::Shutdown => RoomInput::Shutdown,
        };
        self.core.handle(now, unix_ms(), input);
    }

    /// `None`: the room is over.
    fn join(&mut self, now: Instant, request: JoinRequest) -> Option<Result<Attached, JoinError>> {
        let Some(room) = self.own.upgrade() else { return Some(Err(JoinError::Unavailable)) };
        self.sockets_made += 1;
        let socket = SocketNumber(self.sockets_made);
        let (queue, responses) = mpsc::channel(SOCKET_QUEUE);
        self.sockets.insert(socket, Socket { member: None, queue, issuer: request.issuer.clone() });
        let outcome = if request.resume.is_some() {
            self.core.resume(now, unix_ms(), request, socket)
        } else {
            let placed = self.node.media.place(self.key, self.core.member_count());
            let fingerprint = self.node.media.fingerprint();
            let placement = Placement { shard: placed.shard, candidates: placed.candidates, fingerprint };
            self.core.join(now, unix_ms(), request, socket, placement, rand::random())
        };
        match outcome {
            Ok(member) => {
                if let Some(socket) = self.sockets.get_mut(&socket) {
                    socket.member = Some(member);
                }
                Some(Ok(Attached { requests: RequestSender { room, member, socket }, responses }))
            }
            Err(refusal) => {
                self.sockets.remove(&socket);
                match refusal {
                    Refusal::Leave { reason, action } => Some(Ok(Attached::refused(reason, action))),
                    Refusal::Error(error) => Some(Err(error)),
                    Refusal::Over => None,
                }
            }
        }
    }

    /// Carries out what the room says, and tells it of the sockets that failed, until neither is left.
    fn settle(&mut self, now: Instant) {
        self.carry_out();
        while let Some((member, socket)) = self.gone.pop() {
            self.core.handle(now, unix_ms(), RoomInput::SocketGone { member, socket });
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        // Before anybody hears of it.
        self.count();
        while let Some(output) = self.core.poll_output() {
            match output {
                RoomOutput::Send { socket, frame } => self.send(socket, frame),
                RoomOutput::RefreshToken { socket, participant } => {
                    let issuer = self.sockets.get(&socket).map(|socket| socket.issuer.clone());
                    if let Some(token) = issuer.and_then(|issuer| issuer.refresh(&participant)) {
                        self.send(socket, Arc::new(Frame::new(Message::RefreshToken(token))));
                    }
                }
                RoomOutput::Close(socket) => {
                    if let Some(socket) = self.sockets.remove(&socket) {
                        let _ = socket.queue.try_send(Outgoing::Close);
                    }
                }
                RoomOutput::Media(command) => self.commands.push(command),
                RoomOutput::Over => self.over = true,
                output => self.log(&output),
            }
        }
    }

    fn send(&mut self, number: SocketNumber, frame: Arc<Frame>) {
        let Some(socket) = self.sockets.get(&number) else { return };
        let Err(error) = socket.queue.try_send(Outgoing::Message(frame)) else { return };
        let Some(Socket { member, .. }) = self.sockets.remove(&number) else { return };
        let member = member.map(|member| member.0);
        if matches!(error, mpsc::error::TrySendError::Full(_)) {
            tracing::warn!(room = %self.name, member, "client reads too slowly; its socket is closed");
            self.node.count_slow_socket();
        } else {
            // It left or comes again over another socket, and this is on its way to the room.
            tracing::debug!(room = %self.name, member, "client closed its socket");
        }
        // A socket without a member is of a join under way: its `RequestSender` will report it.
        self.gone.extend(member.map(|member| (MemberKey(member), number)));
    }

    fn log(&self, output: &RoomOutput) {
        let room = &self.name;
        match output {
            RoomOutput::Joined { sid, identity, mode } => {
                tracing::info!(%room, participant = %sid, %identity, ?mode, "joined");
            }
            RoomOutput::Resumed { sid, identity } => {
                tracing::info!(%room, participant = %sid, %identity, "resumed");
            }
            RoomOutput::Refused { member, what, why } => {
                self.node.count_refused();
                tracing::warn!(%room, member = member.0, what, %why, "refused");
            }
            RoomOutput::Event(event) => self.log_event(event),
            _ => {}
        }
    }

    fn log_event(&self, event: &RoomEvent) {
        let room = &self.name;
        match event {
            RoomEvent::ParticipantJoined(who) => tracing::info!(%room, participant = %who.sid, "active"),
            RoomEvent::ParticipantLeft(who) => {
                tracing::info!(%room, participant = %who.sid, reason = ?who.disconnect_reason(), "left");
            }
            RoomEvent::ConnectionAborted(who) => {
                tracing::info!(%room, participant = %who.sid, reason = ?who.disconnect_reason(), "never became active");
            }
            RoomEvent::TrackPublished { participant, track } => {
                tracing::info!(%room, participant = %participant.sid, track = %track.sid, mime = %track.mime_type, "track published");
            }
            RoomEvent::TrackUnpublished { participant, track } => {
                tracing::info!(%room, participant = %participant.sid, track = %track.sid, "track unpublished");
            }
        }
    }

    /// Tells the node how many members there are, and how often limits were met.
    fn count(&mut self) {
        let members = self.core.member_count();
        self.node.participants_changed(members as i64 - self.counted as i64);
        self.counted = members;
        let over_limit = self.core.room().over_limit();
        self.node.count_over_limit(over_limit, std::mem::replace(&mut self.counted_over_limit, over_limit));
    }
}

/// Unix time, ms.
pub(crate) fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
