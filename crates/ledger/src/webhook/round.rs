//! One batch of events: who is asked, and what follows from the answers.
//!
//! Events of one session are sent one after the other, those of different sessions side by side. When one is not taken,
//! those behind it in its session wait with it; other sessions go on. When nothing at all is taken, it is the receiver
//! that is down, not an event that is wrong: then nothing is written, and the batch is tried again later.

use std::collections::HashSet;
use std::time::Duration;

use tutti_store::{Delivery, DeliveryState, OutboxEvent};

use super::schedule::{GIVE_UP_AFTER, wait};

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The receiver has it, or does not want it.
    Taken,
    /// The receiver does not take it, or was not reached.
    Refused(Refusal),
    /// It cannot be sent at all.
    Unsendable(String),
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Status of the answer; `None` = there was none.
    pub status: Option<i64>,
    /// What was answered, or why nothing was: the beginning.
    pub answer: String,
    /// How long it took, milliseconds.
    pub took_ms: i64,
}

/// A batch on its way.
#[derive(Debug)]
pub struct Round {
    events: Vec<(OutboxEvent, Option<Answer>)>,
    /// Sessions of which an event waits: what comes after it waits too.
    waiting: HashSet<String>,
}

/// What follows from a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver took nothing.
    Down(Refusal),
    /// Every event up to `position` was taken, but those of `rest`.
    Advance {
        /// Id of the last event.
        position: i64,
        /// What was not taken, in order.
        rest: Vec<Delivery>,
    },
}

impl Round {
    /// Events in the order of the outbox. Those of sessions in `waiting` are not sent.
    pub fn new(events: Vec<OutboxEvent>, waiting: HashSet<String>) -> Self {
        Self { events: events.into_iter().map(|event| (event, None)).collect(), waiting }
    }

    /// What is to be sent: one list for each of at most `sessions` sessions, each with at most `length` events.
    pub fn groups(&self, sessions: usize, length: usize) -> Vec<Vec<OutboxEvent>> {
        let mut groups: Vec<Vec<OutboxEvent>> = Vec::new();
        for (event, answer) in &self.events {
            if answer.is_some() || self.waiting.contains(&event.session) {
                continue;
            }
            let known =
                groups.iter().position(|group| group.first().is_some_and(|first| first.session == event.session));
            let Some(at) = known.or_else(|| {
                (groups.len() < sessions).then(|| {
                    groups.push(Vec::new());
                    groups.len() - 1
                })
            }) else {
                continue;
            };
            if let Some(group) = groups.get_mut(at)
                && group.len() < length
            {
                group.push(event.clone());
            }
        }
        groups
    }

    /// An attempt came to its end.
    pub fn answer(&mut self, event: i64, answer: Answer) {
        let Some((told, slot)) = self.events.iter_mut().find(|(told, _)| told.id == event) else { return };
        // What is of no session stands for itself.
        if matches!(answer, Answer::Refused(_)) && !told.session.is_empty() {
            self.waiting.insert(told.session.clone());
        }
        *slot = Some(answer);
    }

    /// Whether anything was sent and taken.
    pub fn is_up(&self) -> bool {
        self.events.iter().any(|(_, answer)| matches!(answer, Some(Answer::Taken)))
    }

    /// What follows, when nothing more is to be sent; and the sessions that wait from now on. `chance` from 0 to 1.
    pub fn settle(self, now_ms: i64, chance: f64) -> (Verdict, HashSet<String>) {
        let is_up = self.is_up();
        let refused = self.events.iter().find_map(|(_, answer)| match answer {
            Some(Answer::Refused(refusal)) => Some(refusal.clone()),
            _ => None,
        });
        if let (false, Some(refusal)) = (is_up, refused) {
            return (Verdict::Down(refusal), self.waiting);
        }
        let next_ms = later(now_ms, wait(1, chance));
        let position = self.events.last().map_or(0, |(event, _)| event.id);
        let rest = self.events.into_iter().filter_map(|(event, answer)| {
            let untried = Delivery {
                event: event.id,
                state: DeliveryState::Pending,
                attempts: 0,
                first_ms: now_ms,
                next_ms,
                status: None,
                answer: String::new(),
                took_ms: None,
            };
            match answer {
                Some(Answer::Taken) => None,
                Some(Answer::Refused(refusal)) => Some(Delivery { attempts: 1, ..after(untried, refusal) }),
                Some(Answer::Unsendable(why)) => Some(Delivery { state: DeliveryState::Dead, answer: why, ..untried }),
                None => Some(untried),
            }
        });
        (Verdict::Advance { position, rest: rest.collect() }, self.waiting)
    }
}

/// What becomes of a delivery that was tried again.
pub fn again(delivery: Delivery, answer: Answer, now_ms: i64, chance: f64) -> Delivery {
    let attempts = delivery.attempts + 1;
    let tried = Delivery { attempts, ..delivery };
    match answer {
        Answer::Taken => Delivery { state: DeliveryState::Delivered, ..tried },
        Answer::Unsendable(why) => Delivery { state: DeliveryState::Dead, answer: why, ..tried },
        Answer::Refused(refusal) if now_ms - tried.first_ms >= milliseconds(GIVE_UP_AFTER) => {
            Delivery { state: DeliveryState::Dead, ..after(tried, refusal) }
        }
        Answer::Refused(refusal) => {
            let next_ms = later(now_ms, wait(u32::try_from(attempts).unwrap_or(u32::MAX), chance));
            Delivery { next_ms, ..after(tried, refusal) }
        }
    }
}

/// Events that a receiver that is down since `down_ms` will not get any more: those at the head of a batch that are older
/// than what is promised, once it was down for that long.
pub fn overdue(events: &[OutboxEvent], down_ms: i64, now_ms: i64, refusal: &Refusal) -> Vec<Delivery> {
    let before = now_ms - milliseconds(GIVE_UP_AFTER);
    if down_ms > before {
        return Vec::new();
    }
    let dead = |event: &OutboxEvent| Delivery {
        event: event.id,
        state: DeliveryState::Dead,
        attempts: 1,
        first_ms: event.at_ms,
        next_ms: now_ms,
        status: refusal.status,
        answer: refusal.answer.clone(),
        took_ms: Some(refusal.took_ms),
    };
    events.iter().take_while(|event| event.at_ms <= before).map(dead).collect()
}

fn after(delivery: Delivery, refusal: Refusal) -> Delivery {
    let Refusal { status, answer, took_ms } = refusal;
    Delivery { status, answer, took_ms: Some(took_ms), ..delivery }
}

fn later(now_ms: i64, wait: Duration) -> i64 {
    now_ms.saturating_add(milliseconds(wait))
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
