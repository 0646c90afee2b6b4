//! The task that owns one room: the room itself, every member's dialogue and the way to every member's socket.
//!
//! One input is handled at a time and everything that follows from it is done before the next: the room's outputs go
//! to the dialogues, theirs to the room, the sockets and the media plane, until all are silent. Nothing here waits for
//! a client: a socket whose queue is full is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_response::Message;
use tokio::sync::{mpsc, oneshot};
use tutti_forward::{ForwardEvent, LegQuality};
use tutti_media::{MediaCommand, MediaEvent};
use tutti_room::{
    AdminRequest, Leg, MemberKey, Notice, Output as Said, Request, Room, RoomEvent, SubscriptionNumber, TrackNumber,
};
use tutti_signal::{Frame, Output, Placement, Session, Start};

use crate::join::{Attached, JoinError, JoinRequest, Outgoing, RequestSender, TokenIssuer};
use crate::node::Shared;

/// Messages that may wait for one socket. A client that lets more pile up is disconnected and may resume.
const SOCKET_QUEUE: usize = 1024;
/// Identities of one room remembered for joining over TCP.
const TCP_ONLY_MAX: usize = 1024;
/// Inputs handled before descriptions are exchanged, so that a burst of joins is one negotiation.
const INPUTS_PER_ROUND: usize = 64;

/// What reaches a room's task.
pub(crate) enum Input {
    /// Someone joins or resumes.
    Join { request: Box<JoinRequest>, reply: oneshot::Sender<Result<Attached, JoinError>> },
    /// A client asks something over its socket.
    Request { member: MemberKey, socket: u64, request: Box<proto::SignalRequest> },
    /// A client's socket is gone.
    SocketGone { member: MemberKey, socket: u64 },
    /// A shard reported something.
    Media(MediaEvent),
    /// The node stops: everyone is told to come again.
    Shutdown,
}

struct Member {
    session: Session,
    issuer: Arc<dyn TokenIssuer>,
    socket: Option<Socket>,
    shard: u16,
    deadline: Option<Instant>,
}

struct Socket {
    number: u64,
    queue: mpsc::Sender<Outgoing>,
}

/// One room while it lives.
pub(crate) struct RoomTask {
    key: u32,
    name: String,
    room: Room,
    node: Arc<Shared>,
    own: mpsc::WeakSender<Input>,
    members: BTreeMap<MemberKey, Member>,
    publishers: BTreeMap<TrackNumber, MemberKey>,
    subscribers: BTreeMap<SubscriptionNumber, MemberKey>,
    deadlines: BTreeSet<(Instant, MemberKey)>,
    touched: BTreeSet<MemberKey>,
    commands: Vec<MediaCommand>,
    /// Identities that asked for TCP in this room, for their next join.
    tcp_only: BTreeSet<String>,
    sif_trailer: Vec<u8>,
    sockets: u64,
    over: bool,
}

impl RoomTask {
    /// A room named `name`. `own` is the way to this task, for the clients that join.
    pub(crate) fn new(key: u32, name: String, room: Room, node: Arc<Shared>, own: mpsc::WeakSender<Input>) -> Self {
        Self {
            key,
            name,
            room,
            node,
            own,
            members: BTreeMap::new(),
            publishers: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            touched: BTreeSet::new(),
            commands: Vec::new(),
            tcp_only: BTreeSet::new(),
            sif_trailer: rand::random::<[u8; 16]>().to_vec(),
            sockets: 0,
            over: false,
        }
    }

