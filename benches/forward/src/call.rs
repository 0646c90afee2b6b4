//! One publisher and many subscribers around a server, on a virtual clock of one millisecond.
//!
//! Only what the server does is measured: taking datagrams, its timers, sealing, sending. Clients run off the meter.

use std::time::{Duration, Instant};

use tutti_media::batch::SendBatch;
use tutti_media::shard::Flushed;

use crate::meter::Meter;
use crate::peer::{CONFIG, Inbox, Listener, Peer, number_of};
use crate::server::{Newcomer, Server};
use crate::stream::{Source, Stream};
use crate::wire::{Sending, Wire};

const TICK: Duration = Duration::from_millis(1);
/// Bytes sealed before they are sent, as in the shard's thread.
const ARENA_BYTES: usize = 1 << 20;
/// How long clients may take to connect.
const CONNECTED_WITHIN: Duration = Duration::from_secs(20);

/// The call. Client 0 is the publisher.
pub(crate) struct Call<S> {
    now: Instant,
    pub(crate) server: S,
    peers: Vec<Peer>,
    listeners: Vec<Listener>,
    sources: Vec<Source>,
    transport_cc: u16,
    inbox: Inbox,
    batch: SendBatch,
    wire: Wire,
    meter: Meter,
}

impl<S: Server> Call<S> {
    /// Everybody connected, nothing published.
    pub(crate) fn new(subscribers: usize, wire: Wire, server: S, now: Instant) -> Self {
        let mut call = Self {
            now,
            server,
            peers: Vec::new(),
            listeners: Vec::new(),
            sources: Vec::new(),
            transport_cc: 0,
            inbox: Vec::new(),
            batch: SendBatch::new(ARENA_BYTES),
            wire,
            meter: Meter::new(),
        };
        for number in 0..=subscribers {
            call.join(number);
        }
        let end = call.now + CONNECTED_WITHIN;
        while !call.peers.iter().all(|peer| peer.connected) {
            assert!(call.now < end, "all clients connect");
            call.tick(false);
        }
        call.run(Duration::from_secs(2));
        call
    }

    fn join(&mut self, number: usize) {
        let mut peer = Peer::new(self.now, number, self.wire.sink_port());
        let newcomer =
            Newcomer { number, address: peer.address, ice: peer.ice.clone(), fingerprint: CONFIG.fingerprint() };
        let server = &mut self.server;
        let (ice, fingerprint) = self.meter.around(|| server.join(self.now, &newcomer));
        peer.connect(self.now, self.wire.address(), ice, fingerprint);
        self.peers.push(peer);
        self.listeners.push(Listener::new(self.now, number));
    }

    /// Camera and microphone to everybody, and `idle` further tracks that are muted; warmed up.
    pub(crate) fn publish(&mut self, idle: u32) {
        for stream in (0..2 + idle).map(Stream::new) {
            let (server, peers, now) = (&mut self.server, self.peers.len(), self.now);
            self.meter.around(|| {
                server.publish(now, 0, &stream);
                for number in 1..peers {
                    server.subscribe(now, number, &stream);
                }
            });
        }
        self.sources = [0, 1].map(|number| Source::new(Stream::new(number))).into();
        self.run(Duration::from_secs(4));
    }

    /// Lets time pass; the CPU time that the server spent.
    pub(crate) fn run(&mut self, span: Duration) -> Duration {
        self.meter.take();
        let end = self.now + span;
        while self.now < end {
            self.tick(!self.sources.is_empty());
        }
        self.meter.take()
    }

    /// One second of media; the CPU time per forwarded packet, ns.
    pub(crate) fn second(&mut self, sending: Sending) -> f64 {
        self.wire.sending = sending;
        let before = self.server.forwarded();
        let spent = self.run(Duration::from_secs(1));
        spent.as_nanos() as f64 / (self.server.forwarded() - before) as f64
    }

    fn tick(&mut self, streaming: bool) {
        self.now += TICK;
        let now = self.now;
        for peer in &mut self.peers {
            peer.tick(now, &mut self.inbox);
        }
        if streaming {
            self.stream();
            for (peer, listener) in self.peers.iter_mut().zip(&mut self.listeners).skip(1) {
                listener.answer(now, peer, &mut self.inbox);
            }
        }
        if !self.inbox.is_empty() || self.server.deadline().is_some_and(|deadline| deadline <= now) {
            if streaming { self.counted_turn() } else { self.turn() }
        }
    }

    fn stream(&mut self) {
        let publisher = &self.peers[0];
        for source in &mut self.sources {
            for plain in source.poll(self.now, &mut self.transport_cc) {
                let room = plain.header.len() + plain.payload.len() + tutti_transport::SRTP_OVERHEAD_MAX;
                let mut sealed = vec![0; room];
                let length = publisher
                    .transport
                    .seal_rtp(&plain.header, &plain.payload, plain.index, &mut sealed)
                    .expect("keys");
                sealed.truncate(length);
                self.inbox.push((publisher.address, sealed));
            }
        }
    }

    /// A turn that counts for callgrind, by its name.
    #[inline(never)]
    fn counted_turn(&mut self) {
        self.turn();
    }

    /// What the shard's thread does when datagrams have come or something is due.
    fn turn(&mut self) {
        let now = self.now;
        let mut inbox = std::mem::take(&mut self.inbox);
        self.meter.start();
        for (from, bytes) in &mut inbox {
            self.server.receive(now, *from, bytes);
            if self.server.wants_flush() {
                self.flush();
            }
        }
        self.server.handle_timeout(now);
        self.flush();
        self.meter.stop();
        inbox.clear();
        self.inbox = inbox;
    }

    fn flush(&mut self) {
        loop {
            let flushed = self.server.flush(self.now, &mut self.batch);
            if !self.batch.is_empty() {
                self.wire.send(&self.batch);
                self.meter.stop();
                self.deliver();
                self.meter.start();
                self.batch.clear();
            }
            if flushed == Flushed::All {
                return;
            }
        }
    }

    /// What the clients do with it; it does not count, and has a name for that.
    #[inline(never)]
    fn deliver(&mut self) {
        for (path, bytes) in self.batch.datagrams() {
            let Some(number) = number_of(path.remote) else { continue };
            if let (Some(peer), Some(listener)) = (self.peers.get_mut(number), self.listeners.get_mut(number)) {
                listener.receive(self.now, peer, path, bytes);
            }
        }
    }

    /// Addresses of the subscribers.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = std::net::SocketAddr> {
        self.peers.iter().skip(1).map(|peer| peer.address)
    }
}
