//! The keys and apps in memory: who asks about a token never waits for the database. Read anew when they change; while
//! the database is gone, they stay as they were.
//!
//! What was read is also kept in a file of the data folder, its secrets sealed as in the database, so that a server that
//! starts without its database knows them.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tutti_id::AppId;
use tutti_token::Secret;

use crate::db::args;
use crate::keys::owner;
use crate::store::now_ms;
use crate::{AppSettings, AppState, MasterKeys, Scope, Store, StoreError, apps, folder};

/// A change that another node made is seen after this long.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// When a key was used is written down this often.
const USED_INTERVAL_MS: i64 = 60_000;
/// Where keys are kept for a start without the database.
const KEPT_FILE: &str = "keys.json";

/// Why a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// Nobody has it.
    #[error("invalid API key")]
    Unknown,
    /// It was disabled.
    #[error("the API key is disabled")]
    Disabled,
    /// Its time is over.
    #[error("the API key has expired")]
    Expired,
    /// Its app may not be used.
    #[error("the app is suspended")]
    Suspended,
}

/// A key in force.
#[derive(Debug)]
pub struct KnownKey {
    /// What tokens call it (`iss`).
    pub id: String,
    /// Whose.
    pub app: AppId,
    /// What signs its tokens.
    pub secret: Secret,
    /// What it is good for.
    pub scope: Scope,
    expires_ms: Option<i64>,
    disabled: bool,
    used_ms: AtomicI64,
}

/// An app as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownApp {
    /// Whether it may be used.
    pub state: AppState,
    /// Its settings.
    pub settings: Arc<AppSettings>,
    /// Their version.
    pub settings_version: i64,
}

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<String, Arc<KnownKey>>,
    apps: HashMap<AppId, KnownApp>,
}

/// All keys and apps. Clones are handles to the same ones.
#[derive(Debug, Clone)]
pub struct KeyRing(Arc<Ring>);

#[derive(Debug)]
struct Ring {
    /// Keys of the configuration: app `default`, everything, for ever.
    configured: HashMap<String, Arc<KnownKey>>,
    known: RwLock<Arc<Known>>,
    master: Arc<MasterKeys>,
    changed: Notify,
    kept: PathBuf,
}

/// A key as the database has it.
#[derive(Debug, Serialize, Deserialize)]
struct SealedKey {
    id: String,
    app: String,
    scope: String,
    secret: Vec<u8>,
    master_key: String,
    expires_ms: Option<i64>,
    disabled: bool,
}

/// An app as the database has it.
#[derive(Debug, Serialize, Deserialize)]
struct StoredApp {
    id: String,
    state: String,
    settings: String,
    version: i64,
}

/// Everything at one revision.
#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    revision: i64,
    keys: Vec<SealedKey>,
    apps: Vec<StoredApp>,
}

impl KeyRing {
    /// The keys of the configuration, and what was kept in the data folder of those in the database.
    pub fn new(configured: impl IntoIterator<Item = (String, Secret)>, master: Arc<MasterKeys>, data: &Path) -> Self {
        let known = |(id, secret): (String, Secret)| {
            let key = KnownKey {
                id: id.clone(),
                app: AppId::default(),
                secret,
                scope: Scope::ALL,
                expires_ms: None,
                disabled: false,
                used_ms: AtomicI64::new(0),
            };
            (id, Arc::new(key))
        };
        let kept = data.join(KEPT_FILE);
        let snapshot = std::fs::read(&kept).ok().and_then(|text| serde_json::from_slice::<Snapshot>(&text).ok());
        let ring = Ring {
            configured: configured.into_iter().map(known).collect(),
            known: RwLock::default(),
            master,
            changed: Notify::new(),
            kept,
        };
        if let Some(snapshot) = snapshot {
            ring.take(&snapshot);
        }
        Self(Arc::new(ring))
    }

    /// The key of this name, if it is in force. Waits for nobody.
    ///
    /// # Errors
    /// See [`KeyRefusal`].
    pub fn key(&self, id: &str, now_ms: i64) -> Result<Arc<KnownKey>, KeyRefusal> {
        let known = self.0.known();
        let key = self.0.configured.get(id).or_else(|| known.keys.get(id)).ok_or(KeyRefusal::Unknown)?;
        if key.disabled {
            return Err(KeyRefusal::Disabled);
        }
        if key.expires_ms.is_some_and(|end| end <= now_ms) {
            return Err(KeyRefusal::Expired);
        }
        match known.apps.get(&key.app).map(|app| app.state) {
            Some(AppState::Suspended) => return Err(KeyRefusal::Suspended),
            Some(AppState::Deleting | AppState::Deleted) => return Err(KeyRefusal::Unknown),
            Some(AppState::Active) | None => {}
        }
        key.used_ms.fetch_max(now_ms, Ordering::Relaxed);
        Ok(key.clone())
    }

    /// An app; `None` if it is not known, as every app is before the database was reached for the first time.
    pub fn app(&self, id: &AppId) -> Option<KnownApp> {
        self.0.known().apps.get(id).cloned()
    }

    /// Something was changed here: it is read at once.
    pub fn changed(&self) {
        self.0.changed.notify_one();
    }

