//! ICE over TCP (RFC 6544, RFC 4571): accepting connections, and one accepted connection inside a shard.
//!
//! The front waits until the first frame of a connection is whole, looks at it without taking it, and hands the
//! connection to the shard that the frame's user name names. Everything is bounded: connections waiting, the time
//! they may wait, and bytes waiting to be written to a slow peer. Connections that say nothing give way to new ones.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use tutti_limit::Places;
use tutti_transport::tcp_frame::{self, Framer, HEADER_LEN};
use tutti_transport::{DatagramKind, classify, stun_username};

use super::address::RawAddress;
use super::poll::{Doorbell, Poll, Ready, Token};
use super::udp::set_option;

/// Time for the first frame of a connection to be complete.
const FIRST_FRAME_WAIT: Duration = Duration::from_secs(10);
/// Longest first frame: a binding request fits one datagram of the smallest IPv6 path.
const FIRST_FRAME_MAX: usize = 1280;
/// Bytes that may wait for a slow peer: about a second of a 2 Mbit/s stream.
const QUEUED_MAX: usize = 256 * 1024;
/// A peer that takes nothing for this long while bytes wait is given up.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// Bytes read from one connection before others get their turn.
const READ_TURN: usize = 64 * 1024;
/// Connections the kernel holds for us before they are accepted.
const BACKLOG: libc::c_int = 512;

const BELL: Token = Token(u64::MAX);
/// Tokens of listeners count down from here; pending connections count up from 0.
const LISTENERS: u64 = u64::MAX - 1;

/// Listens, and sorts new connections by shard. Lives on its own thread.
#[derive(Debug)]
pub struct TcpFront {
    listeners: Vec<TcpListener>,
    poll: Poll,
    /// Connections that wait, by number, which is their token too.
    pending: BTreeMap<u64, Pending>,
    places: Places,
    accepted: u64,
    /// Connections closed to make room for others, or that the system had no descriptor for.
    refused: u64,
    /// Connections closed because their first frame was late or no binding request, or nobody wanted them.
    invalid: u64,
}

#[derive(Debug)]
struct Pending {
    stream: TcpStream,
    remote: SocketAddr,
    until: Instant,
}

enum FirstFrame {
    Incomplete,
    Invalid,
    For(String),
}

impl TcpFront {
    /// Listens on each of `addresses`; port 0 lets the system choose.
    ///
    /// # Errors
    /// What the system answers, and to which address.
    pub fn bind(addresses: &[SocketAddr], pending_max: usize) -> Result<Self, (SocketAddr, io::Error)> {
        let listeners: Vec<TcpListener> = addresses
            .iter()
            .map(|&address| listen(address).map_err(|error| (address, error)))
            .collect::<Result<_, _>>()?;
        let first = addresses.first().copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        let poll = Poll::new().map_err(|error| (first, error))?;
        for (index, listener) in (0u64..).zip(&listeners) {
            poll.add(listener, Token(LISTENERS - index)).map_err(|error| (first, error))?;
        }
        let places = Places::new(pending_max);
        Ok(Self { listeners, poll, pending: BTreeMap::new(), places, accepted: 0, refused: 0, invalid: 0 })
    }

    /// The addresses listened on, with real ports.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Works until `stop` says so; `bell` wakes it to ask. Each connection whose first frame is a binding request goes
    /// to `hand_over` with the user name fragment it asks for, nothing read from it yet; `false` closes it. `count` is
    /// told how many were refused and how many were invalid so far.
    ///
    /// # Errors
    /// What the system answers to waiting.
    pub fn run(
        &mut self,
        bell: &Doorbell,
        stop: impl Fn() -> bool,
        mut hand_over: impl FnMut(&str, TcpStream) -> bool,
        mut count: impl FnMut(u64, u64),
    ) -> io::Result<()> {
        self.poll.add(bell, BELL)?;
        let mut ready = Vec::new();
        loop {
            let now = Instant::now();
            // All wait equally long, so the first to come is the first to be late.
            let next = self.pending.first_key_value().map(|(_, pending)| pending.until);
            self.poll.wait(next.map(|until| until.saturating_duration_since(now)), &mut ready)?;
            if stop() {
                return Ok(());
            }
            let now = Instant::now();
            for Ready { token, .. } in ready.iter().copied() {
                match token {
                    BELL => bell.answer(),
                    Token(listener) if listener > LISTENERS - self.listeners.len() as u64 => {
                        self.accept((LISTENERS - listener) as usize, now);
                    }
                    Token(number) => self.look(number, &mut hand_over),
                }
            }
            self.expire(now);
            count(self.refused, self.invalid);
        }
    }

