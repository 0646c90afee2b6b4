//! Remembers the arrivals of one transport and turns them into feedback messages.
//!
//! Bounded in packets and in time, and tolerant of reordering. When to report is the caller's matter
//! (50 to 250 ms is usual); reads no clock.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::rtcp::Writer;
use crate::{Error, ExtendedSequence, SequenceNumber, SequenceUnwrapper, Ssrc};

/// Packets that are remembered at most. At a higher rate than this for each [`HISTORY`], the oldest are forgotten.
pub const WINDOW_PACKETS_MAX: usize = 8192;

/// Packets that there is room for at first; the room doubles as needed.
const WINDOW_PACKETS_MIN: usize = 256;

/// How long a reported packet is remembered, to be told again beside one that arrives late.
const HISTORY: Duration = Duration::from_millis(500);

/// Length of a tick, us.
const TICK_US: u128 = 250;

/// Arrival in ticks since the origin modulo 2^32; tick 0 is told as 1.
type Arrival = NonZeroU32;

/// Records the transport-wide sequence numbers that arrive and writes feedback on them.
///
/// A message tells every packet since the last one, lost ones included. When a packet arrives that an earlier message
/// called lost, the next message starts again from there.
#[derive(Debug, Clone)]
pub struct TransportFeedbackBuilder {
    sender: Ssrc,
    origin: Instant,
    unwrapper: SequenceUnwrapper,
    /// Arrivals of `oldest..end`, at index `sequence % len`; the length is a power of two.
    arrivals: Vec<Option<Arrival>>,
    oldest: u64,
    end: u64,
    /// First sequence number that the next message tells.
    unreported: u64,
    feedback_count: u8,
}

impl TransportFeedbackBuilder {
    /// One that has seen nothing. `origin` is where its clock starts: not after any arrival.
    pub const fn new(sender: Ssrc, origin: Instant) -> Self {
        Self {
            sender,
            origin,
            unwrapper: SequenceUnwrapper::new(),
            arrivals: Vec::new(),
            oldest: 0,
            end: 0,
            unreported: 0,
            feedback_count: 0,
        }
    }

    /// Notes that the packet with this transport-wide sequence number arrived. A duplicate, or a packet from before
    /// the memory begins, changes nothing.
    pub fn record(&mut self, sequence: u16, arrival: Instant) {
        let ticks = self.ticks(arrival);
        let ExtendedSequence(sequence) = self.unwrapper.unwrap(SequenceNumber(sequence));
        if self.end == 0 {
            (self.oldest, self.end, self.unreported) = (sequence, sequence, sequence);
        }
        self.forget(ticks);
        if sequence < self.oldest && !self.reach_back(sequence) {
            return;
        }
        self.reach_forward(sequence);
        if let Some(slot) = self.slot(sequence)
            && slot.is_none()
        {
            *slot = Some(ticks);
            self.unreported = self.unreported.min(sequence);
        }
    }

    /// Whether some arrival was not told yet.
    pub const fn has_pending(&self) -> bool {
        self.unreported < self.end
    }

    /// Packets from the first untold one to the newest.
    pub const fn pending(&self) -> u64 {
        self.end.saturating_sub(self.unreported)
    }

    /// Appends one feedback message to `writer`, and says whether it did: `false` = nothing is left to tell.
    /// Call it until then; each message takes as many packets as the writer has room for.
    ///
    /// `media` is a source of the transport, by custom that of the newest packet.
    ///
    /// # Errors
    /// [`Error::NoRoom`] if the writer has no room for a message (below 24 bytes); nothing is lost then.
    pub fn build(&mut self, media: Ssrc, writer: &mut Writer<'_>) -> Result<bool, Error> {
        let from = self.unreported.max(self.oldest);
        let base = ExtendedSequence(from).sequence();
        let statuses = (from..self.end).map(|sequence| self.arrival(sequence).map(NonZeroU32::get));
        let told = writer.transport_feedback(self.sender, media, self.feedback_count, base, statuses)?;
        if told == 0 {
            self.unreported = self.end;
            return Ok(false);
        }
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.unreported = from + u64::from(told);
        Ok(true)
    }

    fn ticks(&self, arrival: Instant) -> Arrival {
        let ticks = arrival.saturating_duration_since(self.origin).as_micros() / TICK_US;
        Arrival::new(ticks as u32).unwrap_or(Arrival::MIN)
    }

    fn index(&self, sequence: u64) -> usize {
        sequence as usize & self.arrivals.len().wrapping_sub(1)
    }

    fn slot(&mut self, sequence: u64) -> Option<&mut Option<Arrival>> {
        let index = self.index(sequence);
        self.arrivals.get_mut(index)
    }

    fn arrival(&self, sequence: u64) -> Option<Arrival> {
        self.arrivals.get(self.index(sequence)).copied().flatten()
    }

    /// Drops reported packets that are older than the history.
    fn forget(&mut self, now: Arrival) {
        let history_ticks = (HISTORY.as_micros() / TICK_US) as i32;
        while self.oldest < self.unreported {
            let recent = self
                .arrival(self.oldest)
                .is_some_and(|arrival| (now.get().wrapping_sub(arrival.get()) as i32) < history_ticks);
            if recent {
                break;
            }
            self.oldest += 1;
        }
    }

    /// Makes `sequence`, which is older than all that is remembered, the oldest. Says whether there is room.
    fn reach_back(&mut self, sequence: u64) -> bool {
        if self.end - sequence > WINDOW_PACKETS_MAX as u64 {
            return false;
        }
        // What lies between is empty, or an arrival that was forgotten too soon: every slot was cleared when the end
        // passed it.
        self.grow(self.end - sequence);
        self.oldest = sequence;
        true
    }

    /// Moves the end behind `sequence`, forgetting what has no room any more.
    fn reach_forward(&mut self, sequence: u64) {
        if sequence < self.end {
            return;
        }
        let end = sequence + 1;
        self.oldest = self.oldest.max(end.saturating_sub(WINDOW_PACKETS_MAX as u64));
        self.unreported = self.unreported.max(self.oldest);
        self.grow(end - self.oldest);
        for gap in self.end.max(self.oldest)..end {
            if let Some(slot) = self.slot(gap) {
                *slot = None;
            }
        }
        self.end = end;
    }

    /// Makes room for `span` packets, at most [`WINDOW_PACKETS_MAX`].
    fn grow(&mut self, span: u64) {
        let len = (span as usize).next_power_of_two().clamp(WINDOW_PACKETS_MIN, WINDOW_PACKETS_MAX);
        if len <= self.arrivals.len() {
            return;
        }
        let mut arrivals = vec![None; len];
        for sequence in self.oldest..self.end {
            if let Some(slot) = arrivals.get_mut(sequence as usize & (len - 1)) {
                *slot = self.arrival(sequence);
            }
        }
        self.arrivals = arrivals;
    }
}
