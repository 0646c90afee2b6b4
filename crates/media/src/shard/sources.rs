//! A small table from SSRC to what it means for one peer.
//!
//! Sorted, not hashed: a peer has a handful, its memory is what it holds, and no choice of SSRCs makes it slow.

use tutti_rtp::Ssrc;

/// The table.
#[derive(Debug)]
pub(super) struct SourceTable<T> {
    entries: Vec<(Ssrc, T)>,
}

impl<T> Default for SourceTable<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T: Copy> SourceTable<T> {
    pub(super) fn get(&self, ssrc: Ssrc) -> Option<T> {
        let at = self.entries.binary_search_by_key(&ssrc, |entry| entry.0).ok()?;
        self.entries.get(at).map(|entry| entry.1)
    }

    /// Adds or replaces.
    pub(super) fn insert(&mut self, ssrc: Ssrc, value: T) {
        match self.entries.binary_search_by_key(&ssrc, |entry| entry.0) {
            Ok(at) => self.entries[at].1 = value,
            Err(at) => self.entries.insert(at, (ssrc, value)),
        }
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.entries.retain(|(_, value)| keep(value));
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }
}
