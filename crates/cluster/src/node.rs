//! One node as gateway and server API see it: joins, questions, the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::leave_request::Action;
use tokio::sync::oneshot;
use tutti_agent::{Crowded, DispatchError, Dispatcher};
use tutti_id::{AppId, RoomKey, RoomName};
use tutti_media::{MediaConfig, MediaError, MediaMetrics, MediaPlane};
use tutti_room::{AdminReply, AdminRequest, OverLimit, Room, Settings};
use tutti_signal::Facts;

use crate::agents::{Agents, AttachedWorker};
use crate::attached::Attached;
use crate::input::{Answer, Failure, Question, Refusal, RoomInput, SocketNumber};
use crate::join::{AdminRefusal, DispatchRefusal, JoinError, JoinRequest};
use crate::journal;
use crate::lanes::{JoinReply, Lanes, STATE_WEIGHT_MAX, WORK_QUEUE, WayBack};
use crate::room_task::{RoomTask, unix_ms};
use crate::shared::{Counters, Directory, EventSink, Shared};

/// A join that meets a room in the moment of its end tries again with a new one, this often.
const JOIN_ATTEMPTS: usize = 3;
/// Rooms get this long to say goodbye when the node stops.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// What a node needs to run.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Ports, addresses and shards.
    pub media: MediaConfig,
    /// What every client is told.
    pub facts: Facts,
    /// STUN and TURN servers that participants are told.
    pub ice_servers: Vec<proto::IceServer>,
    /// What a new room starts with; its name and what a token's `roomConfig` says come on top.
    pub room: Settings,
    /// A join may make a room even if its token does not say so.
    pub auto_create: bool,
    /// Rooms at once; 0 = no limit.
    pub rooms_max: usize,
    /// Who gets which job for agents.
    pub agents: tutti_agent::Settings,
}

/// What runs now, and what went wrong since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeCounts {
    /// Rooms.
    pub rooms: u64,
    /// Participants, over all rooms.
    pub participants: u64,
    /// Rooms that were abandoned because they panicked.
    pub rooms_panicked: u64,
    /// Rooms that were abandoned because they did not keep up.
    pub rooms_overrun: u64,
    /// Reports of shards that may be lost and found a room's queue full.
    pub media_events_dropped: u64,
    /// Reports of shards that must not be lost and found a room's queue full; the room was abandoned.
    pub media_events_overrun: u64,
    /// Sockets closed because the client did not read.
    pub slow_sockets: u64,
    /// Descriptions and tracks of clients that could not be used.
    pub refused: u64,
    /// What rooms dropped, put off or refused because somebody was over a limit.
    pub over_limit: OverLimit,
    /// Agent workers that are connected.
    pub agent_workers: u64,
    /// Jobs of agents that are not over.
    pub agent_jobs: u64,
    /// Those of them that no worker has.
    pub agent_jobs_waiting: u64,
}

impl NodeCounts {
    /// Rooms that were abandoned for this reason.
    pub const fn abandoned(&self, why: Failure) -> u64 {
        match why {
            Failure::Panic => self.rooms_panicked,
            Failure::Overrun => self.rooms_overrun,
        }
    }
}

/// A running node. Clones are handles to the same one.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
    config: Arc<NodeConfig>,
    agents: Agents,
    next_key: Arc<AtomicU32>,
    stopping: Arc<AtomicBool>,
}

impl Node {
    /// Opens the media ports and starts the shards.
    ///
    /// # Errors
    /// A port cannot be opened, or a thread not started.
    pub fn start(config: NodeConfig) -> Result<Self, MediaError> {
        Self::start_telling(config, Arc::new(|_, _| {}))
    }

