//! The task that brings facts from the journal into the database. Nobody waits for it.
//!
//! It reads the journal in order, writes a batch in one transaction, and only then says that the batch is safe. Whatever
//! the database does meanwhile (slow, gone, full), the facts stay in the journal and are tried again. A fact that the
//! database refuses for what it is goes into a file beside the journal, said and counted, and the others go on.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::apply::{Applied, apply};
use crate::journal::{Journal, JournalCounts, JournalError, Reader, Recovered};
use crate::store::now_ms;
use crate::{Fact, Store, StoreError, lost};

/// Facts of one transaction.
const BATCH_FACTS: usize = 512;
/// Bytes of facts of one transaction.
const BATCH_BYTES: usize = 1 << 20;
/// The first wait after a failure; each further one is twice as long.
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// The longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// A batch that takes longer is given up and tried again.
const BATCH_TIMEOUT: Duration = Duration::from_secs(60);
/// Where facts go that the database refuses, in the journal's folder.
const REFUSED_FILE: &str = "refused.jsonl";

/// What the writer counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WriterCounts {
    /// Facts written.
    pub written: u64,
    /// Facts that were written before and came again.
    pub known: u64,
    /// Facts of deleted apps, forgotten.
    pub of_nobody: u64,
    /// Facts that are missing in their session, because the journal had refused them.
    pub missing: u64,
    /// Facts that the database refuses, put aside.
    pub refused: u64,
    /// Batches that failed and are tried again.
    pub errors: u64,
    /// Batches written.
    pub batches: u64,
    /// Seconds that written batches took.
    pub seconds: f64,
    /// Sessions that a killed node had left open.
    pub closed_sessions: u64,
    /// Whether what the process before us left was written and closed.
    pub caught_up: bool,
    /// Whether the last batch was written.
    pub healthy: bool,
}

/// Takes facts and brings them into a store. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Facts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    journal: Journal,
    counts: Mutex<WriterCounts>,
    /// Failures to append, since one was last told.
    untold: AtomicU64,
    written: Notify,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Facts {
    /// Starts the writer. What the journal holds from before is written first, then what was open on `node` is closed.
    pub fn start(store: Store, node: &str, (journal, mut reader, recovered): (Journal, Reader, Recovered)) -> Self {
        reader.hold(true);
        let (stop, stopping) = watch::channel(false);
        let shared = Arc::new(Shared {
            journal: journal.clone(),
            counts: Mutex::new(WriterCounts { healthy: true, ..WriterCounts::default() }),
            untold: AtomicU64::new(0),
            written: Notify::new(),
            stop,
            task: Mutex::default(),
        });
        let refused = journal.folder().join(REFUSED_FILE);
        let writer = Writer {
            store,
            node: node.to_owned(),
            lost: Some(recovered.alive_ms.unwrap_or_else(now_ms)),
            reader,
            refused,
            shared: shared.clone(),
            stopping,
        };
        *shared.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokio::spawn(writer.run()));
        Self(shared)
    }

    /// Takes a fact. When it returns, the fact outlives this process. Waits for nobody.
    ///
    /// # Errors
    /// The journal is full or broken: the fact is lost. That is counted and logged.
    pub fn take(&self, fact: &Fact) -> Result<(), JournalError> {
        // Facts hold texts, numbers and maps of texts; they are always JSON.
        let payload = serde_json::to_vec(fact).unwrap_or_default();
        let taken = self.0.journal.append(&payload);
        match &taken {
            Ok(()) => self.0.untold.store(0, Ordering::Relaxed),
            Err(error) => {
                let untold = self.0.untold.fetch_add(1, Ordering::Relaxed);
                if untold.is_power_of_two() || untold == 0 {
                    let (kind, room) = (fact.event.kind(), &fact.room);
                    tracing::error!(error = error as &dyn Error, kind, room, lost = untold + 1, "facts are lost");
                }
            }
        }
        taken
    }

    /// What the journal and the writer count.
    pub fn counts(&self) -> (JournalCounts, WriterCounts) {
        (self.0.journal.counts(), *self.0.counts())
    }

    /// Comes back when everything taken so far is in the database.
    pub async fn written(&self) {
        loop {
            let written = self.0.written.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            if self.0.journal.counts().depth == 0 && self.0.counts().caught_up {
                return;
            }
            written.await;
        }
    }

    /// Writes what is there, at most for `grace`, and stops. What is left is written after the next start.
    pub async fn stop(&self, grace: Duration) {
        let drained = timeout(grace, self.written()).await.is_ok();
        self.0.stop.send_replace(true);
        let task = self.0.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && timeout(grace, task).await.is_err()
        {
            tracing::warn!("the database does not answer; the writer is left");
        }
        if !drained {
            tracing::warn!(facts = self.0.journal.counts().depth, "facts wait in the journal for the next start");
        }
        self.0.journal.close();
    }
}

