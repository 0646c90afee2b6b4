//! What is to be done when, without being asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::worker::WorkerNumber;

/// A duty with a deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Duty {
    /// A worker that has not registered by now is sent away.
    Register(WorkerNumber),
    /// The next step of a job.
    Job(String),
}

/// One deadline for each duty.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    order: BTreeSet<(Instant, Duty)>,
    at: BTreeMap<Duty, Instant>,
}

impl Agenda {
    /// Sets or moves the deadline of a duty.
    pub(crate) fn set(&mut self, duty: Duty, at: Instant) {
        self.cancel(&duty);
        self.at.insert(duty.clone(), at);
        self.order.insert((at, duty));
    }

    pub(crate) fn cancel(&mut self, duty: &Duty) {
        if let Some((duty, at)) = self.at.remove_entry(duty) {
            self.order.remove(&(at, duty));
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the earliest duty whose deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Duty> {
        if self.next()? > now {
            return None;
        }
        let (_, duty) = self.order.pop_first()?;
        self.at.remove(&duty);
        Some(duty)
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}
