//! Who changed what. Rows are only added, each in the transaction of its change; each holds a hash over itself and the
//! hash before it, so that a row that was changed or taken out shows.

use aws_lc_rs::digest::{Context, SHA256};

use crate::db::{Lock, Tx, args};
use crate::store::now_ms;
use crate::{Store, StoreError};

/// Rows that are checked at a time.
const CHECKED_ROWS: i64 = 1000;

/// Who does something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// `cli`, `key API…`, the name of a person, `server`.
    pub name: String,
    /// An address, or empty.
    pub origin: String,
}

impl Actor {
    /// Somebody on this machine.
    pub fn local(name: &str) -> Self {
        Self { name: name.to_owned(), origin: String::new() }
    }
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditRow {
    /// Place in the log; grows, with holes.
    pub id: i64,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Whose.
    pub app: String,
    /// Who did it.
    pub actor: String,
    /// From where.
    pub origin: String,
    /// What was done, such as `key.create`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// What it was, JSON; empty if there was nothing.
    pub before: String,
    /// What it is, JSON; empty if there is nothing.
    pub after: String,
}

impl AuditRow {
    /// A change that happens now.
    pub(crate) fn new(app: &str, actor: &Actor, action: &str, subject: &str) -> Self {
        Self {
            at_ms: now_ms(),
            app: app.to_owned(),
            actor: actor.name.clone(),
            origin: actor.origin.clone(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn before(mut self, before: String) -> Self {
        self.before = before;
        self
    }

    pub(crate) fn after(mut self, after: String) -> Self {
        self.after = after;
        self
    }

    fn hash(&self, previous: &[u8]) -> Vec<u8> {
        let mut context = Context::new(&SHA256);
        context.update(previous);
        context.update(&self.at_ms.to_be_bytes());
        for text in [&self.app, &self.actor, &self.origin, &self.action, &self.subject, &self.before, &self.after] {
            // As the database gives it back.
            let text = text.replace('\0', "\u{fffd}");
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        context.finish().as_ref().to_vec()
    }
}

/// Adds a row, in the transaction that does what it tells. It holds a lock from here to the end of the transaction.
pub(crate) async fn add(tx: &mut Tx, row: AuditRow) -> Result<(), StoreError> {
    tx.lock(Lock::Audit).await?;
    let last = tx.query_one("SELECT hash FROM audit ORDER BY id DESC LIMIT 1", vec![]).await?;
    let previous = last.map_or(Ok(Vec::new()), |mut row| row.bytes(0))?;
    let hash = row.hash(&previous);
    let sql = "INSERT INTO audit (at_ms, app, actor, origin, action, subject, before_json, after_json, hash) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let AuditRow { id: _, at_ms, app, actor, origin, action, subject, before, after } = row;
    tx.execute(sql, args![at_ms, app, actor, origin, action, subject, before, after, hash]).await?;
    Ok(())
}

const COLUMNS: &str = "id, at_ms, app, actor, origin, action, subject, before_json, after_json";

impl Store {
    /// Rows of the audit log before `before` (newest first), of one app or of all.
    ///
    /// # Errors
    /// The database.
    pub async fn audit(&self, app: Option<&str>, before: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let limit = i64::from(limit);
        let db = self.prepare().await?;
        let rows = match app {
            Some(app) => {
                let sql = format!("SELECT {COLUMNS} FROM audit WHERE app = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
                db.query(&sql, args![app, before, limit]).await?
            }
            None => {
                let sql = format!("SELECT {COLUMNS} FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2");
                db.query(&sql, args![before, limit]).await?
            }
        };
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Follows the chain of hashes from the oldest row that is kept; gives the id of the first row that does not fit.
    ///
    /// # Errors
    /// The database.
    pub async fn check_audit(&self) -> Result<Option<i64>, StoreError> {
        let db = self.prepare().await?;
        let (mut after, mut previous) = (0, None);
        loop {
            let sql = format!("SELECT {COLUMNS}, hash FROM audit WHERE id > $1 ORDER BY id LIMIT $2");
            let rows = db.query(&sql, args![after, CHECKED_ROWS]).await?;
            if rows.is_empty() {
                return Ok(None);
            }
            for mut row in rows {
                let entry = read(&mut row)?;
                let hash = row.bytes(9)?;
                // What the oldest row follows may have been swept.
                if previous.as_ref().is_some_and(|previous: &Vec<u8>| entry.hash(previous) != hash) {
                    return Ok(Some(entry.id));
                }
                after = entry.id;
                previous = Some(hash);
            }
        }
    }
}

fn read(row: &mut crate::db::Row) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        id: row.int(0)?,
        at_ms: row.int(1)?,
        app: row.text(2)?,
        actor: row.text(3)?,
        origin: row.text(4)?,
        action: row.text(5)?,
        subject: row.text(6)?,
        before: row.text(7)?,
        after: row.text(8)?,
    })
}