    /// As [`Self::start`], and tells every event of every room to `events`: on the room's task, in the order of the room,
    /// before the next thing happens there. It must not block.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_telling(config: NodeConfig, events: EventSink) -> Result<Self, MediaError> {
        let directory = Arc::new(Directory::default());
        let sink = directory.clone();
        let media = MediaPlane::start(config.media.clone(), Arc::new(move |event| sink.report(event)))?;
        let agents = Agents::start(Dispatcher::new(config.agents.clone(), rand::random()), directory.clone());
        let told = agents.clone();
        let shared = Arc::new(Shared {
            media,
            facts: Arc::new(config.facts.clone()),
            ice_servers: config.ice_servers.clone(),
            directory,
            counters: Counters::default(),
            events: Arc::new(move |room, event| {
                journal::event(room, event);
                events(room, event);
                told.event(room, event);
            }),
        });
        Ok(Self {
            shared,
            config: Arc::new(config),
            agents,
            next_key: Arc::new(AtomicU32::new(1)),
            stopping: Arc::default(),
        })
    }

    /// Joins or resumes. A refusal that clients understand best as a message comes as an [`Attached`] whose first
    /// message is a `LeaveRequest`.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub async fn join(&self, mut join: JoinRequest) -> Result<Attached, JoinError> {
        for _ in 0..JOIN_ATTEMPTS {
            if self.stopping.load(Ordering::Acquire) {
                return Err(JoinError::Stopping);
            }
            let Some(lanes) = self.room(&join)? else {
                return Ok(Attached::refused(proto::DisconnectReason::StateMismatch, Action::Reconnect));
            };
            let (sender, answer) = oneshot::channel();
            let directory = self.shared.directory.clone();
            let reply: JoinReply = Box::new(move |admitted| {
                // A caller that went away drops it, which reports the socket as gone.
                let attached = admitted.map(|(address, responses)| Attached::new(directory, address, responses));
                let _ = sender.send(attached);
            });
            let again = join.clone();
            // The room numbers its sockets itself.
            let input = RoomInput::Join { socket: SocketNumber(0), request: Box::new(join) };
            if lanes.post(input, WayBack::Join(reply)).await
                && let Ok(attached) = answer.await
            {
                return match attached {
                    Ok(attached) => Ok(attached),
                    Err(Refusal::Leave { reason, action }) => Ok(Attached::refused(reason, action)),
                    Err(Refusal::Error(error)) => Err(error),
                    Err(Refusal::Over) => Err(JoinError::RoomFailed),
                };
            }
            join = again;
        }
        Err(JoinError::RoomFailed)
    }

    /// Whether a join would be let in now. Nothing changes.
    ///
    /// # Errors
    /// Those of [`Self::join`].
    pub async fn check(&self, join: JoinRequest) -> Result<(), JoinError> {
        if let Some(lanes) = self.shared.directory.by_name(&join.room)
            && let Some(Answer::MayJoin(checked)) = self.ask(&lanes, Question::MayJoin(Box::new(join.joiner))).await
        {
            return match checked {
                Err(Refusal::Error(error)) => Err(error),
                // A join would make another room.
                Ok(()) | Err(Refusal::Over | Refusal::Leave { .. }) => Ok(()),
            };
        }
        self.may_open(join.create, self.shared.directory.len())?;
        self.settings(&join.room, join.room_config.as_ref())?;
        Ok(())
    }

    /// Makes a room that waits for its first participant, or finds it as it is.
    ///
    /// # Errors
    /// [`JoinError::NodeFull`], [`JoinError::Stopping`], [`JoinError::Settings`], or [`JoinError::RoomFailed`] if the room ended at once.
    pub async fn create_room(
        &self,
        name: &RoomName,
        config: &proto::RoomConfiguration,
    ) -> Result<proto::Room, JoinError> {
        let lanes = self.open(name, true, Some(config))?;
        match self.ask(&lanes, Question::Room).await {
            Some(Answer::Room(room)) => Ok(*room),
            _ => Err(JoinError::RoomFailed),
        }
    }

    /// The open rooms of an app, or those of them that are named, by name.
    pub async fn rooms(&self, app: &AppId, names: &[String]) -> Vec<proto::Room> {
        // All are asked before the first answers, so that one busy room is waited for once.
        let mut answers = Vec::new();
        for lanes in self.shared.directory.of_app(app, names) {
            answers.extend(self.shared.directory.put(&lanes, Question::Room).await);
        }
        let mut found = Vec::new();
        for answer in answers {
            if let Ok(Answer::Room(room)) = answer.await {
                found.push(*room);
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }

    /// Everyone in a room, hidden participants included. `None`: no such room.
    pub async fn participants(&self, room: &RoomName) -> Option<Vec<proto::ParticipantInfo>> {
        let lanes = self.shared.directory.by_name(room)?;
        match self.ask(&lanes, Question::Participants).await? {
            Answer::Participants(participants) => Some(participants),
            _ => None,
        }
    }

    /// The participant of a room with this identity.
    ///
    /// # Errors
    /// [`AdminRefusal::RoomNotFound`], or [`AdminRefusal::Room`] if nobody has it.
    pub async fn participant(&self, room: &RoomName, identity: &str) -> Result<proto::ParticipantInfo, AdminRefusal> {
        let lanes = self.shared.directory.by_name(room).ok_or(AdminRefusal::RoomNotFound)?;
        match self.ask(&lanes, Question::Participant(identity.to_owned())).await {
            Some(Answer::Participant(Some(info))) => Ok(*info),
            Some(_) => Err(tutti_room::AdminError::NoSuchMember { identity: identity.to_owned() }.into()),
            None => Err(AdminRefusal::RoomNotFound),
        }
    }

    /// Does to a room what a back end asks.
    ///
    /// # Errors
    /// See [`AdminRefusal`].
    pub async fn administer(&self, room: &RoomName, request: AdminRequest) -> Result<AdminReply, AdminRefusal> {
        let lanes = self.shared.directory.by_name(room).ok_or(AdminRefusal::RoomNotFound)?;
        match self.ask(&lanes, Question::Admin(request)).await {
            Some(Answer::Admin(answer)) => Ok(answer?),
            _ => Err(AdminRefusal::RoomNotFound),
        }
    }

    /// Calls a method of a participant, and waits for what it returns.
    ///
    /// # Errors
    /// [`AdminRefusal::RoomNotFound`] or [`AdminRefusal::Call`].
    pub async fn perform_rpc(
        &self,
        room: &RoomName,
        request: proto::PerformRpcRequest,
    ) -> Result<String, AdminRefusal> {
        let lanes = self.shared.directory.by_name(room).ok_or(AdminRefusal::RoomNotFound)?;
        match self.ask(&lanes, Question::Call(request)).await {
            Some(Answer::Called(outcome)) => Ok(outcome?),
            _ => Err(AdminRefusal::RoomNotFound),
        }
    }

    async fn ask(&self, lanes: &Lanes, question: Question) -> Option<Answer> {
        self.shared.directory.ask(lanes, question).await
    }

    /// The way to the room of a join; made if it may be. `None`: there is none, and a resume does not make one.
    fn room(&self, join: &JoinRequest) -> Result<Option<Arc<Lanes>>, JoinError> {
        if join.resume.is_some() {
            return Ok(self.shared.directory.by_name(&join.room));
        }
        self.open(&join.room, join.create, join.room_config.as_ref()).map(Some)
    }

    /// The way to the room of this name; made if it may be.
    fn open(
        &self,
        name: &RoomName,
        create: bool,
        config: Option<&proto::RoomConfiguration>,
    ) -> Result<Arc<Lanes>, JoinError> {
        self.shared.directory.find_or_open(name, |others| {
            self.may_open(create, others)?;
            let settings = self.settings(name, config)?;
            let key = RoomKey(self.next_key.fetch_add(1, Ordering::Relaxed));
            let room = Room::new(settings, rand::random(), Instant::now(), unix_ms());
            let dispatches = config.map(|config| config.agents.clone()).unwrap_or_default();
            self.agents.room_opened(name, room.info(), dispatches);
            let (lanes, ends) = Lanes::new(WORK_QUEUE, STATE_WEIGHT_MAX);
            let lanes = Arc::new(lanes);
            let task = RoomTask::new(key, name.clone(), room, self.shared.clone(), lanes.clone());
            tokio::spawn(task.run(ends));
            Ok((key, lanes))
        })
    }

    /// What a room is made with.
    fn settings(&self, name: &RoomName, config: Option<&proto::RoomConfiguration>) -> Result<Settings, JoinError> {
        self.agents.check(config.map(|config| config.agents.as_slice()).unwrap_or_default())?;
        Ok(self.config.room.of_room(&name.name, config)?)
    }

    /// Whether a room that is not there may be made beside `others`.
    fn may_open(&self, create: bool, others: usize) -> Result<(), JoinError> {
        if !create && !self.config.auto_create {
            return Err(JoinError::RoomNotFound);
        }
        let max = self.config.rooms_max;
        if self.stopping.load(Ordering::Acquire) {
            Err(JoinError::Stopping)
        } else if max > 0 && others >= max {
            Err(JoinError::NodeFull { max })
        } else {
            Ok(())
        }
    }

    /// An agent worker connects, with a token of this app that this key signed.
    ///
    /// # Errors
    /// There are too many.
    pub fn connect_worker(&self, app: AppId, api_key: String) -> Result<AttachedWorker, Crowded> {
        self.agents.connect(app, api_key)
    }

    /// Makes a dispatch of agents in a room, which is made if there is none and that is allowed.
    ///
    /// # Errors
    /// See [`DispatchRefusal`].
    pub async fn create_dispatch(
        &self,
        room: &RoomName,
        request: proto::CreateAgentDispatchRequest,
    ) -> Result<proto::AgentDispatch, DispatchRefusal> {
        if self.config.auto_create {
            self.create_room(room, &proto::RoomConfiguration::default()).await?;
        }
        Ok(self.agents.create_dispatch(room, request)?)
    }

    /// Deletes a dispatch; its agents go.
    ///
    /// # Errors
    /// There is no such room or dispatch.
    pub fn delete_dispatch(&self, room: &RoomName, id: &str) -> Result<proto::AgentDispatch, DispatchError> {
        self.agents.delete_dispatch(room, id)
    }

    /// The dispatches of a room, or the one with this id.
    ///
    /// # Errors
    /// There is no such room.
    pub fn dispatches(&self, room: &RoomName, id: &str) -> Result<Vec<proto::AgentDispatch>, DispatchError> {
        self.agents.list_dispatches(room, id)
    }

    /// What runs now, and what went wrong since the start.
    pub fn counts(&self) -> NodeCounts {
        let Shared { directory, counters, .. } = &*self.shared;
        let (media_events_dropped, media_events_overrun) = directory.reports_lost();
        let agents = self.agents.census();
        NodeCounts {
            rooms: directory.len() as u64,
            participants: counters.participants(),
            rooms_panicked: counters.rooms_panicked.load(Ordering::Relaxed),
            rooms_overrun: counters.rooms_overrun.load(Ordering::Relaxed),
            media_events_dropped,
            media_events_overrun,
            slow_sockets: counters.slow_sockets.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            over_limit: counters.over_limit(),
            agent_workers: agents.workers as u64,
            agent_jobs: agents.jobs as u64,
            agent_jobs_waiting: agents.waiting as u64,
        }
    }

    /// The media plane's counters.
    pub fn media_metrics(&self) -> MediaMetrics {
        self.shared.media.metrics()
    }

    /// Says `Leave` to everyone, waits until the rooms are closed (3 s at most) and stops the shards. Joins are
    /// refused from now on.
    pub async fn shutdown(&self) {
        self.stopping.store(true, Ordering::Release);
        self.agents.stop();
        let rooms = self.shared.directory.all();
        let goodbye = async {
            for lanes in &rooms {
                lanes.post(RoomInput::Shutdown, WayBack::Nobody).await;
            }
            for lanes in &rooms {
                lanes.closed().await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, goodbye).await.is_err() {
            tracing::warn!("some rooms did not close in time");
        }
        self.shared.media.clone().shutdown();
    }
}
