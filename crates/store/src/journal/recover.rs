//! What a start finds in the journal's folder.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::path::Path;

use super::frame::{self, Framed, MAGIC};
use super::{JournalError, Recovered, Segment};

/// The segments, oldest first, and the number of the next one, which was never used. Half an entry at the very end is what a killed process leaves and is cut off; anything
/// else that cannot be read is damage.
pub(super) fn segments(folder: &Path) -> Result<(VecDeque<Segment>, u64, Recovered), JournalError> {
    let failed = |source| JournalError::Io { path: folder.to_owned(), source };
    let (mut numbers, mut next) = (Vec::new(), 1);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let named = name.to_str().and_then(|name| name.strip_prefix("facts-")?.split_once('.'));
        let Some((Ok(number), kind)) = named.map(|(number, kind)| (number.parse::<u64>(), kind)) else { continue };
        next = next.max(number.saturating_add(1));
        if kind == "journal" {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    let last = numbers.last().copied();
    let (mut segments, mut recovered) = (VecDeque::new(), Recovered::default());
    for number in numbers {
        let path = super::path(folder, number);
        let failed = |source| JournalError::Io { path: path.clone(), source };
        let content = fs::read(&path).map_err(failed)?;
        let Scanned { bytes, entries, torn } = scan(&content);
        let rest = content.len() as u64 - bytes;
        let mut damaged = rest > 0;
        if Some(number) == last && torn {
            let file = OpenOptions::new().write(true).open(&path).map_err(failed)?;
            file.set_len(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
            recovered.cut_bytes = rest;
            damaged = false;
        }
        if entries == 0 && !damaged {
            fs::remove_file(&path).map_err(failed)?;
            continue;
        }
        recovered.entries += entries;
        recovered.damaged += u64::from(damaged);
        segments.push_back(Segment { number, bytes: bytes.max(MAGIC.len() as u64), damaged });
    }
    Ok((segments, next, recovered))
}

/// How much of a file can be read.
struct Scanned {
    bytes: u64,
    entries: u64,
    /// What is behind that is, or may be, an entry that was never finished: nothing whole follows.
    torn: bool,
}

fn scan(content: &[u8]) -> Scanned {
    let Some(mut rest) = content.strip_prefix(MAGIC) else {
        return Scanned {
            bytes: 0,
            entries: 0,
            torn: MAGIC.starts_with(content) || content.iter().all(|byte| *byte == 0),
        };
    };
    let mut entries = 0;
    loop {
        let bytes = (content.len() - rest.len()) as u64;
        match frame::read(rest) {
            Framed::Whole(payload) => {
                rest = rest.get(frame::HEAD_BYTES + payload.len()..).unwrap_or_default();
                entries += 1;
            }
            Framed::Partial(_) => return Scanned { bytes, entries, torn: true },
            // After a loss of power a block may never have been written: it is zeros, or the last entry is wrong.
            Framed::Damaged => {
                return Scanned { bytes, entries, torn: rest.iter().all(|byte| *byte == 0) || is_last(rest) };
            }
        }
    }
}

/// Whether a damaged entry would end where the file does.
fn is_last(rest: &[u8]) -> bool {
    let length = rest.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    frame::HEAD_BYTES.checked_add(length) == Some(rest.len())
}
