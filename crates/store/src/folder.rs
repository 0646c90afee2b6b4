//! The data folder: one process at a time works in it, and it says which node that is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Holds the lock.
const LOCK_FILE: &str = "lock";
/// Holds the node's id.
const NODE_FILE: &str = "node";

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process works in it.
    #[error("the data folder {0} is in use by another server: give this one its own (`data`, TUTTI_DATA)")]
    InUse(PathBuf),
    /// It cannot be made, read or written.
    #[error("cannot use {path} in the data folder")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A data folder that is ours until this is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    node: String,
    /// The lock ends with it, also when the process is killed.
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is not there, takes its lock, and reads the node's id; the first time `node` becomes it.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open(path: &Path, node: &str) -> Result<Self, FolderError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Io { path, source }
        };
        // Secrets are in it.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))?;
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(failed(&lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(FolderError::InUse(path.to_owned())),
            Err(error) => return Err(failed(&lock_path)(error.into())),
        }
        let node_path = path.join(NODE_FILE);
        let node = match fs::read_to_string(&node_path) {
            Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&node_path)(error)),
            _ => {
                replace(&node_path, node.as_bytes()).map_err(failed(&node_path))?;
                node.to_owned()
            }
        };
        Ok(Self { path: path.to_owned(), node, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Id of the node that works in this folder, the same after every start: what was open on it is found by that.
    pub fn node(&self) -> &str {
        &self.node
    }
}

/// Writes a file so that it is there whole or not at all, readable for us only.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}
