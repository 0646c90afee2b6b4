//! Handshake messages on their way in: put together from fragments, handed out whole and in order (RFC 6347, section
//! 4.2). Bounds what a peer may have us hold before it is authenticated.

use std::collections::VecDeque;

use super::wire::{Reader, Width, vector};

/// Handshake types (RFC 5246, section 7.4; RFC 6347, section 4.3.2).
pub(super) mod kind {
    pub(in super::super) const CLIENT_HELLO: u8 = 1;
    pub(in super::super) const SERVER_HELLO: u8 = 2;
    pub(in super::super) const HELLO_VERIFY_REQUEST: u8 = 3;
    pub(in super::super) const CERTIFICATE: u8 = 11;
    pub(in super::super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(in super::super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(in super::super) const SERVER_HELLO_DONE: u8 = 14;
    pub(in super::super) const CERTIFICATE_VERIFY: u8 = 15;
    pub(in super::super) const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub(in super::super) const FINISHED: u8 = 20;
}

/// Length of a message's header, and of each fragment's, bytes.
pub(super) const HEADER_LEN: usize = 12;

/// Largest message taken, bytes: a chain of several certificates with RSA keys of 4096 bits.
const MESSAGE_MAX: usize = 8 << 10;

/// Messages held at once: more than a flight has.
const AHEAD_MAX: u16 = 8;

/// Separate pieces of one message held at once. A peer that sends more out of order repeats them.
const PIECES_MAX: usize = 16;

/// A whole message: its header as if it had never been cut, which is the form that is hashed, and its body.
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) sequence: u16,
    /// Header and body.
    pub(super) bytes: Vec<u8>,
}

impl Message {
    /// A message of ours.
    pub(super) fn new(kind: u8, sequence: u16, body: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut contents = Vec::new();
        body(&mut contents);
        let mut bytes = Self::header(kind, sequence, contents.len());
        bytes.extend_from_slice(&contents);
        Self { kind, sequence, bytes }
    }

    /// The header of an uncut message. `len` fits in three bytes.
    fn header(kind: u8, sequence: u16, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + len);
        let [_, a, b, c] = (len as u32).to_be_bytes();
        let [d, e] = sequence.to_be_bytes();
        bytes.extend_from_slice(&[kind, a, b, c, d, e, 0, 0, 0, a, b, c]);
        bytes
    }

    /// What the message says.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Appends the fragment of `len` bytes at `offset`, with its header. Returns `None` past the end.
    pub(super) fn fragment(&self, offset: usize, len: usize, out: &mut Vec<u8>) -> Option<()> {
        let piece = self.body().get(offset..offset.checked_add(len)?)?;
        out.extend_from_slice(self.bytes.get(..6)?);
        out.extend_from_slice((offset as u32).to_be_bytes().get(1..)?);
        vector(out, Width::Three, |out| out.extend_from_slice(piece));
        Some(())
    }
}

/// One fragment of a message, as it came.
struct Fragment<'a> {
    kind: u8,
    len: usize,
    sequence: u16,
    offset: usize,
    piece: &'a [u8],
}

impl<'a> Fragment<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let kind = reader.u8()?;
        let len = reader.u24()?;
        let sequence = reader.u16()?;
        let offset = reader.u24()?;
        let piece = reader.vector24()?.rest();
        let fits = len <= MESSAGE_MAX && offset.checked_add(piece.len())? <= len;
        fits.then_some(Self { kind, len, sequence, offset, piece })
    }
}

/// The type and number of the first message in the plain text of a handshake record.
pub(super) fn peek(record: &[u8]) -> Option<(u8, u16)> {
    Fragment::read(&mut Reader::new(record)).map(|fragment| (fragment.kind, fragment.sequence))
}

/// A message of which parts have come.
struct Part {
    message: Message,
    sealed: bool,
    /// What has come, as ranges of the body in order, no two of them touching.
    have: Vec<(usize, usize)>,
}

