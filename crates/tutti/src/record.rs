//! What a running server keeps: the data folder, the journal of facts and the writer that brings them into the store,
//! the keys of apps, and the broom that takes away what is older than it is kept.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tutti_cluster::EventSink;
use tutti_gateway::{Reading, Readings};
use tutti_ledger::Webhooks;
use tutti_store::{DataFolder, Erased, Fact, Facts, Journal, KeyRing, Retention, Store, StoreError};

use crate::config::Config;
use crate::store;

/// The journal's folder in the data folder.
const JOURNAL_FOLDER: &str = "journal";
/// What is written at the end of the server waits for the database this long.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// The broom looks this often whether there is anything to do.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// The broom rests between two steps, so that others come first.
const STEP_REST: Duration = Duration::from_millis(50);

/// All that is kept.
pub(crate) struct Record {
    folder: DataFolder,
    /// The folder goes in the end.
    passing: Option<PathBuf>,
    store: Store,
    facts: Facts,
    webhooks: Webhooks,
    tasks: Vec<JoinHandle<()>>,
}

impl Record {
    /// Opens everything and starts to write. A database that cannot be reached is waited for; the call path needs none.
    pub(crate) async fn open(config: &Config) -> Result<Self, Box<dyn Error>> {
        let endpoints = config.endpoints()?;
        let passing =
            config.data.as_os_str().is_empty().then(|| {
                std::env::temp_dir().join(format!("tutti-{}-{:016x}", std::process::id(), rand::random::<u64>()))
            });
        let path = passing.clone().unwrap_or_else(|| config.data.clone());
        let folder = DataFolder::open(&path, &format!("ND_{:012x}", rand::random::<u64>() >> 16))?;
        let store = Store::open_or_wait(store::url(config, folder.path())?).await?;
        let master = store::master_keys(config, folder.path(), &[])?;
        let journal = Journal::open(&folder.path().join(JOURNAL_FOLDER), config.store.journal_bytes_max)?;
        if journal.2.entries + journal.2.cut_bytes + journal.2.damaged > 0 {
            let recovered = &journal.2;
            tracing::info!(facts = recovered.entries, recovered.cut_bytes, recovered.damaged, "found a journal");
        }
        let facts = Facts::start(store.clone(), folder.node(), journal);
        let keys = config.keys.iter().map(|(id, secret)| (id.clone(), secret.clone()));
        let ring = KeyRing::new(keys, master, folder.path());
        let webhooks = Webhooks::start(&store, folder.node(), endpoints, config.webhook.private_addresses)?;
        let tasks = vec![
            tokio::spawn(ring.follow(store.clone())),
            tokio::spawn(sweep(store.clone(), (&config.store.retention_days).into())),
        ];
        tracing::info!(store = %store.url(), data = %folder.path().display(), node = folder.node(), "keeps its record");
        Ok(Self { folder, passing, store, facts, webhooks, tasks })
    }

    /// Id of this node.
    pub(crate) fn node(&self) -> &str {
        self.folder.node()
    }

    /// Takes events of rooms.
    pub(crate) fn sink(&self) -> EventSink {
        let (facts, node) = (self.facts.clone(), self.folder.node().to_owned());
        // What is lost is counted and logged there; a room cannot do more about it.
        Arc::new(move |room, event| drop(facts.take(&Fact::new(room, &node, event))))
    }

    /// What is counted.
    pub(crate) fn facts(&self) -> Facts {
        self.facts.clone()
    }

    /// What the web-hooks count, for the metrics.
    pub(crate) fn readings(&self) -> Readings {
        let counter = self.webhooks.counter();
        Arc::new(move || {
            let counts = counter.read();
            let reading = |name, help, is_counter, value| Reading { name, help, is_counter, value };
            vec![
                reading("webhook_delivered", "Events that web-hooks took", true, counts.delivered),
                reading("webhook_failed", "Attempts that web-hooks did not take", true, counts.failed),
                reading("webhook_dead", "Events that were given up after a day", true, counts.dead),
                reading("webhook_endpoints_down", "Web-hooks that take nothing now", false, counts.down),
            ]
        })
    }

    /// Writes what is there and lets go.
    pub(crate) async fn close(self) {
        for task in self.tasks {
            task.abort();
        }
        self.facts.stop(STOP_GRACE).await;
        self.webhooks.stop(STOP_GRACE).await;
        self.store.close().await;
        if let Some(path) = self.passing {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Deletes what is to go, a little at a time, for ever.
async fn sweep(store: Store, retention: Retention) {
    let mut failing = false;
    loop {
        match step(&store, &retention).await {
            Ok(true) => {
                failing = false;
                tokio::time::sleep(STEP_REST).await;
                continue;
            }
            Ok(false) => failing = false,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(error = &error as &dyn Error, "what is older than it is kept stays for now");
                }
            }
        }
        tokio::time::sleep(SWEEP_INTERVAL).await;
    }
}

/// One step; says whether there may be more.
async fn step(store: &Store, retention: &Retention) -> Result<bool, StoreError> {
    match store.erase_step().await? {
        Erased::App(app) => {
            tracing::info!(app, "all data of the deleted app is gone");
            return Ok(true);
        }
        Erased::Rows(_) => return Ok(true),
        Erased::Nothing => {}
    }
    Ok(store.sweep_step(retention).await? != Erased::Nothing)
}
