//! Counts of durations in buckets whose width is a small part of their value, so that percentiles of millions of
//! packets cost a few kilobytes. Knows no units but microseconds.

use std::time::Duration;

/// Buckets in an octave: an error below 1/32.
const PER_OCTAVE: u64 = 32;
/// Largest exponent that is told apart: 2^32 us are over an hour.
const OCTAVES: u64 = 32;

/// How long things took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Grows with the largest value.
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, span: Duration) {
        let index = index(span.as_micros() as u64);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(index) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Counts everything that `other` counted.
    pub fn add(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (ours, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *ours += theirs;
        }
        self.total += other.total;
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The duration that `percent` of all do not exceed, to about 3 %; `None` if nothing was counted.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let wanted = (self.total as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(Duration::from_micros(upper(index as u64)));
            }
        }
        None
    }
}

fn index(value: u64) -> usize {
    let value = value.min((1 << OCTAVES) - 1);
    if value < PER_OCTAVE {
        return value as usize;
    }
    let octave = u64::from(value.ilog2()) - u64::from(PER_OCTAVE.ilog2());
    (octave * PER_OCTAVE + (value >> octave)) as usize
}

/// The largest value in a bucket.
fn upper(index: u64) -> u64 {
    if index < 2 * PER_OCTAVE {
        return index;
    }
    let octave = index / PER_OCTAVE - 1;
    let within = index % PER_OCTAVE + PER_OCTAVE;
    ((within + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        let mut last = 0;
        for value in (0..100_000).chain((17..32).map(|bits| 1 << bits)).chain([u64::MAX >> 32]) {
            let bucket = index(value) as u64;
            assert!(upper(bucket) >= value, "{value}");
            assert!(upper(bucket) - value <= value / PER_OCTAVE, "{value} {}", upper(bucket));
            assert!(bucket >= last, "{value}");
            last = bucket;
        }
    }

    #[test]
    fn percentiles() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50.0), None);
        let mut other = Histogram::default();
        for millis in 1..=100 {
            let half = if millis % 2 == 0 { &mut histogram } else { &mut other };
            half.record(Duration::from_millis(millis));
        }
        histogram.add(&other);
        assert_eq!(histogram.count(), 100);
        for (percent, millis) in [(0.0, 1.0), (50.0, 50.0), (95.0, 95.0), (99.0, 99.0), (100.0, 100.0)] {
            let found = histogram.percentile(percent).unwrap().as_secs_f64() * 1e3;
            assert!((millis..millis * 1.04).contains(&found), "{percent}: {found}");
        }
    }
}
