//! Whether the kernel sends runs of datagrams in one piece: found out by sending some.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tutti_transport::{Path, Proto};

use super::receive::ReceiveBatch;
use super::send::Sender;
use super::udp::{UdpSocket, wait_readable};
use crate::batch::SendBatch;
use crate::metrics::SendCounters;

/// How long the segmentation probe waits for its own datagrams.
const PROBE_WAIT: Duration = Duration::from_millis(200);

/// Whether this kernel sends runs of datagrams in one piece (UDP_SEGMENT): three datagrams of which the last is
/// shorter are sent over loopback and must arrive as they were. Takes at most a fifth of a second.
pub fn probe_segmentation() -> bool {
    fn attempt() -> io::Result<bool> {
        let localhost = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (from, to) = (UdpSocket::bind(localhost, 1 << 16)?, UdpSocket::bind(localhost, 1 << 16)?);
        let path = Path { proto: Proto::Udp, remote: to.address(), local: from.address() };
        let mut batch = SendBatch::new(4096);
        let lengths = [700usize, 700, 300];
        for (mark, length) in (1u8..).zip(lengths) {
            if !batch.push(path, &vec![mark; length]) {
                return Ok(false);
            }
        }
        let mut counters = SendCounters::default();
        Sender::new(true).send(std::slice::from_ref(&from), &batch, &mut counters);
        if counters.segmented == 0 {
            return Ok(false);
        }
        let mut receive = ReceiveBatch::new();
        let mut arrived = Vec::new();
        let until = Instant::now() + PROBE_WAIT;
        while arrived.len() < lengths.len() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !wait_readable(&to, left) {
                return Ok(false);
            }
            receive.receive(&to)?;
            receive.for_each(to.address(), |received| {
                let whole = received.bytes.iter().all(|byte| *byte == received.bytes[0]);
                arrived.push((received.bytes.first().copied().filter(|_| whole), received.bytes.len()));
            });
        }
        Ok(arrived.into_iter().eq((1u8..).map(Some).zip(lengths)))
    }
    attempt().unwrap_or(false)
}
