//! The handle that the control plane holds: starts the shards, places transports, routes commands.
//!
//! Owns which shard holds what (`routing`) and the threads. Decides nothing about media, and is never on the packet
//! path: the only lock here is taken by commands.

mod candidates;
mod connections;
mod routing;
mod start;
#[cfg(test)]
mod tests;
mod thread;
mod ufrag;
mod way_out;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

pub use routing::{Routed, Routing, RoutingCensus};
use tutti_id::{RoomKey, ShardNumber};
use tutti_transport::Fingerprint;
pub use ufrag::{shard_of_ufrag, ufrag_prefix};

use crate::command::{EventSink, MediaCommand, Placement};
use crate::config::{MediaConfig, MediaError};
use crate::io::Doorbell;
use crate::mailbox::Mailbox;
use crate::metrics::{MediaMetrics, ShardMetrics, TcpFrontMetrics};

use thread::ShardOrder;

/// The media plane of this process. Clones are the same one.
#[derive(Clone)]
pub struct MediaPlane {
    inner: Arc<Inner>,
}

struct Inner {
    fingerprint: Fingerprint,
    routing: Mutex<Routing>,
    shards: Vec<Shard>,
    tcp: Arc<Mutex<TcpFrontMetrics>>,
    stop: Arc<AtomicBool>,
    bells: Vec<Arc<Doorbell>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The control plane's side of one shard.
struct Shard {
    mailbox: Arc<Mailbox<ShardOrder>>,
    candidates: Vec<String>,
    metrics: Arc<Mutex<ShardMetrics>>,
}

impl MediaPlane {
    /// Binds the sockets and starts the shards. Events go to `events`, on the shards' threads.
    ///
    /// # Errors
    /// When an address cannot be bound or the system refuses what a shard needs; nothing is left running then.
    pub fn start(config: MediaConfig, events: EventSink) -> Result<Self, MediaError> {
        start::start(&config, &events).map(|inner| Self { inner: Arc::new(inner) })
    }

    /// Where a new participant of `room` goes, which has `subscribers_in_room` of them already. All
    /// transports of one participant belong on one shard: ask once for each participant.
    pub fn place(&self, room: RoomKey, subscribers_in_room: usize) -> Placement {
        let shard = lock(&self.inner.routing).place(room, subscribers_in_room);
        let candidates = self.inner.shards.get(shard.index()).map(|shard| shard.candidates.clone());
        Placement { shard, candidates: candidates.unwrap_or_default() }
    }

    /// Gives an order, waiting while the shard's mailbox is full. Orders of one task that awaits each of them are
    /// carried out in its order; orders about one room should come from one task. Await it to the end: a future
    /// dropped half-way may have told one shard and not another.
    ///
    /// # Errors
    /// [`MediaError::UnknownTransport`], [`MediaError::UnknownShard`], [`MediaError::Closed`].
    pub async fn send(&self, command: MediaCommand) -> Result<(), MediaError> {
        let routed = lock(&self.inner.routing).route(command)?;
        for (shard, command) in routed {
            let mailbox = &self.shard(shard)?.mailbox;
            mailbox.send(ShardOrder::Command(command)).await.map_err(|_| MediaError::Closed)?;
        }
        Ok(())
    }

    /// As [`send`](Self::send), blocking the thread; for callers without an executor.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_blocking(&self, command: MediaCommand) -> Result<(), MediaError> {
        let routed = lock(&self.inner.routing).route(command)?;
        for (shard, command) in routed {
            let mailbox = &self.shard(shard)?.mailbox;
            mailbox.send(ShardOrder::Command(command)).wait().map_err(|_| MediaError::Closed)?;
        }
        Ok(())
    }

    /// SHA-256 of the certificate that all transports present; new with each process.
    pub fn fingerprint(&self) -> Fingerprint {
        self.inner.fingerprint
    }

    /// Number of shards.
    pub fn shards(&self) -> usize {
        self.inner.shards.len()
    }

    /// What was counted; at most about a second old.
    pub fn metrics(&self) -> MediaMetrics {
        MediaMetrics {
            shards: self.inner.shards.iter().map(|shard| *lock(&shard.metrics)).collect(),
            tcp: *lock(&self.inner.tcp),
        }
    }

    /// Stops every shard and waits for their threads. Transports are not closed one by one: do that first where peers
    /// are to hear of it. Later orders fail with [`MediaError::Closed`].
    pub fn shutdown(self) {
        self.inner.stop();
        let threads = std::mem::take(&mut *lock(&self.inner.threads));
        for thread in threads {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }

    fn shard(&self, shard: ShardNumber) -> Result<&Shard, MediaError> {
        self.inner.shards.get(shard.index()).ok_or(MediaError::UnknownShard(shard))
    }
}

impl Inner {
    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        for bell in &self.bells {
            bell.ring();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for MediaPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaPlane").field("shards", &self.inner.shards.len()).finish_non_exhaustive()
    }
}

/// Nothing that can panic runs under these locks in a state worth protecting.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
