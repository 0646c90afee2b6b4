//! The books of a dispatcher, and what it puts out. What happens behind each door stands in the module named after it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use livekit_protocol as proto;
use proto::server_message::Message;
use tutti_id::RoomName;

use crate::agenda::{Agenda, Duty};
use crate::ids::Chance;
use crate::job::Job;
use crate::moment::Moment;
use crate::output::{Goodbye, Output};
use crate::room::Room;
use crate::settings::Settings;
use crate::worker::{Pool, Worker, WorkerNumber};

/// Who works, and on what.
///
/// Feed it through its doors; after each of them drain [`Dispatcher::poll_output`] until it is `None`, and come back at
/// [`Dispatcher::poll_timeout`]. The same seed and the same calls give the same outputs.
#[derive(Debug)]
pub struct Dispatcher {
    pub(crate) settings: Settings,
    pub(crate) chance: Chance,
    pub(crate) workers: BTreeMap<WorkerNumber, Worker>,
    pub(crate) pools: BTreeMap<Pool, BTreeSet<WorkerNumber>>,
    pub(crate) rooms: BTreeMap<RoomName, Room>,
    pub(crate) jobs: BTreeMap<String, Job>,
    /// Jobs that nobody can take now, in their order.
    pub(crate) waiting: BTreeMap<Pool, VecDeque<String>>,
    pub(crate) agenda: Agenda,
    pub(crate) jobs_refused: u64,
    outputs: VecDeque<Output>,
}

/// How much a dispatcher holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Workers that are connected.
    pub workers: usize,
    /// Jobs that are not over.
    pub jobs: usize,
    /// Those of them that no worker has.
    pub waiting: usize,
    /// Jobs that were not begun because there were too many; a total.
    pub refused: u64,
    /// Duties with a deadline.
    pub deadlines: usize,
}

impl Dispatcher {
    /// Nobody works yet.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            chance: Chance::new(seed),
            workers: BTreeMap::new(),
            pools: BTreeMap::new(),
            rooms: BTreeMap::new(),
            jobs: BTreeMap::new(),
            waiting: BTreeMap::new(),
            agenda: Agenda::default(),
            jobs_refused: 0,
            outputs: VecDeque::new(),
        }
    }

    /// What to do next, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Dispatcher::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    /// Time has come. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Moment) {
        while let Some(duty) = self.agenda.pop_due(now.instant) {
            match duty {
                Duty::Register(worker) => self.close(worker, Goodbye::NotRegistered),
                Duty::Job(job) => self.on_job_due(now, &job),
            }
        }
    }

    /// The server stops: every worker is sent away, and may come again.
    pub fn stop(&mut self) {
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            self.close(worker, Goodbye::Stopping);
        }
    }

    /// What is in the books, for metrics and checks.
    pub fn census(&self) -> Census {
        Census {
            workers: self.workers.len(),
            jobs: self.jobs.len(),
            waiting: self.waiting.values().map(VecDeque::len).sum(),
            refused: self.jobs_refused,
            deadlines: self.agenda.len(),
        }
    }

    pub(crate) fn put_out(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn send(&mut self, worker: WorkerNumber, message: Message) {
        let message = Box::new(proto::ServerMessage { message: Some(message) });
        self.put_out(Output::Send { worker, message });
    }

    pub(crate) fn close(&mut self, worker: WorkerNumber, why: Goodbye) {
        self.put_out(Output::Close { worker, why });
    }
}
