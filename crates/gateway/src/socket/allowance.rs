//! How much a client may say: a bucket that fills steadily and empties with each message. Generous: the busiest honest
//! client (hundreds of tracks at once) stays far below it.

use std::time::Instant;

/// What a bucket holds when it is full.
const BURST: f64 = 4000.0;
/// What flows in, per second.
const PER_SECOND: f64 = 400.0;
/// A message costs one, and one more for each of these, bytes.
const BYTES_PER_UNIT: usize = 4096;

/// One client's bucket.
#[derive(Debug)]
pub(super) struct Allowance {
    level: f64,
    at: Instant,
}

impl Allowance {
    /// A full bucket.
    pub(super) fn new(now: Instant) -> Self {
        Self { level: BURST, at: now }
    }

    /// Takes out what a message of `bytes` costs; `false` if there is not enough.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.level = (self.level + passed * PER_SECOND).min(BURST);
        let cost = 1.0 + (bytes / BYTES_PER_UNIT) as f64;
        if cost > self.level {
            return false;
        }
        self.level -= cost;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn takes(allowance: &mut Allowance, now: Instant, bytes: usize) -> usize {
        (0..100_000).take_while(|_| allowance.take(now, bytes)).count()
    }

    #[test]
    fn a_burst_then_a_steady_rate() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        assert_eq!(takes(&mut allowance, start, 100), BURST as usize);
        let later = start + Duration::from_secs(2);
        assert_eq!(takes(&mut allowance, later, 100), 2 * PER_SECOND as usize);
        assert_eq!(takes(&mut allowance, later, 100), 0);
        assert_eq!(takes(&mut allowance, later + Duration::from_secs(3600), 100), BURST as usize);
    }

    #[test]
    fn large_messages_cost_more() {
        let start = Instant::now();
        assert_eq!(takes(&mut Allowance::new(start), start, 2 << 20), 4000 / 513);
    }

    #[test]
    fn an_earlier_time_gives_nothing() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut allowance = Allowance::new(start);
        takes(&mut allowance, start, 0);
        assert!(!allowance.take(start - Duration::from_secs(30), 0));
    }
}
