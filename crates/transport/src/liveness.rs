//! Decides when a silent peer is disconnected and when it is given up. A clock-driven verdict over one fact: when
//! consent was last renewed. Knows no datagrams.

use std::time::{Duration, Instant};

/// Silence after which a peer counts as disconnected: four checks of libwebrtc (2.5 s), two of Firefox (5 s) lost in
/// a row. The value of other LiveKit servers, which their clients' timers are tuned to.
pub(crate) const DISCONNECTED_AFTER: Duration = Duration::from_secs(10);

/// Silence after which the peer is given up and nothing is sent to it any more: when browsers give up too. RFC 7675,
/// section 5.1 would let consent last 30 s, but a machine that died cannot be told from a network that is away, and
/// whoever is in the room should not look at a ghost for longer. With the time that signalling then grants for a return
/// it is gone after 20 s (docs/networks.md).
pub(crate) const GIVEN_UP_AFTER: Duration = Duration::from_secs(15);

/// How long a peer whose description is known may take to be heard for the first time.
pub(crate) const FIRST_CHECK_WITHIN: Duration = Duration::from_secs(30);

/// A change of the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Heard again, or for the first time.
    Alive,
    /// Silent for [`DISCONNECTED_AFTER`].
    Silent,
    /// Never heard, or silent for [`GIVEN_UP_AFTER`].
    Dead,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Not heard yet; may be expected by a deadline.
    Awaited {
        deadline: Option<Instant>,
    },
    Alive {
        heard_at: Instant,
    },
    Silent {
        heard_at: Instant,
    },
    Dead,
}

/// The verdict on one peer.
#[derive(Debug)]
pub(crate) struct Liveness {
    state: State,
}

impl Liveness {
    /// A peer that nobody expects yet.
    pub(crate) fn new() -> Self {
        Self { state: State::Awaited { deadline: None } }
    }

    /// From now on the peer ought to be heard. For a dead one this is a new life.
    pub(crate) fn expect(&mut self, now: Instant) {
        match self.state {
            State::Awaited { deadline: None } | State::Dead => {
                self.state = State::Awaited { deadline: Some(now + FIRST_CHECK_WITHIN) };
            }
            State::Awaited { deadline: Some(_) } | State::Alive { .. } | State::Silent { .. } => {}
        }
    }

    /// The peer was last heard at `heard_at`.
    pub(crate) fn hear(&mut self, heard_at: Instant) -> Option<Verdict> {
        match self.state {
            State::Awaited { .. } => {
                self.state = State::Alive { heard_at };
                Some(Verdict::Alive)
            }
            State::Alive { heard_at: before } => {
                self.state = State::Alive { heard_at: before.max(heard_at) };
                None
            }
            State::Silent { heard_at: before } if heard_at > before => {
                self.state = State::Alive { heard_at };
                Some(Verdict::Alive)
            }
            State::Silent { .. } | State::Dead => None,
        }
    }

    /// Whether the peer is heard regularly.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.state, State::Alive { .. })
    }

    /// When [`Liveness::handle_timeout`] may change its mind.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Awaited { deadline } => deadline,
            State::Alive { heard_at } => Some(heard_at + DISCONNECTED_AFTER),
            State::Silent { heard_at } => Some(heard_at + GIVEN_UP_AFTER),
            State::Dead => None,
        }
    }

    /// Looks at the clock. One step per call: call again while it answers.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Verdict> {
        if self.poll_timeout().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.state {
            State::Alive { heard_at } => {
                self.state = State::Silent { heard_at };
                Some(Verdict::Silent)
            }
            State::Awaited { .. } | State::Silent { .. } | State::Dead => {
                self.state = State::Dead;
                Some(Verdict::Dead)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_judged_in_two_steps() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut liveness = Liveness::new();
        assert_eq!(liveness.poll_timeout(), None);
        assert_eq!(liveness.handle_timeout(at(100)), None, "nobody expects it");
        liveness.expect(at(100));
        assert_eq!(liveness.handle_timeout(at(129)), None);
        assert_eq!(liveness.hear(at(129)), Some(Verdict::Alive));
        assert_eq!(liveness.hear(at(135)), None);
        assert_eq!(liveness.poll_timeout(), Some(at(145)));
        assert_eq!(liveness.handle_timeout(at(144)), None);
        assert_eq!(liveness.handle_timeout(at(145)), Some(Verdict::Silent));
        assert_eq!(liveness.handle_timeout(at(145)), None);
        assert_eq!(liveness.hear(at(135)), None, "no news");
        assert_eq!(liveness.hear(at(150)), Some(Verdict::Alive));
        assert_eq!(liveness.handle_timeout(at(300)), Some(Verdict::Silent));
        assert_eq!(liveness.handle_timeout(at(300)), Some(Verdict::Dead));
        assert_eq!(liveness.handle_timeout(at(300)), None);
        assert_eq!(liveness.hear(at(301)), None, "given up");
        liveness.expect(at(302));
        assert_eq!(liveness.hear(at(303)), Some(Verdict::Alive));
    }

    #[test]
    fn who_never_comes_is_given_up() {
        let start = Instant::now();
        let mut liveness = Liveness::new();
        liveness.expect(start);
        assert_eq!(liveness.poll_timeout(), Some(start + FIRST_CHECK_WITHIN));
        assert_eq!(liveness.handle_timeout(start + FIRST_CHECK_WITHIN), Some(Verdict::Dead));
    }
}
