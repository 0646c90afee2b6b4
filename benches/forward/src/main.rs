//! `make bench-forward`: the whole forward path of a shard against the floor (seal and send, nothing else) and against
//! a fan-out made of str0m sessions. One process, one run, interleaved rounds; thread CPU time, best of the rounds.
//!
//! The last line is JSON. `fixed` as argument runs a small call of fixed size instead, for counting instructions.

mod allocation;
mod call;
mod description;
mod floor;
mod meter;
mod ours;
mod peer;
mod server;
mod stream;
mod theirs;
mod wire;

use std::time::{Duration, Instant};

use call::Call;
use floor::Floor;
use ours::Ours;
use server::Server;
use theirs::Theirs;
use wire::{Sending, Wire};

const ROUNDS: usize = 7;
/// Tracks that a subscriber has besides camera and microphone, where it has a hundred.
const IDLE_TRACKS: u32 = 98;
const IDLE_SPAN: Duration = Duration::from_secs(20);
/// Until the history of what was sent has its final size.
const STREAMING_SPAN: Duration = Duration::from_secs(12);

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("fixed") => fixed(),
        Some("quick") => quick(),
        _ => compare(),
    }
}

/// A small call, always the same: what it costs is counted in instructions.
fn fixed() {
    let mut call = our_call(20);
    call.publish(0);
    call.run(Duration::from_secs(2));
    println!("{} packets forwarded in all", call.server.forwarded());
}

/// One size only, for profiles.
fn quick() {
    let mut rows = Rows::default();
    let mut call = our_call(200);
    call.publish(0);
    let mut floor = Floor::new(call.addresses());
    for _ in 0..ROUNDS {
        rows.floor(200, &mut floor);
        rows.ours("ours", 200, &mut call);
    }
    rows.print();
}

fn our_call(subscribers: usize) -> Call<Ours> {
    let (wire, now) = (Wire::new(), Instant::now());
    let server = Ours::new(now, wire.address());
    Call::new(subscribers, wire, server, now)
}

fn their_call(subscribers: usize) -> Call<Theirs> {
    let (wire, now) = (Wire::new(), Instant::now());
    let server = Theirs::new(wire.address());
    Call::new(subscribers, wire, server, now)
}

fn compare() {
    let mut rows = Rows::default();
    let memory = footprint(&mut rows);

    for subscribers in [50, 200, 1000] {
        let mut ours = our_call(subscribers);
        ours.publish(0);
        let mut floor = Floor::new(ours.addresses());
        let mut many = (subscribers == 200).then(|| {
            let mut call = our_call(subscribers);
            call.publish(IDLE_TRACKS);
            call
        });
        let mut theirs = (subscribers == 200).then(|| {
            let mut call = their_call(subscribers);
            call.publish(0);
            call
        });
        for _ in 0..ROUNDS {
            rows.floor(subscribers, &mut floor);
            rows.ours("ours", subscribers, &mut ours);
            if let Some(call) = &mut many {
                rows.ours("ours, 100 tracks", subscribers, call);
            }
            if let Some(call) = &mut theirs {
                rows.ours("str0m", subscribers, call);
            }
        }
    }
    rows.print();
    rows.json(&memory, description::hundred_sections_us());
}

struct Footprint {
    allocations_per_packet: f64,
    bytes_idle: i64,
    bytes_streaming: i64,
    idle_us_per_s: f64,
}

/// What transports hold and cost when nothing flows, and when it does.
fn footprint(rows: &mut Rows) -> Footprint {
    const SUBSCRIBERS: usize = 200;
    let transports = SUBSCRIBERS as i64 + 1;
    let empty = allocation::allocated().bytes;
    let mut call = our_call(SUBSCRIBERS);
    let idle = call.run(IDLE_SPAN);
    let bytes_idle = (allocation::allocated().bytes - empty) / transports;
    let before = allocation::allocated().bytes;
    call.publish(0);
    call.run(STREAMING_SPAN);
    let bytes_streaming = bytes_idle + (allocation::allocated().bytes - before) / SUBSCRIBERS as i64;
    let (calls, packets) = (allocation::allocated().calls, call.server.forwarded());
    call.run(Duration::from_secs(2));
    let calls = allocation::allocated().calls - calls;
    let packets = call.server.forwarded() - packets;
    rows.notes.push(format!("{calls} allocations beside {packets} packets"));
    Footprint {
        allocations_per_packet: calls as f64 / packets as f64,
        bytes_idle,
        bytes_streaming,
        idle_us_per_s: idle.as_secs_f64() * 1e6 / IDLE_SPAN.as_secs_f64() / transports as f64,
    }
}