impl Part {
    fn new(fragment: &Fragment<'_>, sealed: bool) -> Self {
        let mut bytes = Message::header(fragment.kind, fragment.sequence, fragment.len);
        bytes.resize(HEADER_LEN + fragment.len, 0);
        Self { message: Message { kind: fragment.kind, sequence: fragment.sequence, bytes }, sealed, have: Vec::new() }
    }

    fn add(&mut self, fragment: &Fragment<'_>, sealed: bool) {
        let (start, end) = (fragment.offset, fragment.offset + fragment.piece.len());
        let same = fragment.kind == self.message.kind
            && HEADER_LEN + fragment.len == self.message.bytes.len()
            && sealed == self.sealed;
        let touches = |&(from, to): &(usize, usize)| from <= end && start <= to;
        // Beyond the bound, only what joins pieces: so a message that is repeated whole always makes it.
        if !same || (self.have.len() >= PIECES_MAX && !self.have.iter().any(touches)) {
            return;
        }
        let Some(place) = self.message.bytes.get_mut(HEADER_LEN + start..HEADER_LEN + end) else { return };
        place.copy_from_slice(fragment.piece);
        // The pieces in `have` touch none of each other, so one pass finds all that the new one touches.
        let (mut from, mut to) = (start, end);
        self.have.retain(|piece| {
            let joins = touches(piece);
            if joins {
                (from, to) = (from.min(piece.0), to.max(piece.1));
            }
            !joins
        });
        let at = self.have.partition_point(|&(start, _)| start < from);
        self.have.insert(at, (from, to));
    }

    fn is_whole(&self) -> bool {
        matches!(self.have.as_slice(), [(0, end)] if HEADER_LEN + end == self.message.bytes.len())
    }
}

/// Puts the peer's messages together.
#[derive(Default)]
pub(super) struct Reassembly {
    /// Number of the message that is next.
    next: u16,
    /// Messages from `next` on; `None` where nothing has come.
    parts: VecDeque<Option<Part>>,
}

impl Reassembly {
    /// Takes the plain text of a handshake record; `sealed` says whether it was protected. Returns the number of the
    /// last message in it that had been handed out before: the peer repeats itself. What is malformed is dropped (RFC
    /// 6347, section 4.1.2.7).
    pub(super) fn push(&mut self, record: &[u8], sealed: bool) -> Option<u16> {
        let mut reader = Reader::new(record);
        let mut old = None;
        while let Some(fragment) = Fragment::read(&mut reader) {
            let ahead = fragment.sequence.wrapping_sub(self.next);
            if ahead > u16::MAX / 2 {
                old = Some(fragment.sequence);
            } else if ahead < AHEAD_MAX {
                let at = usize::from(ahead);
                if self.parts.len() <= at {
                    self.parts.resize_with(at + 1, || None);
                }
                if let Some(part) = self.parts.get_mut(at) {
                    part.get_or_insert_with(|| Part::new(&fragment, sealed)).add(&fragment, sealed);
                }
            }
        }
        old
    }

