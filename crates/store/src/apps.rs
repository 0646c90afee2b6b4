//! Apps: whose keys, limits, rooms and history belong together. Every change leaves a row in the audit log and a new
//! revision, in its own transaction.

use serde::Serialize;
use tutti_id::AppId;

use crate::audit::{self, Actor, AuditRow};
use crate::db::{Db, Row, Tx, args};
use crate::store::now_ms;
use crate::{AppSettings, Store, StoreError};

/// Longest id of an app, bytes.
const ID_BYTES_MAX: usize = 64;
/// Longest name of an app or a key, bytes.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// Why something about an app or a key was refused.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// There is no such app, or it is deleted.
    #[error("there is no app {0:?}")]
    NoApp(String),
    /// There is one already, or was.
    #[error("the app id {0:?} is taken; ids of deleted apps are not used again")]
    AppTaken(String),
    /// An id is not one.
    #[error("an id is 1 to {ID_BYTES_MAX} of A-Z a-z 0-9 _ -")]
    Id,
    /// A name is too long or empty.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes")]
    Name,
    /// The app that the configuration's keys belong to stays.
    #[error("the app `default` belongs to the keys of the configuration and cannot be deleted")]
    Default,
    /// Somebody else changed it meanwhile.
    #[error("the settings have version {found} by now")]
    Version {
        /// The version that they have.
        found: i64,
    },
    /// There is no such key.
    #[error("there is no key {0:?}")]
    NoKey(String),
    /// A key with this id is there.
    #[error("the key id {0:?} is taken")]
    KeyTaken(String),
    /// A key is disabled or over and cannot be rotated.
    #[error("the key {0:?} is not in force")]
    KeyOver(String),
    /// A secret can be guessed.
    #[error("the secret has {bytes} bytes and needs {bytes_min}")]
    Secret {
        /// How long it is.
        bytes: usize,
        /// How long it must be.
        bytes_min: usize,
    },
    /// A key would be good for nothing.
    #[error("a key needs a scope: server, mint or read")]
    Scope,
    /// The master key.
    #[error(transparent)]
    MasterKey(#[from] crate::MasterKeyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether an app may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AppState {
    /// It may.
    Active,
    /// No joins and no requests; nothing is lost.
    Suspended,
    /// Its data is being deleted.
    Deleting,
    /// Its data is gone for good.
    Deleted,
}

impl AppState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let states = [Self::Active, Self::Suspended, Self::Deleting, Self::Deleted];
        states.into_iter().find(|state| state.as_str() == text).ok_or(StoreError::Damaged { what: "state of an app" })
    }
}

/// An app.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct App {
    /// Names it everywhere.
    pub id: String,
    /// For people.
    pub name: String,
    /// Whether it may be used.
    pub state: AppState,
    /// Its settings.
    pub settings: AppSettings,
    /// Grows with each change of the settings.
    pub settings_version: i64,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// When it was changed last.
    pub changed_ms: i64,
    /// When all its data was gone.
    pub deleted_ms: Option<i64>,
}

const COLUMNS: &str = "id, name, state, settings, settings_version, created_ms, changed_ms, deleted_ms";

