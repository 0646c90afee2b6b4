//! Data messages of a client: numbered, kept for a replay, and read back.

use std::collections::VecDeque;

use livekit_protocol as proto;
use prost::Message as _;

use super::call::Call;
use super::identity;
use super::ledger::Ledger;
use super::peer::{LOSSY, RELIABLE};

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    pub(crate) from: u16,
    /// Counts what a client sends, reliable or not, over all its sessions.
    pub(crate) number: u32,
    pub(crate) reliable: bool,
    /// For one client; else for everyone.
    pub(crate) to: Option<u16>,
}

/// Reliable messages of a session: kept until the server is known to have them.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    sequence: u32,
    kept: VecDeque<(u32, Vec<u8>)>,
    /// The channels are not open yet.
    waiting: VecDeque<(bool, Vec<u8>)>,
}

/// Reliable messages kept for a replay.
const KEPT_MAX: usize = 64;

impl Note {
    fn encode(self) -> Vec<u8> {
        let to = self.to.map_or(u32::MAX, u32::from);
        [u32::from(self.from), self.number, u32::from(self.reliable), to].iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut numbers = bytes.chunks_exact(4).filter_map(|chunk| chunk.try_into().ok()).map(u32::from_be_bytes);
        let mut next = || numbers.next();
        let (from, number, reliable, to) = (next()?, next()?, next()? == 1, next()?);
        Some(Self { from: from as u16, number, reliable, to: u16::try_from(to).ok() })
    }
}

impl Call {
    pub(crate) fn send_note(&mut self, own: u16, ledger: &mut Ledger, reliable: bool, to: Option<u16>) {
        ledger.next_note += 1;
        let note = Note { from: own, number: ledger.next_note, reliable, to };
        let user = proto::UserPacket { payload: note.encode(), ..Default::default() };
        let mut packet = proto::DataPacket {
            destination_identities: to.map(identity).into_iter().collect(),
            value: Some(proto::data_packet::Value::User(user)),
            ..Default::default()
        };
        if reliable {
            self.outbox.sequence += 1;
            packet.sequence = self.outbox.sequence;
        }
        let bytes = packet.encode_to_vec();
        if reliable {
            ledger.reliable_sent.push(note);
            self.outbox.kept.push_back((packet.sequence, bytes.clone()));
            if self.outbox.kept.len() > KEPT_MAX {
                self.outbox.kept.pop_front();
            }
        }
        if ledger.open {
            ledger.notes_sent.push(note);
        }
        self.outbox.waiting.push_back((reliable, bytes));
        self.send_waiting();
    }

    pub(super) fn send_waiting(&mut self) {
        if !self.publisher.has_channels() {
            return;
        }
        while let Some((reliable, bytes)) = self.outbox.waiting.pop_front() {
            let label = if reliable { RELIABLE } else { LOSSY };
            if !self.publisher.send_message(label, &bytes) {
                self.outbox.waiting.push_front((reliable, bytes));
                return;
            }
        }
    }

    /// After a resume: sends again what the server does not have. What is on its way all the same it drops by its
    /// number.
    pub(super) fn replay(&mut self, last: u32) {
        self.outbox.kept.retain(|(sequence, _)| *sequence > last);
        // What was never sent goes out in its turn.
        self.outbox.waiting.retain(|(reliable, _)| !reliable);
        let again = self.outbox.kept.iter().map(|(_, bytes)| (true, bytes.clone()));
        self.outbox.waiting.extend(again);
        self.send_waiting();
    }

    pub(super) fn take_message(own: u16, ledger: &mut Ledger, label: &str, payload: &[u8]) {
        let Ok(packet) = proto::DataPacket::decode(payload) else {
            return ledger.fault(format!("a message on {label} that is no packet"));
        };
        let Some(proto::data_packet::Value::User(user)) = &packet.value else { return };
        let Some(note) = Note::decode(&user.payload) else {
            return ledger.fault(format!("a message on {label} that nobody sent"));
        };
        if packet.participant_identity != identity(note.from) {
            ledger.fault(format!("{note:?} in the name of {}", packet.participant_identity));
        }
        if note.reliable != (label == RELIABLE) {
            ledger.fault(format!("{note:?} on {label}"));
        }
        ledger.take_note(own, note);
    }
}
