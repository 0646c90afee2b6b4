//! Where the store is. The password of an address never shows.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use tutti_token::Secret;

use crate::StoreError;

/// Name of the file in the data folder where no address is given.
pub const FILE_DEFAULT: &str = "tutti.db";

/// The address of a store: `sqlite:<path>` or `postgres://user:password@host:port/database`.
#[derive(Clone)]
pub enum StoreUrl {
    /// One file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<PgConnectOptions>),
}

impl StoreUrl {
    /// The file that is taken where no address is given: [`FILE_DEFAULT`] in the data folder.
    pub fn in_folder(data: &Path) -> Self {
        Self::Sqlite(data.join(FILE_DEFAULT))
    }

    /// Reads an address; an empty one is the file in the data folder.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn parse(url: &Secret, data: &Path) -> Result<Self, StoreError> {
        let text = url.expose();
        if text.is_empty() {
            return Ok(Self::in_folder(data));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(['?', '\0']) || path == ":memory:" {
                return Err(StoreError::Url { reason: "a path to a file follows `sqlite:`, without parameters" });
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // The cause might quote the address.
            let options = PgConnectOptions::from_str(text)
                .map_err(|_| StoreError::Url { reason: "write postgres://user:password@host:5432/database" })?;
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(StoreError::Url { reason: "it begins with `sqlite:` or `postgres://`, or is empty for a file" })
    }
}

/// Without the password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(options) => {
                let user = options.get_username();
                let database = options.get_database().unwrap_or(user);
                match options.get_socket() {
                    Some(socket) => write!(f, "postgres://{user}@{}/{database}", socket.display()),
                    None => write!(f, "postgres://{user}@{}:{}/{database}", options.get_host(), options.get_port()),
                }
            }
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<StoreUrl, StoreError> {
        StoreUrl::parse(&Secret::new(text), Path::new("/var/lib/tutti"))
    }

    #[test]
    fn addresses() {
        for (text, shown) in [
            ("", "sqlite:/var/lib/tutti/tutti.db"),
            ("sqlite:a/b.db", "sqlite:a/b.db"),
            ("sqlite:///a/b.db", "sqlite:/a/b.db"),
            ("postgres://ann:hush@db.example.org/tutti", "postgres://ann@db.example.org:5432/tutti"),
            ("postgresql://ann:hush@[::1]:6000/tutti?sslmode=require", "postgres://ann@[::1]:6000/tutti"),
            ("postgres://ann@%2Frun%2Fpg/tutti", "postgres://ann@/run/pg/tutti"),
        ] {
            assert_eq!(parse(text).map(|url| url.to_string()).ok().as_deref(), Some(shown), "{text}");
        }
    }

    #[test]
    fn wrong_addresses_are_refused_without_showing_them() {
        for text in [
            "mysql://ann:hush@h/d",
            "hush",
            "sqlite:",
            "sqlite::memory:",
            "postgres://ann:hush@h:x/d",
            "sqlite:a?mode=ro",
        ] {
            let error = parse(text).expect_err(text);
            assert!(matches!(error, StoreError::Url { .. }), "{text}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("hush"), "{text}: {error:?}");
        }
    }
}