    /// Reads everything from the store.
    ///
    /// # Errors
    /// The database; what was known stays.
    pub async fn load(&self, store: &Store) -> Result<(), StoreError> {
        let snapshot = snapshot(store).await?;
        self.0.take(&snapshot);
        self.0.keep(&snapshot);
        Ok(())
    }

    /// Follows the store for ever: changes of this node at once, those of others every [`REFRESH_INTERVAL`].
    pub async fn follow(self, store: Store) {
        let (mut seen, mut failing, mut used_ms) = (None, false, now_ms());
        loop {
            let outcome = async {
                let found = revision(&store).await?;
                if seen != Some(found) {
                    self.load(&store).await?;
                }
                if now_ms() - used_ms >= USED_INTERVAL_MS {
                    self.write_used(&store, used_ms).await?;
                    used_ms = now_ms();
                }
                Ok::<i64, StoreError>(found)
            };
            match outcome.await {
                Ok(found) => {
                    seen = Some(found);
                    failing = false;
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(error = &error as &dyn Error, "keys and apps stay as they are");
                    }
                }
            }
            let _ = tokio::time::timeout(REFRESH_INTERVAL, self.0.changed.notified()).await;
        }
    }

    /// Writes down which keys were used since `since_ms`.
    async fn write_used(&self, store: &Store, since_ms: i64) -> Result<(), StoreError> {
        let known = self.0.known();
        let mut used: Vec<(&str, i64)> =
            known.keys.values().map(|key| (key.id.as_str(), key.used_ms.load(Ordering::Relaxed))).collect();
        used.retain(|(_, at)| *at >= since_ms);
        used.sort_unstable();
        let db = store.prepare().await?;
        for (id, at) in used {
            let sql = "UPDATE api_key SET used_ms = $2 WHERE id = $1 AND coalesce(used_ms, 0) < $2";
            db.execute(sql, args![id, at]).await?;
        }
        Ok(())
    }
}

impl Ring {
    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, snapshot: &Snapshot) {
        let before = self.known();
        let mut known = Known::default();
        for app in &snapshot.apps {
            let (Ok(state), Ok(settings)) = (AppState::parse(&app.state), apps::settings(&app.settings)) else {
                tracing::error!(app = app.id, "an app cannot be read");
                continue;
            };
            let settings_version = app.version;
            known.apps.insert(AppId::new(&app.id), KnownApp { state, settings: Arc::new(settings), settings_version });
        }
        for sealed in &snapshot.keys {
            match self.open(sealed, &before) {
                Ok(key) => drop(known.keys.insert(key.id.clone(), Arc::new(key))),
                Err(error) => tracing::error!(key = sealed.id, error = &*error, "a key cannot be used"),
            }
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    fn open(&self, sealed: &SealedKey, before: &Known) -> Result<KnownKey, Box<dyn Error>> {
        let secret = self.master.open(&sealed.master_key, &owner(&sealed.app, &sealed.id), &sealed.secret)?;
        let used_ms = before.keys.get(&sealed.id).map_or(0, |key| key.used_ms.load(Ordering::Relaxed));
        Ok(KnownKey {
            id: sealed.id.clone(),
            app: AppId::new(&sealed.app),
            secret,
            scope: sealed.scope.parse()?,
            expires_ms: sealed.expires_ms,
            disabled: sealed.disabled,
            used_ms: AtomicI64::new(used_ms),
        })
    }

    fn keep(&self, snapshot: &Snapshot) {
        let text = serde_json::to_vec(snapshot).unwrap_or_default();
        if let Err(error) = folder::replace(&self.kept, &text) {
            tracing::warn!(%error, file = %self.kept.display(), "keys are not kept for a start without the database");
        }
    }
}

async fn revision(store: &Store) -> Result<i64, StoreError> {
    let row = store.prepare().await?.query_one("SELECT number FROM revision WHERE topic = 'apps'", vec![]).await?;
    row.ok_or(StoreError::Damaged { what: "revision" })?.int(0)
}

async fn snapshot(store: &Store) -> Result<Snapshot, StoreError> {
    // The revision first: a change that comes meanwhile is read again.
    let revision = revision(store).await?;
    let db = store.prepare().await?;
    let sql = "SELECT id, app, scope, secret, master_key, expires_ms, disabled_ms FROM api_key ORDER BY id";
    let mut keys = Vec::new();
    for mut row in db.query(sql, vec![]).await? {
        keys.push(SealedKey {
            id: row.text(0)?,
            app: row.text(1)?,
            scope: row.text(2)?,
            secret: row.bytes(3)?,
            master_key: row.text(4)?,
            expires_ms: row.opt_int(5)?,
            disabled: row.opt_int(6)?.is_some(),
        });
    }
    let sql = "SELECT id, state, settings, settings_version FROM app WHERE state <> 'deleted' ORDER BY id";
    let mut apps = Vec::new();
    for mut row in db.query(sql, vec![]).await? {
        apps.push(StoredApp { id: row.text(0)?, state: row.text(1)?, settings: row.text(2)?, version: row.int(3)? });
    }
    Ok(Snapshot { revision, keys, apps })
}
