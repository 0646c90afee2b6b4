//! A hashed timing wheel with slots of one millisecond.
//!
//! Owns the order of deadlines, not their meaning: an owner keeps a [`Timer`] beside the state it belongs to and
//! gives the wheel a key to find that state again. Cancelling and moving a timer only changes the owner's `Timer`;
//! the stale entry is recognised by its generation and dropped when its slot comes round. After warm-up nothing is
//! allocated: entries are links in one list with a free list.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

/// Slots of the wheel; deadlines further away than this many milliseconds wait for further turns. A power of two.
const SLOTS: usize = 4096;
const WORDS: usize = SLOTS / 64;
/// Occupied slots looked at for an exact next deadline before an early one is given.
const LOOKED_AT_MAX: usize = 32;
/// End of a list.
const NIL: u32 = u32::MAX;
/// A timer that is not armed.
const NEVER: u64 = u64::MAX;

/// The owner's side of one timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    tick: u64,
    generation: u32,
}

impl Timer {
    /// A timer that is not armed.
    pub const IDLE: Self = Self { tick: NEVER, generation: 0 };

    /// Whether the timer waits for its deadline.
    pub const fn is_armed(&self) -> bool {
        self.tick != NEVER
    }

    /// To be asked with each [`Expired`] entry: `true`, once, when it is this timer's latest arming. The timer is
    /// idle afterwards.
    pub const fn fire(&mut self, generation: u32) -> bool {
        if self.tick == NEVER || self.generation != generation {
            return false;
        }
        self.tick = NEVER;
        true
    }

    /// Forgets the deadline.
    pub const fn cancel(&mut self) {
        self.tick = NEVER;
        self.generation = self.generation.wrapping_add(1);
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::IDLE
    }
}

/// An entry whose time has come; ask the owner's [`Timer::fire`] whether it still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired<K> {
    /// As given to [`Wheel::arm`].
    pub key: K,
    /// To be shown to the timer.
    pub generation: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry<K> {
    tick: u64,
    key: K,
    generation: u32,
    next: u32,
}

/// The wheel. `K` names a timer's owner.
#[derive(Debug)]
pub struct Wheel<K> {
    epoch: Instant,
    /// First tick that has not been drained.
    tick: u64,
    heads: Box<[u32; SLOTS]>,
    occupied: [u64; WORDS],
    entries: Vec<Entry<K>>,
    free: u32,
    armed: usize,
}

impl<K: Copy> Wheel<K> {
    /// An empty wheel; no deadline may lie before `epoch`.
    pub fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            tick: 0,
            heads: Box::new([NIL; SLOTS]),
            occupied: [0; WORDS],
            entries: Vec::new(),
            free: NIL,
            armed: 0,
        }
    }

    /// Entries held, stale ones included.
    pub const fn len(&self) -> usize {
        self.armed
    }

    /// Whether no entry is held.
    pub const fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Makes `timer` expire at `deadline`, rounded up to a millisecond. An armed timer keeps its entry when that
    /// comes first: the owner then finds its deadline still ahead and arms again, which costs less than moving an
    /// entry with every packet.
    pub fn arm(&mut self, timer: &mut Timer, key: K, deadline: Instant) {
        let tick = self.tick_of(deadline).max(self.tick);
        if timer.is_armed() && timer.tick <= tick {
            return;
        }
        timer.generation = timer.generation.wrapping_add(1);
        timer.tick = tick;
        self.insert(Entry { tick, key, generation: timer.generation, next: NIL });
    }

    /// The next entry that is due at `now`, in the order of their ticks.
    pub fn pop(&mut self, now: Instant) -> Option<Expired<K>> {
        // Floor: an entry rounded up to tick t is due once t has been reached.
        let due = millis(now.saturating_duration_since(self.epoch));
        if self.armed == 0 {
            self.tick = self.tick.max(due);
            return None;
        }
        // After a long sleep one turn visits every slot; entries of past ticks are recognised by their own tick.
        if due > self.tick + SLOTS as u64 {
            let skipped = due - SLOTS as u64;
            if let Some(expired) = self.pop_before(skipped) {
                return Some(expired);
            }
            self.tick = skipped;
        }
        loop {
            let slot = (self.tick as usize) & (SLOTS - 1);
            if let Some(expired) = self.take(slot, self.tick) {
                return Some(expired);
            }
            if self.tick >= due {
                return None;
            }
            self.tick = self.next_occupied(self.tick + 1).min(due);
        }
    }

    /// When [`pop`](Self::pop) should be called next. May be early, never late.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.armed == 0 {
            return None;
        }
        let mut tick = self.tick;
        for _ in 0..LOOKED_AT_MAX {
            tick = self.next_occupied(tick);
            if self.earliest_in(tick) <= tick {
                break;
            }
            tick += 1;
            if tick >= self.tick + SLOTS as u64 {
                break;
            }
        }
        Some(self.epoch + Duration::from_millis(tick))
    }

    fn tick_of(&self, deadline: Instant) -> u64 {
        let since = deadline.saturating_duration_since(self.epoch);
        millis(since) + u64::from(!since.subsec_nanos().is_multiple_of(1_000_000))
    }

    fn insert(&mut self, mut entry: Entry<K>) {
        let slot = (entry.tick as usize) & (SLOTS - 1);
        entry.next = self.heads[slot];
        let index = match self.entries.get_mut(self.free as usize) {
            Some(unused) => {
                let index = self.free;
                self.free = unused.next;
                *unused = entry;
                index
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.heads[slot] = index;
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.armed += 1;
    }

    /// Takes an entry with a tick of at most `tick` out of `slot`.
    fn take(&mut self, slot: usize, tick: u64) -> Option<Expired<K>> {
        let mut before = NIL;
        let mut index = self.heads[slot];
        while let Some(&entry) = self.entries.get(index as usize) {
            if entry.tick <= tick {
                match self.entries.get_mut(before as usize) {
                    Some(previous) => previous.next = entry.next,
                    None => self.heads[slot] = entry.next,
                }
                self.entries[index as usize].next = self.free;
                self.free = index;
                self.armed -= 1;
                if self.heads[slot] == NIL {
                    self.occupied[slot / 64] &= !(1 << (slot % 64));
                }
                return Some(Expired { key: entry.key, generation: entry.generation });
            }
            before = index;
            index = entry.next;
        }
        None
    }

    fn pop_before(&mut self, tick: u64) -> Option<Expired<K>> {
        for word in 0..WORDS {
            let mut bits = self.occupied[word];
            while bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                if let Some(expired) = self.take(slot, tick) {
                    return Some(expired);
                }
                bits &= bits - 1;
            }
        }
        None
    }

    fn earliest_in(&self, tick: u64) -> u64 {
        let mut earliest = NEVER;
        let mut index = self.heads[(tick as usize) & (SLOTS - 1)];
        while let Some(entry) = self.entries.get(index as usize) {
            earliest = earliest.min(entry.tick);
            index = entry.next;
        }
        earliest
    }

    /// First tick from `from` on whose slot is occupied; at most one turn ahead.
    fn next_occupied(&self, from: u64) -> u64 {
        let start = (from as usize) & (SLOTS - 1);
        for step in 0..=WORDS {
            let word = (start / 64 + step) % WORDS;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= u64::MAX << (start % 64);
            } else if step == WORDS {
                bits &= !(u64::MAX << (start % 64));
            }
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                return from + (slot.wrapping_sub(start) & (SLOTS - 1)) as u64;
            }
        }
        from + SLOTS as u64
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}
