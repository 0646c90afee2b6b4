//! What reliable data keeps in memory on one shard, and how far senders and receivers must draw in when it is much.
//!
//! Up to half of the bound everyone has the full window and backlog; from there both shrink in proportion, to a
//! sixteenth at the bound and beyond. So a shard holds at most the bound and a sixteenth of everyone's share.

use tutti_transport::{DATA_BACKLOG, DATA_WINDOW};

/// Bytes that reliable data of one shard may keep in memory before everyone has the least.
pub(super) const HELD_MAX: u64 = 256 << 20;

/// The least that everyone keeps, in parts of the whole.
const PARTS: u64 = 16;

/// What one shard holds.
#[derive(Debug, Default)]
pub(super) struct DataMemory {
    held: u64,
}

impl DataMemory {
    /// A peer holds `now` what it held `before`.
    pub(super) fn change(&mut self, before: u64, now: u64) {
        self.held = (self.held + now).saturating_sub(before);
    }

    /// Bytes held.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Memory is short: nobody has the whole window.
    pub(super) fn is_short(&self) -> bool {
        self.held > HELD_MAX / 2
    }

    /// The window and the backlog that a peer has now.
    pub(super) fn limits(&self) -> (u32, u32) {
        let half = HELD_MAX / 2;
        let free = HELD_MAX.saturating_sub(self.held).min(half);
        let part = |whole: u32| {
            let least = u64::from(whole) / PARTS;
            u32::try_from(least + (u64::from(whole) - least) * free / half).unwrap_or(whole)
        };
        (part(DATA_WINDOW), part(DATA_BACKLOG))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_draws_in_when_much_is_held() {
        let mut memory = DataMemory::default();
        assert_eq!(memory.limits(), (1_048_576, 524_288));
        memory.change(0, 134_217_728);
        assert_eq!((memory.limits(), memory.is_short()), ((1_048_576, 524_288), false));
        memory.change(0, 67_108_864);
        assert_eq!((memory.limits(), memory.is_short()), ((557_056, 278_528), true));
        memory.change(0, 67_108_864);
        assert_eq!(memory.limits(), (65_536, 32_768));
        memory.change(0, 1 << 40);
        assert_eq!(memory.limits(), (65_536, 32_768));
        memory.change(1 << 40, 0);
        memory.change(268_435_456, 5);
        assert_eq!((memory.held(), memory.limits()), (5, (1_048_576, 524_288)));
    }
}
