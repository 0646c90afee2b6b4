//! One flight of ours (RFC 6347, section 4.2.4): cut into datagrams, sent, and sent again until the peer answers.

use std::time::{Duration, Instant};

use super::failure::DtlsFailure;
use super::message::{self, Message, kind};
use super::record::{self, PROTECTION_LEN, PlainWriter, Sealer, content};
use crate::certificate::DATAGRAM_MAX;

/// First retransmission. Round trips to a node are mostly below it; RFC 6347's one second would be the whole time to
/// the first frame after a single loss.
const RETRANSMIT_AFTER: Duration = Duration::from_millis(200);

/// Longest wait between retransmissions: two datagrams a second hurt no network, and a wait that doubles without bound
/// would have one handshake in a hundred take more than twenty seconds at 30 % loss.
const RETRANSMIT_WITHIN: Duration = Duration::from_millis(800);

/// How soon a flight is sent again because the peer repeated its own. Sooner it is a copy of what we have answered.
const ANSWER_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Shortest piece of a message for which a datagram is filled up, bytes.
const PIECE_MIN: usize = 64;

/// A flight.
pub(super) struct Flight {
    messages: Vec<Message>,
    /// Number of the peer's message that this flight answers.
    answers: Option<u16>,
    wanted: bool,
    sent_at: Option<Instant>,
    due: Option<Instant>,
    wait: Duration,
}

impl Flight {
    /// A flight that is to be sent. `answers` is the number of the last message of the peer's flight before it.
    pub(super) fn new(messages: Vec<Message>, answers: Option<u16>) -> Self {
        Self { messages, answers, wanted: true, sent_at: None, due: None, wait: RETRANSMIT_AFTER }
    }

    /// When the flight is to be sent again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Looks at the clock.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.wanted = true;
            self.wait = (2 * self.wait).min(RETRANSMIT_WITHIN);
        }
    }

    /// The peer sent the message with this number again.
    pub(super) fn hear_again(&mut self, now: Instant, sequence: u16) {
        if self.answers == Some(sequence) && self.sent_at.is_some_and(|at| now >= at + ANSWER_AGAIN_AFTER) {
            self.wanted = true;
        }
    }

    /// Sends the flight if it is wanted, and starts the clock.
    pub(super) fn transmit(
        &mut self,
        now: Instant,
        plain: &mut PlainWriter,
        sealer: Option<&mut Sealer>,
        send: &mut impl FnMut(Vec<u8>),
    ) -> Result<(), DtlsFailure> {
        if !std::mem::take(&mut self.wanted) {
            return Ok(());
        }
        self.sent_at = Some(now);
        self.due = Some(now + self.wait);
        write(&self.messages, plain, sealer, send)
    }
}

/// Writes messages as datagrams. Finished is sealed, and ChangeCipherSpec goes before it.
pub(super) fn write(
    messages: &[Message],
    plain: &mut PlainWriter,
    mut sealer: Option<&mut Sealer>,
    send: &mut impl FnMut(Vec<u8>),
) -> Result<(), DtlsFailure> {
    let mut datagram = Vec::with_capacity(DATAGRAM_MAX);
    let mut fragment = Vec::new();
    for message in messages {
        let sealed = message.kind == kind::FINISHED;
        let overhead = record::HEADER_LEN + message::HEADER_LEN + if sealed { PROTECTION_LEN } else { 0 };
        let len = message.body().len();
        let mut offset = 0;
        loop {
            // ChangeCipherSpec takes a header and a byte.
            let before = if sealed { record::HEADER_LEN + 1 } else { 0 };
            let room = DATAGRAM_MAX.saturating_sub(datagram.len() + before + overhead);
            if room < (len - offset).min(PIECE_MIN) || (room == 0 && !datagram.is_empty()) {
                send(std::mem::replace(&mut datagram, Vec::with_capacity(DATAGRAM_MAX)));
                continue;
            }
            let piece = room.min(len - offset);
            fragment.clear();
            message.fragment(offset, piece, &mut fragment).ok_or(DtlsFailure::Library)?;
            match &mut sealer {
                Some(sealer) if sealed => {
                    plain.write(content::CHANGE_CIPHER_SPEC, &[1], &mut datagram);
                    sealer.seal(content::HANDSHAKE, &fragment, &mut datagram)?;
                }
                None if sealed => return Err(DtlsFailure::Library),
                _ => plain.write(content::HANDSHAKE, &fragment, &mut datagram),
            }
            offset += piece;
            if offset == len {
                break;
            }
        }
    }
    if !datagram.is_empty() {
        send(datagram);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtls::message::Reassembly;
    use crate::dtls::record::Record;

    #[test]
    fn messages_of_any_length_fit_their_datagrams() {
        for len in (0..3000).step_by(7) {
            let messages = [
                Message::new(kind::SERVER_HELLO, 0, |out| out.resize(80, 1)),
                Message::new(kind::CERTIFICATE, 1, |out| out.resize(len, 2)),
                Message::new(kind::SERVER_HELLO_DONE, 2, |_| {}),
            ];
            let mut reassembly = Reassembly::default();
            let mut datagrams = 0;
            write(&messages, &mut PlainWriter::default(), None, &mut |datagram| {
                assert!(datagram.len() <= DATAGRAM_MAX, "{} bytes for {len}", datagram.len());
                datagrams += 1;
                let mut rest = &datagram[..];
                while let Some(record) = Record::next(&mut rest) {
                    assert_eq!(reassembly.push(record.body, false), None);
                }
                assert!(rest.is_empty());
            })
            .unwrap();
            assert!(datagrams <= (len + 180) / 1000 + 1, "{datagrams} for {len}");
            for message in &messages {
                assert_eq!(reassembly.pop().unwrap().0.bytes, message.bytes);
            }
        }
    }

    #[test]
    fn a_flight_is_repeated_sooner_when_asked_and_slower_otherwise() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut flight = Flight::new(vec![Message::new(kind::SERVER_HELLO_DONE, 0, |_| {})], Some(4));
        let mut plain = PlainWriter::default();
        let mut sent = |flight: &mut Flight, now| {
            let mut count = 0;
            flight.handle_timeout(now);
            flight.transmit(now, &mut plain, None, &mut |_| count += 1).unwrap();
            count
        };
        assert_eq!(sent(&mut flight, at(0)), 1);
        flight.hear_again(at(49), 4);
        assert_eq!(sent(&mut flight, at(49)), 0, "it has just been sent");
        flight.hear_again(at(50), 3);
        assert_eq!(sent(&mut flight, at(50)), 0, "not what it answers");
        flight.hear_again(at(50), 4);
        assert_eq!(sent(&mut flight, at(50)), 1);
        let mut now = 50;
        for wait in [200, 400, 800, 800, 800] {
            assert_eq!(sent(&mut flight, at(now + wait - 1)), 0);
            now += wait;
            assert_eq!((flight.poll_timeout(), sent(&mut flight, at(now))), (Some(at(now)), 1));
        }
    }
}
