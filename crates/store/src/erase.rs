//! Data that goes: all of a deleted app, and what is older than it is kept. In steps that are small enough that nobody
//! waits for them.

use crate::apps::changed;
use crate::audit::{Actor, AuditRow};
use crate::db::{Arg, Tx, args};
use crate::store::now_ms;
use crate::{Store, StoreError, outbox};

/// Rows of one step.
const STEP_ROWS: i64 = 500;
/// Sessions that a step looks at.
const STEP_SESSIONS: i64 = 20;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Tables with rows of apps, but for `app` itself and the audit log, which says what became of them.
pub(crate) const OF_APPS: [&str; 24] = [
    "api_key",
    "policy",
    "ban",
    "room_settings",
    "room_template",
    "delivery",
    "endpoint",
    "idempotency",
    "outbox",
    "message",
    "job",
    "series_chunk",
    "leg",
    "call_event",
    "track",
    "participation",
    "session",
    "usage_presence",
    "usage_second",
    "user_day",
    "rollup_minute",
    "rollup_hour",
    "rollup_day",
    "alert",
];

/// Tables with rows of sessions; they go with the session.
const OF_SESSIONS: [&str; 7] =
    ["series_chunk", "leg", "call_event", "track", "participation", "usage_presence", "usage_second"];

/// How long each kind of data is kept, days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Sessions that are over, with their stays, tracks, legs, events of calls and usage.
    pub history: u32,
    /// Events in the outbox and their deliveries.
    pub events: u32,
    /// Messages.
    pub messages: u32,
    /// Jobs that ended.
    pub jobs: u32,
    /// Samples of quality.
    pub samples: u32,
    /// Sums of each minute.
    pub minutes: u32,
    /// Sums of each hour, and alerts.
    pub hours: u32,
    /// The audit log.
    pub audit: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { history: 365, events: 365, messages: 365, jobs: 365, samples: 30, minutes: 30, hours: 365, audit: 3650 }
    }
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erased {
    /// So many rows went; there may be more.
    Rows(u64),
    /// The last of an app went: its data is gone for good.
    App(String),
    /// There is nothing to do.
    Nothing,
}

impl Store {
    /// Takes one step at the data of apps that are being deleted.
    ///
    /// # Errors
    /// The database.
    pub async fn erase_step(&self) -> Result<Erased, StoreError> {
        let db = self.prepare().await?;
        let Some(mut row) =
            db.query_one("SELECT id FROM app WHERE state = 'deleting' ORDER BY id LIMIT 1", vec![]).await?
        else {
            return Ok(Erased::Nothing);
        };
        let app = row.text(0)?;
        let mut tx = db.begin().await?;
        for table in OF_APPS {
            let gone = delete(&mut tx, table, "app = $1", args![&app]).await?;
            if gone > 0 {
                tx.commit().await?;
                return Ok(Erased::Rows(gone));
            }
        }
        let sql = "UPDATE app SET state = 'deleted', name = '', account = '', settings = '{}', deleted_ms = $2, \
                   changed_ms = $2 WHERE id = $1";
        tx.execute(sql, args![&app, now_ms()]).await?;
        changed(&mut tx, AuditRow::new(&app, &Actor::local("server"), "app.deleted", &app)).await?;
        // The app has no events any more: those of the installation say it.
        let body = serde_json::json!({ "app": app }).to_string();
        outbox::tell(&mut tx, "", "app_deleted", now_ms(), body).await?;
        tx.commit().await?;
        Ok(Erased::App(app))
    }

    /// Takes one step at what is older than it is kept.
    ///
    /// # Errors
    /// The database.
    pub async fn sweep_step(&self, retention: &Retention) -> Result<Erased, StoreError> {
        let now_ms = now_ms();
        let before = |days: u32| args![now_ms - i64::from(days) * DAY_MS];
        let rules: [(&str, &str, Vec<Arg>); 10] = [
            ("outbox", "at_ms < $1", before(retention.events)),
            ("delivery", "changed_ms < $1", before(retention.events)),
            ("idempotency", "created_ms < $1", before(1)),
            ("message", "at_ms < $1", before(retention.messages)),
            ("job", "ended_ms < $1", before(retention.jobs)),
            ("series_chunk", "to_ms < $1", before(retention.samples)),
            ("rollup_minute", "at_ms < $1", before(retention.minutes)),
            ("rollup_hour", "at_ms < $1", before(retention.hours)),
            ("alert", "raised_ms < $1", before(retention.hours)),
            ("audit", "at_ms < $1", before(retention.audit)),
        ];
        let db = self.prepare().await?;
        let mut tx = db.begin().await?;
        let mut gone = sweep_sessions(&mut tx, now_ms - i64::from(retention.history) * DAY_MS).await?;
        for (table, which, args) in rules {
            gone += delete(&mut tx, table, which, args).await?;
        }
        tx.commit().await?;
        Ok(if gone == 0 { Erased::Nothing } else { Erased::Rows(gone) })
    }
}

/// Some rows of sessions that were over before a time; a session itself when nothing of it is left.
async fn sweep_sessions(tx: &mut Tx, before_ms: i64) -> Result<u64, StoreError> {
    let sql = "SELECT sid FROM session WHERE finished_ms < $1 ORDER BY finished_ms, sid LIMIT $2";
    let mut gone = 0;
    for mut row in tx.query(sql, args![before_ms, STEP_SESSIONS]).await? {
        let sid = row.text(0)?;
        let mut more = false;
        for table in OF_SESSIONS {
            let rows = delete(tx, table, "session_sid = $1", args![&sid]).await?;
            gone += rows;
            more |= rows >= STEP_ROWS as u64;
        }
        if more || gone >= STEP_ROWS as u64 {
            return Ok(gone);
        }
        gone += tx.execute("DELETE FROM session WHERE sid = $1", args![sid]).await?;
    }
    Ok(gone)
}

/// Deletes at most [`STEP_ROWS`].
async fn delete(tx: &mut Tx, table: &str, which: &str, mut args: Vec<Arg>) -> Result<u64, StoreError> {
    args.push(Arg::Int(STEP_ROWS));
    let limit = args.len();
    let sql = if tx.is_postgres() {
        format!("DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {which} LIMIT ${limit}))")
    } else {
        format!("DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {which} LIMIT ${limit})")
    };
    tx.execute(&sql, args).await
}
