//! Events on their way out: web-hooks, streams, whoever wants to know. A row is written in the transaction that writes
//! what it tells of.
//!
//! Readers go on after the last id that they saw. Ids become visible in their order, over all nodes: whoever inserts
//! holds [`Lock::Outbox`] to the end of the transaction.

use crate::db::{Arg, Lock, Row, Tx, args};
use crate::{Fact, Store, StoreError, rows};

/// An event as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    /// Place in the outbox; grows, with holes.
    pub id: i64,
    /// Whose.
    pub app: String,
    /// The room; empty for events of no room.
    pub room: String,
    /// The session; empty for events of no room.
    pub session: String,
    /// Number in the session, from 1; 0 for events of no room.
    pub sequence: i64,
    /// `room_started`, … ([`Event::kind`](crate::Event::kind)), or the name of an event of no room.
    pub kind: String,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// The node that saw it.
    pub node: String,
    /// JSON: a [`Fact`], or what an event of no room says.
    pub body: String,
}

const COLUMNS: &str = "app, room, session_sid, sequence, kind, at_ms, node, body";

pub(crate) fn row(fact: &Fact) -> Result<Vec<Arg>, StoreError> {
    let body = serde_json::to_string(fact).map_err(|_| StoreError::Damaged { what: "fact" })?;
    let kind = fact.event.kind();
    Ok(args![&fact.app, &fact.room, &fact.session, fact.sequence, kind, fact.at_ms, &fact.node, body])
}

/// Inserts rows that [`row`] made. The caller holds the lock.
pub(crate) async fn insert(tx: &mut Tx, rows: Vec<Vec<Arg>>) -> Result<(), StoreError> {
    rows::insert(tx, "outbox", COLUMNS, "ON CONFLICT DO NOTHING", rows).await?;
    Ok(())
}

/// Tells of something that is of no room, in the transaction that does it. Call it last: it takes the lock.
pub(crate) async fn tell(tx: &mut Tx, app: &str, kind: &str, at_ms: i64, body: String) -> Result<(), StoreError> {
    tx.lock(Lock::Outbox).await?;
    insert(tx, vec![args![app, "", "", 0_i64, kind, at_ms, "", body]]).await
}

impl Store {
    /// Events after `after` in the order in which they became visible, of one app or of all.
    ///
    /// # Errors
    /// The database.
    pub async fn events(&self, app: Option<&str>, after: i64, limit: u32) -> Result<Vec<OutboxEvent>, StoreError> {
        let db = self.prepare().await?;
        let limit = i64::from(limit);
        let rows = match app {
            Some(app) => {
                let sql = format!("SELECT id, {COLUMNS} FROM outbox WHERE app = $1 AND id > $2 ORDER BY id LIMIT $3");
                db.query(&sql, args![app, after, limit]).await?
            }
            None => {
                let sql = format!("SELECT id, {COLUMNS} FROM outbox WHERE id > $1 ORDER BY id LIMIT $2");
                db.query(&sql, args![after, limit]).await?
            }
        };
        rows.into_iter().map(event).collect()
    }

    /// Id of the newest event; 0 if there is none.
    ///
    /// # Errors
    /// The database.
    pub async fn last_event(&self) -> Result<i64, StoreError> {
        let row = self.prepare().await?.query_one("SELECT coalesce(max(id), 0) FROM outbox", vec![]).await?;
        row.map_or(Ok(0), |mut row| row.int(0))
    }

    /// Events of one session, from number `from` on.
    ///
    /// # Errors
    /// The database.
    pub async fn session_events(&self, session: &str, from: i64, limit: u32) -> Result<Vec<OutboxEvent>, StoreError> {
        let sql = format!(
            "SELECT id, {COLUMNS} FROM outbox WHERE session_sid = $1 AND session_sid <> '' AND sequence >= $2 \
             ORDER BY sequence LIMIT $3"
        );
        let rows = self.prepare().await?.query(&sql, args![session, from, i64::from(limit)]).await?;
        rows.into_iter().map(event).collect()
    }
}

/// A row of [`COLUMNS`] after an id.
pub(crate) fn event(mut row: Row) -> Result<OutboxEvent, StoreError> {
    Ok(OutboxEvent {
        id: row.int(0)?,
        app: row.text(1)?,
        room: row.text(2)?,
        session: row.text(3)?,
        sequence: row.int(4)?,
        kind: row.text(5)?,
        at_ms: row.int(6)?,
        node: row.text(7)?,
        body: row.text(8)?,
    })
}
