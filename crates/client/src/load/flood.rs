//! Junk for the server's media port: datagrams that look like each protocol on it and belong to no session.
//!
//! One thread at a fixed pace, for as long as the value lives. Only ever sends to the address it was given.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Sockets, each with a port of its own: that many sources.
const SOURCES: usize = 16;
/// Pace: that many packets a second come in bursts of a hundredth of it.
const BURST_INTERVAL: Duration = Duration::from_millis(10);

/// A running flood.
pub struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    /// Begins to send `per_second` packets a second to `target`.
    ///
    /// # Errors
    /// The system gives no sockets or no thread.
    pub fn start(target: SocketAddr, per_second: u64) -> std::io::Result<Self> {
        let any: SocketAddr = if target.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
        let sockets = (0..SOURCES).map(|_| UdpSocket::bind(any)).collect::<Result<Vec<_>, _>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::Builder::new()
            .name("flood".to_owned())
            .spawn(move || send_all(&sockets, target, per_second, &stopped, &counted))?;
        Ok(Self { stop, sent, thread: Some(thread) })
    }

    /// Packets sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn send_all(sockets: &[UdpSocket], target: SocketAddr, per_second: u64, stop: &AtomicBool, sent: &AtomicU64) {
    let began = Instant::now();
    let mut datagram = [0; 1200];
    while !stop.load(Ordering::Relaxed) {
        let wanted = (began.elapsed().as_secs_f64() * per_second as f64) as u64;
        let mut done = sent.load(Ordering::Relaxed);
        while done < wanted && !stop.load(Ordering::Relaxed) {
            let len = junk(done, &mut datagram);
            if let Some(socket) = sockets.get(done as usize % sockets.len().max(1)) {
                // A full buffer or an ICMP error changes nothing.
                let _ = socket.send_to(datagram.get(..len).unwrap_or_default(), target);
            }
            done += 1;
        }
        sent.store(done, Ordering::Relaxed);
        // Stopping the flood wakes this thread.
        std::thread::park_timeout(BURST_INTERVAL);
    }
}

/// Writes datagram number `number`; its length.
fn junk(number: u64, datagram: &mut [u8; 1200]) -> usize {
    // A multiplicative generator is random enough for junk.
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for word in datagram.chunks_exact_mut(8) {
        state = state.wrapping_mul(0xd129_0d3d_7c2b_4f15).rotate_left(23);
        word.copy_from_slice(&state.to_be_bytes());
    }
    let len = match number % 5 {
        // A STUN binding request with an unknown user name (RFC 8489, section 5), without integrity.
        0 => {
            let head = [0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
            datagram[..8].copy_from_slice(&head);
            datagram[20..32].copy_from_slice(&[0, 6, 0, 8, b'0', b'0', b'0', b'0', b'a', b'b', b':', b'c']);
            return 32;
        }
        // DTLS 1.2 handshake, SRTP, SRTCP, and anything.
        1 => {
            datagram[..3].copy_from_slice(&[22, 254, 253]);
            300
        }
        2 => {
            datagram[..2].copy_from_slice(&[0x90, 96]);
            1100
        }
        3 => {
            datagram[..2].copy_from_slice(&[0x81, 201]);
            60
        }
        _ => 1 + state as usize % 1199,
    };
    len.min(datagram.len())
}
