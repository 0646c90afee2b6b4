//! Reliable messages on their way to a peer, in front of the SCTP library.
//!
//! The library gets no more than it can have under way; the rest waits here, where the receivers of a message share its
//! bytes. Says how far the peer has come, and when it does not come on at all.
//!
//! Must not: drop a message. What arrives without end is bounded by those who send it: they go on only as far as
//! [`SendQueue`] says that the peer has come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::window::data_weight;

/// Bytes that the library may hold: what is under way in a tenth of a second at 40 Mbit/s.
pub(super) const UNDER_WAY_MAX: usize = 512 << 10;

/// Weight of what may wait before those who send should be slowed, where memory is not short.
pub const DATA_BACKLOG: u32 = 512 << 10;

/// Weight of what may wait at all. Far above what senders that keep to their windows bring together; met, it ends the
/// transport, for a message that is left out would be a hole.
pub(super) const WAITING_MAX: u64 = 64 << 20;

/// A peer that has messages to take and acknowledges nothing for so long is given up.
pub(super) const STALLED_AFTER: Duration = Duration::from_secs(15);

/// Progress of so much is worth telling.
const WORTH_TELLING: u64 = 64 << 10;

/// The queue is over its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// A message in its place; `None` stands for one that cannot be delivered, which counts for its senders all the same.
#[derive(Debug)]
struct Waiting {
    message: Option<Bytes>,
    weight: u64,
}

/// What waits for one peer, and how far it has come.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    waiting: VecDeque<Waiting>,
    /// Weight of all messages so far, of those handed to the library, and of those that the owner knows of.
    queued: u64,
    passed: u64,
    told: u64,
    /// Bytes that the library holds, and since when the peer has acknowledged none of them.
    under_way: usize,
    still_since: Option<Instant>,
}

impl SendQueue {
    /// Queues a message.
    pub(super) fn push(&mut self, message: &Bytes) -> Result<(), Full> {
        let weight = data_weight(message.len());
        if self.held() + weight > WAITING_MAX {
            return Err(Full);
        }
        self.waiting.push_back(Waiting { message: Some(message.clone()), weight });
        self.queued += weight;
        Ok(())
    }

    /// A message of this length cannot be delivered. It takes its place, so that nobody who sends waits for it.
    pub(super) fn skip(&mut self, bytes: usize) {
        let weight = data_weight(bytes);
        self.waiting.push_back(Waiting { message: None, weight });
        self.queued += weight;
    }

