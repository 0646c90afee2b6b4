//! One simulation from its seed to its verdict.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::oracle::{self, Outcome};
use crate::scenario::{ACT, Fault, Scenario};
use crate::world::World;

/// How long all sides may take to agree once nothing goes wrong any more. A peer that vanished is given up after 20 s;
/// a client that cannot resume tries for long before it joins anew.
const SETTLE: Duration = Duration::from_secs(150);
/// How often agreement is looked for.
const LOOK: Duration = Duration::from_millis(250);
/// How long all sides must agree before it counts.
const STEADY: Duration = Duration::from_millis(1500);
/// How long SCTP may take to be done with what happened before.
const REPAIR: Duration = Duration::from_secs(1);
/// How long media is compared, and how long the last packet may take.
const COMPARE: Duration = Duration::from_millis(900);
const ARRIVE: Duration = Duration::from_millis(400);
/// How long a room without members may take to be gone.
const EMPTY: Duration = Duration::from_secs(60);

/// What came of a simulation.
#[derive(Debug, Clone)]
pub struct Report {
    /// How everything was in the end.
    pub outcome: Outcome,
    /// Of everything that happened, to tell whether two runs differ.
    pub digest: u64,
    /// How often each fault was injected.
    pub faults: BTreeMap<&'static str, u32>,
    /// Shards that held a transport while media was compared.
    pub shards: usize,
    /// Virtual time that passed.
    pub passed: Duration,
    /// Joins over all clients.
    pub joins: u32,
    /// Packets and messages that arrived at clients.
    pub packets: u64,
    /// Messages among them.
    pub messages: u64,
}

/// A simulation that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// Its shards.
    pub shards: u16,
    /// What went wrong.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, shards, what } = self;
        write!(
            f,
            "seed {seed} with {shards} shards: {what}\nrepeat: NETSIM_SEED={seed} cargo test -p tutti-netsim --test seeds \
             -- --nocapture"
        )
    }
}

impl std::error::Error for Failure {}

/// The names of the fault points.
pub fn fault_points() -> &'static [&'static str] {
    &Fault::NAMES
}

/// Whether a seed repeats to the last datagram, as good as always. str0m keeps its streams in hash maps: where there are
/// several, what they do at one moment they may do in another order the next time.
pub fn repeats_exactly(seed: u64) -> bool {
    Scenario::draw(seed).streams() <= 1
}

/// Runs a seed on one shard and on four, and compares what comes of it. With `tracing`, says what happens on the
/// standard error output.
///
/// # Errors
/// What must hold does not.
pub fn check(seed: u64, tracing: bool) -> Result<Vec<Report>, Failure> {
    let one = run(seed, 1, tracing)?;
    let four = run(seed, 4, tracing)?;
    if one.outcome != four.outcome {
        let what = format!("one shard gives\n{:#?}\nfour give\n{:#?}", one.outcome, four.outcome);
        return Err(Failure { seed, shards: 4, what });
    }
    Ok(vec![one, four])
}

/// Runs one simulation.
///
/// # Errors
/// What must hold does not.
pub fn run(seed: u64, shards: u16, tracing: bool) -> Result<Report, Failure> {
    let simulate = || simulate(seed, shards, tracing);
    let outcome = catch_unwind(AssertUnwindSafe(simulate)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
    });
    outcome.map_err(|what| Failure { seed, shards, what })
}

fn simulate(seed: u64, shards: u16, tracing: bool) -> Result<Report, String> {
    let scenario = Scenario::draw(seed);
    let mut world = World::new(seed, shards, &scenario, tracing);
    world.run_for(ACT);
    check_faults(&world)?;
    world.calm();
    let expected = oracle::expected(&world);
    settle(&mut world, &expected)?;

    flow(&mut world)?;

    let mut outcome = expected.clone();
    compare(&mut world)?;
    oracle::delivered(&world, &mut outcome)?;
    oracle::holes(&world).map_or(Ok(()), Err)?;
    check_faults(&world)?;
    if let Some(difference) = oracle::disagreement(&world, &expected) {
        return Err(format!("agreed, and then: {difference}"));
    }
    let shards = world.server.shards_in_use();

    for (number, plan) in scenario.clients.iter().enumerate() {
        if plan.crashes_at_the_end {
            world.crash(number, Duration::from_secs(1));
        } else {
            world.clients[number].leave();
        }
    }
    let end = world.now + EMPTY;
    while let Some(left) = oracle::leftovers(&world) {
        if world.now >= end {
            return Err(format!("everyone left, and there are still {left}"));
        }
        world.run_for(Duration::from_secs(1));
    }
    check_faults(&world)?;
    Ok(Report {
        outcome,
        digest: world.digest,
        faults: world.happened.clone(),
        shards,
        passed: world.now - world.start,
        joins: world.clients.iter().map(|client| client.joins).sum(),
        packets: world.clients.iter().map(|client| client.ledger.packets).sum(),
        messages: world.clients.iter().map(|client| client.ledger.notes).sum(),
    })
}

/// Waits until all sides agree for a while.
fn settle(world: &mut World, expected: &Outcome) -> Result<(), String> {
    let end = world.now + SETTLE;
    let mut agreed_since = None;
    loop {
        match oracle::disagreement(world, expected) {
            None => {
                let since = *agreed_since.get_or_insert(world.now);
                if world.now - since >= STEADY {
                    return Ok(());
                }
            }
            Some(difference) if world.now >= end => return Err(format!("does not settle: {difference}")),
            Some(_) => agreed_since = None,
        }
        world.run_for(LOOK);
        check_faults(world)?;
    }
}

/// Waits until what is sent arrives. A message that met a dead network is repeated after ever longer pauses, and a
/// client whose address changed is found at its next check.
fn flow(world: &mut World) -> Result<(), String> {
    let now = world.now;
    let probes: Vec<u32> = world.clients.iter_mut().map(|client| client.send_note(now, true, None)).collect();
    let end = now + SETTLE;
    while let Some(stagnation) = oracle::stagnation(world, &probes) {
        if world.now >= end {
            return Err(format!("does not flow: {stagnation}"));
        }
        // A lossy message finds its channel open or is lost.
        let now = world.now;
        for client in &mut world.clients {
            client.send_note(now, false, None);
        }
        world.run_for(LOOK);
        check_faults(world)?;
    }
    // While SCTP repairs an earlier loss it may give up lossy messages that were not lost.
    world.run_for(REPAIR);
    Ok(())
}

/// Everyone sends media and messages, with the ledgers open.
fn compare(world: &mut World) -> Result<(), String> {
    for client in &mut world.clients {
        client.ledger.open = true;
    }
    let now = world.now;
    let count = world.clients.len() as u16;
    for number in 0..count {
        for (reliable, to) in [(true, None), (false, None), (true, Some((number + 1) % count)), (true, None)] {
            // Nobody writes to itself.
            if to != Some(number) {
                world.clients[usize::from(number)].send_note(now, reliable, to);
            }
        }
    }
    world.run_for(COMPARE);
    for client in &mut world.clients {
        client.speak(false);
    }
    world.run_for(ARRIVE);
    for client in &mut world.clients {
        client.ledger.open = false;
        client.speak(true);
    }
    Ok(())
}

fn check_faults(world: &World) -> Result<(), String> {
    oracle::faults(world).map_or(Ok(()), Err)
}
