//! Two endpoints, a network between them with seeded loss and delay, and one virtual clock.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "every test binary uses its own part")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tutti_transport::Proto;

/// A datagram on its way.
#[derive(Debug, Clone)]
pub struct Packet {
    pub proto: Proto,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub contents: Vec<u8>,
}

/// One end: it takes datagrams and time, and gives datagrams and a deadline.
pub trait Endpoint {
    fn receive(&mut self, now: Instant, packet: &mut Packet);
    fn handle_timeout(&mut self, now: Instant);
    /// Hands out what is to be sent; gives the next deadline.
    fn drain(&mut self, now: Instant, send: &mut dyn FnMut(Packet)) -> Option<Instant>;
}

/// A small generator for loss and jitter: the same seed, the same run.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Which end sent a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

struct InFlight {
    arrival: Instant,
    number: u64,
    to: Side,
    packet: Packet,
}

/// The network between a client and a server.
pub struct Network {
    pub start: Instant,
    pub now: Instant,
    /// Percent of packets lost, each way.
    pub loss: u64,
    pub delay: Duration,
    pub jitter: Duration,
    /// The client's address as the server sees it, when it is behind a NAT.
    pub nat: Option<(SocketAddr, SocketAddr)>,
    /// Nothing passes.
    pub cut: bool,
    /// Every packet that was sent, lost or not.
    pub sent: Vec<(Side, usize)>,
    /// How often the server's timers went off.
    pub server_timeouts: usize,
    random: Random,
    in_flight: Vec<InFlight>,
    number: u64,
}

impl Network {
    pub fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            loss: 0,
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            nat: None,
            cut: false,
            sent: Vec::new(),
            server_timeouts: 0,
            random: Random::new(seed),
            in_flight: Vec::new(),
            number: 0,
        }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Puts a packet on its way as if `from` had sent it.
    pub fn send(&mut self, from: Side, mut packet: Packet) {
        self.sent.push((from, packet.contents.len()));
        if let Some((inside, outside)) = self.nat {
            match from {
                Side::Client if packet.source == inside => packet.source = outside,
                Side::Server if packet.destination == outside => packet.destination = inside,
                // The mapping is gone.
                Side::Server if packet.destination == inside => return,
                _ => {}
            }
        }
        if self.cut || self.random.below(100) < self.loss {
            return;
        }
        let jitter = self.random.below(self.jitter.as_micros() as u64 + 1);
        let to = if from == Side::Client { Side::Server } else { Side::Client };
        self.number += 1;
        let arrival = self.now + self.delay + Duration::from_micros(jitter);
        self.in_flight.push(InFlight { arrival, number: self.number, to, packet });
    }

    /// Runs both ends until `done` says so; `false` when `limit` from now passes first.
    pub fn run<C: Endpoint, S: Endpoint>(
        &mut self,
        client: &mut C,
        server: &mut S,
        limit: Duration,
        mut done: impl FnMut(&mut C, &mut S) -> bool,
    ) -> bool {
        let end = self.now + limit;
        loop {
            let now = self.now;
            let client_deadline = self.drain(Side::Client, client);
            let server_deadline = self.drain(Side::Server, server);
            if done(client, server) {
                return true;
            }
            let first = self.in_flight.iter().enumerate().min_by_key(|(_, p)| (p.arrival, p.number)).map(|(i, _)| i);
            let arrival = first.map(|i| self.in_flight[i].arrival);
            let next = [client_deadline, server_deadline, arrival].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return false;
            };
            self.now = next.max(now);
            match first.filter(|_| arrival <= Some(self.now)) {
                Some(i) => {
                    let mut flying = self.in_flight.remove(i);
                    match flying.to {
                        Side::Client => client.receive(self.now, &mut flying.packet),
                        Side::Server => server.receive(self.now, &mut flying.packet),
                    }
                }
                None => {
                    if client_deadline.is_some_and(|deadline| deadline <= self.now) {
                        client.handle_timeout(self.now);
                    }
                    if server_deadline.is_some_and(|deadline| deadline <= self.now) {
                        self.server_timeouts += 1;
                        server.handle_timeout(self.now);
                    }
                    // A deadline that is met without progress must not stop the clock.
                    if self.now == now {
                        self.now += Duration::from_micros(100);
                    }
                }
            }
        }
    }

    /// Runs both ends for `span`.
    pub fn pass<C: Endpoint, S: Endpoint>(&mut self, client: &mut C, server: &mut S, span: Duration) {
        self.run(client, server, span, |_, _| false);
    }

    fn drain(&mut self, side: Side, end: &mut impl Endpoint) -> Option<Instant> {
        let mut packets = Vec::new();
        let deadline = end.drain(self.now, &mut |packet| packets.push(packet));
        for packet in packets {
            self.send(side, packet);
        }
        deadline
    }
}

mod ours;
mod theirs;

pub use ours::{Ours, OursBuilder, credentials};
pub use theirs::{Theirs, TheirsConfig};
