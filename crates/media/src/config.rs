//! What the media plane is started with, and what may go wrong with it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tutti_id::ShardNumber;
use tutti_transport::TransportId;

/// Settings of a [`MediaPlane`](crate::MediaPlane), fixed for its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaConfig {
    /// Local addresses to bind. An unspecified address means every interface; an unspecified IPv6 address is left
    /// out, with a warning, where the system has no IPv6.
    pub bind: Vec<IpAddr>,
    /// UDP port of shard 0; shard `n` takes the port `n` above. 0 lets the system choose every port.
    pub udp_port_base: u16,
    /// Port of the ICE-TCP listener (RFC 6544), 0 lets the system choose; `None` = no TCP.
    pub tcp_port: Option<u16>,
    /// Number of shards; 0 = one for each core this process may use.
    pub shards: usize,
    /// Addresses that peers see in the place of ours (1:1 NAT). Empty = the interfaces' own.
    pub advertised: Vec<IpAddr>,
    /// Subscribers of one room on its home shard before further ones go to other shards.
    pub shard_subscribers_max: usize,
    /// Offer loopback addresses as candidates also where there are others (development, tests).
    pub loopback: bool,
    /// Pin each shard to a core. A refusal by the system is only logged.
    pub pin: bool,
    /// Kernel buffer asked for each UDP socket and direction, bytes. The system may grant less. It holds what arrives
    /// while a shard waits for its core: a third of a second of 50,000 packets a second.
    pub socket_buffer_bytes: usize,
    /// Commands a shard's mailbox holds before senders wait.
    pub mailbox_commands_max: usize,
    /// ICE-TCP connections accepted that have not shown a valid binding request yet; above, the longest-waiting one of
    /// the address with most of them gives way.
    pub tcp_pending_max: usize,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            bind: vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
            udp_port_base: 7882,
            tcp_port: Some(7881),
            shards: 0,
            advertised: Vec::new(),
            shard_subscribers_max: 500,
            loopback: false,
            pin: true,
            socket_buffer_bytes: 16 << 20,
            mailbox_commands_max: 4096,
            tcp_pending_max: 1024,
        }
    }
}

/// What may go wrong with the media plane.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// No address to bind was given, or none of them exists here.
    #[error("no local address to bind")]
    NoAddress,
    /// More shards, or a higher port, than the ports allow.
    #[error("{shards} shards do not fit above UDP port {base}")]
    Ports {
        /// Asked-for shards.
        shards: usize,
        /// Asked-for first port.
        base: u16,
    },
    /// A socket could not be opened.
    #[error("cannot bind {proto} {address}")]
    Bind {
        /// `udp` or `tcp`.
        proto: &'static str,
        /// Address and port.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread, a waker or the list of interfaces could not be had.
    #[error("cannot start: {what}")]
    Start {
        /// What was wanted.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The process certificate could not be made.
    #[error("cannot make the certificate: {0}")]
    Certificate(String),
    /// A command names a transport that was never opened, or was closed.
    #[error("unknown transport {0:?}")]
    UnknownTransport(TransportId),
    /// A command names a shard that does not exist.
    #[error("unknown shard {0}")]
    UnknownShard(ShardNumber),
    /// The media plane is shutting down.
    #[error("the media plane is shut down")]
    Closed,
}
