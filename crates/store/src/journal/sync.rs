//! The thread that brings entries to the disk, and notes every few seconds that we are alive: what was open when a
//! process was killed ended about then.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Inner, SYNC_INTERVAL};

/// The note is at most this old.
const ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Holds the note: milliseconds since 1970 in 20 digits.
const ALIVE_FILE: &str = "alive";

/// What the process before us noted last.
pub(super) fn alive_ms(folder: &Path) -> Option<i64> {
    fs::read_to_string(folder.join(ALIVE_FILE)).ok()?.trim().parse().ok()
}

pub(super) fn start(inner: &Arc<Inner>) -> io::Result<()> {
    let alive =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(inner.folder.join(ALIVE_FILE))?;
    note(&alive);
    let folder = File::open(&inner.folder)?;
    let inner = Arc::downgrade(inner);
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || run(&inner, &alive, &folder))?;
    Ok(())
}

fn run(inner: &Weak<Inner>, alive: &File, folder: &File) {
    let mut noted = Instant::now();
    let mut failing = false;
    while let Some(inner) = inner.upgrade() {
        if noted.elapsed() >= ALIVE_INTERVAL {
            note(alive);
            noted = Instant::now();
        }
        let closed = match round(&inner, folder) {
            Ok(closed) => {
                failing = false;
                closed
            }
            Err(error) => {
                inner.sync_errors.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "the disk does not take the journal");
                }
                inner.state().closed
            }
        };
        if closed {
            note(alive);
            return;
        }
        // Entries gather for the next round. Nobody wakes us from this one but the end.
        let state = inner.state();
        let wait = |state: &mut super::State| !state.closed;
        drop(inner.to_sync.wait_timeout_while(state, SYNC_INTERVAL, wait).unwrap_or_else(PoisonError::into_inner));
        let state = inner.state();
        let idle = |state: &mut super::State| !state.closed && !state.dirty && state.unsynced.is_empty();
        drop(inner.to_sync.wait_timeout_while(state, ALIVE_INTERVAL, idle).unwrap_or_else(PoisonError::into_inner));
    }
}

/// Brings what there is to the disk; says whether the journal is closed.
fn round(inner: &Inner, folder: &File) -> io::Result<bool> {
    let (files, closed) = {
        let mut state = inner.state();
        let mut files = std::mem::take(&mut state.unsynced);
        if state.dirty {
            match state.active.try_clone() {
                Ok(file) => files.push(file),
                Err(error) => {
                    state.unsynced = files;
                    return Err(error);
                }
            }
            state.dirty = false;
        }
        (files, state.closed)
    };
    let synced = files.iter().try_for_each(File::sync_data).and_then(|()| {
        // New files are found again only if the folder knows them.
        if files.is_empty() { Ok(()) } else { folder.sync_data() }
    });
    if let Err(error) = synced {
        inner.state().unsynced.extend(files);
        return Err(error);
    }
    Ok(closed)
}

fn note(alive: &File) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    // One write of a fixed length: the note is the old one or the new one.
    let _ = alive.write_all_at(format!("{now:020}").as_bytes(), 0);
}
