//! One node: the rooms it owns, by name for those who join and by key for what the shards report.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::leave_request::Action;
use tokio::sync::{mpsc, oneshot};
use tutti_media::{MediaConfig, MediaError, MediaEvent, MediaMetrics, MediaPlane};
use tutti_room::{Room, Settings};
use tutti_signal::Facts;

use crate::join::{Attached, JoinError, JoinRequest};
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
}

struct RoomEntry {
    key: u32,
    inputs: mpsc::Sender<Input>,
}

/// What the node's rooms share.
pub(crate) struct Shared {
    pub(crate) media: MediaPlane,
    pub(crate) facts: Arc<Facts>,
    router: Arc<Router>,
    rooms: Mutex<HashMap<String, RoomEntry>>,
    participants: AtomicI64,
    room_panics: AtomicU64,
    slow_sockets: AtomicU64,
}

/// Finds the room that a report of a shard is for.
#[derive(Default)]
struct Router {
    rooms: RwLock<HashMap<u32, mpsc::Sender<Input>>>,
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
    pub(crate) fn forget(&self, key: u32, name: &str) {
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

    fn rooms(&self) -> MutexGuard<'_, HashMap<String, RoomEntry>> {
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

    /// Whether a join for this room would find or may make one.
    ///
    /// # Errors
    /// [`JoinError::RoomNotFound`] or [`JoinError::Unavailable`].
    pub fn check_room(&self, name: &str, create: bool) -> Result<(), JoinError> {
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

    /// The way to the room; made if it may be. `None`: there is none, and a resume does not make one.
    fn room(&self, join: &JoinRequest) -> Result<Option<mpsc::Sender<Input>>, JoinError> {
        if let Some(entry) = self.shared.rooms().get(&join.room)
            && !entry.inputs.is_closed()
        {
            return Ok(Some(entry.inputs.clone()));
        }
        if join.resume.is_some() {
            return Ok(None);
        }
        self.check_room(&join.room, join.create)?;
        let mut rooms = self.shared.rooms();
        if let Some(entry) = rooms.get(&join.room)
            && !entry.inputs.is_closed()
        {
            return Ok(Some(entry.inputs.clone()));
        }
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let settings = self.settings(join);
        let room = Room::new(settings, rand::random(), Instant::now(), unix_ms());
        let (inputs, queue) = mpsc::channel(ROOM_QUEUE);
        let task = RoomTask::new(key, join.room.clone(), room, self.shared.clone(), inputs.downgrade());
        self.shared.router.rooms.write().unwrap_or_else(PoisonError::into_inner).insert(key, inputs.clone());
        rooms.insert(join.room.clone(), RoomEntry { key, inputs: inputs.clone() });
        tracing::info!(room = %join.room, "room opened");
        tokio::spawn(task.run(queue));
        Ok(Some(inputs))
    }

    fn settings(&self, join: &JoinRequest) -> Settings {
        let mut settings = self.config.room.clone();
        settings.name.clone_from(&join.room);
        if let Some(config) = &join.room_config {
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
