//! An append-only file on local disk between those who see facts and the database: the call path waits for neither.
//!
//! [`Journal::append`] returns when the kernel has the entry, so that it outlives the process; a thread brings what was
//! appended to the disk every [`SYNC_INTERVAL`], so that it outlives the machine but for that time. Entries are read in
//! order by one [`Reader`], which says when they are safe elsewhere; then their files go. Whoever starts finds what was
//! not said to be safe and may read some of it twice.
//!
//! | module | owns |
//! |---|---|
//! | [`frame`] | an entry's form |
//! | [`recover`] | what a start finds: segments, a torn end, damage |
//! | [`sync`] | the thread that brings entries to the disk and notes that we are alive |
//!
//! It is bounded in bytes. What does not fit is refused with an error and counted, never dropped in silence.

mod frame;
mod recover;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use frame::{Framed, HEAD_BYTES, MAGIC};

/// What was appended is on the disk after this long, if the disk keeps up.
pub const SYNC_INTERVAL: Duration = Duration::from_millis(20);
/// Bytes of one file; then the next one begins.
const SEGMENT_BYTES: u64 = 8 << 20;
/// A file that was read to its end goes if it has this many bytes: what a start may read twice.
const KEPT_BYTES: u64 = 1 << 20;
/// Bytes of all files together, by default.
pub const BYTES_MAX_DEFAULT: u64 = 256 << 20;

/// Why an entry was refused, or the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Its files have as many bytes as they may.
    #[error("the journal is full: {bytes_max} bytes wait for the database")]
    Full {
        /// How many that is.
        bytes_max: u64,
    },
    /// The entry is longer than any may be.
    #[error("an entry of {bytes} bytes is too long for the journal")]
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// The disk does not take it, or does not give it back.
    #[error("cannot use {path} of the journal")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A place between two entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    segment: u64,
    offset: u64,
}

/// What the journal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalCounts {
    /// Entries that nobody said are safe elsewhere.
    pub depth: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Entries appended since the start.
    pub appended: u64,
    /// Entries refused since the start, for whatever reason.
    pub refused: u64,
    /// Times that the disk did not take what was appended.
    pub sync_errors: u64,
}

/// The journal. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    bytes_max: u64,
    state: Mutex<State>,
    /// Something is to be brought to the disk, or it is over.
    to_sync: Condvar,
    /// Something was appended.
    appended: Notify,
    depth: AtomicU64,
    appended_total: AtomicU64,
    refused: AtomicU64,
    sync_errors: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// Oldest first; the last one is written to. Never empty.
    segments: VecDeque<Segment>,
    active: File,
    /// Bytes of all segments.
    bytes: u64,
    /// Files with bytes that are not on the disk.
    unsynced: Vec<File>,
    /// The file that is written to has such bytes.
    dirty: bool,
    closed: bool,
}

#[derive(Debug, Clone)]
struct Segment {
    number: u64,
    /// Up to here it is whole.
    bytes: u64,
    /// There is more behind that, which cannot be read.
    damaged: bool,
}

/// What a start found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Entries that are to be read.
    pub entries: u64,
    /// Bytes of an unfinished entry that were cut off the end.
    pub cut_bytes: u64,
    /// Files with damage in their middle. What could not be read of them is kept beside them as `.damaged`.
    pub damaged: u64,
    /// When the process before us was last known to be alive, milliseconds since 1970.
    pub alive_ms: Option<i64>,
}

