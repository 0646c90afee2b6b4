//! One shard's thread: moves datagrams and commands between the sockets, the mailbox and the shard's core.
//!
//! Everything it holds is its own; other threads reach it by its mailbox, its doorbell and the rings between shards.

use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tutti_transport::{Path, Proto};

use super::connections::{CONNECTIONS, Connections};
use super::lock;
use super::way_out::WayOut;
use crate::command::EventSink;
use crate::io::{Doorbell, Poll, Ready, ReceiveBatch, Token, UdpSocket, pin_to_core, prefer_this_thread};
use crate::mailbox::Mailbox;
use crate::metrics::ShardMetrics;
use crate::shard::{ShardCommand, ShardConfig, ShardCore};

/// Receive calls on one socket before the others get their turn.
const RECEIVE_CALLS: usize = 4;
/// Orders carried out before packets get their turn.
const ORDERS: usize = 64;
/// Time between two publications of the counters; also the longest wait.
const METRICS_INTERVAL: Duration = Duration::from_secs(1);
/// The last token; sockets count up from 0, connections from [`CONNECTIONS`].
const BELL: Token = Token(u64::MAX);

/// What comes through a shard's mailbox.
#[derive(Debug)]
pub(super) enum ShardOrder {
    /// From the control plane.
    Command(ShardCommand),
    /// From the ICE-TCP front: a connection for a transport of this shard, nothing read from it yet.
    Tcp(TcpStream),
}

/// Everything a shard's thread starts from.
pub(super) struct ShardThread {
    pub(super) shard: ShardConfig,
    pub(super) sockets: Vec<UdpSocket>,
    pub(super) segments: bool,
    /// Core to pin to.
    pub(super) core: Option<usize>,
    pub(super) bell: Arc<Doorbell>,
    /// Of all shards.
    pub(super) bells: Vec<Arc<Doorbell>>,
    pub(super) mailbox: Arc<Mailbox<ShardOrder>>,
    pub(super) metrics: Arc<Mutex<ShardMetrics>>,
    pub(super) events: EventSink,
    pub(super) stop: Arc<AtomicBool>,
}

/// The running loop.
struct Loop {
    start: ShardThread,
    core: ShardCore,
    poll: Poll,
    receive: ReceiveBatch,
    way_out: WayOut,
    connections: Connections,
    receive_errors: u64,
}

impl ShardThread {
    /// Runs until told to stop. A panic that no peer can be blamed for ends the shard, and says so.
    pub(super) fn run(self) {
        let mailbox = Arc::clone(&self.mailbox);
        let shard = self.shard.shard;
        if let Some(Err(error)) = self.core.map(pin_to_core) {
            tracing::warn!(%shard, %error, "cannot pin the shard to a core");
        }
        if let Err(error) = prefer_this_thread() {
            tracing::debug!(%shard, %error, "the shard is no more urgent than other threads");
        }
        match catch_unwind(AssertUnwindSafe(|| Loop::new(self).and_then(|mut running| running.run()))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%shard, %error, "the shard has ended"),
            Err(_) => tracing::error!(%shard, "the shard has panicked"),
        }
        mailbox.close();
    }
}

impl Loop {
    fn new(mut start: ShardThread) -> std::io::Result<Self> {
        let poll = Poll::new()?;
        poll.add(&*start.bell, BELL)?;
        let sockets = std::mem::take(&mut start.sockets);
        for (token, socket) in (0u64..).zip(&sockets) {
            poll.add(socket, Token(token))?;
        }
        Ok(Self {
            core: ShardCore::new(start.shard.clone(), Instant::now()),
            poll,
            receive: ReceiveBatch::new(),
            way_out: WayOut::new(sockets, start.segments),
            connections: Connections::default(),
            receive_errors: 0,
            start,
        })
    }

    fn run(&mut self) -> std::io::Result<()> {
        let mut ready = Vec::new();
        let mut orders = Vec::new();
        let mut more = false;
        let mut publish_at = Instant::now();
        while !self.start.stop.load(Ordering::Acquire) {
            let now = Instant::now();
            let due = self.core.poll_timeout().map_or(METRICS_INTERVAL, |due| due.saturating_duration_since(now));
            let wait = if more { Duration::ZERO } else { due.min(METRICS_INTERVAL) };
            self.poll.wait(Some(wait), &mut ready)?;
            for event in ready.iter().copied() {
                self.attend(event);
            }
            more = self.start.mailbox.receive(&mut orders, ORDERS);
            let now = Instant::now();
            for order in orders.drain(..) {
                match order {
                    ShardOrder::Command(command) => self.core.handle_command(now, command),
                    ShardOrder::Tcp(stream) => self.connections.adopt(&self.poll, stream),
                }
            }
            more |= self.core.handle_links(now);
            self.core.handle_timeout(now);
            self.flush(now);
            self.report(now);
            if now >= publish_at {
                self.publish();
                publish_at = now + METRICS_INTERVAL;
            }
        }
        self.publish();
        Ok(())
    }

    fn attend(&mut self, event: Ready) {
        match event.token {
            BELL => self.start.bell.answer(),
            Token(connection) if connection >= CONNECTIONS => {
                let now = Instant::now();
                self.connections.attend(now, connection, event, &mut self.core);
                self.flush(now);
            }
            Token(socket) => self.receive(socket as usize),
        }
    }

    /// Takes what a socket holds, as far as its turn goes; it is reported again if this was not all.
    fn receive(&mut self, socket: usize) {
        for _ in 0..RECEIVE_CALLS {
            let Some(socket) = self.way_out.sockets().get(socket) else { return };
            let bound = socket.address();
            let taken = self.receive.receive(socket);
            let now = Instant::now();
            match taken {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    // An ICMP answer to something sent earlier, or no memory; the socket stays usable.
                    tracing::debug!(%error, "cannot receive");
                    self.receive_errors += 1;
                    return;
                }
            }
            let Self { core, receive, way_out, connections, .. } = self;
            receive.for_each(bound, |received| {
                let path = Path { proto: Proto::Udp, remote: received.source, local: received.destination };
                let arrived = now.checked_sub(received.waited).unwrap_or(now);
                core.handle_waiting_datagram(now, arrived, path, received.bytes);
                // Joined datagrams can be many: what waits to be sealed stays bounded.
                if core.wants_flush() {
                    way_out.flush(now, core, connections);
                }
            });
            self.flush(now);
        }
    }

    fn flush(&mut self, now: Instant) {
        self.way_out.flush(now, &mut self.core, &mut self.connections);
    }

    /// Tells everybody else what happened: the control plane, other shards, closed connections.
    fn report(&mut self, now: Instant) {
        while let Some(connection) = self.core.poll_closed_connection() {
            self.connections.close(connection);
        }
        self.connections.settle(now, &self.poll, &mut self.core);
        while let Some(event) = self.core.poll_event() {
            (self.start.events)(event);
        }
        while let Some(shard) = self.core.poll_wake() {
            if let Some(bell) = self.start.bells.get(shard.index()) {
                bell.ring();
            }
        }
    }

    fn publish(&self) {
        *lock(&self.start.metrics) = ShardMetrics {
            send: self.way_out.counters(),
            tcp_connections: self.connections.len() as u64,
            tcp_dropped: self.connections.dropped(),
            dropped_by_kernel: self.way_out.sockets().iter().map(UdpSocket::dropped_by_kernel).sum(),
            receive_errors: self.receive_errors + self.receive.unreadable,
            ..self.core.metrics()
        };
    }
}
