//! What was received from which source: rollover counters, replay windows (RFC 3711, section 3.3), bounded in number.
//!
//! Only authenticated packets change anything here, so that a forger can neither fill the table nor move a window.

/// Sources remembered per direction and use. A peer that republishes for hours stays within it by eviction.
const SOURCES_MAX: usize = 512;

/// Words of a window. 1024 packets, because a retransmission under the original SSRC at high rates and long round
/// trips comes hundreds of packets late; RFC 3711 asks for 64 at least.
const WINDOW_WORDS: usize = 16;

/// Packets a window covers.
pub(super) const WINDOW_LEN: u64 = WINDOW_WORDS as u64 * 64;

/// The indexes received from one source: the highest, and which of those up to [`WINDOW_LEN`] below it.
#[derive(Debug, Clone)]
pub(super) struct Window {
    highest: u64,
    /// Bit `index % WINDOW_LEN` tells whether `index` was received.
    seen: [u64; WINDOW_WORDS],
}

impl Window {
    /// A window of a source whose first packet is `index`.
    pub(super) fn starting_at(index: u64) -> Self {
        let mut window = Self { highest: index, seen: [0; WINDOW_WORDS] };
        window.mark(index);
        window
    }

    /// The 48-bit index most likely meant by `sequence` (RFC 3711, appendix A). `None` when it would be negative.
    pub(super) fn estimate(&self, sequence: u16) -> Option<u64> {
        let distance = sequence.wrapping_sub(self.highest as u16).cast_signed();
        self.highest.checked_add_signed(i64::from(distance))
    }

    /// Whether `index` is neither a replay nor too old to tell.
    pub(super) fn accepts(&self, index: u64) -> bool {
        if index > self.highest {
            return true;
        }
        self.highest - index < WINDOW_LEN && !self.has(index)
    }

    /// Records an authenticated index that [`Window::accepts`].
    pub(super) fn record(&mut self, index: u64) {
        if index > self.highest {
            let forgotten = (index - self.highest).min(WINDOW_LEN);
            for passed in index + 1 - forgotten..=index {
                self.clear(passed);
            }
            self.highest = index;
        }
        self.mark(index);
    }

    fn has(&self, index: u64) -> bool {
        self.seen.get(word(index)).is_some_and(|bits| bits & bit(index) != 0)
    }

    fn mark(&mut self, index: u64) {
        if let Some(bits) = self.seen.get_mut(word(index)) {
            *bits |= bit(index);
        }
    }

    fn clear(&mut self, index: u64) {
        if let Some(bits) = self.seen.get_mut(word(index)) {
            *bits &= !bit(index);
        }
    }
}

fn word(index: u64) -> usize {
    (index / 64) as usize % WINDOW_WORDS
}

fn bit(index: u64) -> u64 {
    1 << (index % 64)
}

/// One source that was heard.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// When it was last heard, in packets of the whole table.
    heard_at: u64,
    window: Window,
}

/// The windows of all sources heard. A sorted list: finding one takes the same few steps whatever the SSRCs are.
#[derive(Debug, Default)]
pub(super) struct Sources {
    sorted: Vec<Source>,
    packets: u64,
}

impl Sources {
    /// The window of a source that was heard before.
    pub(super) fn get(&self, ssrc: u32) -> Option<&Window> {
        let at = self.find(ssrc).ok()?;
        self.sorted.get(at).map(|source| &source.window)
    }

    /// Records an authenticated packet. A source more than the bound takes the place of the one silent longest.
    pub(super) fn record(&mut self, ssrc: u32, index: u64) {
        self.packets += 1;
        match self.find(ssrc) {
            Ok(at) => {
                if let Some(source) = self.sorted.get_mut(at) {
                    source.heard_at = self.packets;
                    source.window.record(index);
                }
            }
            Err(at) => {
                let source = Source { ssrc, heard_at: self.packets, window: Window::starting_at(index) };
                self.sorted.insert(at, source);
                if self.sorted.len() > SOURCES_MAX {
                    self.evict();
                }
            }
        }
    }

    fn evict(&mut self) {
        let silent = self.sorted.iter().enumerate().min_by_key(|(_, source)| source.heard_at).map(|(at, _)| at);
        if let Some(at) = silent {
            self.sorted.remove(at);
        }
    }

    fn find(&self, ssrc: u32) -> Result<usize, usize> {
        self.sorted.binary_search_by_key(&ssrc, |source| source.ssrc)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }
}