impl Journal {
    /// Opens the journal in a folder, which is made if it is not there, and starts its thread. Nobody else may use it.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn open(folder: &Path, bytes_max: u64) -> Result<(Self, Reader, Recovered), JournalError> {
        fs::create_dir_all(folder).map_err(|source| JournalError::Io { path: folder.to_owned(), source })?;
        let (mut segments, number, mut recovered) = recover::segments(folder)?;
        recovered.alive_ms = sync::alive_ms(folder);
        let (active, segment) = begin(folder, number)?;
        let start =
            Position { segment: segments.front().map_or(number, |first| first.number), offset: MAGIC.len() as u64 };
        segments.push_back(segment);
        let bytes = segments.iter().map(|segment| segment.bytes).sum();
        let state = State { segments, active, bytes, unsynced: Vec::new(), dirty: true, closed: false };
        let inner = Arc::new(Inner {
            folder: folder.to_owned(),
            bytes_max,
            state: Mutex::new(state),
            to_sync: Condvar::new(),
            appended: Notify::new(),
            depth: AtomicU64::new(recovered.entries),
            appended_total: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            sync_errors: AtomicU64::new(0),
        });
        sync::start(&inner).map_err(|source| JournalError::Io { path: folder.to_owned(), source })?;
        let journal = Self(inner);
        let reader = Reader { journal: journal.clone(), position: start, file: None, opened: number, holds: false };
        Ok((journal, reader, recovered))
    }

    /// Appends an entry. When it returns, the entry outlives this process. Never waits for the disk.
    ///
    /// # Errors
    /// See [`JournalError`]; the entry is not in the journal then, and that is counted.
    pub fn append(&self, payload: &[u8]) -> Result<(), JournalError> {
        let appended = self.0.append(payload);
        match &appended {
            Ok(()) => {
                self.0.appended_total.fetch_add(1, Ordering::Relaxed);
                self.0.depth.fetch_add(1, Ordering::Relaxed);
                self.0.appended.notify_one();
            }
            Err(_) => drop(self.0.refused.fetch_add(1, Ordering::Relaxed)),
        }
        appended
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Counters.
    pub fn counts(&self) -> JournalCounts {
        let inner = &self.0;
        JournalCounts {
            depth: inner.depth.load(Ordering::Relaxed),
            bytes: inner.state().bytes,
            appended: inner.appended_total.load(Ordering::Relaxed),
            refused: inner.refused.load(Ordering::Relaxed),
            sync_errors: inner.sync_errors.load(Ordering::Relaxed),
        }
    }

    /// Brings everything to the disk and ends the thread.
    pub fn close(&self) {
        self.0.state().closed = true;
        self.0.to_sync.notify_all();
    }
}

impl State {
    fn end(&self) -> Position {
        self.segments.back().map_or(Position { segment: 0, offset: 0 }, |segment| Position {
            segment: segment.number,
            offset: segment.bytes,
        })
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, payload: &[u8]) -> Result<(), JournalError> {
        let frame = frame::frame(payload).ok_or(JournalError::TooLong { bytes: payload.len() })?;
        let bytes = frame.len() as u64;
        let mut state = self.state();
        if state.bytes + bytes > self.bytes_max {
            return Err(JournalError::Full { bytes_max: self.bytes_max });
        }
        if state.segments.back().is_some_and(|active| active.bytes >= SEGMENT_BYTES) {
            self.rotate(&mut state)?;
        }
        let state = &mut *state;
        let Some(segment) = state.segments.back_mut() else { return Err(JournalError::Full { bytes_max: 0 }) };
        if let Err(source) = state.active.write_all(&frame) {
            // What was written of it goes, else the next entry would stand behind half a one.
            let undone = state.active.set_len(segment.bytes);
            if undone.and_then(|()| state.active.seek(SeekFrom::Start(segment.bytes))).is_err() {
                segment.damaged = true;
                self.rotate(state)?;
            }
            return Err(JournalError::Io { path: path(&self.folder, self.end_segment(state)), source });
        }
        segment.bytes += bytes;
        state.bytes += bytes;
        if !std::mem::replace(&mut state.dirty, true) {
            self.to_sync.notify_one();
        }
        Ok(())
    }

    fn end_segment(&self, state: &State) -> u64 {
        state.end().segment
    }

    /// Begins the next file.
    fn rotate(&self, state: &mut State) -> Result<(), JournalError> {
        let (active, segment) = begin(&self.folder, state.end().segment + 1)?;
        state.bytes += segment.bytes;
        state.segments.push_back(segment);
        let full = std::mem::replace(&mut state.active, active);
        if std::mem::replace(&mut state.dirty, true) {
            state.unsynced.push(full);
        }
        self.to_sync.notify_one();
        Ok(())
    }

    /// All entries before `position` are safe elsewhere.
    fn release(&self, position: Position) -> Result<(), JournalError> {
        let mut state = self.state();
        if position == state.end() && position.offset >= KEPT_BYTES {
            self.rotate(&mut state)?;
            let rotated = state.end().segment;
            return self.forget_before(&mut state, rotated);
        }
        self.forget_before(&mut state, position.segment)
    }

    fn forget_before(&self, state: &mut State, number: u64) -> Result<(), JournalError> {
        while state.segments.len() > 1
            && let Some(segment) = state.segments.front().filter(|segment| segment.number < number).cloned()
        {
            let path = path(&self.folder, segment.number);
            let gone = if segment.damaged {
                fs::rename(&path, path.with_extension("damaged"))
            } else {
                fs::remove_file(&path)
            };
            gone.map_err(|source| JournalError::Io { path, source })?;
            state.bytes -= segment.bytes;
            state.segments.pop_front();
        }
        Ok(())
    }

    /// How far a segment can be read, and which one comes after it.
    fn extent(&self, number: u64) -> Option<(u64, Option<u64>)> {
        let state = self.state();
        let at = state.segments.iter().position(|segment| segment.number == number)?;
        Some((state.segments.get(at)?.bytes, state.segments.get(at + 1).map(|next| next.number)))
    }
}

