//! Endpoints of web-hooks, and the events that wait for one of them.
//!
//! An endpoint has a position: every event up to it is delivered, or has a row in `delivery` that says what became of
//! it. So a receiver that takes everything at once costs one row for each batch, not one for each event.
//!
//! One node at a time delivers to an endpoint: the one that holds it. Whoever finds that it does not any more stops,
//! and has changed nothing.

use crate::db::{Arg, Row, Tx, args};
use crate::outbox::{self, OutboxEvent};
use crate::store::now_ms;
use crate::{Store, StoreError, rows};

const DELIVERY: &str = "endpoint, event, app, state, attempts, first_ms, next_ms, status, answer, took_ms, changed_ms";

/// An endpoint as it is written down. What it is sent is decided by who delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `WH_…`.
    pub id: String,
    /// Whose events.
    pub app: String,
    /// Where to.
    pub url: String,
    /// `livekit` or `tutti`.
    pub format: String,
}

/// What became of an event that was not taken at the first attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is tried again.
    Pending,
    /// It was taken.
    Delivered,
    /// It was given up: a dead letter.
    Dead,
}

impl DeliveryState {
    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    fn parse(name: &str) -> Result<Self, StoreError> {
        [Self::Pending, Self::Delivered, Self::Dead]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or(StoreError::Damaged { what: "state of a delivery" })
    }
}

/// One event on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Id of the event in the outbox.
    pub event: i64,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was tried first, milliseconds since 1970 UTC.
    pub first_ms: i64,
    /// When it is tried again.
    pub next_ms: i64,
    /// Status of the last answer; `None` = there was none.
    pub status: Option<i64>,
    /// What was answered, or why nothing was: the beginning.
    pub answer: String,
    /// How long the last attempt took, milliseconds.
    pub took_ms: Option<i64>,
}

impl Store {
    /// Writes an endpoint down, or what changed of it. A new one begins with what happens from `since_ms` on.
    ///
    /// # Errors
    /// The database.
    pub async fn put_endpoint(&self, endpoint: &Endpoint, since_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.prepare().await?.begin().await?;
        let sql = "INSERT INTO endpoint (id, app, url, format, events, secret, master_key, state, position, created_ms, changed_ms) \
                   VALUES ($1, $2, $3, $4, '', $5, '', 'active', (SELECT coalesce(max(id), 0) FROM outbox WHERE at_ms < $7), $6, $6) \
                   ON CONFLICT (id) DO UPDATE SET url = excluded.url, format = excluded.format, changed_ms = excluded.changed_ms";
        let Endpoint { id, app, url, format } = endpoint;
        tx.execute(sql, args![id, app, url, format, Vec::<u8>::new(), now_ms(), since_ms]).await?;
        tx.commit().await
    }

    /// Holds an endpoint for `node` until `until_ms`, if nobody else does: its position.
    ///
    /// # Errors
    /// The database.
    pub async fn hold_endpoint(&self, id: &str, node: &str, until_ms: i64) -> Result<Option<i64>, StoreError> {
        let mut tx = self.prepare().await?.begin().await?;
        let sql = "UPDATE endpoint SET holder = $2, held_until_ms = $3 \
                   WHERE id = $1 AND (holder = $2 OR held_until_ms < $4) RETURNING position";
        let row = tx.query_one(sql, args![id, node, until_ms, now_ms()]).await?;
        tx.commit().await?;
        row.map(|mut row| row.int(0)).transpose()
    }

    /// Says that every event up to `position` was taken, except those of `rest`. False: `node` does not hold the endpoint
    /// any more, and nothing was changed.
    ///
    /// # Errors
    /// The database.
    pub async fn advance_endpoint(
        &self,
        endpoint: &Endpoint,
        node: &str,
        position: i64,
        rest: &[Delivery],
    ) -> Result<bool, StoreError> {
        let mut tx = self.prepare().await?.begin().await?;
        let sql = "UPDATE endpoint SET position = $3 WHERE id = $1 AND holder = $2 AND position < $3";
        if tx.execute(sql, args![&endpoint.id, node, position]).await? == 0 {
            return Ok(false);
        }
        put(&mut tx, endpoint, rest).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Writes down what became of events that have rows. Events of the same sessions that wait behind one that failed
    /// wait as long as it does.
    ///
    /// # Errors
    /// The database.
    pub async fn settle_deliveries(&self, endpoint: &Endpoint, settled: &[Delivery]) -> Result<(), StoreError> {
        let mut tx = self.prepare().await?.begin().await?;
        put(&mut tx, endpoint, settled).await?;
        for failed in settled.iter().filter(|delivery| delivery.state == DeliveryState::Pending) {
            let sql = "UPDATE delivery SET next_ms = $3 WHERE endpoint = $1 AND state = 'pending' AND event > $2 AND event IN \
                       (SELECT id FROM outbox WHERE session_sid <> '' AND session_sid = \
                       (SELECT session_sid FROM outbox WHERE id = $2))";
            tx.execute(sql, args![&endpoint.id, failed.event, failed.next_ms]).await?;
        }
        tx.commit().await
    }

    /// Events that wait for an endpoint and are due, in order.
    ///
    /// # Errors
    /// The database.
    pub async fn due_deliveries(&self, endpoint: &str, limit: u32) -> Result<Vec<(OutboxEvent, Delivery)>, StoreError> {
        let sql = select("d.state = 'pending' AND d.next_ms <= $2", "LIMIT $3");
        let rows = self.prepare().await?.query(&sql, args![endpoint, now_ms(), i64::from(limit)]).await?;
        rows.into_iter().map(read).collect()
    }

    /// Sessions of which events wait for an endpoint.
    ///
    /// # Errors
    /// The database.
    pub async fn waiting_sessions(&self, endpoint: &str) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT o.session_sid FROM delivery d JOIN outbox o ON o.id = d.event \
                   WHERE d.endpoint = $1 AND d.state = 'pending' AND o.session_sid <> ''";
        let rows = self.prepare().await?.query(sql, args![endpoint]).await?;
        rows.into_iter().map(|mut row| row.text(0)).collect()
    }

