//! The store: a database with the schema that this program knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Mutex;

use crate::db::Db;
use crate::{StoreError, StoreUrl, apps, migrate};

/// A store. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) url: Arc<StoreUrl>,
    /// None until PostgreSQL was reached for the first time.
    db: Arc<Mutex<Option<Db>>>,
    ready: Arc<AtomicBool>,
}

impl Store {
    /// Opens a store and brings it to the version that this program knows. What is not there is made.
    ///
    /// # Errors
    /// See [`StoreError`]. A store that a newer program wrote is left as it is.
    pub async fn open(url: StoreUrl) -> Result<Self, StoreError> {
        let store = Self::new(url);
        store.prepare().await?;
        Ok(store)
    }

    /// As [`Self::open`], but a server that cannot be reached is no error: whoever needs it tries again.
    ///
    /// # Errors
    /// What does not pass by itself.
    pub async fn open_or_wait(url: StoreUrl) -> Result<Self, StoreError> {
        let store = Self::new(url);
        match store.prepare().await {
            Err(error) if error.may_pass() && matches!(*store.url, StoreUrl::Postgres(_)) => {
                tracing::error!(store = %store.url, error = &error as &dyn std::error::Error, "facts wait in the journal");
            }
            outcome => drop(outcome?),
        }
        Ok(store)
    }

    fn new(url: StoreUrl) -> Self {
        Self { url: Arc::new(url), db: Arc::default(), ready: Arc::default() }
    }

    /// Whether the database was reached and has the right schema.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Where it is.
    pub fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// The database, connected and migrated.
    pub(crate) async fn prepare(&self) -> Result<Db, StoreError> {
        let mut db = self.db.lock().await;
        if let Some(db) = &*db {
            return Ok(db.clone());
        }
        let opened = open(&self.url).await?;
        *db = Some(opened.clone());
        self.ready.store(true, Ordering::Release);
        Ok(opened)
    }

    /// Ends all connections.
    pub async fn close(&self) {
        if let Some(db) = self.db.lock().await.take() {
            db.close().await;
        }
    }
}

async fn open(url: &StoreUrl) -> Result<Db, StoreError> {
    // A file is looked at before anything may write to it.
    if let StoreUrl::Sqlite(path) = url
        && path.metadata().is_ok_and(|file| file.len() > 0)
    {
        let db = Db::open(url, false, false).await?;
        let checked = migrate::version(&db).await.and_then(migrate::check);
        db.close().await;
        checked?;
    }
    let db = Db::open(url, true, true).await?;
    migrate::migrate(&db, now_ms()).await?;
    apps::ensure_default(&db).await?;
    Ok(db)
}

/// The version of a store, without changing it: 0 for a database without tables.
///
/// # Errors
/// It cannot be opened or read.
pub async fn version_of(url: &StoreUrl) -> Result<i64, StoreError> {
    let db = Db::open(url, false, false).await?;
    let version = migrate::version(&db).await;
    db.close().await;
    version
}

/// Milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