    /// Runs until the room is over. A panic ends this room only: its clients are told to come again.
    pub(crate) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        while !self.over {
            let deadline = self.deadline();
            let input = match deadline {
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
                self.abandon();
            }
            for command in self.commands.drain(..) {
                // A transport that is gone already, or a media plane that stops, needs no command.
                if let Err(error) = self.node.media.send(command).await {
                    tracing::debug!(room = %self.name, %error, "media command dropped");
                }
            }
        }
        self.node.forget(self.key, &self.name);
        // Whoever still waits in the queue is answered by dropping it: the node makes a new room for them.
    }

    fn deadline(&self) -> Option<Instant> {
        let members = self.deadlines.first().map(|(at, _)| *at);
        [self.room.poll_timeout(), members].into_iter().flatten().min()
    }

    fn round(&mut self, batch: Vec<Input>) {
        let now = Instant::now();
        while let Some(&(at, key)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            if let Some(member) = self.members.get_mut(&key) {
                member.deadline = None;
                member.session.handle_timeout(now);
                self.touched.insert(key);
            }
        }
        if self.room.poll_timeout().is_some_and(|at| at <= now) {
            self.room.handle_timeout(now);
        }
        self.settle(now);
        for input in batch {
            self.handle(now, input);
            self.settle(now);
        }
        let mut flushed = BTreeSet::new();
        while let Some(key) = self.touched.pop_first() {
            flushed.insert(key);
            if let Some(member) = self.members.get_mut(&key) {
                member.session.flush();
                self.drain_session(now, key);
                self.drain_room(now);
            }
        }
        for key in flushed {
            self.schedule(key);
        }
    }

    fn schedule(&mut self, key: MemberKey) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let deadline = member.session.poll_timeout();
        if member.deadline != deadline {
            if let Some(old) = member.deadline {
                self.deadlines.remove(&(old, key));
            }
            if let Some(new) = deadline {
                self.deadlines.insert((new, key));
            }
            member.deadline = deadline;
        }
    }

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Join { request, reply } => {
                let attached =
                    if request.resume.is_some() { self.resume(now, *request) } else { self.join(now, *request) };
                // A caller that went away drops its end: its `RequestSender` reports the socket as gone.
                let _ = reply.send(attached);
            }
            Input::Request { member, socket, request } => {
                if let Some(held) = self.current(member, socket) {
                    held.session.handle_request(now, unix_ms(), *request);
                    self.touched.insert(member);
                }
            }
            Input::SocketGone { member, socket } => {
                if let Some(held) = self.current(member, socket) {
                    held.socket = None;
                    held.session.handle_socket_gone();
                    self.touched.insert(member);
                }
            }
            Input::Media(event) => self.media(now, event),
            Input::Shutdown => {
                // A room that is over already has told everyone.
                let _ = self.room.admin(now, AdminRequest::Shutdown);
            }
        }
    }

    /// The member, if `socket` is the one it speaks over.
    fn current(&mut self, member: MemberKey, socket: u64) -> Option<&mut Member> {
        self.members.get_mut(&member).filter(|held| held.socket.as_ref().is_some_and(|s| s.number == socket))
    }

    fn join(&mut self, now: Instant, request: JoinRequest) -> Result<Attached, JoinError> {
        let client = request.joiner.client.clone();
        let permission = request.joiner.permission.clone();
        let identity = request.joiner.identity.clone();
        let key = match self.room.join(now, request.joiner) {
            Ok(key) => key,
            Err(tutti_room::JoinError::Full { .. }) => {
                return Ok(Attached::refused(proto::DisconnectReason::JoinFailure, Action::Disconnect));
            }
            Err(error) => return Err(JoinError::Invalid(error.to_string())),
        };
        let info = self.room.member_info(key).ok_or(JoinError::RoomFailed)?;
        let placed = self.node.media.place(self.key, self.members.len());
        let placement = Placement {
            shard: placed.shard,
            candidates: placed.candidates,
            fingerprint: self.node.media.fingerprint(),
        };
        let session = Session::new(
            self.node.facts.clone(),
            Start {
                room: self.key,
                member: key,
                mode: request.mode,
                protocol: request.protocol,
                client,
                can_subscribe: permission.can_subscribe,
                can_publish: permission.can_publish,
                disable_ice_lite: request.disable_ice_lite,
                tcp_only: self.tcp_only.contains(&identity),
                placement,
                sif_trailer: self.sif_trailer.clone(),
                seed: rand::random(),
            },
        );
        let (socket, attached) = self.socket(key)?;
        let mut member =
            Member { session, issuer: request.issuer, socket: Some(socket), shard: placed.shard, deadline: None };
        tracing::info!(room = %self.name, participant = %info.sid, %identity, mode = ?request.mode, "joined");
        member.session.begin(now, self.room.info(), info, self.room.others(key));
        self.members.insert(key, member);
        self.node.participants_changed(1);
        self.touched.insert(key);
        self.settle(now);
        for add_track in request.add_tracks {
            self.ask(now, key, proto::signal_request::Message::AddTrack(add_track));
        }
        if let Some(offer) = request.publisher_offer {
            self.embedded_offer(now, key, offer);
        }
        Ok(attached)
    }

    fn embedded_offer(&mut self, now: Instant, key: MemberKey, offer: proto::SessionDescription) {
        if let Some(member) = self.members.get_mut(&key) {
            member.session.handle_embedded_offer(now, offer);
            self.touched.insert(key);
            self.settle(now);
        }
    }

    fn ask(&mut self, now: Instant, key: MemberKey, message: proto::signal_request::Message) {
        if let Some(member) = self.members.get_mut(&key) {
            member.session.handle_request(now, unix_ms(), proto::SignalRequest { message: Some(message) });
            self.touched.insert(key);
            self.settle(now);
        }
    }

    fn resume(&mut self, now: Instant, request: JoinRequest) -> Result<Attached, JoinError> {
        let sid = request.resume.map(|resume| resume.sid).unwrap_or_default();
        let key = self.room.find(&request.joiner.identity).filter(|key| {
            let same = self.room.member_info(*key).is_some_and(|info| sid.is_empty() || info.sid == sid);
            same && self.members.get(key).is_some_and(|member| !member.session.ended())
        });
        let Some(key) = key else {
            return Ok(Attached::refused(proto::DisconnectReason::StateMismatch, Action::Reconnect));
        };
        let (socket, attached) = self.socket(key)?;
        let last = self.room.last_reliable_sequence(key);
        if let Some(member) = self.members.get_mut(&key) {
            if let Some(old) = member.socket.replace(socket) {
                let _ = old.queue.try_send(Outgoing::Close);
            }
            member.issuer = request.issuer;
            member.session.resume(now, last);
            tracing::info!(room = %self.name, participant = %sid, identity = %request.joiner.identity, "resumed");
        }
        self.touched.insert(key);
        self.settle(now);
        if let Some(offer) = request.publisher_offer {
            self.embedded_offer(now, key, offer);
        }
        if let Some(state) = request.sync_state {
            self.ask(now, key, proto::signal_request::Message::SyncState(state));
        }
        Ok(attached)
    }

    fn socket(&mut self, member: MemberKey) -> Result<(Socket, Attached), JoinError> {
        let room = self.own.upgrade().ok_or(JoinError::Unavailable)?;
        self.sockets += 1;
        let (queue, responses) = mpsc::channel(SOCKET_QUEUE);
        let requests = RequestSender { room, member, socket: self.sockets };
        Ok((Socket { number: self.sockets, queue }, Attached { requests, responses }))
    }

    fn media(&mut self, now: Instant, event: MediaEvent) {
        match event {
            MediaEvent::Transport { id, event } => {
                let key = tutti_signal::member_of(id);
                if let Some(member) = self.members.get_mut(&key) {
                    member.session.handle_transport(now, id, event);
                    self.touched.insert(key);
                }
            }
            MediaEvent::Forward(event) => self.forwarded(now, event),
        }
    }

    fn forwarded(&mut self, now: Instant, event: ForwardEvent) {
        let request = match event {
            ForwardEvent::Speaker { track, level, active } => {
                let track = TrackNumber(track.0 as u32);
                (self.publishers.get(&track), Request::Speaker { track, level, active })
            }
            ForwardEvent::Upstream { track, quality, layers } => {
                let track = TrackNumber(track.0 as u32);
                (self.publishers.get(&track), Request::Upstream(track, leg(&quality, layers)))
            }
            ForwardEvent::Downstream { subscription, quality, spatial } => {
                let subscription = SubscriptionNumber(subscription.0 as u32);
                let layers = spatial.map_or(0, |layer| 1_u8.checked_shl(layer.into()).unwrap_or(0));
                (self.subscribers.get(&subscription), Request::Downstream(subscription, leg(&quality, layers)))
            }
            ForwardEvent::CodecMismatch { subscription } => {
                let subscription = SubscriptionNumber(subscription.0 as u32);
                let why = proto::SubscriptionError::SeCodecUnsupported;
                (self.subscribers.get(&subscription), Request::SubscriptionFailed(subscription, why))
            }
            ForwardEvent::TrackStarted { .. } => return,
        };
        if let (Some(&member), request) = request {
            self.room.handle(now, member, request);
        }
    }

    /// Passes everything on until the room and all touched dialogues are silent.
    fn settle(&mut self, now: Instant) {
        self.drain_room(now);
        for key in self.touched.iter().copied().collect::<Vec<_>>() {
            self.drain_session(now, key);
            self.drain_room(now);
        }
    }

    fn drain_room(&mut self, now: Instant) {
        while let Some(said) = self.room.poll_output() {
            match said {
                Said::Notify { to, notice } => self.notify(now, &to, notice),
                Said::Data { to, delivery, payload } => {
                    for key in to {
                        if let Some(member) = self.members.get_mut(&key) {
                            member.session.send_data(now, delivery, payload.clone());
                            self.drain_session(now, key);
                        }
                    }
                }
                Said::DataTrackPacket { to, payload } => {
                    if let Some(member) = self.members.get_mut(&to) {
                        member.session.send_data_track(payload);
                        self.drain_session(now, to);
                    }
                }
                Said::Event(event) => self.event(&event),
                Said::Closed => self.over = true,
            }
        }
    }

    fn notify(&mut self, now: Instant, to: &[MemberKey], notice: Notice) {
        match notice {
            Notice::Send(message) => {
                let frame = Arc::new(Frame::new(*message));
                for key in to {
                    if let Some(member) = self.members.get_mut(key) {
                        member.session.pass_on(&frame);
                        self.touched.insert(*key);
                        self.drain_session(now, *key);
                    }
                }
            }
            notice => {
                for key in to {
                    match &notice {
                        Notice::TrackAccepted { track, .. } => {
                            self.publishers.insert(*track, *key);
                        }
                        Notice::TrackRemoved { track, .. } => {
                            self.publishers.remove(track);
                        }
                        Notice::Subscribe(subscribe) => {
                            self.subscribers.insert(subscribe.subscription, *key);
                        }
                        Notice::Unsubscribe(subscription) => {
                            self.subscribers.remove(subscription);
                        }
                        _ => {}
                    }
                    if let Some(member) = self.members.get_mut(key) {
                        member.session.handle_notice(now, notice.clone());
                        self.touched.insert(*key);
                        self.drain_session(now, *key);
                    }
                }
            }
        }
    }

    fn drain_session(&mut self, now: Instant, key: MemberKey) {
        loop {
            let Some(member) = self.members.get_mut(&key) else { return };
            let Some(output) = member.session.poll_output() else { return };
            match output {
                Output::Respond(frame) => self.respond(key, frame),
                Output::RefreshToken => {
                    let token = self.room.member_info(key).and_then(|info| member.issuer.refresh(&info));
                    if let Some(token) = token {
                        self.respond(key, Arc::new(Frame::new(Message::RefreshToken(token))));
                    }
                }
                Output::Room(request) => {
                    if let Request::Unpublish(track) = &request {
                        self.publishers.remove(track);
                    }
                    self.room.handle(now, key, request);
                }
                Output::Transport(id, command) => {
                    let shard = member.shard;
                    self.commands.push(MediaCommand::Transport { shard, id, command });
                }
                Output::Forward(transport, command) => self.commands.push(MediaCommand::Forward { transport, command }),
                Output::PreferTcp(tcp) => self.prefer_tcp(key, tcp),
                Output::CloseSocket => {
                    if let Some(socket) = member.socket.take() {
                        let _ = socket.queue.try_send(Outgoing::Close);
                    }
                }
                Output::Refused { what, why } => {
                    tracing::warn!(room = %self.name, member = key.0, what, %why, "refused");
                }
                Output::Ended => self.remove(key),
            }
        }
    }

    fn prefer_tcp(&mut self, key: MemberKey, tcp: bool) {
        let Some(info) = self.room.member_info(key) else { return };
        if !tcp {
            self.tcp_only.remove(&info.identity);
        } else if self.tcp_only.len() < TCP_ONLY_MAX {
            self.tcp_only.insert(info.identity);
        }
    }

    fn respond(&mut self, key: MemberKey, frame: Arc<Frame>) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let Some(socket) = &member.socket else { return };
        if let Err(error) = socket.queue.try_send(Outgoing::Message(frame)) {
            if matches!(error, mpsc::error::TrySendError::Full(_)) {
                tracing::warn!(room = %self.name, member = key.0, "client reads too slowly; its socket is closed");
                self.node.count_slow_socket();
            }
            member.socket = None;
            member.session.handle_socket_gone();
            self.touched.insert(key);
        }
    }

    fn remove(&mut self, key: MemberKey) {
        let Some(member) = self.members.remove(&key) else { return };
        if let Some(deadline) = member.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        self.publishers.retain(|_, publisher| *publisher != key);
        self.subscribers.retain(|_, subscriber| *subscriber != key);
        self.node.participants_changed(-1);
    }

    fn event(&self, event: &RoomEvent) {
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

    /// After a panic the room's state cannot be trusted: everyone is told to join anew, every transport is closed.
    fn abandon(&mut self) {
        self.over = true;
        let leave = proto::LeaveRequest {
            can_reconnect: true,
            reason: proto::DisconnectReason::StateMismatch as i32,
            action: Action::Reconnect as i32,
            regions: None,
        };
        let frame = Arc::new(Frame::new(Message::Leave(leave)));
        self.commands.clear();
        for (key, member) in std::mem::take(&mut self.members) {
            if let Some(socket) = member.socket {
                let _ = socket.queue.try_send(Outgoing::Message(frame.clone()));
                let _ = socket.queue.try_send(Outgoing::Close);
            }
            for id in tutti_signal::transports_of(self.key, key) {
                let command = tutti_transport::TransportCommand::Close;
                self.commands.push(MediaCommand::Transport { shard: member.shard, id, command });
            }
            self.node.participants_changed(-1);
        }
    }
}

fn leg(quality: &LegQuality, layers: u8) -> Leg {
    let seconds = f64::from(quality.window_ms.max(1)) / 1000.0;
    Leg {
        loss: if quality.packets_expected == 0 {
            0.0
        } else {
            (quality.packets_lost as f32 / quality.packets_expected as f32).clamp(0.0, 1.0)
        },
        jitter_ms: quality.jitter_ms,
        rtt_ms: quality.rtt_ms,
        bitrate: (quality.bytes as f64 * 8.0 / seconds) as u64,
        layers,
    }
}

/// Unix time, ms.
pub(crate) fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
