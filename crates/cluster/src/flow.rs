//! Who of a room may go on sending reliable data: what came from each transport, what waits for each, and how one
//! follows from the other.
//!
//! A message holds its sender's window until none of its receivers has more waiting than it should: of each receiver
//! the book knows how much was handed to its transport and how much of it no longer waits. So the slowest receiver that
//! comes on at all sets the pace, what waits for it is bounded by its backlog and its senders' windows, and no message
//! is ever dropped. Messages of one sender are let go in order.
//!
//! Must not: see messages. Weights are those of [`tutti_transport::data_weight`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use tutti_transport::{DATA_BACKLOG, TransportId};

/// A sender hears of what was let go in pieces of so much.
const WORTH_TELLING: u64 = 32 << 10;

/// The book of one room.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    senders: BTreeMap<TransportId, Sender>,
    receivers: BTreeMap<TransportId, Receiver>,
    /// The message that is being handled.
    arriving: Option<Held>,
    /// Senders whose next message waits for a point in time.
    paced: BTreeSet<(Instant, TransportId)>,
    /// Senders to be told.
    due: BTreeSet<TransportId>,
}

#[derive(Debug, Default)]
struct Sender {
    taken: u64,
    told: u64,
    held: VecDeque<Held>,
}

/// A message that holds its sender's window.
#[derive(Debug)]
struct Held {
    weight: u64,
    /// Receivers with too much waiting, each with where in its queue the message stands.
    behind: Vec<(TransportId, u64)>,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Receiver {
    handed: u64,
    sent: u64,
    backlog_max: u64,
    /// Senders that may wait for it.
    slows: BTreeSet<TransportId>,
}

impl Receiver {
    /// A message that ends at `position` of the queue no longer holds up its sender.
    fn lets_go(&self, position: u64) -> bool {
        position <= self.sent + self.backlog_max
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self { handed: 0, sent: 0, backlog_max: DATA_BACKLOG.into(), slows: BTreeSet::new() }
    }
}

impl Flow {
    /// A message of this weight is about to be handled; what is handed out until [`Flow::arrived`] is that message.
    pub(crate) fn arrives(&mut self, weight: u64) {
        self.arriving = Some(Held { weight, behind: Vec::new(), not_before: None });
    }

    /// A message of this weight was given to a transport.
    pub(crate) fn handed(&mut self, to: TransportId, weight: u64) {
        let receiver = self.receivers.entry(to).or_default();
        receiver.handed += weight;
        if let Some(arriving) = &mut self.arriving
            && !receiver.lets_go(receiver.handed)
        {
            arriving.behind.push((to, receiver.handed));
        }
    }

    /// The message was handled: it came from this transport, and is let go no sooner than `not_before`.
    pub(crate) fn arrived(&mut self, now: Instant, from: TransportId, not_before: Option<Instant>) {
        let Some(arriving) = self.arriving.take() else { return };
        for (receiver, _) in &arriving.behind {
            if let Some(receiver) = self.receivers.get_mut(receiver) {
                receiver.slows.insert(from);
            }
        }
        let held = Held { not_before: not_before.filter(|at| *at > now), ..arriving };
        self.senders.entry(from).or_default().held.push_back(held);
        self.let_go(now, from);
    }

    /// A transport has come on.
    pub(crate) fn progress(&mut self, now: Instant, of: TransportId, sent: u64, backlog_max: u32) {
        let receiver = self.receivers.entry(of).or_default();
        receiver.sent = receiver.sent.max(sent);
        receiver.backlog_max = backlog_max.into();
        for sender in std::mem::take(&mut receiver.slows) {
            self.let_go(now, sender);
        }
    }

    /// Weight of what was handed to a transport and waits there.
    pub(crate) fn waiting(&self, at: TransportId) -> u64 {
        self.receivers.get(&at).map_or(0, |receiver| receiver.handed.saturating_sub(receiver.sent))
    }

    /// A transport is gone: nobody waits for it any more.
    pub(crate) fn forget(&mut self, now: Instant, id: TransportId) {
        self.senders.remove(&id);
        self.due.remove(&id);
        self.paced.retain(|(_, sender)| *sender != id);
        if let Some(receiver) = self.receivers.remove(&id) {
            for sender in receiver.slows {
                self.let_go(now, sender);
            }
        }
    }

    /// When to call [`Flow::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.paced.first().map(|(at, _)| *at)
    }

