//! A steady flow with a burst: the generic cell rate algorithm (ITU-T I.371, annex A), whose state is one point in time.

use std::time::{Duration, Instant};

/// How much may be done: so many a second, and so many at once after a quiet time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Time in which one unit flows in.
    each: Duration,
    /// Units that may be saved up.
    burst: u32,
    /// Time in which all of those flow in.
    whole: Duration,
}

impl Rate {
    /// `per_second` units a second and `burst` units at once; at least one of each.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        let per_second = if per_second == 0 { 1 } else { per_second };
        let burst = if burst == 0 { 1 } else { burst };
        let each_ns = 1_000_000_000 / per_second as u64;
        let whole = Duration::from_nanos(each_ns * burst as u64);
        Self { each: Duration::from_nanos(each_ns), burst, whole }
    }

    /// Units that may be taken at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }
}

/// What somebody has used of a [`Rate`]. Begins with the whole burst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// When everything used so far will have flowed in again; `None` = nothing was used yet.
    paid_off: Option<Instant>,
}

impl Allowance {
    /// Takes `cost` units out; `false`, and nothing taken, if there are not so many. A `now` before the last one gives
    /// nothing back.
    #[must_use]
    pub fn take(&mut self, now: Instant, rate: Rate, cost: u32) -> bool {
        if cost > rate.burst {
            return false;
        }
        let from = self.paid_off.map_or(now, |paid_off| paid_off.max(now));
        let paid_off = from + rate.each * cost;
        if paid_off.saturating_duration_since(now) > rate.whole {
            return false;
        }
        self.paid_off = Some(paid_off);
        true
    }

    /// Takes `cost` units out, also if there are not so many: what is missing is owed. For what cannot be undone; ask
    /// [`Allowance::ready_at`] when the next may come. No more than two bursts are ever owed.
    pub fn charge(&mut self, now: Instant, rate: Rate, cost: u32) {
        let from = self.paid_off.map_or(now, |paid_off| paid_off.max(now));
        self.paid_off = Some((from + rate.each * cost).min(now + rate.whole * 3));
    }

    /// When `cost` units can be taken out, which may be now; never more than a burst's worth is waited for.
    pub fn ready_at(&self, now: Instant, rate: Rate, cost: u32) -> Instant {
        let owed = self.paid_off.map_or(Duration::ZERO, |paid_off| paid_off.saturating_duration_since(now));
        now + (owed + rate.each * cost.min(rate.burst)).saturating_sub(rate.whole)
    }

    /// Everything that was used has flowed in again, so that forgetting this changes nothing.
    pub fn is_full(&self, now: Instant) -> bool {
        self.paid_off.is_none_or(|paid_off| paid_off <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(400, 4000);

    fn takes(allowance: &mut Allowance, now: Instant, cost: u32) -> usize {
        (0..100_000).take_while(|_| allowance.take(now, RATE, cost)).count()
    }

    #[test]
    fn a_burst_then_a_steady_rate() {
        let start = Instant::now();
        let mut allowance = Allowance::default();
        assert!(allowance.is_full(start));
        assert_eq!(takes(&mut allowance, start, 1), 4000);
        assert!(!allowance.is_full(start));
        let later = start + Duration::from_secs(2);
        assert_eq!(takes(&mut allowance, later, 1), 800);
        assert_eq!(takes(&mut allowance, later, 1), 0);
        assert_eq!(takes(&mut allowance, later + Duration::from_secs(3600), 1), 4000);
        assert!(allowance.is_full(later + Duration::from_secs(7200)));
    }

    #[test]
    fn what_costs_more_is_had_less_often() {
        let start = Instant::now();
        assert_eq!(takes(&mut Allowance::default(), start, 513), 7);
        assert_eq!(takes(&mut Allowance::default(), start, 4000), 1);
        assert_eq!(takes(&mut Allowance::default(), start, 4001), 0);
        assert_eq!(takes(&mut Allowance::default(), start, u32::MAX), 0);
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let start = Instant::now();
        let mut allowance = Allowance::default();
        assert!(allowance.take(start, RATE, 3999));
        assert!(!allowance.take(start, RATE, 2));
        assert!(allowance.take(start, RATE, 1));
    }

    #[test]
    fn an_earlier_time_gives_nothing() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut allowance = Allowance::default();
        takes(&mut allowance, start, 1);
        assert!(!allowance.take(start - Duration::from_secs(30), RATE, 1));
        assert_eq!(takes(&mut allowance, start, 1), 0);
    }

    #[test]
    fn what_is_told_to_be_ready_is() {
        let start = Instant::now();
        let mut allowance = Allowance::default();
        assert_eq!(allowance.ready_at(start, RATE, 4000), start);
        takes(&mut allowance, start, 1);
        let ready = allowance.ready_at(start, RATE, 100);
        assert_eq!(ready, start + Duration::from_millis(250));
        assert!(!allowance.take(ready - Duration::from_millis(1), RATE, 100));
        assert!(allowance.take(ready, RATE, 100));
        assert_eq!(allowance.ready_at(ready, RATE, u32::MAX), ready + Duration::from_secs(10));
    }

    #[test]
    fn what_is_charged_is_owed() {
        let start = Instant::now();
        let mut allowance = Allowance::default();
        allowance.charge(start, RATE, 4000);
        assert_eq!(allowance.ready_at(start, RATE, 0), start);
        allowance.charge(start, RATE, 400);
        assert!(!allowance.take(start, RATE, 0), "over the burst already");
        assert_eq!(allowance.ready_at(start, RATE, 0), start + Duration::from_secs(1));
        for _ in 0..1000 {
            allowance.charge(start, RATE, 4000);
        }
        assert_eq!(allowance.ready_at(start, RATE, 0), start + Duration::from_secs(20), "two bursts of ten seconds");
    }

    #[test]
    fn zero_is_one() {
        let start = Instant::now();
        let (rate, mut allowance) = (Rate::new(0, 0), Allowance::default());
        assert!(allowance.take(start, rate, 1) && !allowance.take(start, rate, 1));
        assert!(allowance.take(start + Duration::from_secs(1), rate, 1));
    }
}
