//! What a client is given time for when its media fails: to leave, to resume.

use std::time::{Duration, Instant};

/// A client whose media failed has this long to resume (docs/protocol.md#resume).
const FAILED_MEDIA_GRACE: Duration = Duration::from_secs(5);
/// One that resumed has this many times as long until its media works: as long as a new client's media has.
const RESUMED_GRACES: u32 = 3;
/// A client that leaves ends its media too, and the end of its media may be here before its `Leave`: it is waited for
/// this long before the client is asked to resume.
const LEAVE_OVERTAKEN: Duration = Duration::from_millis(500);

/// What is due for a client whose media failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask it to resume.
    AskToResume,
    /// Put it out.
    GiveUp,
}

/// The deadlines of a client whose media failed; none while it works.
#[derive(Debug, Default)]
pub(super) struct MediaWatch {
    ask_to_resume: Option<Instant>,
    give_up: Option<Instant>,
}

impl MediaWatch {
    /// A transport gave up. A second one changes nothing.
    pub(super) fn failed(&mut self, now: Instant) {
        self.ask_to_resume.get_or_insert(now + LEAVE_OVERTAKEN);
        self.give_up.get_or_insert(now + FAILED_MEDIA_GRACE);
    }

    /// All transports work again, or the dialogue is over.
    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }

    /// The client came again by itself.
    pub(super) fn came_again(&mut self) {
        self.ask_to_resume = None;
    }

    /// The client resumes: it answers with fresh checks.
    pub(super) fn resumes(&mut self, now: Instant) {
        if self.give_up.is_some() {
            self.give_up = Some(now + FAILED_MEDIA_GRACE * RESUMED_GRACES);
        }
    }

    /// When to call [`Self::take_due`] at the latest.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.ask_to_resume, self.give_up].into_iter().flatten().min()
    }

    /// What is due now, once each.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        if self.ask_to_resume.take_if(|due| *due <= now).is_some() {
            return Some(Due::AskToResume);
        }
        self.give_up.take_if(|due| *due <= now).map(|_| Due::GiveUp)
    }
}
