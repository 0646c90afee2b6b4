//! A whole store in one file, and back: into the same kind of database or the other one.
//!
//! The file is lines of JSON: a head with the version, then for each table its name and columns, followed by its rows as
//! arrays, and an end with the number of rows. Bytes are `{"b": base64}`. Secrets are in it as the database has them:
//! sealed by the master key, which is not in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::db::{Arg, Db, Row, Tx, Value, args};
use crate::erase::OF_APPS;
use crate::store::now_ms;
use crate::{Store, StoreError, VERSION, rows};

/// Tables besides those with rows of apps.
const OTHERS: [&str; 4] = ["app", "revision", "node", "audit"];
/// Tables that may have rows in a store that counts as empty: what every store begins with.
const BEGINNINGS: [&str; 2] = ["app", "revision"];
/// Rows that are restored together.
const RESTORED_ROWS: usize = 64;

/// Why a backup was not made, or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no backup, or not all of one.
    #[error("{path}, line {line}: not a whole backup")]
    Form {
        /// Which.
        path: PathBuf,
        /// Where.
        line: usize,
    },
    /// A newer program made it.
    #[error("the backup has version {found}, this program knows {VERSION}")]
    Newer {
        /// Its version.
        found: i64,
    },
    /// There is something in the store.
    #[error("the store is not empty; a backup is restored into a new one")]
    NotEmpty,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
struct Head {
    tutti_backup: i64,
    at_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct TableHead {
    table: String,
    columns: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct End {
    end: u64,
}

impl Store {
    /// Writes everything, as it is at one moment, into a new file; says how many rows. Nobody waits for it.
    ///
    /// # Errors
    /// See [`BackupError`]. There is no file then.
    pub async fn backup(&self, path: &Path) -> Result<u64, BackupError> {
        let failed = |source| BackupError::File { path: path.to_owned(), source };
        let draft = path.with_extension("part");
        let file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft).map_err(failed)?;
        let mut writer = BufWriter::new(file);
        let count = match self.write_all(&mut writer).await {
            Ok(count) => count,
            Err(error) => {
                let _ = fs::remove_file(&draft);
                return Err(match error {
                    Failure::File(source) => failed(source),
                    Failure::Store(error) => error.into(),
                });
            }
        };
        let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().and_then(|()| fs::rename(&draft, path)).map_err(failed)?;
        Ok(count)
    }

    async fn write_all(&self, writer: &mut BufWriter<File>) -> Result<u64, Failure> {
        let mut tx = self.prepare().await?.begin_snapshot().await?;
        line(writer, &Head { tutti_backup: VERSION, at_ms: now_ms() })?;
        let mut count = 0;
        for table in OTHERS.into_iter().chain(OF_APPS) {
            let columns = columns(&mut tx, table).await?;
            let sql = format!("SELECT {} FROM {table}", columns.join(", "));
            line(writer, &TableHead { table: table.to_owned(), columns })?;
            tx.each(&sql, |row| {
                count += 1;
                line(writer, &row.0.into_iter().map(to_json).collect::<Vec<_>>())
            })
            .await?;
        }
        line(writer, &End { end: count })?;
        writer.flush()?;
        Ok(count)
    }

    /// Fills an empty store from a file; says how many rows. All of it or nothing.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub async fn restore(&self, path: &Path) -> Result<u64, BackupError> {
        let failed = |source| BackupError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mut lines = BufReader::new(file).lines().zip(1..);
        let form = |line| BackupError::Form { path: path.to_owned(), line };
        let head: Head = match lines.next() {
            Some((text, number)) => serde_json::from_str(&text.map_err(failed)?).map_err(|_| form(number))?,
            None => return Err(form(1)),
        };
        if head.tutti_backup > VERSION {
            return Err(BackupError::Newer { found: head.tutti_backup });
        }
        let db = self.prepare().await?;
        let mut tx = db.begin().await?;
        empty(&mut tx).await?;
        let (mut table, mut waiting, mut count, mut last) = (None::<TableHead>, Vec::new(), 0, 1);
        for (text, number) in lines {
            last = number;
            let value: Json = serde_json::from_str(&text.map_err(failed)?).map_err(|_| form(number))?;
            if let Json::Array(values) = value {
                let width = table.as_ref().map_or(0, |table| table.columns.len());
                let row: Option<Vec<Arg>> = values.into_iter().map(from_json).collect();
                waiting.push(row.filter(|row| row.len() == width).ok_or_else(|| form(number))?);
                count += 1;
                if waiting.len() == RESTORED_ROWS {
                    insert(&mut tx, &table, std::mem::take(&mut waiting)).await?;
                }
                continue;
            }
            insert(&mut tx, &table, std::mem::take(&mut waiting)).await?;
            if let Ok(End { end }) = serde_json::from_value(value.clone()) {
                if end != count {
                    break;
                }
                count_on(&mut tx).await?;
                tx.commit().await?;
                return Ok(count);
            }
            let head: TableHead = serde_json::from_value(value).map_err(|_| form(number))?;
            check(&mut tx, &head).await?.then_some(()).ok_or_else(|| form(number))?;
            table = Some(head);
        }
        Err(form(last))
    }
}