impl Shared {
    fn counts(&self) -> std::sync::MutexGuard<'_, WriterCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writer {
    store: Store,
    node: String,
    /// What a killed process left open is not closed yet; it was last known to be alive then.
    lost: Option<i64>,
    reader: Reader,
    refused: PathBuf,
    shared: Arc<Shared>,
    stopping: watch::Receiver<bool>,
}

impl Writer {
    async fn run(mut self) {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = self.write_forever() => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
    }

    async fn write_forever(&mut self) {
        let mut wait = RETRY_FIRST;
        loop {
            let outcome = timeout(BATCH_TIMEOUT, self.round()).await.unwrap_or(Err(Failure::TooSlow));
            let failed = outcome.is_err();
            let was_healthy = std::mem::replace(&mut self.shared.counts().healthy, !failed);
            match outcome {
                Ok(Round::Wrote) => wait = RETRY_FIRST,
                Ok(Round::Idle) => {
                    wait = RETRY_FIRST;
                    self.shared.written.notify_waiters();
                    self.reader.appended().await;
                }
                Err(error) => {
                    self.shared.counts().errors += 1;
                    if was_healthy {
                        tracing::error!(error = &error as &dyn Error, "facts wait in the journal");
                    }
                    // Nodes that lost the same database do not come back in step.
                    tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
                    wait = (wait * 2).min(RETRY_MAX);
                }
            }
            if !failed && !was_healthy {
                tracing::info!(facts = self.shared.journal.counts().depth, "the database takes facts again");
            }
        }
    }

    /// One batch.
    async fn round(&mut self) -> Result<Round, Failure> {
        let db = self.store.prepare().await?;
        let (entries, position) = self.reader.read(BATCH_FACTS, BATCH_BYTES)?;
        if entries.is_empty() {
            let Some(alive_ms) = self.lost else { return Ok(Round::Idle) };
            // All that the killed process told is written.
            let closed = lost::close(&db, &self.node, alive_ms).await?;
            if closed > 0 {
                tracing::warn!(sessions = closed, "closed what was open when this node was lost");
            }
            self.lost = None;
            self.reader.hold(false);
            let mut counts = self.shared.counts();
            counts.closed_sessions += closed;
            counts.caught_up = true;
            return Ok(Round::Wrote);
        }
        let started = Instant::now();
        let facts = self.facts(&entries)?;
        let applied = match self.write(&db, &facts).await {
            Err(error) if is_of_fact(&error) => self.write_each(&db, &facts).await?,
            outcome => outcome?,
        };
        if let Err(error) = self.reader.release(position, entries.len()) {
            tracing::error!(error = &error as &dyn Error, "a file of the journal stays");
        }
        let mut counts = self.shared.counts();
        counts.written += applied.written;
        counts.known += applied.known;
        counts.of_nobody += applied.of_nobody;
        counts.missing += applied.missing;
        counts.batches += 1;
        counts.seconds += started.elapsed().as_secs_f64();
        Ok(Round::Wrote)
    }

    /// Reads entries; what is no fact is put aside.
    fn facts(&self, entries: &[Vec<u8>]) -> Result<Vec<Fact>, Failure> {
        let mut facts = Vec::with_capacity(entries.len());
        for entry in entries {
            match serde_json::from_slice(entry) {
                Ok(fact) => facts.push(fact),
                Err(error) => self.put_aside(entry, &error)?,
            }
        }
        Ok(facts)
    }

    async fn write(&self, db: &crate::db::Db, facts: &[Fact]) -> Result<Applied, StoreError> {
        let mut tx = db.begin().await?;
        let applied = apply(&mut tx, facts).await?;
        tx.commit().await?;
        Ok(applied)
    }

    /// One by one, because one of them is not taken.
    async fn write_each(&self, db: &crate::db::Db, facts: &[Fact]) -> Result<Applied, Failure> {
        let mut sum = Applied::default();
        for fact in facts {
            match self.write(db, std::slice::from_ref(fact)).await {
                Ok(applied) => {
                    sum.written += applied.written;
                    sum.known += applied.known;
                    sum.of_nobody += applied.of_nobody;
                    sum.missing += applied.missing;
                }
                Err(error) if is_of_fact(&error) => {
                    self.put_aside(&serde_json::to_vec(fact).unwrap_or_default(), &error)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(sum)
    }

    fn put_aside(&self, entry: &[u8], error: &(dyn Error + 'static)) -> Result<(), Failure> {
        tracing::error!(error, file = %self.refused.display(), "a fact is refused and put aside");
        let mut line = entry.to_vec();
        line.push(b'\n');
        let put = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.refused)
            .and_then(|mut file| file.write_all(&line));
        put.map_err(|source| JournalError::Io { path: self.refused.clone(), source })?;
        self.shared.counts().refused += 1;
        Ok(())
    }
}

/// Whether it is a fact that is not taken, and not the database that takes none now.
fn is_of_fact(error: &StoreError) -> bool {
    matches!(error, StoreError::Value(_) | StoreError::Exists | StoreError::Damaged { .. })
}

enum Round {
    Wrote,
    Idle,
}

/// Why a batch is tried again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the database took longer than {} s", BATCH_TIMEOUT.as_secs())]
    TooSlow,
}
