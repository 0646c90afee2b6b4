//! When what failed is tried again, and when it is given up.

use std::time::Duration;

/// Wait after the first failure; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// What was not taken for this long is given up: a dead letter.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How long to wait after `failures` in a row. `chance` from 0 to 1 spreads the waits over their upper half, so that what
/// failed together is not tried together.
pub fn wait(failures: u32, chance: f64) -> Duration {
    let whole = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_ten_minutes() {
        let waits: Vec<u64> = (1..=12).map(|failures| wait(failures, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(wait(3, 0.0), Duration::from_secs(2), "half of it at least");
        assert_eq!(wait(u32::MAX, 1.0), Duration::from_secs(600));
    }

    #[test]
    fn a_day_is_promised() {
        assert_eq!(GIVE_UP_AFTER, Duration::from_secs(86_400));
    }
}
