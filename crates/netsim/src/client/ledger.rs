//! What a client sent and got, and what was wrong with it at first sight.
//!
//! Order and origin are checked always; what was sent and what arrived is written down only while it is compared.

use std::collections::{BTreeMap, BTreeSet};

use super::messages::Note;
use crate::stamp::Stamp;

/// Packets of one source that are remembered to check the order of later ones.
const REMEMBERED: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Write down what is sent and arrives.
    pub(crate) open: bool,
    pub(crate) sent: Vec<Stamp>,
    /// With the name that the descriptions give to the section that it came on.
    pub(crate) arrived: Vec<(Stamp, Option<String>)>,
    pub(crate) notes_sent: Vec<Note>,
    pub(crate) notes_arrived: Vec<Note>,
    /// Since the start; for the report.
    pub(crate) packets: u64,
    pub(crate) notes: u64,
    faults: Vec<String>,
    /// By source: extended sequence number, and what came with it at which time stamp.
    streams: BTreeMap<u32, BTreeMap<u64, (Stamp, u32)>>,
    /// The last reliable message of each client.
    pub(crate) reliable: BTreeMap<u16, u32>,
    /// The last lossy message of each client.
    pub(crate) lossy: BTreeMap<u16, u32>,
    /// The reliable messages that it sent in this session, and those that it got in it, by sender.
    pub(crate) reliable_sent: Vec<Note>,
    pub(crate) reliable_arrived: BTreeMap<u16, BTreeSet<u32>>,
    /// Who may be in its room at all.
    mates: BTreeSet<u16>,
    /// When the newest packet of each track was sent, ms since the start, and its layer.
    pub(crate) newest: BTreeMap<(u16, u16), (u32, u8)>,
    pub(crate) next_note: u32,
}

impl Ledger {
    pub(crate) fn new(mates: BTreeSet<u16>) -> Self {
        Self { mates, ..Self::default() }
    }

    pub(crate) fn begin_call(&mut self) {
        self.streams.clear();
        self.reliable.clear();
        self.lossy.clear();
        self.reliable_sent.clear();
        self.reliable_arrived.clear();
        self.newest.clear();
    }

    pub(crate) fn end_call(&mut self) {
        self.begin_call();
    }

    pub(crate) fn fault(&mut self, fault: String) {
        // The first ones tell the story.
        if self.faults.len() < 8 {
            self.faults.push(fault);
        }
    }

    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// A packet arrived, with its source, extended sequence number and time stamp, on the section that carries the track
    /// named `section`.
    pub(crate) fn take(
        &mut self,
        own: u16,
        (ssrc, sequence, timestamp): (u32, u64, u32),
        payload: &[u8],
        section: Option<&str>,
    ) {
        self.packets += 1;
        let Some(stamp) = Stamp::read(payload) else {
            return self.fault(format!("a packet that nobody sent, {} bytes", payload.len()));
        };
        if stamp.client == own || !self.mates.contains(&stamp.client) {
            self.fault(format!("a packet of its own or of another room: {stamp:?}"));
        }
        let arrived = (stamp, timestamp);
        let stream = self.streams.entry(ssrc).or_default();
        let before = stream.range(..sequence).next_back();
        let after = stream.range(sequence..).next();
        let wrong = match (before, after) {
            (_, Some((same, known))) if *same == sequence => Some(format!("{known:?} arrived again as {stamp:?}")),
            (Some((_, before)), _) if !follows(before, &arrived) => Some(format!("{arrived:?} behind {before:?}")),
            (_, Some((_, after))) if !follows(&arrived, after) => Some(format!("{arrived:?} before {after:?}")),
            _ => None,
        };
        stream.insert(sequence, arrived);
        if stream.len() > REMEMBERED {
            stream.pop_first();
        }
        if let Some(wrong) = wrong {
            self.fault(format!("out of order on {ssrc}: {wrong}"));
        }
        let newest = self.newest.entry((stamp.client, stamp.track)).or_default();
        *newest = (*newest).max((stamp.sent_ms, stamp.layer));
        if self.open {
            self.arrived.push((stamp, section.map(str::to_owned)));
        }
    }

    /// A message arrived.
    pub(crate) fn take_note(&mut self, own: u16, note: Note) {
        self.notes += 1;
        if note.from == own || !self.mates.contains(&note.from) {
            self.fault(format!("a message of its own or of another room: {note:?}"));
        }
        if note.to.is_some_and(|to| to != own) {
            self.fault(format!("a message for somebody else: {note:?}"));
        }
        if note.reliable {
            self.reliable_arrived.entry(note.from).or_default().insert(note.number);
            let last = self.reliable.insert(note.from, note.number);
            if last.is_some_and(|last| last >= note.number) {
                self.fault(format!("{note:?} behind number {last:?}"));
            }
        }
        if !note.reliable {
            self.lossy.insert(note.from, note.number);
        }
        if self.open {
            self.notes_arrived.push(note);
        }
    }
}

/// Whether a packet may come later than another one in the same stream of a subscriber: time stamps never run backwards,
/// and the packets of one layer keep their order. A section may be given to another track, and another layer may begin
/// with a key frame that was late.
fn follows((before, earlier): &(Stamp, u32), (after, later): &(Stamp, u32)) -> bool {
    let passed = later.wrapping_sub(*earlier);
    if passed > u32::MAX / 2 {
        return false;
    }
    if (before.client, before.track, before.layer) != (after.client, after.track, after.layer) {
        return true;
    }
    let same_frame = before.frame == after.frame;
    (before.frame, before.packet) < (after.frame, after.packet) && same_frame == (passed == 0)
}
