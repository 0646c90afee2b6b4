//! How much a peer may still send: the receive window that it is told (RFC 9260, section 6.2.1, "a_rwnd").
//!
//! Messages leave the SCTP library as soon as they are whole, so its own window says little. What they still weigh is
//! known here: a message counts until the owner says that it was passed on. While too much is on its way the window in
//! our acknowledgements closes, the peer's queue grows, and its application sees that it is too fast. Nothing is
//! dropped.
//!
//! Must not: know what messages mean, or who they are for.

use std::time::{Duration, Instant};

use tutti_limit::{Allowance, Rate};

use super::packet::{set_window, window_of};

/// Weight of reliable messages that a peer may have on their way through us, bytes.
pub const DATA_WINDOW: u32 = 1 << 20;

/// What a message weighs beside its bytes: the records that are kept of it here, in queues and in the room.
const MESSAGE_WEIGHT: u64 = 256;

/// Reliable messages: robots and games send 1000 a second. Whoever sends more waits.
const MESSAGES: Rate = Rate::new(5_000, 5_000);

/// A peer that goes on in spite of a closed window loses packets from here on, which it must send again.
const OVERRUN: u64 = 2 * DATA_WINDOW as u64;

/// The same for messages: the window was closed for this long, and they still come.
const OVERRUN_DEBT: Duration = Duration::from_millis(500);

/// A window below this may have stopped the peer, which must hear when it opens: no data comes that could carry word.
const NARROW: u32 = DATA_WINDOW / 4;

/// How far a narrow window opens before word of it is worth a packet (RFC 9260, section 6.2.1; RFC 1122, 4.2.3.3).
const WORTH_TELLING: u32 = DATA_WINDOW / 8;

/// What a message counts for in every account of reliable data, bytes.
pub const fn data_weight(bytes: usize) -> u64 {
    bytes as u64 + MESSAGE_WEIGHT
}

/// The account of what one peer sent.
#[derive(Debug)]
pub(super) struct ReceiveWindow {
    /// The owner says what was passed on; else everything is, at once.
    governed: bool,
    limit: u32,
    /// Weight of all messages so far, and of those that were passed on.
    arrived: u64,
    taken: u64,
    pace: Allowance,
    /// No more messages are wanted before.
    paced_until: Option<Instant>,
    /// The last acknowledgement as the peer got it.
    last_sack: Vec<u8>,
}

impl ReceiveWindow {
    pub(super) fn new() -> Self {
        Self {
            governed: false,
            limit: DATA_WINDOW,
            arrived: 0,
            taken: 0,
            pace: Allowance::default(),
            paced_until: None,
            last_sack: Vec::new(),
        }
    }

    /// From now on messages count until [`ReceiveWindow::take`] says otherwise.
    pub(super) fn govern(&mut self) {
        self.governed = true;
    }

    /// What may be on its way at once, at most [`DATA_WINDOW`].
    pub(super) fn set_limit(&mut self, bytes: u32) {
        self.limit = bytes.min(DATA_WINDOW);
    }

    /// A message of this weight is on its way.
    pub(super) fn arrive(&mut self, now: Instant, weight: u64) {
        self.arrived += weight;
        if self.governed {
            self.pace.charge(now, MESSAGES, 1);
            self.paced_until = Some(self.pace.ready_at(now, MESSAGES, 1)).filter(|until| *until > now);
        } else {
            self.taken = self.arrived;
        }
    }

    /// Messages of `total` weight, since the beginning, were passed on.
    pub(super) fn take(&mut self, total: u64) {
        self.taken = self.taken.max(total.min(self.arrived));
    }

    /// Weight of what is on its way.
    pub(super) fn held(&self) -> u64 {
        self.arrived - self.taken
    }

    /// The peer does not care for the window.
    pub(super) fn is_overrun(&self, now: Instant) -> bool {
        self.held() > OVERRUN || self.paced_until.is_some_and(|until| until > now + OVERRUN_DEBT)
    }

