//! What can go wrong with the database. No variant shows a password: addresses are shown as [`StoreUrl`](crate::StoreUrl)
//! prints them.

use sqlx::error::ErrorKind;

/// Why the store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address names no database that we know.
    #[error("store.url: {reason}")]
    Url {
        /// What is wrong with it, without the address itself.
        reason: &'static str,
    },
    /// The folder of the SQLite file is not there, or the file cannot be opened.
    #[error("cannot open {database}")]
    Open {
        /// Which.
        database: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// There is a file, and it is no SQLite database.
    #[error("the store's file is not a database")]
    NotADatabase(#[source] sqlx::Error),
    /// The database does not know the user or the password, or refuses them.
    #[error("{database} refuses the user or the password")]
    Credentials {
        /// Which.
        database: String,
    },
    /// The server answers and has no such database.
    #[error("{database} does not exist")]
    Absent {
        /// Which.
        database: String,
    },
    /// Nobody answers, the connection broke, or no connection came free in time. It may pass.
    #[error("the database cannot be reached")]
    Unreachable(#[source] sqlx::Error),
    /// Somebody else holds a lock. It passes.
    #[error("the database is busy")]
    Busy(#[source] sqlx::Error),
    /// The database may only be read.
    #[error("the database is read-only")]
    ReadOnly(#[source] sqlx::Error),
    /// The disk under the database, or its quota, is full.
    #[error("the database is full")]
    Full(#[source] sqlx::Error),
    /// A newer version of the program wrote it. Nothing was touched.
    #[error("the store has version {found}, this program knows {known}: run the newer program, or restore a backup")]
    Newer {
        /// Of the store.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// An older version wrote it, and it is only to be read.
    #[error("the store has version {found}, this program needs {known}: run `tutti store migrate`")]
    Older {
        /// Of the store.
        found: i64,
        /// The one that this program needs.
        known: i64,
    },
    /// A row with this key is there already.
    #[error("it exists already")]
    Exists,
    /// A value is not taken, and never will be: too long, or not what its column holds.
    #[error("the database refuses a value")]
    Value(#[source] sqlx::Error),
    /// The statement was refused: a bug, or a database that is not as we made it.
    #[error("the database refuses a statement")]
    Statement(#[source] sqlx::Error),
    /// A row is not what we wrote.
    #[error("the store holds a {what} that cannot be read")]
    Damaged {
        /// What should be there.
        what: &'static str,
    },
}

impl StoreError {
    /// Whether the same may succeed later without anybody changing what was asked.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy(_) | Self::ReadOnly(_) | Self::Full(_) | Self::Open { .. })
    }
}

/// How the databases say the same: SQLSTATE of PostgreSQL, primary result code of SQLite.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(cause) = &error else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed
                | sqlx::Error::Protocol(_) => Self::Unreachable(error),
                error => Self::Statement(error),
            };
        };
        if cause.kind() == ErrorKind::UniqueViolation {
            return Self::Exists;
        }
        let code = cause.code().unwrap_or_default().into_owned();
        // SQLite's extended codes hold the primary one in their low byte.
        let sqlite = code.parse::<i32>().ok().filter(|_| code.len() != 5).map(|code| code & 0xff);
        match (sqlite, code.as_str()) {
            (Some(5 | 6), _) | (None, "40001" | "40P01" | "55P03") => Self::Busy(error),
            (Some(26), _) => Self::NotADatabase(error),
            (Some(8), _) | (None, "25006") => Self::ReadOnly(error),
            (Some(13), _) | (None, "53100") => Self::Full(error),
            (Some(10 | 14), _) => Self::Unreachable(error),
            (Some(18..=20), _) => Self::Value(error),
            (None, code) if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => Self::Value(error),
            (None, code) if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => {
                Self::Unreachable(error)
            }
            _ => Self::Statement(error),
        }
    }
}