/// Nanoseconds per packet by variant, every round.
#[derive(Default)]
struct Rows {
    rows: Vec<(String, usize, Sending, Vec<f64>)>,
    notes: Vec<String>,
}

impl Rows {
    fn note(&mut self, name: &str, subscribers: usize, sending: Sending, ns: f64) {
        let row = self.rows.iter_mut().find(|row| row.0 == name && row.1 == subscribers && row.2 == sending);
        match row {
            Some(row) => row.3.push(ns),
            None => self.rows.push((name.to_owned(), subscribers, sending, vec![ns])),
        }
    }

    fn floor(&mut self, subscribers: usize, floor: &mut Floor) {
        for sending in [Sending::Singly, Sending::Runs] {
            self.note("floor", subscribers, sending, floor.run(sending));
        }
    }

    fn ours<S: Server>(&mut self, name: &str, subscribers: usize, call: &mut Call<S>) {
        for sending in [Sending::Singly, Sending::Runs] {
            let ns = call.second(sending);
            self.note(name, subscribers, sending, ns);
        }
    }

    fn best(&self, name: &str, subscribers: usize, sending: Sending) -> f64 {
        let row = self.rows.iter().find(|row| row.0 == name && row.1 == subscribers && row.2 == sending);
        row.map_or(f64::NAN, |row| row.3.iter().copied().fold(f64::INFINITY, f64::min))
    }

    fn print(&self) {
        println!(
            "{:18} {:>5}  {:8} {:>8} {:>8}   ns per packet and subscriber",
            "", "subs", "sending", "best", "median"
        );
        for (name, subscribers, sending, spent) in &self.rows {
            let mut sorted = spent.clone();
            sorted.sort_by(f64::total_cmp);
            let median = sorted[sorted.len() / 2];
            let how = if *sending == Sending::Runs { "GSO" } else { "sendmmsg" };
            println!("{name:18} {subscribers:>5}  {how:8} {:8.0} {median:8.0}", sorted[0]);
        }
        for note in &self.notes {
            println!("{note}");
        }
    }

    fn json(&self, memory: &Footprint, sdp_100_us: f64) {
        let to_floor = |name: &str, subscribers: usize, sending: Sending| {
            self.best(name, subscribers, sending) / self.best("floor", subscribers, sending)
        };
        let to_str0m = |sending| self.best("str0m", 200, sending) / self.best("ours", 200, sending);
        let (singly, runs) = (Sending::Singly, Sending::Runs);
        println!(
            "{{\"ratio_to_floor_n50\":{:.3},\"ratio_to_floor_n200\":{:.3},\"ratio_to_floor_n1000\":{:.3},\
             \"ratio_to_floor_n200_tracks100\":{:.3},\"ratio_to_floor_gso_n50\":{:.3},\"ratio_to_floor_gso_n200\":{:.3},\
             \"ratio_to_floor_gso_n1000\":{:.3},\"ratio_to_str0m_n200\":{:.2},\"ratio_to_str0m_n200_sendmmsg\":{:.2},\
             \"allocations_per_packet\":{:.5},\"bytes_idle\":{},\"bytes_streaming\":{},\"idle_us_per_s\":{:.1},\
             \"sdp_100_us\":{:.0}}}",
            to_floor("ours", 50, singly),
            to_floor("ours", 200, singly),
            to_floor("ours", 1000, singly),
            to_floor("ours, 100 tracks", 200, singly),
            to_floor("ours", 50, runs),
            to_floor("ours", 200, runs),
            to_floor("ours", 1000, runs),
            to_str0m(runs),
            to_str0m(singly),
            memory.allocations_per_packet,
            memory.bytes_idle,
            memory.bytes_streaming,
            memory.idle_us_per_s,
            sdp_100_us,
        );
    }
}
