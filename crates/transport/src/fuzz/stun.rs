//! STUN datagrams of anybody, and candidates of the peer.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::input::Input;
use super::{address, check_attributes, remote, signed, transport};
use crate::command::{IceCredentials, TransportCommand};
use crate::path::{Datagram, Output, Proto, TcpConnection};
use crate::stun::{BindingRequest, IntegrityKey, is_well_formed};
use crate::{DatagramKind, Transport, classify, stun_username};

/// Timers that one step may need.
const TIMERS_MAX: usize = 1000;

/// Datagrams of strangers and of the peer, candidates, restarts and waits. Who did not prove to know the password gets
/// no byte; who did, and no more, gets no more than it sent.
pub fn stun(start: Instant, data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let lite = flags & 1 == 0;
    let mut play = Play {
        transport: transport(lite, start),
        lite,
        now: start,
        proved: BTreeSet::new(),
        candidates: false,
        transaction: 0,
    };
    if flags & 2 == 0 {
        play.transport.handle_command(start, remote());
    }
    play.drain(None);
    while !input.is_empty() {
        play.step(&mut input);
    }
}

struct Play {
    transport: Transport,
    lite: bool,
    now: Instant,
    /// Sources from which an authentic request came.
    proved: BTreeSet<SocketAddr>,
    /// The peer named candidates: a full agent may check them unasked.
    candidates: bool,
    transaction: u8,
}

impl Play {
    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.byte();
        let source = usize::from(op >> 4);
        match op & 0x0f {
            0..=3 => self.datagram(source, input.piece()),
            4..=7 => {
                // Attributes of the bytes' choice in a request that is signed as it should be.
                let attributes = [&check_attributes()[..], input.piece()].concat();
                self.transaction = self.transaction.wrapping_add(1);
                self.datagram(source, &signed(1, self.transaction, &attributes, super::PASSWORD));
            }
            8 => {
                let kind = input.short() & 0x3fff;
                let message = signed(kind, input.byte(), input.piece(), super::PASSWORD);
                self.datagram(source, &message);
            }
            9 => {
                let text = String::from_utf8_lossy(input.piece()).into_owned();
                self.candidates = true;
                self.transport.handle_command(self.now, TransportCommand::AddRemoteCandidate(text));
                self.drain(None);
            }
            10 => {
                self.transport.handle_command(self.now, remote());
                self.drain(None);
            }
            11 => {
                let ufrag = if source & 1 == 0 { "ours" } else { "next" };
                let ice = IceCredentials { ufrag: ufrag.to_owned(), pwd: super::PASSWORD.to_owned() };
                self.transport.handle_command(self.now, TransportCommand::RestartIce(ice));
                self.drain(None);
            }
            12 => {
                self.transport.handle_tcp_closed(self.now, TcpConnection(source as u64 % 4));
                self.drain(None);
            }
            _ => self.wait(Duration::from_millis(20) * u32::from(input.byte())),
        }
    }

    fn datagram(&mut self, source: usize, contents: &[u8]) {
        let (proto, source) = match source % 8 {
            port @ 0..=3 => (Proto::Udp, SocketAddr::new(address("198.51.100.7:0").ip(), 40_000 + port as u16)),
            4 => (Proto::Udp, address("[2001:db8::7]:40000")),
            connection => (Proto::Tcp(TcpConnection(connection as u64 % 4)), address("198.51.100.8:50000")),
        };
        let destination = address(if source.is_ipv4() { "192.0.2.1:7882" } else { "[2001:db8::1]:7882" });
        let datagram = Datagram { proto, source, destination, contents };
        let request = BindingRequest::parse(contents);
        assert_eq!(request.map(|request| (request.local_ufrag, request.remote_ufrag)), stun_username(contents));
        let authentic = request.is_some_and(|request| request.is_authentic(&IntegrityKey::new(super::PASSWORD)));
        assert!(!authentic || classify(contents) == DatagramKind::Stun);
        if authentic {
            self.proved.insert(source);
        }
        self.transport.handle_datagram(self.now, datagram);
        self.drain(Some(datagram));
    }

    /// Takes what leaves the transport, after `caused_by` if it was a datagram.
    fn drain(&mut self, caused_by: Option<Datagram<'_>>) {
        let mut bytes = 0;
        while let Some(output) = self.transport.poll_output() {
            let (Output::Transmit(transmit) | Output::Check(transmit)) = output else { continue };
            assert!(is_well_formed(&transmit.contents) || classify(&transmit.contents) == DatagramKind::Dtls);
            let known = self.proved.contains(&transmit.destination);
            assert!(known || (self.candidates && !self.lite), "a stranger is answered");
            bytes += transmit.contents.len();
        }
        if let Some(datagram) = caused_by.filter(|_| self.lite) {
            let stun = classify(datagram.contents) == DatagramKind::Stun;
            assert!(!stun || bytes <= datagram.contents.len(), "more bytes leave than came");
        }
        assert!(self.transport.paths().count() <= 16);
        let selected = self.transport.selected();
        assert!(selected.is_none_or(|path| !self.lite || self.proved.contains(&path.remote)));
    }

    fn wait(&mut self, wait: Duration) {
        let end = self.now + wait;
        let mut timers = 0;
        while let Some(due) = self.transport.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.transport.handle_timeout(self.now);
            self.drain(None);
            timers += 1;
            assert!(timers < TIMERS_MAX, "a timer that never rests");
        }
        self.now = end;
    }
}