    /// Dead letters of an endpoint after event `after`, in order.
    ///
    /// # Errors
    /// The database.
    pub async fn dead_letters(
        &self,
        endpoint: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(OutboxEvent, Delivery)>, StoreError> {
        let sql = select("d.state = 'dead' AND d.event > $2", "LIMIT $3");
        let rows = self.prepare().await?.query(&sql, args![endpoint, after, i64::from(limit)]).await?;
        rows.into_iter().map(read).collect()
    }

    /// Has all dead letters of an endpoint delivered again: how many.
    ///
    /// # Errors
    /// The database.
    pub async fn replay_dead(&self, endpoint: &str) -> Result<u64, StoreError> {
        let sql = "UPDATE delivery SET state = 'pending', attempts = 0, first_ms = $2, next_ms = $2, changed_ms = $2 \
                   WHERE endpoint = $1 AND state = 'dead'";
        self.prepare().await?.execute(sql, args![endpoint, now_ms()]).await
    }

    /// Has every event after outbox id `after` delivered again. False: there is no such endpoint.
    ///
    /// # Errors
    /// The database.
    pub async fn replay_after(&self, endpoint: &str, after: i64) -> Result<bool, StoreError> {
        let mut tx = self.prepare().await?.begin().await?;
        tx.execute("DELETE FROM delivery WHERE endpoint = $1 AND event > $2", args![endpoint, after]).await?;
        // Whoever holds it reads the position again when it takes hold anew.
        let sql = "UPDATE endpoint SET position = $2, holder = '', held_until_ms = 0 WHERE id = $1 AND position > $2";
        let changed = tx.execute(sql, args![endpoint, after]).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// The endpoints, by id.
    ///
    /// # Errors
    /// The database.
    pub async fn endpoints(&self) -> Result<Vec<(Endpoint, i64)>, StoreError> {
        let sql = "SELECT id, app, url, format, position FROM endpoint ORDER BY id";
        let rows = self.prepare().await?.query(sql, vec![]).await?;
        rows.into_iter()
            .map(|mut row| {
                let endpoint =
                    Endpoint { id: row.text(0)?, app: row.text(1)?, url: row.text(2)?, format: row.text(3)? };
                Ok((endpoint, row.int(4)?))
            })
            .collect()
    }
}

fn select(which: &str, limit: &str) -> String {
    format!(
        "SELECT o.id, o.app, o.room, o.session_sid, o.sequence, o.kind, o.at_ms, o.node, o.body, \
         d.state, d.attempts, d.first_ms, d.next_ms, d.status, d.answer, d.took_ms \
         FROM delivery d JOIN outbox o ON o.id = d.event WHERE d.endpoint = $1 AND {which} ORDER BY d.event {limit}"
    )
}

fn read(mut row: Row) -> Result<(OutboxEvent, Delivery), StoreError> {
    let delivery = Delivery {
        event: 0,
        state: DeliveryState::parse(&row.text(9)?)?,
        attempts: row.int(10)?,
        first_ms: row.int(11)?,
        next_ms: row.int(12)?,
        status: row.opt_int(13)?,
        answer: row.text(14)?,
        took_ms: row.opt_int(15)?,
    };
    let event = outbox::event(row)?;
    Ok((event.clone(), Delivery { event: event.id, ..delivery }))
}

async fn put(tx: &mut Tx, endpoint: &Endpoint, deliveries: &[Delivery]) -> Result<(), StoreError> {
    let now = now_ms();
    let row = |delivery: &Delivery| -> Vec<Arg> {
        let Delivery { event, state, attempts, first_ms, next_ms, status, answer, took_ms } = delivery;
        args![
            &endpoint.id,
            *event,
            &endpoint.app,
            state.name(),
            *attempts,
            *first_ms,
            *next_ms,
            *status,
            answer,
            *took_ms,
            now
        ]
    };
    let update = "ON CONFLICT (endpoint, event) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, \
                  next_ms = excluded.next_ms, status = excluded.status, answer = excluded.answer, \
                  took_ms = excluded.took_ms, changed_ms = excluded.changed_ms";
    rows::insert(tx, "delivery", DELIVERY, update, deliveries.iter().map(row).collect()).await?;
    Ok(())
}
