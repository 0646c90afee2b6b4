//! The way to the kernel: the server's socket, and sinks that nobody reads. Once a sink's buffer is full the kernel
//! drops what comes at its end, so that only the sender's side, routing and loopback cost.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket as Sink};

use tutti_media::batch::SendBatch;
use tutti_media::io::{Sender, UdpSocket};
use tutti_media::metrics::SendCounters;

/// How datagrams leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// One message for each datagram, many messages for each call.
    Singly,
    /// One message for each run of equal datagrams.
    Runs,
}

/// Sockets and senders.
pub(crate) struct Wire {
    sockets: [UdpSocket; 1],
    singly: Sender,
    runs: Sender,
    pub(crate) sending: Sending,
    pub(crate) counters: SendCounters,
    sink: Sink,
}

impl Wire {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into(), 8 << 20).expect("a socket");
        let sink = Sink::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a sink");
        Self {
            sockets: [socket],
            singly: Sender::new(false),
            runs: Sender::new(true),
            sending: Sending::Runs,
            counters: SendCounters::default(),
            sink,
        }
    }

    /// Where the server is reached.
    pub(crate) fn address(&self) -> SocketAddr {
        self.sockets[0].address()
    }

    /// The port of all sinks.
    pub(crate) fn sink_port(&self) -> u16 {
        self.sink.local_addr().expect("bound").port()
    }

    pub(crate) fn send(&mut self, batch: &SendBatch) {
        let sender = match self.sending {
            Sending::Singly => &mut self.singly,
            Sending::Runs => &mut self.runs,
        };
        sender.send(&self.sockets, batch, &mut self.counters);
    }
}
