//! DTLS datagrams of a peer that passed ICE.

use std::time::{Duration, Instant};

use super::input::Input;
use super::{address, check_attributes, remote, signed, transport};
use crate::path::{Datagram, Output, Proto};
use crate::{DatagramKind, TransportEvent, classify};

/// Datagrams out for each one in, at most: the longest flight of a server, a second time for a timer.
const FLIGHT_MAX: usize = 16;

/// Datagrams and waits, one after the other. A peer without the certificate that was promised never becomes secure.
pub fn dtls(start: Instant, data: &[u8]) {
    let mut input = Input::new(data);
    let mut now = start;
    let mut transport = transport(true, now);
    let early = input.byte() & 1 == 1;
    if !early {
        transport.handle_command(now, remote());
    }
    let (source, destination) = (address("198.51.100.7:40000"), address("192.0.2.1:7882"));
    let check = signed(1, 0, &check_attributes(), super::PASSWORD);
    transport.handle_datagram(now, Datagram { proto: Proto::Udp, source, destination, contents: &check });
    assert!(transport.selected().is_some());
    while transport.poll_output().is_some() {}

    while !input.is_empty() {
        match input.byte() {
            wait @ 0..=15 => {
                now += Duration::from_millis(100) * u32::from(wait);
                transport.handle_timeout(now);
                assert!(transport.poll_timeout().is_none_or(|due| due > now), "a timer that never rests");
            }
            16 => transport.handle_command(now, remote()),
            _ => {
                let contents = input.piece();
                if classify(contents) == DatagramKind::Dtls {
                    transport.handle_datagram(now, Datagram { proto: Proto::Udp, source, destination, contents });
                }
            }
        }
        let mut sent = 0;
        while let Some(output) = transport.poll_output() {
            match output {
                Output::Transmit(transmit) | Output::Check(transmit) => {
                    assert_eq!((transmit.source, transmit.destination), (destination, source));
                    assert!(transmit.contents.len() <= crate::certificate::DATAGRAM_MAX);
                    sent += 1;
                }
                Output::Event(TransportEvent::Disconnected | TransportEvent::Failed { .. }) => {}
                Output::Event(event) => panic!("{event:?} from a peer without the certificate"),
            }
        }
        assert!(sent <= FLIGHT_MAX, "{sent} datagrams at once");
        assert!(!transport.is_secure());
    }
}
