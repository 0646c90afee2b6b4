//! One node: the rooms it owns, by name for those who join and by key for what the shards report.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::leave_request::Action;
use tokio::sync::{mpsc, oneshot};
use tutti_id::{AppId, RoomKey, RoomName};
use tutti_media::{MediaConfig, MediaError, MediaEvent, MediaMetrics, MediaPlane};
use tutti_room::{AdminReply, AdminRequest, OverLimit, Room, Settings};
use tutti_signal::Facts;

use crate::join::{AdminRefusal, Attached, JoinError, JoinRequest};
use crate::room_task::{Input, RoomTask, unix_ms};

/// Inputs that may wait for one room. Clients wait for a place; what shards report beyond it is dropped and counted.
const ROOM_QUEUE: usize = 16 * 1024;
/// A join that meets a room in the moment of its end tries again with a new one, this often.
const JOIN_ATTEMPTS: usize = 3;
/// Rooms get this long to say goodbye when the node stops.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// What a node needs to run.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Ports, addresses and shards.
    pub media: MediaConfig,
    /// What every client is told.
    pub facts: Facts,
    /// What a new room starts with; its name and what a token's `roomConfig` says come on top.
    pub room: Settings,
    /// A join may make a room even if its token does not say so.
    pub auto_create: bool,
    /// Rooms at once; 0 = no limit.
    pub rooms_max: usize,
}

/// What runs now, and what went wrong since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeCounts {
    /// Rooms.
    pub rooms: u64,
    /// Participants, over all rooms.
    pub participants: u64,
    /// Rooms that ended by a panic.
    pub room_panics: u64,
    /// Reports of shards that found a room's queue full.
    pub media_events_dropped: u64,
    /// Sockets closed because the client did not read.
    pub slow_sockets: u64,
    /// Descriptions and tracks of clients that could not be used.
    pub refused: u64,
    /// What rooms dropped, put off or refused because somebody was over a limit.
    pub over_limit: OverLimit,
}

struct RoomEntry {
    key: RoomKey,
    inputs: mpsc::Sender<Input>,
}

/// What the node's rooms share.
pub(crate) struct Shared {
    pub(crate) media: MediaPlane,
    pub(crate) facts: Arc<Facts>,
    router: Arc<Router>,
    rooms: Mutex<HashMap<RoomName, RoomEntry>>,
    participants: AtomicI64,
    room_panics: AtomicU64,
    slow_sockets: AtomicU64,
    refused: AtomicU64,
    over_limit: Mutex<OverLimit>,
}

/// Finds the room that a report of a shard is for.
#[derive(Default)]
struct Router {
    rooms: RwLock<HashMap<RoomKey, mpsc::Sender<Input>>>,
    dropped: AtomicU64,
}