impl Store {
    /// Makes an app. Without an id it gets one.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn create_app(&self, id: Option<&str>, name: &str, actor: &Actor) -> Result<App, AdminError> {
        let id = id.map_or_else(|| random_id("app-", 12), str::to_owned);
        check_id(&id)?;
        check_name(name)?;
        let now_ms = now_ms();
        let app = App {
            id,
            name: name.to_owned(),
            state: AppState::Active,
            settings: AppSettings::default(),
            settings_version: 1,
            created_ms: now_ms,
            changed_ms: now_ms,
            deleted_ms: None,
        };
        let mut tx = self.prepare().await?.begin().await?;
        match insert(&mut tx, &app).await {
            Err(StoreError::Exists) => return Err(AdminError::AppTaken(app.id)),
            outcome => outcome?,
        }
        let row = AuditRow::new(&app.id, actor, "app.create", &app.id).after(json(&app)?);
        changed(&mut tx, row).await?;
        tx.commit().await?;
        Ok(app)
    }

    /// An app, also a deleted one.
    ///
    /// # Errors
    /// [`AdminError::NoApp`], the database.
    pub async fn app(&self, id: &str) -> Result<App, AdminError> {
        let sql = format!("SELECT {COLUMNS} FROM app WHERE id = $1");
        let row = self.prepare().await?.query_one(&sql, args![id]).await?;
        Ok(read(&mut row.ok_or_else(|| AdminError::NoApp(id.to_owned()))?)?)
    }

    /// Apps by id, those behind `after`.
    ///
    /// # Errors
    /// The database.
    pub async fn apps(&self, after: &str, limit: u32) -> Result<Vec<App>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM app WHERE id > $1 ORDER BY id LIMIT $2");
        let rows = self.prepare().await?.query(&sql, args![after, i64::from(limit)]).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Replaces the settings; with `version`, only those of this version.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn set_app_settings(
        &self,
        id: &str,
        settings: AppSettings,
        version: Option<i64>,
        actor: &Actor,
    ) -> Result<App, AdminError> {
        self.change_app(id, actor, "app.settings", |app| {
            if let Some(version) = version
                && version != app.settings_version
            {
                return Err(AdminError::Version { found: app.settings_version });
            }
            app.settings = settings;
            app.settings_version += 1;
            Ok(())
        })
        .await
    }

    /// Renames an app.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn rename_app(&self, id: &str, name: &str, actor: &Actor) -> Result<App, AdminError> {
        check_name(name)?;
        self.change_app(id, actor, "app.rename", |app| {
            app.name = name.to_owned();
            Ok(())
        })
        .await
    }

    /// Lets nobody use an app, or lets them again.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn suspend_app(&self, id: &str, suspend: bool, actor: &Actor) -> Result<App, AdminError> {
        let (action, state) =
            if suspend { ("app.suspend", AppState::Suspended) } else { ("app.resume", AppState::Active) };
        self.change_app(id, actor, action, |app| {
            app.state = state;
            Ok(())
        })
        .await
    }

    /// Begins to delete an app for good: from now on nobody can use it, and nothing of it is written any more.
    /// [`Store::erase_step`] does the rest.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn delete_app(&self, id: &str, actor: &Actor) -> Result<App, AdminError> {
        if id == AppId::DEFAULT {
            return Err(AdminError::Default);
        }
        self.change_app(id, actor, "app.delete", |app| {
            app.state = AppState::Deleting;
            Ok(())
        })
        .await
    }

    async fn change_app(
        &self,
        id: &str,
        actor: &Actor,
        action: &str,
        change: impl FnOnce(&mut App) -> Result<(), AdminError>,
    ) -> Result<App, AdminError> {
        let mut tx = self.prepare().await?.begin().await?;
        let for_update = if tx.is_postgres() { "FOR UPDATE" } else { "" };
        let row = tx.query_one(&format!("SELECT {COLUMNS} FROM app WHERE id = $1 {for_update}"), args![id]).await?;
        let no_app = || AdminError::NoApp(id.to_owned());
        let mut app = read(&mut row.ok_or_else(no_app)?)?;
        if matches!(app.state, AppState::Deleting | AppState::Deleted) {
            return Err(no_app());
        }
        let before = json(&app)?;
        change(&mut app)?;
        app.changed_ms = now_ms();
        let settings = json(&app.settings)?;
        let sql =
            "UPDATE app SET name = $2, state = $3, settings = $4, settings_version = $5, changed_ms = $6 WHERE id = $1";
        let (state, version) = (app.state.as_str(), app.settings_version);
        tx.execute(sql, args![id, &app.name, state, settings, version, app.changed_ms]).await?;
        changed(&mut tx, AuditRow::new(id, actor, action, id).before(before).after(json(&app)?)).await?;
        tx.commit().await?;
        Ok(app)
    }
}

async fn insert(tx: &mut Tx, app: &App) -> Result<(), StoreError> {
    let sql = "INSERT INTO app (id, name, state, settings, settings_version, created_ms, changed_ms) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let settings = json(&app.settings)?;
    let state = app.state.as_str();
    let row = args![&app.id, &app.name, state, settings, app.settings_version, app.created_ms, app.changed_ms];
    tx.execute(sql, row).await?;
    Ok(())
}

/// The app of the configuration's keys is always there.
pub(crate) async fn ensure_default(db: &Db) -> Result<(), StoreError> {
    let known = db.query_one("SELECT id FROM app WHERE id = $1", args![AppId::DEFAULT]).await?;
    if known.is_some() {
        return Ok(());
    }
    let now_ms = now_ms();
    let app = App {
        id: AppId::DEFAULT.to_owned(),
        name: AppId::DEFAULT.to_owned(),
        state: AppState::Active,
        settings: AppSettings::default(),
        settings_version: 1,
        created_ms: now_ms,
        changed_ms: now_ms,
        deleted_ms: None,
    };
    let mut tx = db.begin().await?;
    match insert(&mut tx, &app).await {
        // Another node was first.
        Err(StoreError::Exists) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => tx.commit().await,
    }
}

/// Writes down a change of an app or a key, and lets other nodes see that there is one.
pub(crate) async fn changed(tx: &mut Tx, row: AuditRow) -> Result<(), StoreError> {
    tx.execute("UPDATE revision SET number = number + 1 WHERE topic = 'apps'", vec![]).await?;
    audit::add(tx, row).await
}

fn read(row: &mut Row) -> Result<App, StoreError> {
    Ok(App {
        id: row.text(0)?,
        name: row.text(1)?,
        state: AppState::parse(&row.text(2)?)?,
        settings: settings(&row.text(3)?)?,
        settings_version: row.int(4)?,
        created_ms: row.int(5)?,
        changed_ms: row.int(6)?,
        deleted_ms: row.opt_int(7)?,
    })
}

pub(crate) fn settings(text: &str) -> Result<AppSettings, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged { what: "settings of an app" })
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Damaged { what: "value" })
}

pub(crate) fn check_id(id: &str) -> Result<(), AdminError> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.chars().all(plain) {
        return Err(AdminError::Id);
    }
    Ok(())
}

pub(crate) fn check_name(name: &str) -> Result<(), AdminError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains('\0') {
        return Err(AdminError::Name);
    }
    Ok(())
}

/// `prefix` and `length` random letters and digits, none of which looks like another.
pub(crate) fn random_id(prefix: &str, length: usize) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let letters = (0..length).filter_map(|_| LETTERS.get(usize::from(rand::random::<u8>() & 31)).copied());
    prefix.chars().chain(letters.map(char::from)).collect()
}
