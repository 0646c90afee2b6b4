//! The ICE-TCP connections of one shard.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::Instant;

use tutti_transport::{Path, Proto, TcpConnection};

use crate::io::{Poll, Ready, TcpLink, TcpLinkState, Token};
use crate::shard::ShardCore;

/// Numbers of connections, which are their tokens too, count up from here and are never used again.
pub(super) const CONNECTIONS: u64 = 1 << 32;

struct Connection {
    link: TcpLink,
    /// A frame of it belonged to a peer.
    claimed: bool,
    /// The poll reports it as writable.
    watched: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Connections {
    open: BTreeMap<u64, Connection>,
    opened: u64,
    /// Those to drop, and those whose queue may have changed, at the end of the turn.
    closed: Vec<u64>,
    touched: Vec<u64>,
    /// Frames dropped by connections that are gone.
    dropped: u64,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Frames dropped for slow peers, since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped + self.open.values().map(|connection| connection.link.dropped).sum::<u64>()
    }

    /// Takes a new connection over.
    pub(super) fn adopt(&mut self, poll: &Poll, stream: TcpStream) {
        let Ok(link) = TcpLink::new(stream) else { return };
        let number = CONNECTIONS + self.opened;
        if poll.add(&link, Token(number)).is_ok() {
            self.opened += 1;
            self.open.insert(number, Connection { link, claimed: false, watched: false });
        }
    }

    /// Reads or writes, as the poll reports.
    pub(super) fn attend(&mut self, now: Instant, number: u64, event: Ready, core: &mut ShardCore) {
        let Some(Connection { link, claimed, .. }) = self.open.get_mut(&number) else { return };
        let mut state = TcpLinkState::Open;
        if event.readable {
            let path = Path { proto: Proto::Tcp(TcpConnection(number)), remote: link.remote(), local: link.local() };
            let mut stranger = false;
            state = link.read(|frame| {
                let taken = core.handle_datagram(now, path, frame);
                *claimed |= taken;
                stranger |= !*claimed;
            });
            if stranger {
                state = TcpLinkState::Closed;
            }
        }
        if event.writable && state == TcpLinkState::Open {
            state = link.flush(now);
        }
        self.note(number, state);
    }

    /// Sends one frame.
    pub(super) fn send(&mut self, now: Instant, TcpConnection(number): TcpConnection, frame: &[u8]) {
        let Some(connection) = self.open.get_mut(&number) else { return };
        let state = connection.link.send(now, frame);
        self.note(number, state);
    }

    /// The peer is gone: so is its connection.
    pub(super) fn close(&mut self, TcpConnection(number): TcpConnection) {
        self.closed.push(number);
    }

    /// The end of a turn: drops what was closed and watches what is full.
    pub(super) fn settle(&mut self, now: Instant, poll: &Poll, core: &mut ShardCore) {
        for number in std::mem::take(&mut self.touched) {
            let Some(connection) = self.open.get_mut(&number) else { continue };
            let wanted = connection.link.has_queued();
            if wanted != connection.watched {
                if poll.want_writable(&connection.link, Token(number), wanted).is_err() {
                    self.closed.push(number);
                }
                connection.watched = wanted;
            }
        }
        for number in std::mem::take(&mut self.closed) {
            if let Some(connection) = self.open.remove(&number) {
                self.dropped += connection.link.dropped;
                core.handle_tcp_closed(now, TcpConnection(number), connection.link.remote());
            }
        }
    }

    fn note(&mut self, number: u64, state: TcpLinkState) {
        match state {
            TcpLinkState::Open if self.touched.last() != Some(&number) => self.touched.push(number),
            TcpLinkState::Open => {}
            TcpLinkState::Closed => self.closed.push(number),
        }
    }
}
