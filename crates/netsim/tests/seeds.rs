//! Many seeds, each on one shard and on four.
//!
//! `NETSIM_SEED=7` runs that one alone and says what happens; `NETSIM_SEEDS=5000` runs so many, `NETSIM_FIRST=1000` from
//! that one on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tutti_netsim::{Failure, Report, check, fault_points, repeats_exactly, run};

const SEEDS: u64 = 500;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Runs seeds on all cores.
fn many(seeds: std::ops::Range<u64>) -> (Vec<Report>, Vec<Failure>) {
    let next = AtomicU64::new(seeds.start);
    let (reports, failures) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match check(seed, false) {
                        Ok(of_seed) => reports.lock().unwrap().extend(of_seed),
                        Err(failure) => failures.lock().unwrap().push(failure),
                    }
                }
            });
        }
    });
    (reports.into_inner().unwrap(), failures.into_inner().unwrap())
}

#[test]
fn what_must_hold_holds_for_every_seed() {
    if let Some(seed) = number("NETSIM_SEED") {
        let reports = check(seed, true).unwrap_or_else(|failure| panic!("{failure}"));
        eprintln!("{reports:#?}");
        return;
    }
    let first = number("NETSIM_FIRST").unwrap_or(0);
    let (reports, failures) = many(first..first + number("NETSIM_SEEDS").unwrap_or(SEEDS));
    for failure in &failures {
        eprintln!("{failure}\n");
    }
    let mut faults: BTreeMap<&str, u32> = BTreeMap::new();
    for (name, count) in reports.iter().flat_map(|report| &report.faults) {
        *faults.entry(name).or_default() += count;
    }
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    eprintln!(
        "{} runs, {} s of calls, {} joins, {} packets, {} messages; faults: {faults:?}",
        reports.len(),
        sum(|report| report.passed.as_secs()),
        sum(|report| report.joins.into()),
        sum(|report| report.packets),
        sum(|report| report.messages),
    );
    let names: Vec<u64> = failures.iter().map(|failure| failure.seed).collect();
    assert!(failures.is_empty(), "seeds that failed: {names:?}");
    if reports.len() as u64 >= SEEDS {
        // What is never tried is not tested.
        let missing: Vec<_> = fault_points().iter().filter(|name| !faults.contains_key(*name)).collect();
        assert!(missing.is_empty(), "never injected: {missing:?}");
        assert!(reports.iter().any(|report| report.shards == 4), "no call ever used all shards");
    }
}

#[test]
fn a_seed_repeats() {
    let seeds: Vec<u64> = (0..).filter(|seed| repeats_exactly(*seed)).take(8).collect();
    let report = |seed: &u64| {
        let shards = if seed.is_multiple_of(2) { 1 } else { 4 };
        run(*seed, shards, false).unwrap_or_else(|failure| panic!("{failure}"))
    };
    let first: Vec<Report> = seeds.iter().map(report).collect();
    let second: Vec<Report> = seeds.iter().map(report).collect();
    let digests: BTreeSet<u64> = first.iter().map(|report| report.digest).collect();
    assert_eq!(digests.len(), seeds.len(), "different seeds are different calls");
    for ((seed, one), other) in seeds.iter().zip(&first).zip(&second) {
        assert_eq!(one.outcome, other.outcome, "seed {seed}");
    }
    // Were anything of ours not repeatable, hardly one would repeat.
    let same = first.iter().zip(&second).filter(|(one, other)| one.digest == other.digest).count();
    assert!(2 * same > seeds.len(), "only {same} of {} seeds repeat to the last datagram", seeds.len());
}