    /// Lets go what was to be held until now.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, sender)) = self.paced.first()
            && at <= now
        {
            self.paced.pop_first();
            self.let_go(now, sender);
        }
    }

    /// The next transport that must hear how much of what it sent was let go, since its beginning.
    pub(crate) fn poll_taken(&mut self) -> Option<(TransportId, u64)> {
        let id = self.due.pop_first()?;
        let sender = self.senders.get_mut(&id)?;
        sender.told = sender.taken;
        Some((id, sender.told))
    }

    fn let_go(&mut self, now: Instant, id: TransportId) {
        let Some(sender) = self.senders.get_mut(&id) else { return };
        while let Some(first) = sender.held.front_mut() {
            first.behind.retain(|(receiver, position)| {
                self.receivers.get_mut(receiver).is_some_and(|receiver| {
                    let held = !receiver.lets_go(*position);
                    if held {
                        receiver.slows.insert(id);
                    }
                    held
                })
            });
            if !first.behind.is_empty() {
                break;
            }
            if let Some(at) = first.not_before.filter(|at| *at > now) {
                self.paced.insert((at, id));
                break;
            }
            sender.taken += first.weight;
            sender.held.pop_front();
        }
        if sender.taken - sender.told >= WORTH_TELLING {
            self.due.insert(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tutti_id::RoomKey;

    use super::*;

    const SENDER: TransportId = TransportId::new(RoomKey(1), 2);
    const FAST: TransportId = TransportId::new(RoomKey(1), 4);
    const SLOW: TransportId = TransportId::new(RoomKey(1), 6);
    const KILO: u64 = 1 << 10;

    fn send(flow: &mut Flow, now: Instant, weight: u64, to: &[TransportId]) {
        flow.arrives(weight);
        to.iter().for_each(|to| flow.handed(*to, weight));
        flow.arrived(now, SENDER, None);
    }

    fn told(flow: &mut Flow) -> Vec<(TransportId, u64)> {
        std::iter::from_fn(|| flow.poll_taken()).collect()
    }

    #[test]
    fn the_slowest_receiver_sets_the_pace() {
        let now = Instant::now();
        let mut flow = Flow::default();
        for _ in 0..10 {
            send(&mut flow, now, 64 * KILO, &[FAST, SLOW]);
        }
        assert_eq!(told(&mut flow), [(SENDER, 512 * KILO)], "as much as may wait");
        flow.progress(now, FAST, 640 * KILO, DATA_BACKLOG);
        assert_eq!(told(&mut flow), []);
        flow.progress(now, SLOW, 63 * KILO, DATA_BACKLOG);
        assert_eq!(told(&mut flow), [], "not a whole message");
        flow.progress(now, SLOW, 64 * KILO, DATA_BACKLOG);
        assert_eq!(told(&mut flow), [(SENDER, 576 * KILO)]);
        flow.progress(now, SLOW, 640 * KILO, DATA_BACKLOG);
        assert_eq!(told(&mut flow), [(SENDER, 640 * KILO)]);
        // Nothing is left behind in the book.
        assert!(flow.senders[&SENDER].held.is_empty() && flow.receivers.values().all(|held| held.slows.is_empty()));
    }

    #[test]
    fn a_receiver_that_goes_holds_nobody_up() {
        let now = Instant::now();
        let mut flow = Flow::default();
        for _ in 0..20 {
            send(&mut flow, now, 64 * KILO, &[FAST, SLOW]);
            let sent = flow.receivers[&FAST].handed;
            flow.progress(now, FAST, sent, DATA_BACKLOG);
        }
        assert_eq!(told(&mut flow), [(SENDER, 512 * KILO)]);
        flow.forget(now, SLOW);
        assert_eq!(told(&mut flow), [(SENDER, 1280 * KILO)]);
        flow.forget(now, SENDER);
        assert_eq!(told(&mut flow), []);
    }

    #[test]
    fn what_nobody_gets_is_let_go_at_once() {
        let now = Instant::now();
        let mut flow = Flow::default();
        send(&mut flow, now, 40 * KILO, &[]);
        assert_eq!(told(&mut flow), [(SENDER, 40 * KILO)]);
        send(&mut flow, now, 20 * KILO, &[]);
        assert_eq!(told(&mut flow), [], "word of little waits for more");
        send(&mut flow, now, 20 * KILO, &[]);
        assert_eq!(told(&mut flow), [(SENDER, 80 * KILO)]);
    }

    #[test]
    fn what_comes_too_fast_waits_for_its_time() {
        let now = Instant::now();
        let later = now + Duration::from_secs(2);
        let mut flow = Flow::default();
        flow.arrives(100 * KILO);
        flow.arrived(now, SENDER, Some(later));
        send(&mut flow, now, 50 * KILO, &[]);
        assert_eq!((told(&mut flow), flow.poll_timeout()), (vec![], Some(later)));
        flow.handle_timeout(later - Duration::from_millis(1));
        assert_eq!(told(&mut flow), []);
        flow.handle_timeout(later);
        assert_eq!((told(&mut flow), flow.poll_timeout()), (vec![(SENDER, 150 * KILO)], None));
    }

    #[test]
    fn short_memory_narrows_what_may_wait() {
        let now = Instant::now();
        let mut flow = Flow::default();
        flow.progress(now, SLOW, 0, 64 << 10);
        for _ in 0..3 {
            send(&mut flow, now, 64 * KILO, &[SLOW]);
        }
        assert_eq!(told(&mut flow), [(SENDER, 64 * KILO)]);
        flow.progress(now, SLOW, 0, DATA_BACKLOG);
        assert_eq!(told(&mut flow), [(SENDER, 192 * KILO)]);
    }

    #[test]
    fn what_is_handed_out_between_messages_holds_no_sender() {
        let now = Instant::now();
        let mut flow = Flow::default();
        for _ in 0..100 {
            flow.handed(SLOW, 64 * KILO);
        }
        send(&mut flow, now, 64 * KILO, &[FAST]);
        assert_eq!(told(&mut flow), [(SENDER, 64 * KILO)]);
    }
}
