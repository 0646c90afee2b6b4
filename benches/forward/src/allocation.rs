//! An allocator that counts what a server allocates while it is at work. Owns the counters, not when they run.

#![expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one only counts and passes on")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

use mimalloc::MiMalloc;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static COUNTED: Cell<Allocated> = const { Cell::new(Allocated { calls: 0, bytes: 0 }) };
}

/// What was counted so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allocated {
    /// Allocations, growing ones included.
    pub(crate) calls: u64,
    /// Bytes taken and not given back.
    pub(crate) bytes: i64,
}

/// Counts from here on, or no more.
pub(crate) fn watch(on: bool) {
    WATCHED.set(on);
}

/// What was counted so far.
pub(crate) fn allocated() -> Allocated {
    COUNTED.get()
}

struct Counting;

fn count(calls: u64, bytes: i64) {
    if WATCHED.get() {
        let before = COUNTED.get();
        COUNTED.set(Allocated { calls: before.calls + calls, bytes: before.bytes + bytes });
    }
}

// SAFETY: every call is passed on unchanged to the allocator that the server uses.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { MiMalloc.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { MiMalloc.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
