//! The network between clients and shards: what happens to each datagram on its way.
//!
//! Owns weather and losses, drawn from a seed for each direction of each client, so that one client's traffic does not
//! change another's luck. Knows no protocol.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How a direction treats its datagrams. Losses come in bursts (Gilbert and Elliott): a good and a bad state, each with
/// its own loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weather {
    /// One way.
    pub(crate) latency: Duration,
    /// Added to it, evenly drawn; alone it never changes the order.
    pub(crate) jitter: Duration,
    pub(crate) loss_good: f64,
    pub(crate) loss_bad: f64,
    /// Chance, for each datagram, that the bad state begins.
    pub(crate) worsens: f64,
    /// Chance, for each datagram, that it ends.
    pub(crate) betters: f64,
    /// Chance that a datagram is held back so that later ones overtake it.
    pub(crate) reorders: f64,
    pub(crate) duplicates: f64,
}

/// How long a reordered datagram is held back at most.
const HELD_BACK_MAX: Duration = Duration::from_millis(60);

impl Weather {
    /// Short, even, and nothing is lost.
    pub(crate) const CALM: Self = Self {
        latency: Duration::from_millis(5),
        jitter: Duration::ZERO,
        loss_good: 0.0,
        loss_bad: 0.0,
        worsens: 0.0,
        betters: 1.0,
        reorders: 0.0,
        duplicates: 0.0,
    };

    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        let bad = rng.random_bool(0.7);
        let chance = |rng: &mut StdRng, max: f64| if bad { rng.random_range(0.0..max) } else { 0.0 };
        Self {
            latency: Duration::from_millis(rng.random_range(1..120)),
            jitter: Duration::from_millis(rng.random_range(0..30)),
            loss_good: chance(rng, 0.05),
            loss_bad: chance(rng, 0.7),
            worsens: chance(rng, 0.02),
            betters: rng.random_range(0.05..0.5),
            reorders: chance(rng, 0.1),
            duplicates: chance(rng, 0.05),
        }
    }
}

/// One direction of one client.
pub(crate) struct Way {
    pub(crate) weather: Weather,
    rng: StdRng,
    bad: bool,
    last_arrival: Instant,
    /// Everything is lost until then.
    away_until: Instant,
}

impl Way {
    pub(crate) fn new(now: Instant, weather: Weather, seed: u64) -> Self {
        Self { weather, rng: StdRng::seed_from_u64(seed), bad: false, last_arrival: now, away_until: now }
    }

    pub(crate) fn cut(&mut self, until: Instant) {
        self.away_until = self.away_until.max(until);
    }

    pub(crate) fn heal(&mut self, now: Instant) {
        self.weather = Weather::CALM;
        self.bad = false;
        self.away_until = now;
    }

    /// When a datagram sent now arrives: never, once, or twice.
    pub(crate) fn arrivals(&mut self, now: Instant) -> impl Iterator<Item = Instant> + use<> {
        let Weather { latency, jitter, loss_good, loss_bad, worsens, betters, reorders, duplicates } = self.weather;
        let rng = &mut self.rng;
        let turn = if self.bad { betters } else { worsens };
        if rng.random_bool(turn) {
            self.bad = !self.bad;
        }
        let lost = rng.random_bool(if self.bad { loss_bad } else { loss_good }) || now < self.away_until;
        let late = jitter.mul_f64(rng.random_range(0.0..=1.0));
        let held_back = rng.random_bool(reorders).then(|| HELD_BACK_MAX.mul_f64(rng.random_range(0.0..=1.0)));
        let again = rng.random_bool(duplicates).then(|| HELD_BACK_MAX.mul_f64(rng.random_range(0.0..=1.0)));
        let arrival = match held_back {
            Some(held_back) => now + latency + held_back,
            None => {
                self.last_arrival = self.last_arrival.max(now + latency + late);
                self.last_arrival
            }
        };
        let first = (!lost).then_some(arrival);
        first.into_iter().chain(again.filter(|_| !lost).map(|again| arrival + again))
    }
}
