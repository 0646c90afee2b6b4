//! CPU time of this thread, measured around what a server does and around nothing else.

#![expect(unsafe_code, reason = "the clock of a thread has no safe wrapper in the standard library")]

use std::time::Duration;

use crate::allocation::watch;

/// Adds up the CPU time between [`start`](Meter::start) and [`stop`](Meter::stop).
#[derive(Debug)]
pub(crate) struct Meter {
    /// What looking at the clock twice costs, ns.
    empty_ns: u64,
    began_ns: u64,
    spent_ns: u64,
}

impl Meter {
    /// A meter that knows its own cost.
    pub(crate) fn new() -> Self {
        let cost = |_| {
            let began = thread_ns();
            thread_ns() - began
        };
        let mut costs: Vec<u64> = (0..1001).map(cost).collect();
        costs.sort_unstable();
        Self { empty_ns: costs[costs.len() / 2], began_ns: 0, spent_ns: 0 }
    }

    pub(crate) fn start(&mut self) {
        watch(true);
        self.began_ns = thread_ns();
    }

    pub(crate) fn stop(&mut self) {
        self.spent_ns += (thread_ns() - self.began_ns).saturating_sub(self.empty_ns);
        watch(false);
    }

    /// Runs `work` on the meter.
    pub(crate) fn around<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.start();
        let done = work();
        self.stop();
        done
    }

    /// What was measured since the last call.
    pub(crate) fn take(&mut self) -> Duration {
        Duration::from_nanos(std::mem::take(&mut self.spent_ns))
    }
}

fn thread_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec where the pointer says.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