    /// The next message, once it is whole, and whether it came protected.
    pub(super) fn pop(&mut self) -> Option<(Message, bool)> {
        if !self.parts.front()?.as_ref()?.is_whole() {
            return None;
        }
        self.next = self.next.wrapping_add(1);
        self.parts.pop_front().flatten().map(|part| (part.message, part.sealed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragments(message: &Message, cuts: &[(usize, usize)]) -> Vec<Vec<u8>> {
        let cut = |&(offset, len): &(usize, usize)| {
            let mut out = Vec::new();
            message.fragment(offset, len, &mut out).unwrap();
            out
        };
        cuts.iter().map(cut).collect()
    }

    #[test]
    fn fragments_in_any_order_make_the_message() {
        let body: Vec<u8> = (0..100).collect();
        let message = Message::new(kind::CERTIFICATE, 0, |out| out.extend(&body));
        let orders: [&[(usize, usize)]; 4] = [
            &[(0, 100)],
            &[(60, 40), (0, 30), (30, 30)],
            &[(50, 10), (50, 10), (0, 20), (70, 30), (10, 45), (55, 20)],
            &[(99, 1), (0, 99)],
        ];
        for order in orders {
            let mut reassembly = Reassembly::default();
            let pieces = fragments(&message, order);
            let (last, before) = pieces.split_last().unwrap();
            for piece in before {
                assert_eq!(reassembly.push(piece, false), None);
                assert!(reassembly.pop().is_none(), "{order:?}");
            }
            reassembly.push(last, false);
            let (whole, sealed) = reassembly.pop().unwrap();
            assert_eq!((whole.kind, whole.sequence, whole.bytes, sealed), (11, 0, message.bytes.clone(), false));
            assert_eq!(reassembly.push(last, false), Some(0), "repeated");
        }
    }

    #[test]
    fn messages_come_in_order_and_empty_ones_too() {
        let mut reassembly = Reassembly::default();
        let whole = |kind, sequence, len| {
            let message = Message::new(kind, sequence, |out| out.resize(len, 9));
            let mut out = Vec::new();
            message.fragment(0, len, &mut out).unwrap();
            out
        };
        reassembly.push(&whole(kind::SERVER_HELLO_DONE, 1, 0), false);
        assert!(reassembly.pop().is_none());
        reassembly.push(&[whole(kind::SERVER_HELLO, 0, 3), whole(kind::FINISHED, 2, 12)].concat(), false);
        let kinds: Vec<u8> = std::iter::from_fn(|| reassembly.pop()).map(|(message, _)| message.kind).collect();
        assert_eq!(kinds, [kind::SERVER_HELLO, kind::SERVER_HELLO_DONE, kind::FINISHED]);
    }

    #[test]
    fn what_does_not_fit_together_is_dropped() {
        let mut reassembly = Reassembly::default();
        let first = Message::new(kind::CERTIFICATE, 0, |out| out.resize(50, 1));
        let other = Message::new(kind::CERTIFICATE, 0, |out| out.resize(60, 2));
        reassembly.push(&fragments(&first, &[(0, 25)])[0], false);
        reassembly.push(&fragments(&other, &[(20, 40)])[0], false);
        assert!(reassembly.pop().is_none(), "another length");
        reassembly.push(&fragments(&first, &[(25, 25)])[0], true);
        assert!(reassembly.pop().is_none(), "half of it protected");
        reassembly.push(&fragments(&first, &[(25, 25)])[0], false);
        assert!(reassembly.pop().is_some());
    }

    #[test]
    fn what_a_peer_may_have_us_hold_is_bounded() {
        let mut reassembly = Reassembly::default();
        let too_long = Message::new(kind::CERTIFICATE, 1, |out| out.resize(MESSAGE_MAX + 1, 0));
        reassembly.push(&fragments(&too_long, &[(0, 10)])[0], false);
        let too_far = Message::new(kind::CERTIFICATE, AHEAD_MAX, |out| out.resize(10, 0));
        reassembly.push(&fragments(&too_far, &[(0, 10)])[0], false);
        assert!(reassembly.parts.is_empty());
        let message = Message::new(kind::CERTIFICATE, 0, |out| out.resize(1000, 0));
        for at in 0..400 {
            reassembly.push(&fragments(&message, &[(at * 2, 1)])[0], false);
        }
        let held = reassembly.parts[0].as_ref().unwrap().have.len();
        assert_eq!(held, PIECES_MAX);
        // What fills the holes is taken all the same.
        for at in 0..PIECES_MAX {
            assert!(reassembly.pop().is_none());
            reassembly.push(&fragments(&message, &[(at * 2 + 1, 1)])[0], false);
        }
        reassembly.push(&fragments(&message, &[(30, 970)])[0], false);
        assert_eq!(reassembly.pop().unwrap().0.bytes, message.bytes);
    }
}
