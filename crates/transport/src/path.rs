//! Where datagrams come from and go to: protocols, addresses, and the values that carry datagrams in and out.

use std::net::SocketAddr;

use smallvec::SmallVec;

use crate::command::TransportEvent;

/// An accepted ICE-TCP connection, numbered by the owner of the sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcpConnection(pub u64);

/// What carries a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Proto {
    /// A UDP datagram.
    Udp,
    /// One RFC 4571 frame on an accepted connection ([`crate::tcp_frame`]).
    Tcp(TcpConnection),
}

impl Proto {
    /// Whether this is ICE-TCP.
    pub const fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp(_))
    }
}

/// The two ends of one way to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// What carries the datagrams.
    pub proto: Proto,
    /// The peer's address as we see it.
    pub remote: SocketAddr,
    /// Our address that the peer's datagrams arrive on.
    pub local: SocketAddr,
}

/// The addresses on which this transport can be reached. A full agent checks from each of them;
/// a lite agent answers wherever an authentic check arrives.
#[derive(Debug, Clone, Default)]
pub struct LocalAddresses {
    /// Addresses our UDP socket receives on, as they come in [`Datagram::destination`].
    pub udp: Vec<SocketAddr>,
    /// Addresses we accept ICE-TCP connections on.
    pub tcp: Vec<SocketAddr>,
}

/// A received STUN or DTLS datagram.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// What carried it.
    pub proto: Proto,
    /// The sender.
    pub source: SocketAddr,
    /// Our address it was sent to.
    pub destination: SocketAddr,
    /// The bytes, without any framing.
    pub contents: &'a [u8],
}

impl Datagram<'_> {
    /// The path this datagram came by.
    pub const fn path(&self) -> Path {
        Path { proto: self.proto, remote: self.source, local: self.destination }
    }
}

/// Holds the longest answer to a connectivity check: 76 bytes, to an IPv6 address.
const CHECK_ANSWER_MAX: usize = 96;

/// Bytes of a control datagram. Answers to connectivity checks, which a transport sends all its life, take no heap.
pub type Contents = SmallVec<[u8; CHECK_ANSWER_MAX]>;

/// A control datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// What shall carry it; a TCP one is to be framed ([`crate::tcp_frame::header`]).
    pub proto: Proto,
    /// Our address to send from.
    pub source: SocketAddr,
    /// The peer's address.
    pub destination: SocketAddr,
    /// The bytes, without any framing.
    pub contents: Contents,
}

/// What a transport wants done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send a datagram.
    Transmit(Transmit),
    /// Send a connectivity check; the answer comes from where it goes.
    Check(Transmit),
    /// Tell the control plane.
    Event(TransportEvent),
}
