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
            if index - self.highest >= WINDOW_LEN {
                self.seen = [0; WINDOW_WORDS];
            } else {
                (self.highest + 1..=index).for_each(|passed| self.clear(passed));
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

/// The windows of all sources heard. Found by a sorted list of small entries and never moved, so that each packet takes
/// the same few steps whatever SSRCs a peer makes up, a new one for every packet included.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// SSRC and place of each source, by SSRC.
    sorted: Vec<(u32, u16)>,
    windows: Vec<Window>,
    /// SSRC at each place, and when it was last heard, in packets of the whole table.
    heard: Vec<(u32, u64)>,
    packets: u64,
}

impl Sources {
    /// The window of a source that was heard before.
    pub(super) fn get(&self, ssrc: u32) -> Option<&Window> {
        let at = self.find(ssrc).ok()?;
        let (_, place) = self.sorted.get(at)?;
        self.windows.get(usize::from(*place))
    }

    /// Records an authenticated packet. A source more than the bound takes the place of the one silent longest.
    pub(super) fn record(&mut self, ssrc: u32, index: u64) {
        self.packets += 1;
        let heard = (ssrc, self.packets);
        match self.find(ssrc) {
            Ok(at) => {
                let place = self.sorted.get(at).map_or(0, |(_, place)| usize::from(*place));
                if let (Some(window), Some(before)) = (self.windows.get_mut(place), self.heard.get_mut(place)) {
                    window.record(index);
                    *before = heard;
                }
            }
            Err(_) if self.windows.len() < SOURCES_MAX => {
                let place = self.windows.len() as u16;
                self.windows.push(Window::starting_at(index));
                self.heard.push(heard);
                self.name(ssrc, place);
            }
            Err(_) => {
                let silent = self.heard.iter().enumerate().min_by_key(|(_, (_, at))| *at);
                let Some((place, (gone, _))) = silent.map(|(place, heard)| (place, *heard)) else { return };
                if let Ok(at) = self.find(gone) {
                    self.sorted.remove(at);
                }
                if let (Some(window), Some(before)) = (self.windows.get_mut(place), self.heard.get_mut(place)) {
                    *window = Window::starting_at(index);
                    *before = heard;
                }
                self.name(ssrc, place as u16);
            }
        }
    }

    fn name(&mut self, ssrc: u32, place: u16) {
        if let Err(at) = self.find(ssrc) {
            self.sorted.insert(at, (ssrc, place));
        }
    }

    fn find(&self, ssrc: u32) -> Result<usize, usize> {
        self.sorted.binary_search_by_key(&ssrc, |(ssrc, _)| *ssrc)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert!(self.sorted.len() == self.windows.len() && self.windows.len() == self.heard.len());
        self.sorted.len()
    }
}
