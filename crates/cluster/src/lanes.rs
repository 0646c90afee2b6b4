//! The two ways to a room.
//!
//! * **Work** is what clients and back ends want, and what shards report again soon: levels, quality, lossy messages. A
//!   client waits for a place; a report that finds none is dropped and counted.
//! * **State** is what must not be lost, or the room is wrong from then on: what becomes of transports and channels, and
//!   reliable messages. A shard never waits for a room. What transports have to say is little, and reliable messages are
//!   bounded by their senders' windows: in bytes, since a window holds thousands of tiny ones. So the lane counts bytes
//!   too. A room that lets [`STATE_WEIGHT_MAX`] of them pile up all the same cannot be right any more: it is overrun, and
//!   is abandoned instead of going on with a hole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};
use tutti_media::MediaEvent;
use tutti_transport::{TransportEvent, data_weight};

use crate::input::{Answer, Outgoing, Refusal, RoomInput, SocketAddress};

/// Inputs that may wait for one room.
pub(crate) const WORK_QUEUE: usize = 16 * 1024;
/// Weight ([`data_weight`]) of the reports of shards that may wait for one room without being lost: the full windows of
/// 500 senders.
pub(crate) const STATE_WEIGHT_MAX: u64 = 512 << 20;

/// An input and, where an answer is waited for, the way back.
pub(crate) struct Post {
    pub(crate) input: RoomInput,
    pub(crate) way_back: WayBack,
}

/// Who waits for an answer. Dropped without one, it was not handled: another room may be asked.
pub(crate) enum WayBack {
    Nobody,
    Join(JoinReply),
    Ask(oneshot::Sender<Answer>),
}

/// Takes the end of a join: the new socket's address, and what is said on it.
pub(crate) type JoinReply = Box<dyn FnOnce(Result<(SocketAddress, mpsc::Receiver<Outgoing>), Refusal>) + Send>;

/// The senders' end.
pub(crate) struct Lanes {
    work: mpsc::Sender<Post>,
    state: mpsc::UnboundedSender<MediaEvent>,
    state_weight: Arc<AtomicU64>,
    state_weight_max: u64,
    overrun: AtomicBool,
}

/// The room's end.
pub(crate) struct Ends {
    pub(crate) work: mpsc::Receiver<Post>,
    pub(crate) state: StateEnd,
}

/// The room's end of the lane that loses nothing.
pub(crate) struct StateEnd {
    reports: mpsc::UnboundedReceiver<MediaEvent>,
    weight: Arc<AtomicU64>,
}

impl StateEnd {
    /// Waits for the next report. `None`: nobody is left to report.
    pub(crate) async fn recv(&mut self) -> Option<MediaEvent> {
        self.reports.recv().await.inspect(|report| self.took(report))
    }

    /// The next report, if one waits.
    pub(crate) fn try_recv(&mut self) -> Option<MediaEvent> {
        self.reports.try_recv().ok().inspect(|report| self.took(report))
    }

    fn took(&self, report: &MediaEvent) {
        self.weight.fetch_sub(weight(report), Ordering::Relaxed);
    }
}

fn weight(report: &MediaEvent) -> u64 {
    match report {
        MediaEvent::Transport { event: TransportEvent::Message { payload, .. }, .. } => data_weight(payload.len()),
        _ => data_weight(0),
    }
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reported {
    /// It waits for the room, or the room is gone and needs no report.
    Taken,
    /// It may be lost, and was.
    Dropped,
    /// It must not be lost, and the room does not keep up.
    Overrun,
}

impl Lanes {
    #[expect(clippy::disallowed_methods, reason = "the lane of state is bounded by its weight")]
    pub(crate) fn new(work_max: usize, state_weight_max: u64) -> (Self, Ends) {
        let (work, work_end) = mpsc::channel(work_max);
        let (state, reports) = mpsc::unbounded_channel();
        let weight = Arc::new(AtomicU64::new(0));
        let state_end = StateEnd { reports, weight: Arc::clone(&weight) };
        let lanes = Self { work, state, state_weight: weight, state_weight_max, overrun: AtomicBool::new(false) };
        (lanes, Ends { work: work_end, state: state_end })
    }

    /// Hands an input over, waiting for a place. `false`: the room is over.
    pub(crate) async fn post(&self, input: RoomInput, way_back: WayBack) -> bool {
        self.work.send(Post { input, way_back }).await.is_ok()
    }

    /// Hands an input over if there is a place; else gives it back. `None` also if the room is over.
    pub(crate) fn try_post(&self, input: RoomInput) -> Option<RoomInput> {
        match self.work.try_send(Post { input, way_back: WayBack::Nobody }) {
            Err(mpsc::error::TrySendError::Full(post)) => Some(post.input),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
        }
    }

    /// Hands a shard's report over. Never waits.
    pub(crate) fn report(&self, event: MediaEvent) -> Reported {
        if event.may_be_lost() {
            return match self.try_post(RoomInput::Media(event)) {
                None => Reported::Taken,
                Some(_) => Reported::Dropped,
            };
        }
        if self.state.is_closed() {
            // A room that is over needs no report.
            return Reported::Taken;
        }
        let weight = weight(&event);
        if self.state_weight.fetch_add(weight, Ordering::Relaxed) + weight > self.state_weight_max {
            self.state_weight.fetch_sub(weight, Ordering::Relaxed);
            self.overrun.store(true, Ordering::Release);
            return Reported::Overrun;
        }
        if self.state.send(event).is_err() {
            // It ended meanwhile.
            self.state_weight.fetch_sub(weight, Ordering::Relaxed);
        }
        Reported::Taken
    }

    /// Something that must not be lost was.
    pub(crate) fn is_overrun(&self) -> bool {
        self.overrun.load(Ordering::Acquire)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.work.is_closed()
    }

    /// Waits until the room is over.
    pub(crate) async fn closed(&self) {
        self.work.closed().await;
    }
}

#[cfg(test)]
mod tests;