enum Failure {
    File(io::Error),
    Store(StoreError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn line<T: Serialize>(writer: &mut BufWriter<File>, value: &T) -> Result<(), Failure> {
    serde_json::to_writer(&mut *writer, value).map_err(io::Error::from)?;
    writer.write_all(b"\n")?;
    Ok(())
}

fn to_json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!({ "b": STANDARD.encode(bytes) }),
    }
}

fn from_json(value: Json) -> Option<Arg> {
    Some(match value {
        // Its column says what it is.
        Json::Null => Arg::Null,
        Json::Number(number) => Arg::Int(number.as_i64()?),
        Json::String(text) => Arg::Text(text),
        Json::Object(mut object) => Arg::Bytes(STANDARD.decode(object.remove("b")?.as_str()?).ok()?),
        _ => return None,
    })
}

/// The columns of a table, in order.
async fn columns(tx: &mut Tx, table: &str) -> Result<Vec<String>, StoreError> {
    let sql = if tx.is_postgres() {
        "SELECT column_name::text FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
    } else {
        "SELECT name FROM pragma_table_info($1) ORDER BY cid"
    };
    tx.query(sql, args![table]).await?.into_iter().map(|mut row: Row| row.text(0)).collect()
}

/// Whether a table of a backup is one of ours, with columns that it has: names from a file must not become SQL unseen.
async fn check(tx: &mut Tx, head: &TableHead) -> Result<bool, StoreError> {
    if !OTHERS.iter().chain(&OF_APPS).any(|known| head.table == *known) || head.columns.is_empty() {
        return Ok(false);
    }
    let known = columns(tx, &head.table).await?;
    Ok(head.columns.iter().all(|column| known.contains(column)))
}

/// Takes away what every store begins with; refuses if there is more.
async fn empty(tx: &mut Tx) -> Result<(), BackupError> {
    for table in OTHERS.into_iter().chain(OF_APPS) {
        let count = match tx.query_one(&format!("SELECT count(*) FROM {table}"), vec![]).await? {
            Some(mut row) => row.int(0)?,
            None => 0,
        };
        if count > i64::from(BEGINNINGS.contains(&table)) {
            return Err(BackupError::NotEmpty);
        }
        tx.execute(&format!("DELETE FROM {table}"), vec![]).await?;
    }
    Ok(())
}

async fn insert(tx: &mut Tx, table: &Option<TableHead>, rows: Vec<Vec<Arg>>) -> Result<(), StoreError> {
    if let Some(TableHead { table, columns }) = table {
        rows::insert(tx, table, &columns.join(", "), "", rows).await?;
    }
    Ok(())
}

/// New rows get numbers behind those that came. SQLite sees to it by itself.
async fn count_on(tx: &mut Tx) -> Result<(), StoreError> {
    if !tx.is_postgres() {
        return Ok(());
    }
    let sql = "SELECT table_name::text FROM information_schema.columns \
               WHERE table_schema = current_schema() AND is_identity = 'YES' AND column_name = 'id' ORDER BY table_name";
    for mut row in tx.query(sql, vec![]).await? {
        let table = row.text(0)?;
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), coalesce((SELECT max(id) FROM {table}), 0) + 1, false)"
        );
        tx.query(&sql, vec![]).await?;
    }
    Ok(())
}

impl Db {
    /// Begins a transaction that sees everything as it is now and changes nothing.
    async fn begin_snapshot(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?),
            Self::Postgres(pool) => {
                Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }
}
