//! API keys of apps. A secret is sealed by the master key, shown once when the key is made, and never logged.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand as secure;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use tutti_token::Secret;

use crate::apps::{changed, check_id, check_name, json, random_id};
use crate::audit::{Actor, AuditRow};
use crate::db::{Row, Tx, args};
use crate::store::now_ms;
use crate::{AdminError, AppState, MasterKeys, Store, StoreError};

/// Shortest secret that may be brought along, bytes: 128 bits, if they are random.
pub const SECRET_BYTES_MIN: usize = 16;
/// Bytes of a secret that we make.
const SECRET_BYTES: usize = 32;
/// Keys that are sealed anew in one transaction.
const SEALED_ROWS: i64 = 100;

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// Requests of the server API that change something. Contains `read`.
    pub server: bool,
    /// Tokens that participants join with.
    pub mint: bool,
    /// Requests of the server API that change nothing.
    pub read: bool,
}

impl Scope {
    /// Everything, as keys of the configuration.
    pub const ALL: Self = Self { server: true, mint: true, read: true };
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.server, "server"), (self.mint, "mint"), (self.read, "read")];
        let words: Vec<&str> = words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
        f.write_str(&words.join(","))
    }
}

impl FromStr for Scope {
    type Err = AdminError;

    /// `server`, `mint`, `read`, parted by commas.
    fn from_str(text: &str) -> Result<Self, AdminError> {
        let mut scope = Self::default();
        for word in text.split(',').map(str::trim) {
            match word {
                "server" => (scope.server, scope.read) = (true, true),
                "mint" => scope.mint = true,
                "read" => scope.read = true,
                _ => return Err(AdminError::Scope),
            }
        }
        Ok(scope)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// What tokens call it (`iss`).
    pub id: String,
    /// Whose.
    pub app: String,
    /// For people.
    pub name: String,
    /// What it is good for.
    pub scope: Scope,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// From when on it is refused.
    pub expires_ms: Option<i64>,
    /// Since when it is refused.
    pub disabled_ms: Option<i64>,
    /// When it was last used, to about a minute.
    pub used_ms: Option<i64>,
    /// The key that came in its place.
    pub replaced_by: Option<String>,
    /// The master key that seals its secret.
    pub master_key: String,
}

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// For people.
    pub name: String,
    /// What it is good for.
    pub scope: Scope,
    /// From when on it is refused, milliseconds since 1970.
    pub expires_ms: Option<i64>,
    /// Id and secret that are in use elsewhere already; else they are made.
    pub known: Option<(String, Secret)>,
}

const COLUMNS: &str = "id, app, name, scope, created_ms, expires_ms, disabled_ms, used_ms, replaced_by, master_key";

