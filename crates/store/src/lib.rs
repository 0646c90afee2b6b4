//! What outlives the process: apps and keys, what happened, and the events that tell of it. SQLite in the data folder,
//! or PostgreSQL; behind a journal on local disk, so that no call waits for a database.
//!
//! ```text
//! room task ── Fact ──► Facts::take ──► Journal ──► Writer ──┬──► session, participation, track   (history)
//!                       (one write)    (local disk)  (batch)  └──► outbox                          (events)
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`fact`] | what happened, as a value |
//! | [`journal`] | the append-only file between rooms and database |
//! | [`writer`] | the task that brings facts into the database; [`Facts`] is its front |
//! | [`apply`], [`lost`] | facts to rows, once each; the end of what a killed node left open |
//! | [`outbox`] | events in the order in which they became visible |
//! | [`endpoint`] | endpoints of web-hooks, and events that wait for one of them |
//! | [`history`] | sessions, stays, tracks, in pages |
//! | [`apps`], [`settings`], [`keys`], [`master_key`] | apps and their keys, secrets sealed |
//! | [`ring`] | keys and apps in memory, for those who must not wait |
//! | [`audit`] | who changed what, in a chain |
//! | [`erase`] | the end of deleted apps, and of what is older than it is kept |
//! | [`backup`] | a whole store in one file, and back |
//! | [`store`], [`migrate`], [`url`] | opening a store, its versions, where it is |
//! | [`db`], [`rows`] | the only ones that know two databases |
//! | [`folder`] | the data folder: its lock, the node's id |
//!
//! # For those who build on it
//!
//! * **Events out** (web-hooks, streams) read [`Store::events`] from the last id that they saw: ids become visible in
//!   their order, so nothing is missed. An [`Endpoint`] keeps the place where it is. [`OutboxEvent::body`] is a
//!   [`Fact`] as JSON, with rooms, participants and tracks as the protocol spells them.
//! * **A change that is to be told** (an app, a key, a job) writes its outbox row in its own transaction.
//! * **Facts come at least once, and count once**: (session, sequence) is the key.
//! * Every session and event carries its node; sids are random, so they are unique over nodes.
//!
//! Must not: know HTTP, hold a room's task up, or show a secret.

mod apply;
mod apps;
mod audit;
mod backup;
mod db;
mod endpoint;
mod erase;
mod error;
mod fact;
mod folder;
mod history;
mod journal;
mod keys;
mod lost;
mod master_key;
mod migrate;
mod outbox;
mod ring;
mod rows;
mod settings;
mod store;
mod url;
mod writer;

pub use apps::{AdminError, App, AppState};
pub use audit::{Actor, AuditRow};
pub use backup::BackupError;
pub use endpoint::{Delivery, DeliveryState, Endpoint};
pub use erase::{Erased, Retention};
pub use error::StoreError;
pub use fact::{Client, Event, Fact, NODE_LOST};
pub use folder::{DataFolder, FolderError};
pub use history::{Cursor, HistoryQuery, PAGE_MAX, Page, ParticipationRow, SessionRow, TrackRow};
pub use journal::{
    BYTES_MAX_DEFAULT, Journal, JournalCounts, JournalError, Position, Reader, Recovered, SYNC_INTERVAL,
};
pub use keys::{ApiKey, NewKey, SECRET_BYTES_MIN, Scope};
pub use master_key::{MASTER_KEY_BYTES, MasterKeyError, MasterKeys};
pub use migrate::VERSION;
pub use outbox::OutboxEvent;
pub use ring::{KeyRefusal, KeyRing, KnownApp, KnownKey, REFRESH_INTERVAL};
pub use settings::{AppLimits, AppSettings, Duplicates, Naming, RequestRates};
pub use store::{Store, version_of};
pub use url::{FILE_DEFAULT, StoreUrl};
pub use writer::{Facts, WriterCounts};