impl Router {
    fn route(&self, event: MediaEvent) {
        let key = event.room();
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        // A room that is gone needs no report; one that cannot keep up must not hold up a shard.
        if let Some(inputs) = rooms.get(&key)
            && let Err(mpsc::error::TrySendError::Full(_)) = inputs.try_send(Input::Media(event))
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// Takes a room out of the tables, unless another one has its name by now.
    pub(crate) fn forget(&self, key: RoomKey, name: &RoomName) {
        self.router.rooms.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let mut rooms = self.rooms();
        if rooms.get(name).is_some_and(|entry| entry.key == key) {
            rooms.remove(name);
        }
        tracing::info!(room = %name, "room closed");
    }

    pub(crate) fn participants_changed(&self, by: i64) {
        self.participants.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn count_panic(&self) {
        self.room_panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_slow_socket(&self) {
        self.slow_sockets.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A room counted `now` what it had counted `before`.
    pub(crate) fn count_over_limit(&self, now: OverLimit, before: OverLimit) {
        if now != before {
            let mut total = self.over_limit.lock().unwrap_or_else(PoisonError::into_inner);
            total.joins += now.joins - before.joins;
            total.requests += now.requests - before.requests;
            total.updates += now.updates - before.updates;
            total.data += now.data - before.data;
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomName, RoomEntry>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running node. Clones are handles to the same one.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
    config: Arc<NodeConfig>,
    next_key: Arc<AtomicU32>,
    stopping: Arc<AtomicBool>,
}

impl Node {
    /// Opens the media ports and starts the shards.
    ///
    /// # Errors
    /// A port cannot be opened, or a thread not started.
    pub fn start(config: NodeConfig) -> Result<Self, MediaError> {
        let router = Arc::new(Router::default());
        let sink = router.clone();
        let media = MediaPlane::start(config.media.clone(), Arc::new(move |event| sink.route(event)))?;
        let shared = Arc::new(Shared {
            media,
            facts: Arc::new(config.facts.clone()),
            router,
            rooms: Mutex::default(),
            participants: AtomicI64::new(0),
            room_panics: AtomicU64::new(0),
            slow_sockets: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            over_limit: Mutex::default(),
        });
        Ok(Self { shared, config: Arc::new(config), next_key: Arc::new(AtomicU32::new(1)), stopping: Arc::default() })
    }

    /// Joins or resumes. A refusal that clients understand best as a message comes as an [`Attached`] whose first
    /// message is a `LeaveRequest`.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub async fn join(&self, mut join: JoinRequest) -> Result<Attached, JoinError> {
        for _ in 0..JOIN_ATTEMPTS {
            if self.stopping.load(Ordering::Acquire) {
                return Err(JoinError::Unavailable);
            }
            let Some(inputs) = self.room(&join)? else {
                return Ok(Attached::refused(proto::DisconnectReason::StateMismatch, Action::Reconnect));
            };
            let (reply, answer) = oneshot::channel();
            let again = join.clone();
            let input = Input::Join { request: Box::new(join), reply };
            if inputs.send(input).await.is_ok()
                && let Ok(attached) = answer.await
            {
                return attached;
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
        let inputs = self.shared.rooms().get(&join.room).map(|entry| entry.inputs.clone());
        if let Some(inputs) = inputs {
            let (reply, answer) = oneshot::channel();
            if inputs.send(Input::Check { joiner: Box::new(join.joiner), reply }).await.is_ok()
                && let Ok(checked) = answer.await
            {
                return checked;
            }
        }
        self.check_room(&join.room, join.create)
    }

    /// Whether a join for this room would find or may make one.
    fn check_room(&self, name: &RoomName, create: bool) -> Result<(), JoinError> {
        let rooms = self.shared.rooms();
        if rooms.contains_key(name) {
            return Ok(());
        }
        if !create && !self.config.auto_create {
            return Err(JoinError::RoomNotFound);
        }
        if self.stopping.load(Ordering::Acquire) || (self.config.rooms_max > 0 && rooms.len() >= self.config.rooms_max)
        {
            return Err(JoinError::Unavailable);
        }
        Ok(())
    }

    /// Makes a room that waits for its first participant, or finds it as it is.
    ///
    /// # Errors
    /// [`JoinError::Unavailable`], or [`JoinError::RoomFailed`] if the room ended at once.
    pub async fn create_room(
        &self,
        name: &RoomName,
        config: &proto::RoomConfiguration,
    ) -> Result<proto::Room, JoinError> {
        let (reply, answer) = oneshot::channel();
        let inputs = self.open(name, true, Some(config))?;
        inputs.send(Input::View { reply }).await.map_err(|_| JoinError::RoomFailed)?;
        answer.await.map(|view| view.room).map_err(|_| JoinError::RoomFailed)
    }

    /// The open rooms of an app, or those of them that are named, by name.
    pub async fn rooms(&self, app: &AppId, names: &[String]) -> Vec<proto::Room> {
        let named = |room: &RoomName| room.app == *app && (names.is_empty() || names.contains(&room.name));
        let open: Vec<_> = {
            let rooms = self.shared.rooms();
            rooms.iter().filter(|(name, _)| named(name)).map(|(_, entry)| entry.inputs.clone()).collect()
        };
        // All are asked before the first answers, so that one busy room is waited for once.
        let mut answers = Vec::new();
        for inputs in open {
            let (reply, answer) = oneshot::channel();
            if inputs.send(Input::View { reply }).await.is_ok() {
                answers.push(answer);
            }
        }
        let mut found = Vec::new();
        for answer in answers {
            found.extend(answer.await.map(|view| view.room));
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }

    /// Everyone in a room, hidden participants included. `None`: no such room.
    pub async fn participants(&self, room: &RoomName) -> Option<Vec<proto::ParticipantInfo>> {
        let (reply, answer) = oneshot::channel();
        self.open_room(room)?.send(Input::View { reply }).await.ok()?;
        answer.await.ok().map(|view| view.participants)
    }

    /// Does to a room what a back end asks.
    ///
    /// # Errors
    /// See [`AdminRefusal`].
    pub async fn administer(&self, room: &RoomName, request: AdminRequest) -> Result<AdminReply, AdminRefusal> {
        let (reply, answer) = oneshot::channel();
        let inputs = self.open_room(room).ok_or(AdminRefusal::RoomNotFound)?;
        inputs.send(Input::Admin { request, reply }).await.map_err(|_| AdminRefusal::RoomNotFound)?;
        Ok(answer.await.map_err(|_| AdminRefusal::RoomNotFound)??)
    }

    /// The way to a room that is there.
    fn open_room(&self, name: &RoomName) -> Option<mpsc::Sender<Input>> {
        let rooms = self.shared.rooms();
        rooms.get(name).map(|entry| entry.inputs.clone()).filter(|inputs| !inputs.is_closed())
    }

    /// The way to the room of a join; made if it may be. `None`: there is none, and a resume does not make one.
    fn room(&self, join: &JoinRequest) -> Result<Option<mpsc::Sender<Input>>, JoinError> {
        if join.resume.is_some() {
            return Ok(self.open_room(&join.room));
        }
        self.open(&join.room, join.create, join.room_config.as_ref()).map(Some)
    }

    /// The way to the room of this name; made if it may be.
    fn open(
        &self,
        name: &RoomName,
        create: bool,
        config: Option<&proto::RoomConfiguration>,
    ) -> Result<mpsc::Sender<Input>, JoinError> {
        if let Some(inputs) = self.open_room(name) {
            return Ok(inputs);
        }
        self.check_room(name, create)?;
        let mut rooms = self.shared.rooms();
        if let Some(entry) = rooms.get(name)
            && !entry.inputs.is_closed()
        {
            return Ok(entry.inputs.clone());
        }
        let key = RoomKey(self.next_key.fetch_add(1, Ordering::Relaxed));
        let settings = self.settings(name, config);
        let room = Room::new(settings, rand::random(), Instant::now(), unix_ms());
        let (inputs, queue) = mpsc::channel(ROOM_QUEUE);
        let task = RoomTask::new(key, name.clone(), room, self.shared.clone(), inputs.downgrade());
        self.shared.router.rooms.write().unwrap_or_else(PoisonError::into_inner).insert(key, inputs.clone());
        rooms.insert(name.clone(), RoomEntry { key, inputs: inputs.clone() });
        tracing::info!(room = %name, "room opened");
        tokio::spawn(task.run(queue));
        Ok(inputs)
    }

    fn settings(&self, name: &RoomName, config: Option<&proto::RoomConfiguration>) -> Settings {
        let mut settings = self.config.room.clone();
        settings.name.clone_from(&name.name);
        if let Some(config) = config {
            if config.empty_timeout > 0 {
                settings.empty_timeout = Duration::from_secs(config.empty_timeout.into());
            }
            if config.departure_timeout > 0 {
                settings.departure_timeout = Duration::from_secs(config.departure_timeout.into());
            }
            if config.max_participants > 0 {
                settings.max_participants = config.max_participants;
            }
            if !config.metadata.is_empty() {
                settings.metadata.clone_from(&config.metadata);
            }
            settings.sync_streams |= config.sync_streams;
        }
        settings
    }

    /// What runs now, and what went wrong since the start.
    pub fn counts(&self) -> NodeCounts {
        NodeCounts {
            rooms: self.shared.rooms().len() as u64,
            participants: self.shared.participants.load(Ordering::Relaxed).max(0) as u64,
            room_panics: self.shared.room_panics.load(Ordering::Relaxed),
            media_events_dropped: self.shared.router.dropped.load(Ordering::Relaxed),
            slow_sockets: self.shared.slow_sockets.load(Ordering::Relaxed),
            refused: self.shared.refused.load(Ordering::Relaxed),
            over_limit: *self.shared.over_limit.lock().unwrap_or_else(PoisonError::into_inner),
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
        let rooms: Vec<_> = self.shared.rooms().values().map(|entry| entry.inputs.clone()).collect();
        let goodbye = async {
            for inputs in &rooms {
                let _ = inputs.send(Input::Shutdown).await;
            }
            for inputs in &rooms {
                inputs.closed().await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, goodbye).await.is_err() {
            tracing::warn!("some rooms did not close in time");
        }
        self.shared.media.clone().shutdown();
    }
}