impl Store {
    /// Makes a key. Its secret is not shown again.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn create_key(
        &self,
        app: &str,
        new: NewKey,
        master: &MasterKeys,
        actor: &Actor,
    ) -> Result<(ApiKey, Secret), AdminError> {
        check_name(&new.name)?;
        if new.scope == Scope::default() {
            return Err(AdminError::Scope);
        }
        let (id, secret) = match new.known {
            Some((id, secret)) => {
                check_id(&id)?;
                let bytes = secret.expose().len();
                if bytes < SECRET_BYTES_MIN {
                    return Err(AdminError::Secret { bytes, bytes_min: SECRET_BYTES_MIN });
                }
                (id, secret)
            }
            None => (random_id("API", 12), random_secret()?),
        };
        let key = ApiKey {
            id,
            app: app.to_owned(),
            name: new.name,
            scope: new.scope,
            created_ms: now_ms(),
            expires_ms: new.expires_ms,
            disabled_ms: None,
            used_ms: None,
            replaced_by: None,
            master_key: master.id().to_owned(),
        };
        let mut tx = self.prepare().await?.begin().await?;
        check_app(&mut tx, app).await?;
        insert(&mut tx, &key, &secret, master).await?;
        changed(&mut tx, AuditRow::new(app, actor, "key.create", &key.id).after(json(&key)?)).await?;
        tx.commit().await?;
        Ok((key, secret))
    }

    /// Makes a key in the place of another one, which is good for `overlap_ms` more.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn rotate_key(
        &self,
        id: &str,
        overlap_ms: i64,
        master: &MasterKeys,
        actor: &Actor,
    ) -> Result<(ApiKey, Secret), AdminError> {
        let mut tx = self.prepare().await?.begin().await?;
        let mut old = key(&mut tx, id).await?;
        let now_ms = now_ms();
        if old.disabled_ms.is_some() || old.expires_ms.is_some_and(|end| end <= now_ms) {
            return Err(AdminError::KeyOver(id.to_owned()));
        }
        check_app(&mut tx, &old.app).await?;
        let before = json(&old)?;
        let new = ApiKey {
            id: random_id("API", 12),
            created_ms: now_ms,
            used_ms: None,
            master_key: master.id().to_owned(),
            ..old.clone()
        };
        let secret = random_secret()?;
        insert(&mut tx, &new, &secret, master).await?;
        let end = now_ms.saturating_add(overlap_ms.max(0));
        old.expires_ms = Some(old.expires_ms.map_or(end, |expires| expires.min(end)));
        old.replaced_by = Some(new.id.clone());
        let sql = "UPDATE api_key SET expires_ms = $2, replaced_by = $3 WHERE id = $1";
        tx.execute(sql, args![id, old.expires_ms, &new.id]).await?;
        let row = AuditRow::new(&old.app, actor, "key.rotate", id).before(before).after(json(&[&old, &new])?);
        changed(&mut tx, row).await?;
        tx.commit().await?;
        Ok((new, secret))
    }

    /// Refuses a key from now on.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn disable_key(&self, id: &str, actor: &Actor) -> Result<ApiKey, AdminError> {
        self.change_key(id, actor, "key.disable", |key| {
            key.disabled_ms.get_or_insert_with(now_ms);
        })
        .await
    }

    /// Takes a disabled key again.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn enable_key(&self, id: &str, actor: &Actor) -> Result<ApiKey, AdminError> {
        self.change_key(id, actor, "key.enable", |key| key.disabled_ms = None).await
    }

    /// Sets from when on a key is refused.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn expire_key(&self, id: &str, expires_ms: Option<i64>, actor: &Actor) -> Result<ApiKey, AdminError> {
        self.change_key(id, actor, "key.expire", |key| key.expires_ms = expires_ms).await
    }

    async fn change_key(
        &self,
        id: &str,
        actor: &Actor,
        action: &str,
        change: impl FnOnce(&mut ApiKey),
    ) -> Result<ApiKey, AdminError> {
        let mut tx = self.prepare().await?.begin().await?;
        let mut key = key(&mut tx, id).await?;
        let before = json(&key)?;
        change(&mut key);
        let sql = "UPDATE api_key SET disabled_ms = $2, expires_ms = $3 WHERE id = $1";
        tx.execute(sql, args![id, key.disabled_ms, key.expires_ms]).await?;
        changed(&mut tx, AuditRow::new(&key.app, actor, action, id).before(before).after(json(&key)?)).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// The keys of an app, oldest first.
    ///
    /// # Errors
    /// The database.
    pub async fn keys(&self, app: &str) -> Result<Vec<ApiKey>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM api_key WHERE app = $1 ORDER BY created_ms, id");
        let rows = self.prepare().await?.query(&sql, args![app]).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Seals every secret that an older master key sealed with the current one; says how many.
    ///
    /// # Errors
    /// [`MasterKeyError::Unknown`](crate::MasterKeyError::Unknown): an older key is not at hand. What was sealed anew
    /// before stays so.
    pub async fn reseal_keys(&self, master: &MasterKeys, actor: &Actor) -> Result<u64, AdminError> {
        let db = self.prepare().await?;
        let mut resealed = 0;
        loop {
            let mut tx = db.begin().await?;
            let sql = "SELECT id, app, master_key, secret FROM api_key WHERE master_key <> $1 ORDER BY id LIMIT $2";
            let rows = tx.query(sql, args![master.id(), SEALED_ROWS]).await?;
            if rows.is_empty() {
                return Ok(resealed);
            }
            for mut row in rows {
                let (id, app, sealed_by) = (row.text(0)?, row.text(1)?, row.text(2)?);
                let owner = owner(&app, &id);
                let secret = master.open(&sealed_by, &owner, &row.bytes(3)?)?;
                let sealed = master.seal(&owner, &secret)?;
                let sql = "UPDATE api_key SET secret = $2, master_key = $3 WHERE id = $1";
                tx.execute(sql, args![&id, sealed, master.id()]).await?;
                changed(&mut tx, AuditRow::new(&app, actor, "key.reseal", &id)).await?;
                resealed += 1;
            }
            tx.commit().await?;
        }
    }
}

/// What a secret is sealed for: in the place of another key it does not open.
pub(crate) fn owner(app: &str, id: &str) -> String {
    format!("api key {id} of app {app}")
}

async fn key(tx: &mut Tx, id: &str) -> Result<ApiKey, AdminError> {
    let for_update = if tx.is_postgres() { "FOR UPDATE" } else { "" };
    let row = tx.query_one(&format!("SELECT {COLUMNS} FROM api_key WHERE id = $1 {for_update}"), args![id]).await?;
    Ok(read(&mut row.ok_or_else(|| AdminError::NoKey(id.to_owned()))?)?)
}

async fn check_app(tx: &mut Tx, app: &str) -> Result<(), AdminError> {
    let no_app = || AdminError::NoApp(app.to_owned());
    let row = tx.query_one("SELECT state FROM app WHERE id = $1", args![app]).await?;
    match AppState::parse(&row.ok_or_else(no_app)?.text(0)?)? {
        AppState::Deleting | AppState::Deleted => Err(no_app()),
        AppState::Active | AppState::Suspended => Ok(()),
    }
}

async fn insert(tx: &mut Tx, key: &ApiKey, secret: &Secret, master: &MasterKeys) -> Result<(), AdminError> {
    let sealed = master.seal(&owner(&key.app, &key.id), secret)?;
    let sql = "INSERT INTO api_key (id, app, name, secret, master_key, scope, created_ms, expires_ms) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let scope = key.scope.to_string();
    let row = args![&key.id, &key.app, &key.name, sealed, &key.master_key, scope, key.created_ms, key.expires_ms];
    match tx.execute(sql, row).await {
        Err(StoreError::Exists) => Err(AdminError::KeyTaken(key.id.clone())),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

fn read(row: &mut Row) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: row.text(0)?,
        app: row.text(1)?,
        name: row.text(2)?,
        scope: row.text(3)?.parse().map_err(|_| StoreError::Damaged { what: "scope of a key" })?,
        created_ms: row.int(4)?,
        expires_ms: row.opt_int(5)?,
        disabled_ms: row.opt_int(6)?,
        used_ms: row.opt_int(7)?,
        replaced_by: row.opt_text(8)?,
        master_key: row.text(9)?,
    })
}

fn random_secret() -> Result<Secret, AdminError> {
    let mut bytes = [0; SECRET_BYTES];
    secure::fill(&mut bytes).map_err(|_| crate::MasterKeyError::Sealed)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}
