//! From what a shard has to send to the kernel: seals into one arena and sends it, until nothing waits.

use std::time::Instant;

use tutti_transport::Proto;

use super::connections::Connections;
use crate::batch::SendBatch;
use crate::io::{Sender, UdpSocket};
use crate::metrics::SendCounters;
use crate::shard::{Flushed, ShardCore};

/// Bytes sealed before they are sent.
const ARENA_BYTES: usize = 1 << 20;

/// A shard's sockets and what leaves through them.
pub(super) struct WayOut {
    sockets: Vec<UdpSocket>,
    sender: Sender,
    batch: SendBatch,
    counters: SendCounters,
}

impl WayOut {
    pub(super) fn new(sockets: Vec<UdpSocket>, segments: bool) -> Self {
        Self {
            sockets,
            sender: Sender::new(segments),
            batch: SendBatch::new(ARENA_BYTES),
            counters: SendCounters::default(),
        }
    }

    pub(super) fn sockets(&self) -> &[UdpSocket] {
        &self.sockets
    }

    pub(super) const fn counters(&self) -> SendCounters {
        self.counters
    }

    /// Sends everything that waits in `core`.
    pub(super) fn flush(&mut self, now: Instant, core: &mut ShardCore, connections: &mut Connections) {
        loop {
            let flushed = core.flush(now, &mut self.batch);
            if !self.batch.is_empty() {
                self.sender.send(&self.sockets, &self.batch, &mut self.counters);
                if connections.len() > 0 {
                    for (path, frame) in self.batch.datagrams() {
                        if let Proto::Tcp(connection) = path.proto {
                            connections.send(now, connection, frame);
                        }
                    }
                }
                self.batch.clear();
            }
            if flushed == Flushed::All {
                return;
            }
        }
    }
}