    fn accept(&mut self, listener: usize, now: Instant) {
        let Some(listener) = self.listeners.get(listener) else { return };
        // Level triggered: what is left over is reported again.
        for _ in 0..64 {
            let (stream, remote) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Nothing more, or out of descriptors: the wait below must not spin on the latter.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.refused += 1;
                    #[expect(clippy::disallowed_methods, reason = "the descriptors are out: nothing to wait for")]
                    std::thread::sleep(Duration::from_millis(10));
                    return;
                }
            };
            let number = self.accepted;
            self.accepted += 1;
            let usable = stream.set_nonblocking(true).is_ok() && stream.set_nodelay(true).is_ok();
            if !usable || self.poll.add_edge(&stream, Token(number)).is_err() {
                self.refused += 1;
                continue;
            }
            self.pending.insert(number, Pending { stream, remote, until: now + FIRST_FRAME_WAIT });
            if let Some(number) = self.places.enter(remote.ip(), number) {
                self.refused += 1;
                self.pending.remove(&number);
            }
        }
    }

    fn look(&mut self, number: u64, hand_over: &mut impl FnMut(&str, TcpStream) -> bool) {
        let Some(pending) = self.pending.get(&number) else { return };
        match first_frame(&pending.stream) {
            FirstFrame::Incomplete => {}
            FirstFrame::Invalid => {
                self.invalid += 1;
                self.take(number);
            }
            FirstFrame::For(ufrag) => {
                let Some(pending) = self.take(number) else { return };
                if self.poll.remove(&pending.stream).is_err() || !hand_over(&ufrag, pending.stream) {
                    self.invalid += 1;
                }
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some((&number, pending)) = self.pending.first_key_value()
            && pending.until <= now
        {
            self.take(number);
            self.invalid += 1;
        }
    }

    fn take(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        self.places.leave(pending.remote.ip(), number);
        Some(pending)
    }
}

fn first_frame(stream: &TcpStream) -> FirstFrame {
    let mut bytes = [0; HEADER_LEN + FIRST_FRAME_MAX];
    let length = match stream.peek(&mut bytes) {
        Ok(0) => return FirstFrame::Invalid,
        Ok(length) => length,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            return FirstFrame::Incomplete;
        }
        Err(_) => return FirstFrame::Invalid,
    };
    let [high, low, rest @ ..] = &bytes[..length] else { return FirstFrame::Incomplete };
    let wanted = usize::from(u16::from_be_bytes([*high, *low]));
    if wanted > FIRST_FRAME_MAX || rest.first().is_some_and(|_| classify(rest) != DatagramKind::Stun) {
        return FirstFrame::Invalid;
    }
    match rest.get(..wanted) {
        None => FirstFrame::Incomplete,
        Some(frame) => match stun_username(frame) {
            Some((ours, _)) => FirstFrame::For(ours.to_owned()),
            None => FirstFrame::Invalid,
        },
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let (name, length) = RawAddress::new(address);
    // SAFETY: a non-negative result of `socket` is a fresh descriptor that nobody else owns; `name` lives through
    // `bind` and `length` is the length of the variant it holds.
    unsafe {
        let fd = libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = OwnedFd::from_raw_fd(fd);
        set_option(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        if address.is_ipv6() {
            set_option(fd.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        }
        if libc::bind(fd.as_raw_fd(), name.as_ptr(), length) != 0 || libc::listen(fd.as_raw_fd(), BACKLOG) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(TcpListener::from(fd))
    }
}

/// How a connection stands after it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpLinkState {
    /// In use.
    Open,
    /// The peer closed it, broke the framing or does not read: drop it.
    Closed,
}

/// One accepted connection, as frames.
#[derive(Debug)]
pub struct TcpLink {
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    framer: Framer,
    queued: Vec<u8>,
    stalled_since: Option<Instant>,
    /// Frames dropped because too many bytes were waiting.
    pub dropped: u64,
}

impl TcpLink {
    /// Takes over a non-blocking stream.
    ///
    /// # Errors
    /// When it is no longer connected.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
        Ok(Self { stream, local, remote, framer: Framer::new(), queued: Vec::new(), stalled_since: None, dropped: 0 })
    }

    /// Our end.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// The peer's end.
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Whether bytes wait for the peer, so that the link should hear when it is writable.
    pub const fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Reads what is there, up to a turn's worth, and calls `each` with every whole frame's contents.
    pub fn read(&mut self, mut each: impl FnMut(&mut [u8])) -> TcpLinkState {
        let mut bytes = [0; 16 * 1024];
        let mut taken = 0;
        while taken < READ_TURN {
            match self.stream.read(&mut bytes) {
                Ok(0) => return TcpLinkState::Closed,
                Ok(length) => {
                    taken += length;
                    if self.framer.push(&bytes[..length], &mut each).is_err() {
                        return TcpLinkState::Closed;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return TcpLinkState::Closed,
            }
        }
        TcpLinkState::Open
    }

    /// Sends one frame, or queues what the peer does not take now. A frame that finds the queue full is dropped and
    /// counted; a peer that has taken nothing for five seconds is given up.
    pub fn send(&mut self, now: Instant, frame: &[u8]) -> TcpLinkState {
        let Some(header) = tcp_frame::header(frame.len()) else {
            self.dropped += 1;
            return TcpLinkState::Open;
        };
        if self.queued.len() + frame.len() > QUEUED_MAX {
            self.dropped += 1;
            let stalled = self.stalled_since.is_some_and(|since| now.saturating_duration_since(since) > STALLED_AFTER);
            return if stalled { TcpLinkState::Closed } else { TcpLinkState::Open };
        }
        self.queued.extend_from_slice(&header);
        self.queued.extend_from_slice(frame);
        // A queue that was there before waits for the socket to become writable.
        if self.queued.len() > HEADER_LEN + frame.len() { TcpLinkState::Open } else { self.flush(now) }
    }

    /// Writes queued bytes; call when the socket became writable.
    pub fn flush(&mut self, now: Instant) -> TcpLinkState {
        let mut written = 0;
        let state = loop {
            if written == self.queued.len() {
                break TcpLinkState::Open;
            }
            match self.stream.write(&self.queued[written..]) {
                Ok(0) => break TcpLinkState::Closed,
                Ok(length) => written += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break TcpLinkState::Open,
                Err(_) => break TcpLinkState::Closed,
            }
        };
        self.queued.drain(..written);
        if self.queued.is_empty() {
            self.stalled_since = None;
            self.queued = Vec::new();
        } else if written > 0 || self.stalled_since.is_none() {
            self.stalled_since = Some(now);
        }
        state
    }
}

impl AsRawFd for TcpLink {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}