    /// The next message for the library, if it may have one. Tell with [`SendQueue::note_under_way`] what it holds then.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        while self.under_way < UNDER_WAY_MAX || self.waiting.front().is_some_and(|first| first.message.is_none()) {
            let Waiting { message, weight } = self.waiting.pop_front()?;
            self.passed += weight;
            if let Some(message) = message {
                self.under_way += message.len();
                return Some(message);
            }
        }
        None
    }

    /// The library holds so many bytes: less than before means that the peer has taken some.
    pub(super) fn note_under_way(&mut self, now: Instant, bytes: usize) {
        let came_on = bytes < self.under_way;
        self.under_way = bytes;
        if bytes == 0 {
            self.still_since = None;
        } else if came_on {
            self.still_since = Some(now);
        } else {
            self.still_since.get_or_insert(now);
        }
    }

    /// The channel is gone, and with it everything that waited or was under way: so many bytes in each piece.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = usize> {
        self.passed = self.queued;
        self.still_since = None;
        let under_way = Some(std::mem::take(&mut self.under_way)).filter(|bytes| *bytes > 0);
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        under_way.into_iter().chain(waiting.filter_map(|waiting| Some(waiting.message?.len())))
    }

    /// Weight of everything that was ever passed on, if there is enough news in it.
    pub(super) fn progress(&mut self) -> Option<u64> {
        if self.passed - self.told < WORTH_TELLING {
            return None;
        }
        self.told = self.passed;
        Some(self.told)
    }

    /// Weight of what waits.
    pub(super) fn held(&self) -> u64 {
        self.queued - self.passed
    }

    /// Bytes that the library holds.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// When the peer will have stood still for too long.
    pub(super) fn stalls_at(&self) -> Option<Instant> {
        self.still_since.map(|since| since + STALLED_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promised_numbers() {
        assert_eq!((UNDER_WAY_MAX, DATA_BACKLOG, WAITING_MAX), (524_288, 524_288, 67_108_864));
        assert_eq!(STALLED_AFTER, Duration::from_secs(15));
    }

    #[test]
    fn the_library_gets_what_it_can_have_under_way() {
        let now = Instant::now();
        let mut queue = SendQueue::default();
        let message = Bytes::from(vec![0; 100_000]);
        for _ in 0..10 {
            queue.push(&message).unwrap();
        }
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), 6);
        queue.note_under_way(now, 600_000);
        assert_eq!(queue.progress(), Some(6 * data_weight(100_000)));
        assert_eq!(queue.held(), 4 * data_weight(100_000));
        queue.note_under_way(now, 450_000);
        assert!(queue.pop().is_some());
        assert!(queue.pop().is_none());
        assert_eq!(queue.progress(), Some(7 * data_weight(100_000)));
        assert_eq!(queue.clear().collect::<Vec<_>>(), [550_000, 100_000, 100_000, 100_000]);
        assert_eq!((queue.held(), queue.progress()), (0, Some(10 * data_weight(100_000))));
        assert_eq!(queue.clear().count(), 0);
    }

    #[test]
    fn what_cannot_be_delivered_counts_in_its_place() {
        let mut queue = SendQueue::default();
        let message = Bytes::from(vec![0; 500_000]);
        queue.push(&message).unwrap();
        queue.push(&message).unwrap();
        queue.skip(90_000);
        queue.push(&message).unwrap();
        assert!(queue.pop().is_some() && queue.pop().is_some());
        assert_eq!(queue.progress(), Some(2 * data_weight(500_000)));
        assert!(queue.pop().is_none(), "too much is under way");
        assert_eq!(queue.progress(), Some(2 * data_weight(500_000) + data_weight(90_000)));
        assert_eq!(queue.held(), data_weight(500_000));
    }

    #[test]
    fn little_progress_is_not_told() {
        let mut queue = SendQueue::default();
        queue.push(&Bytes::from(vec![0; 60_000])).unwrap();
        assert!(queue.pop().is_some());
        assert_eq!(queue.progress(), None);
        queue.push(&Bytes::from(vec![0; 60_000])).unwrap();
        assert!(queue.pop().is_some());
        assert_eq!(queue.progress(), Some(120_512));
    }

    #[test]
    fn who_takes_nothing_stalls_and_who_takes_little_does_not() {
        let start = Instant::now();
        let mut queue = SendQueue::default();
        assert_eq!(queue.stalls_at(), None);
        queue.note_under_way(start, 5_000);
        assert_eq!(queue.stalls_at(), Some(start + Duration::from_secs(15)));
        queue.note_under_way(start + Duration::from_secs(10), 6_000);
        assert_eq!(queue.stalls_at(), Some(start + Duration::from_secs(15)), "more to take is no progress");
        queue.note_under_way(start + Duration::from_secs(14), 5_999);
        assert_eq!(queue.stalls_at(), Some(start + Duration::from_secs(29)));
        queue.note_under_way(start + Duration::from_secs(28), 0);
        assert_eq!(queue.stalls_at(), None);
    }

    #[test]
    fn it_has_a_bound() {
        let mut queue = SendQueue::default();
        let message = Bytes::from(vec![0; 65_536]);
        let taken = (0..10_000).take_while(|_| queue.push(&message).is_ok()).count();
        assert_eq!(taken as u64, WAITING_MAX / data_weight(65_536));
        assert_eq!(queue.push(&message), Err(Full));
    }
}