/// Makes a segment.
fn begin(folder: &Path, number: u64) -> Result<(File, Segment), JournalError> {
    let path = path(folder, number);
    let made = || {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
        file.write_all(MAGIC)?;
        Ok(file)
    };
    let file = made().map_err(|source| JournalError::Io { path: path.clone(), source })?;
    Ok((file, Segment { number, bytes: MAGIC.len() as u64, damaged: false }))
}

/// The file of a segment.
fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("facts-{number:012}.journal"))
}

/// Reads the journal, from the oldest entry that nobody said is safe.
#[derive(Debug)]
pub struct Reader {
    journal: Journal,
    position: Position,
    file: Option<(u64, File)>,
    /// The segment that this start began.
    opened: u64,
    /// Does not read what was appended since this start.
    holds: bool,
}

impl Reader {
    /// Whether to read only what was there at the start, as if nothing had been appended since.
    pub fn hold(&mut self, holds: bool) {
        self.holds = holds;
    }

    /// The next entries in order, and the place behind them; none if all were read. At most `entries_max`, and not many
    /// more bytes than `bytes_max`. The same ones come again until [`Self::release`].
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn read(&mut self, entries_max: usize, bytes_max: usize) -> Result<(Vec<Vec<u8>>, Position), JournalError> {
        let mut at = self.position;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while entries.len() < entries_max && bytes < bytes_max && !(self.holds && at.segment >= self.opened) {
            let Some((extent, next)) = self.journal.0.extent(at.segment) else { break };
            if at.offset >= extent {
                let Some(next) = next.filter(|next| !self.holds || *next < self.opened) else { break };
                at = Position { segment: next, offset: MAGIC.len() as u64 };
                continue;
            }
            let length = (extent - at.offset).min(bytes_max as u64 + HEAD_BYTES as u64);
            let (taken, used) = self.take(at, length as usize, entries_max - entries.len(), extent)?;
            bytes += used;
            at.offset += used as u64;
            entries.extend(taken);
        }
        Ok((entries, at))
    }

    /// Entries from one segment, and how many bytes they took.
    fn take(
        &mut self,
        at: Position,
        length: usize,
        entries_max: usize,
        extent: u64,
    ) -> Result<(Vec<Vec<u8>>, usize), JournalError> {
        let path = path(&self.journal.0.folder, at.segment);
        let failed = |source| JournalError::Io { path: path.clone(), source };
        let file = match &mut self.file {
            Some((number, file)) if *number == at.segment => file,
            other => {
                let file = File::open(&path).map_err(failed)?;
                &mut other.insert((at.segment, file)).1
            }
        };
        file.seek(SeekFrom::Start(at.offset)).map_err(failed)?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes).map_err(failed)?;
        let (mut entries, mut used) = (Vec::new(), 0);
        while entries.len() < entries_max {
            match frame::read(bytes.get(used..).unwrap_or_default()) {
                Framed::Whole(payload) => {
                    used += HEAD_BYTES + payload.len();
                    entries.push(payload.to_vec());
                }
                // A single entry that is longer than what was to be read.
                Framed::Partial(needed)
                    if entries.is_empty() && at.offset + needed as u64 <= extent && needed > length =>
                {
                    let more = needed - bytes.len();
                    let begin = bytes.len();
                    bytes.resize(begin + more, 0);
                    if let Some(rest) = bytes.get_mut(begin..) {
                        file.read_exact(rest).map_err(failed)?;
                    }
                }
                Framed::Partial(_) => break,
                Framed::Damaged => {
                    let damage = io::Error::new(io::ErrorKind::InvalidData, "an entry changed after it was written");
                    return Err(failed(damage));
                }
            }
        }
        Ok((entries, used))
    }

    /// The `entries` before `position` are safe elsewhere and are not read again.
    ///
    /// # Errors
    /// [`JournalError::Io`]: a file could not be removed. Reading goes on all the same.
    pub fn release(&mut self, position: Position, entries: usize) -> Result<(), JournalError> {
        self.position = self.position.max(position);
        self.journal.0.depth.fetch_sub(entries as u64, Ordering::Relaxed);
        self.journal.0.release(self.position)?;
        // The file that was read to its end may be gone.
        let state = self.journal.0.state();
        if let Some(oldest) = state.segments.iter().find(|segment| segment.number >= self.position.segment)
            && oldest.number != self.position.segment
        {
            self.position = Position { segment: oldest.number, offset: MAGIC.len() as u64 };
        }
        Ok(())
    }

    /// Comes back when something was appended since the last time.
    pub async fn appended(&self) {
        self.journal.0.appended.notified().await;
    }
}