    /// When the window may open without anybody's doing.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.paced_until
    }

    /// A packet as the peer shall get it, if it is an acknowledgement: never a wider window than the library's own.
    pub(super) fn mark(&mut self, now: Instant, packet: &[u8]) -> Option<&[u8]> {
        let theirs = window_of(packet)?;
        let open = theirs.min(self.open(now));
        self.last_sack.clear();
        self.last_sack.extend_from_slice(packet);
        set_window(&mut self.last_sack, open);
        Some(&self.last_sack)
    }

    /// Whether [`ReceiveWindow::update`] may have something to say: the peer was told of a narrow window.
    pub(super) fn has_news(&self) -> bool {
        window_of(&self.last_sack).is_some_and(|told| told < NARROW)
    }

    /// The last acknowledgement again, if the peer must hear that it may go on.
    pub(super) fn update(&mut self, now: Instant) -> Option<&[u8]> {
        if self.paced_until.is_some_and(|until| until <= now) {
            self.paced_until = None;
        }
        let told = window_of(&self.last_sack)?;
        let open = self.open(now);
        if told >= NARROW || open < told.saturating_add(WORTH_TELLING) {
            return None;
        }
        set_window(&mut self.last_sack, open);
        Some(&self.last_sack)
    }

    fn open(&self, now: Instant) -> u32 {
        if self.paced_until.is_some_and(|until| until > now) {
            return 0;
        }
        self.limit.saturating_sub(u32::try_from(self.held()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An acknowledgement with the library's window wide open.
    fn sack() -> Vec<u8> {
        let mut packet = vec![0; 28];
        packet[12] = 3;
        packet[15] = 16;
        packet[20..24].copy_from_slice(&(2_u32 << 20).to_be_bytes());
        packet
    }

    #[test]
    fn the_promised_numbers() {
        assert_eq!(DATA_WINDOW, 1_048_576);
        assert_eq!(data_weight(1000), 1256);
        assert_eq!(MESSAGES, Rate::new(5000, 5000));
    }

    #[test]
    fn what_is_on_its_way_closes_the_window_and_what_was_taken_opens_it() {
        let now = Instant::now();
        let mut window = ReceiveWindow::new();
        window.govern();
        assert_eq!(window.mark(now, &sack()).and_then(window_of), Some(DATA_WINDOW));
        window.arrive(now, 1_000_000);
        assert_eq!(window.mark(now, &sack()).and_then(window_of), Some(48_576));
        window.arrive(now, 1_000_000);
        assert_eq!(window.mark(now, &sack()).and_then(window_of), Some(0));
        assert!(window.update(now).is_none());
        window.take(1_000_000);
        assert!(window.update(now).is_none(), "a window of {} is not worth telling", DATA_WINDOW - 1_000_000);
        window.take(1_100_000);
        assert_eq!(window.update(now).and_then(window_of), Some(148_576));
        window.take(1_900_000);
        assert_eq!(window.update(now).and_then(window_of), Some(948_576));
        window.take(2_000_000);
        assert!(window.update(now).is_none(), "it is wide enough to keep the peer going");
        window.take(u64::MAX);
        assert_eq!(window.held(), 0, "nobody takes what did not arrive");
        assert!(window.mark(now, &[0; 28]).is_none(), "not an acknowledgement");
    }

    #[test]
    fn without_an_owner_who_counts_nothing_is_held() {
        let now = Instant::now();
        let mut window = ReceiveWindow::new();
        for _ in 0..100_000 {
            window.arrive(now, 100_000);
        }
        assert_eq!(window.mark(now, &sack()).and_then(window_of), Some(DATA_WINDOW));
        assert!(!window.is_overrun(now));
    }

    #[test]
    fn the_librarys_own_window_counts_too() {
        let now = Instant::now();
        let mut narrow = sack();
        narrow[20..24].copy_from_slice(&77_u32.to_be_bytes());
        assert_eq!(ReceiveWindow::new().mark(now, &narrow).and_then(window_of), Some(77));
    }

    #[test]
    fn who_sends_too_many_messages_waits() {
        let mut now = Instant::now();
        let mut window = ReceiveWindow::new();
        window.govern();
        for total in 1..=5000 {
            window.arrive(now, 300);
            window.take(total * 300);
        }
        assert_eq!(window.poll_timeout(), Some(now + Duration::from_micros(200)), "the burst is spent");
        window.arrive(now, 300);
        window.take(u64::MAX);
        assert_eq!(window.mark(now, &sack()).and_then(window_of), Some(0));
        assert!(window.update(now).is_none());
        now += Duration::from_millis(1);
        assert_eq!(window.update(now).and_then(window_of), Some(DATA_WINDOW));
        assert_eq!(window.poll_timeout(), None);
        for _ in 0..6000 {
            window.arrive(now, 300);
            window.take(u64::MAX);
        }
        assert!(window.is_overrun(now), "a second's worth came in spite of a closed window");
        assert!(!window.is_overrun(now + Duration::from_secs(1)));
    }

    #[test]
    fn who_does_not_care_for_the_window_is_noticed() {
        let now = Instant::now();
        let mut window = ReceiveWindow::new();
        window.govern();
        window.arrive(now, OVERRUN);
        assert!(!window.is_overrun(now));
        window.arrive(now, 1);
        assert!(window.is_overrun(now));
        window.take(2);
        assert!(!window.is_overrun(now));
    }
}
