//! What the rooms of a node share: the tables that find a room, the media plane, the counters.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use livekit_protocol as proto;
use tokio::sync::oneshot;
use tutti_id::{AppId, RoomKey, RoomName};
use tutti_media::{MediaEvent, MediaPlane};
use tutti_room::{OverLimit, RoomEvent};
use tutti_signal::Facts;

use crate::input::{Answer, Question, RoomInput, Ticket};
use crate::join::JoinError;
use crate::lanes::{Lanes, Reported, WayBack};

/// Is told every event of every room, on the room's task. Must not block.
pub type EventSink = Arc<dyn Fn(&RoomName, &RoomEvent) + Send + Sync>;

/// What the rooms of a node share.
pub(crate) struct Shared {
    pub(crate) media: MediaPlane,
    pub(crate) facts: Arc<Facts>,
    /// STUN and TURN servers that participants are told.
    pub(crate) ice_servers: Vec<proto::IceServer>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) counters: Counters,
    pub(crate) events: EventSink,
}

/// The rooms of a node: by name for those who join, by key for what is said in them.
#[derive(Default)]
pub(crate) struct Directory {
    names: Mutex<HashMap<RoomName, Entry>>,
    keys: RwLock<HashMap<RoomKey, Arc<Lanes>>>,
    reports_dropped: AtomicU64,
    overrun: AtomicU64,
    tickets: AtomicU64,
}

struct Entry {
    key: RoomKey,
    lanes: Arc<Lanes>,
}

impl Directory {
    /// The way to a room that is there.
    pub(crate) fn by_name(&self, name: &RoomName) -> Option<Arc<Lanes>> {
        live(&self.names(), name)
    }

    pub(crate) fn by_key(&self, key: RoomKey) -> Option<Arc<Lanes>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// The ways to an app's rooms, or to those of them that are named.
    pub(crate) fn of_app(&self, app: &AppId, names: &[String]) -> Vec<Arc<Lanes>> {
        let wanted = |room: &RoomName| room.app == *app && (names.is_empty() || names.contains(&room.name));
        self.names().iter().filter(|(room, _)| wanted(room)).map(|(_, entry)| entry.lanes.clone()).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Lanes>> {
        self.names().values().map(|entry| entry.lanes.clone()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.names().len()
    }

    /// The way to the room of this name. If there is none, `open` is asked for one with the number of rooms; nobody
    /// else finds, opens or counts a room meanwhile.
    ///
    /// # Errors
    /// Those of `open`.
    pub(crate) fn find_or_open(
        &self,
        name: &RoomName,
        open: impl FnOnce(usize) -> Result<(RoomKey, Arc<Lanes>), JoinError>,
    ) -> Result<Arc<Lanes>, JoinError> {
        let mut names = self.names();
        if let Some(lanes) = live(&names, name) {
            return Ok(lanes);
        }
        // One that ends in this moment gives its place to the new one.
        let others = names.len() - usize::from(names.contains_key(name));
        let (key, lanes) = open(others)?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(key, lanes.clone());
        names.insert(name.clone(), Entry { key, lanes: lanes.clone() });
        Ok(lanes)
    }

    /// Takes a room out of the tables; from the names only if no other one has its name by now.
    pub(crate) fn forget(&self, key: RoomKey, name: &RoomName) {
        let mut names = self.names();
        self.keys.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
        if names.get(name).is_some_and(|entry| entry.key == key) {
            names.remove(name);
        }
    }

    /// Puts a question to a room. `None`: the room is over.
    pub(crate) async fn ask(&self, lanes: &Lanes, question: Question) -> Option<Answer> {
        self.put(lanes, question).await?.await.ok()
    }

    /// Puts a question to a room without waiting for the answer. `None`: the room is over.
    pub(crate) async fn put(&self, lanes: &Lanes, question: Question) -> Option<oneshot::Receiver<Answer>> {
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        lanes.post(RoomInput::Ask { ticket, question }, WayBack::Ask(reply)).await.then_some(answer)
    }

    /// Brings a shard's report to its room. Never waits. A room that is gone needs no report.
    pub(crate) fn report(&self, event: MediaEvent) {
        let Some(lanes) = self.by_key(event.room()) else { return };
        match lanes.report(event) {
            Reported::Taken => {}
            Reported::Dropped => drop(self.reports_dropped.fetch_add(1, Ordering::Relaxed)),
            Reported::Overrun => drop(self.overrun.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Reports that found a room's queue full: those that may be lost, and those that may not.
    pub(crate) fn reports_lost(&self) -> (u64, u64) {
        (self.reports_dropped.load(Ordering::Relaxed), self.overrun.load(Ordering::Relaxed))
    }

    fn names(&self) -> MutexGuard<'_, HashMap<RoomName, Entry>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn live(names: &HashMap<RoomName, Entry>, name: &RoomName) -> Option<Arc<Lanes>> {
    names.get(name).map(|entry| entry.lanes.clone()).filter(|lanes| !lanes.is_closed())
}

/// What rooms count.
#[derive(Default)]
pub(crate) struct Counters {
    participants: AtomicI64,
    pub(crate) rooms_panicked: AtomicU64,
    pub(crate) rooms_overrun: AtomicU64,
    pub(crate) slow_sockets: AtomicU64,
    pub(crate) refused: AtomicU64,
    over_limit: Mutex<OverLimit>,
}

impl Counters {
    pub(crate) fn participants_changed(&self, by: i64) {
        self.participants.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn participants(&self) -> u64 {
        self.participants.load(Ordering::Relaxed).max(0) as u64
    }

    /// A room counted `now` what it had counted `before`.
    pub(crate) fn count_over_limit(&self, now: OverLimit, before: OverLimit) {
        if now != before {
            let mut total = self.over_limit.lock().unwrap_or_else(PoisonError::into_inner);
            total.joins += now.joins - before.joins;
            total.requests += now.requests - before.requests;
            total.updates += now.updates - before.updates;
            total.data += now.data - before.data;
            total.data_slowed += now.data_slowed - before.data_slowed;
        }
    }

    pub(crate) fn over_limit(&self) -> OverLimit {
        *self.over_limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
