//! From one shard to another: single producer, single consumer, bounded, lossy.
//!
//! Values are written and read in place, so a packet is copied in once and out once; nothing is allocated after the
//! ring was made and no reference count crosses a core. A full ring refuses, and the producer counts what it lost.
//! Owns no waking: whoever pushes says so to the other shard.

// A ring of plain slots shared by two threads cannot be written without `unsafe`; the whole of it is in this file,
// and each block names the invariant it rests on.
#![expect(unsafe_code, reason = "slots that two threads share")]

#[cfg(test)]
mod tests;

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Keeps the two ends' counters out of each other's cache lines.
#[repr(align(128))]
struct Padded(AtomicUsize);

struct Shared<T> {
    slots: Box<[UnsafeCell<T>]>,
    /// Values pushed since the start, wrapping. Written by the producer only.
    pushed: Padded,
    /// Values popped since the start, wrapping. Written by the consumer only.
    popped: Padded,
}

// SAFETY: a slot is reached by the producer only while `pushed - popped < slots` names it free, and by the consumer
// only while it is filled; the release store that hands it over is paired with an acquire load on the other side.
// Each end is one `&mut`-only value that cannot be cloned, so there is one thread at each end.
unsafe impl<T: Send> Sync for Shared<T> {}

/// The end that writes.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    pushed: usize,
    /// Last seen `popped`; at or behind the truth.
    popped: usize,
}

/// The end that reads.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    popped: usize,
    /// Last seen `pushed`; at or behind the truth.
    pushed: usize,
}

/// A ring of `slots` values (rounded up to a power of two, at least 2), each made by `T::default()` at once.
pub fn ring<T: Default + Send>(slots: usize) -> (Producer<T>, Consumer<T>) {
    let slots = slots.next_power_of_two().max(2);
    let shared = Arc::new(Shared {
        slots: (0..slots).map(|_| UnsafeCell::new(T::default())).collect(),
        pushed: Padded(AtomicUsize::new(0)),
        popped: Padded(AtomicUsize::new(0)),
    });
    (Producer { shared: shared.clone(), pushed: 0, popped: 0 }, Consumer { shared, popped: 0, pushed: 0 })
}

impl<T> Producer<T> {
    /// Lets `write` fill the next free slot, which holds some earlier value, and hands it over. `false` when the
    /// ring is full: `write` was not called.
    pub fn push_with(&mut self, write: impl FnOnce(&mut T)) -> bool {
        let slots = self.shared.slots.len();
        if self.pushed.wrapping_sub(self.popped) >= slots {
            self.popped = self.shared.popped.0.load(Ordering::Acquire);
            if self.pushed.wrapping_sub(self.popped) >= slots {
                return false;
            }
        }
        let slot = self.shared.slots[self.pushed & (slots - 1)].get();
        // SAFETY: fewer than `slots` values are between `popped` and `pushed`, so this slot is free: the consumer
        // does not touch it before the store below, and there is no other producer. If `write` panics the slot
        // stays free and its value stays valid.
        write(unsafe { &mut *slot });
        self.pushed = self.pushed.wrapping_add(1);
        self.shared.pushed.0.store(self.pushed, Ordering::Release);
        true
    }

    /// Whether the other end was dropped.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.shared) < 2
    }
}

impl<T> Consumer<T> {
    /// Lets `read` see the oldest value, then frees its slot. `None` when the ring is empty.
    pub fn pop_with<R>(&mut self, read: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.popped == self.pushed {
            self.pushed = self.shared.pushed.0.load(Ordering::Acquire);
            if self.popped == self.pushed {
                return None;
            }
        }
        let slot = self.shared.slots[self.popped & (self.shared.slots.len() - 1)].get();
        // SAFETY: `popped < pushed`, so the producer has handed this slot over (acquire above) and does not touch
        // it before the store below, and there is no other consumer. If `read` panics the value is read again.
        let result = read(unsafe { &mut *slot });
        self.popped = self.popped.wrapping_add(1);
        self.shared.popped.0.store(self.popped, Ordering::Release);
        Some(result)
    }

    /// Whether the other end was dropped. What it had pushed can still be read.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.shared) < 2
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("slots", &self.shared.slots.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("slots", &self.shared.slots.len()).finish_non_exhaustive()
    }
}
