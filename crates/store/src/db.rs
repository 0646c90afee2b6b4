//! The one place that knows two databases: connections, transactions, values. Everything above it writes SQL that both
//! understand (`$1`, `ON CONFLICT`, `RETURNING`) over three types: numbers of 64 bits, text, bytes.
//!
//! SQLite has one connection that writes and some that read; a write transaction begins as one (`BEGIN IMMEDIATE`), so
//! that it never fails halfway for a lock.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgPool, PgPoolOptions, PgRow, PgTypeInfo};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Postgres, Row as _, Sqlite, Transaction, TypeInfo as _,
    ValueRef as _,
};

use crate::{StoreError, StoreUrl};

/// Connections to SQLite that only read.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 10;
/// A connection that does not come free or does not come about in this time is an error.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Another process may hold SQLite's write lock this long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of SQLite's write-ahead log that stay on disk between checkpoints.
const WAL_BYTES_KEPT: &str = "67108864";

/// An argument of a statement. PostgreSQL is told the type of a null.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    NullInt,
    NullText,
    /// Of whatever type its place has; for values that come from a file.
    Null,
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Arg {
    fn from(yes: bool) -> Self {
        Self::Int(i64::from(yes))
    }
}

impl From<Option<i64>> for Arg {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::NullInt, Self::Int)
    }
}

/// PostgreSQL knows no NUL in a text; neither do we, so that both databases hold the same.
impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text })
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Arg {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::NullText, Into::into)
    }
}

impl From<Vec<u8>> for Arg {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// The arguments of a statement, in order.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { vec![$(crate::db::Arg::from($arg)),*] };
}
pub(crate) use args;

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row, by place.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) Vec<Value>);

impl Row {
    fn take(&mut self, index: usize) -> Value {
        self.0.get_mut(index).map_or(Value::Null, |value| std::mem::replace(value, Value::Null))
    }

    pub(crate) fn int(&mut self, index: usize) -> Result<i64, StoreError> {
        self.opt_int(index)?.ok_or(StoreError::Damaged { what: "number" })
    }

    pub(crate) fn opt_int(&mut self, index: usize) -> Result<Option<i64>, StoreError> {
        match self.take(index) {
            Value::Int(number) => Ok(Some(number)),
            Value::Null => Ok(None),
            _ => Err(StoreError::Damaged { what: "number" }),
        }
    }

    pub(crate) fn text(&mut self, index: usize) -> Result<String, StoreError> {
        self.opt_text(index)?.ok_or(StoreError::Damaged { what: "text" })
    }

    pub(crate) fn opt_text(&mut self, index: usize) -> Result<Option<String>, StoreError> {
        match self.take(index) {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            _ => Err(StoreError::Damaged { what: "text" }),
        }
    }

    pub(crate) fn bytes(&mut self, index: usize) -> Result<Vec<u8>, StoreError> {
        match self.take(index) {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(StoreError::Damaged { what: "column of bytes" }),
        }
    }
}

/// Connections to the database.
#[derive(Debug, Clone)]
pub(crate) enum Db {
    Sqlite { read: SqlitePool, write: SqlitePool },
    Postgres(PgPool),
}

/// A transaction that may write. Dropped, it changes nothing.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A null whose type PostgreSQL finds out by itself.
#[derive(Debug)]
struct Untyped;

impl sqlx::Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl sqlx::Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

/// Binds arguments to a statement of either database.
macro_rules! bound {
    (Sqlite, $sql:expr, $args:expr) => {
        bound!(Sqlite, $sql, $args, i64)
    };
    (Postgres, $sql:expr, $args:expr) => {
        bound!(Postgres, $sql, $args, Untyped)
    };
    ($database:ty, $sql:expr, $args:expr, $null:ty) => {{
        // All SQL is written in this crate; what comes from outside is an argument.
        let mut query = sqlx::query::<$database>(AssertSqlSafe($sql));
        for arg in $args {
            query = match arg {
                Arg::Int(number) => query.bind(number),
                Arg::Text(text) => query.bind(text),
                Arg::Bytes(bytes) => query.bind(bytes),
                Arg::NullInt => query.bind(None::<i64>),
                Arg::NullText => query.bind(None::<String>),
                Arg::Null => query.bind(None::<$null>),
            };
        }
        query
    }};
}

impl Db {
    /// Connects. `create`: a SQLite file that is not there is made. `write` false: nothing can be changed.
    pub(crate) async fn open(url: &StoreUrl, create: bool, write: bool) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Sqlite(path) => {
                let reading = SqliteConnectOptions::new()
                    .filename(path)
                    .busy_timeout(BUSY_TIMEOUT)
                    .foreign_keys(false)
                    .disable_statement_logging()
                    .read_only(true);
                let mut writing = reading.clone().read_only(!write).create_if_missing(create);
                if write {
                    writing = writing
                        .auto_vacuum(SqliteAutoVacuum::Incremental)
                        .journal_mode(SqliteJournalMode::Wal)
                        .pragma("journal_size_limit", WAL_BYTES_KEPT)
                        // The journal forgets what the database has: then it must be on the disk.
                        .synchronous(SqliteSynchronous::Full);
                }
                let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(CONNECT_TIMEOUT);
                let write = pool(1)
                    .after_release(|connection, _| {
                        Box::pin(async move {
                            // What was dropped is rolled back by then. When the disk is full SQLite has done so by
                            // itself, and the connection does not know any more where it is.
                            connection.ping().await?;
                            Ok(!connection.is_in_transaction())
                        })
                    })
                    .connect_with(writing)
                    .await
                    .map_err(|source| opening(url, source))?;
                let read = pool(SQLITE_READERS).connect_lazy_with(reading);
                Ok(Self::Sqlite { read, write })
            }
            StoreUrl::Postgres(options) => {
                let options = options.as_ref().clone().application_name("tutti").disable_statement_logging();
                let pool = PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(CONNECT_TIMEOUT);
                Ok(Self::Postgres(pool.connect_with(options).await.map_err(|source| opening(url, source))?))
            }
        }
    }

    /// Rows outside of a transaction.
    pub(crate) async fn query(&self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite { read, .. } => {
                bound!(Sqlite, sql, args).fetch_all(read).await?.iter().map(sqlite_row).collect()
            }
            Self::Postgres(pool) => {
                bound!(Postgres, sql, args).fetch_all(pool).await?.iter().map(postgres_row).collect()
            }
        }
    }

    /// The first row outside of a transaction.
    pub(crate) async fn query_one(&self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// Begins a transaction that may write.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// One statement in a transaction of its own: how many rows it changed.
    pub(crate) async fn execute(&self, sql: &str, args: Vec<Arg>) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let changed = tx.execute(sql, args).await?;
        tx.commit().await?;
        Ok(changed)
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// How many rows a statement changed.
    pub(crate) async fn execute(&mut self, sql: &str, args: Vec<Arg>) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => bound!(Sqlite, sql, args).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => bound!(Postgres, sql, args).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// The rows that a statement gives.
    pub(crate) async fn query(&mut self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(tx) => bound!(Sqlite, sql, args).fetch_all(&mut **tx).await?.iter().map(sqlite_row).collect(),
            Self::Postgres(tx) => {
                bound!(Postgres, sql, args).fetch_all(&mut **tx).await?.iter().map(postgres_row).collect()
            }
        }
    }

    pub(crate) async fn query_one(&mut self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// Hands over rows one after the other, without holding all of them.
    pub(crate) async fn each<E: From<StoreError>>(
        &mut self,
        sql: &str,
        mut take: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Sqlite(tx) => {
                let mut rows = sqlx::query::<Sqlite>(AssertSqlSafe(sql)).fetch(&mut **tx);
                while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
                    take(sqlite_row(&row)?)?;
                }
            }
            Self::Postgres(tx) => {
                let mut rows = sqlx::query::<Postgres>(AssertSqlSafe(sql)).fetch(&mut **tx);
                while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
                    take(postgres_row(&row)?)?;
                }
            }
        }
        Ok(())
    }

    /// Several statements without arguments.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await?;
            }
            Self::Postgres(tx) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await?;
            }
        }
        Ok(())
    }

    /// Until the end of this transaction, nobody else is in one that asked for the same lock. SQLite has one writer
    /// anyway.
    pub(crate) async fn lock(&mut self, lock: Lock) -> Result<(), StoreError> {
        if self.is_postgres() {
            self.query("SELECT pg_advisory_xact_lock($1)", vec![Arg::Int(lock as i64)]).await?;
        }
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// What only one transaction of all nodes does at a time. The numbers are our names in PostgreSQL's one space of locks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock {
    /// Changes the schema.
    Schema = 0x7475_0001,
    /// Adds to the outbox: ids become visible in order.
    Outbox = 0x7475_0002,
    /// Adds to the audit chain.
    Audit = 0x7475_0003,
}

/// What went wrong when the first connection was made.
fn opening(url: &StoreUrl, source: sqlx::Error) -> StoreError {
    let database = url.to_string();
    let code = source.as_database_error().and_then(|cause| cause.code()).unwrap_or_default().into_owned();
    match (url, code.as_str()) {
        (StoreUrl::Postgres(_), "28P01" | "28000") => StoreError::Credentials { database },
        (StoreUrl::Postgres(_), "3D000") => StoreError::Absent { database },
        (StoreUrl::Sqlite(_), "14") => StoreError::Open { database, source },
        _ => match StoreError::from(source) {
            StoreError::Unreachable(source) => StoreError::Open { database, source },
            error => error,
        },
    }
}

fn sqlite_row(row: &SqliteRow) -> Result<Row, StoreError> {
    let mut values = Vec::with_capacity(row.len());
    for index in 0..row.len() {
        let raw = row.try_get_raw(index)?;
        values.push(match (raw.is_null(), raw.type_info().name()) {
            (true, _) => Value::Null,
            (_, "INTEGER") => Value::Int(row.try_get(index)?),
            (_, "TEXT") => Value::Text(row.try_get(index)?),
            (_, "BLOB") => Value::Bytes(row.try_get(index)?),
            _ => return Err(StoreError::Damaged { what: "column of a type that we do not use" }),
        });
    }
    Ok(Row(values))
}

fn postgres_row(row: &PgRow) -> Result<Row, StoreError> {
    let mut values = Vec::with_capacity(row.len());
    for index in 0..row.len() {
        let raw = row.try_get_raw(index)?;
        values.push(match (raw.is_null(), raw.type_info().name()) {
            (true, _) => Value::Null,
            (_, "INT8") => Value::Int(row.try_get(index)?),
            (_, "INT4") => Value::Int(row.try_get::<i32, _>(index)?.into()),
            (_, "TEXT" | "VARCHAR" | "NAME") => Value::Text(row.try_get(index)?),
            (_, "BYTEA") => Value::Bytes(row.try_get(index)?),
            (_, "VOID") => Value::Null,
            _ => return Err(StoreError::Damaged { what: "column of a type that we do not use" }),
        });
    }
    Ok(Row(values))
}
