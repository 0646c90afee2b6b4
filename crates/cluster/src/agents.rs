//! The node's agent workers: their ends of the wire, and the clock and the errands of [`Dispatcher`], which decides.
//!
//! Rooms tell it what happens on their own tasks, so nothing here waits: what must be asked of a room is done by a task of
//! its own. A worker whose queue is full is sent away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use livekit_protocol as proto;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tutti_agent::{Census, Crowded, DispatchError, Dispatcher, Goodbye, Grant, Moment, Output, WorkerNumber};
use tutti_id::{AppId, RoomName};
use tutti_room::{AdminRequest, RoomEvent, RoomEventKind};

use crate::input::{Answer, Question};
use crate::journal;
use crate::shared::Directory;

/// Messages that may wait for one worker.
const WORKER_QUEUE: usize = 1024;
/// Errands that may wait.
const ERRANDS: usize = 4096;

/// What goes to a worker.
#[derive(Debug)]
pub enum ToWorker {
    /// One message.
    Message(Box<proto::ServerMessage>),
    /// Sign a token, and send it with the job as the worker's assignment.
    Assign {
        /// The job.
        job: Box<proto::Job>,
        /// What the token says.
        grant: Box<Grant>,
    },
    /// Close the connection.
    Close(Goodbye),
}

/// A connected worker's end.
pub struct AttachedWorker {
    /// Where its messages go. Dropping it tells that the worker is gone.
    pub says: WorkerSender,
    /// What to send it; ends when it is sent away.
    pub told: mpsc::Receiver<ToWorker>,
}

/// Takes one worker's messages.
pub struct WorkerSender {
    agents: Agents,
    number: WorkerNumber,
}

impl WorkerSender {
    /// The worker said something.
    pub fn send(&self, message: proto::WorkerMessage) {
        self.agents.change(|dispatcher, now| dispatcher.worker_said(now, self.number, message));
    }
}

impl Drop for WorkerSender {
    fn drop(&mut self) {
        self.agents.desk().ends.remove(&self.number);
        self.agents.change(|dispatcher, now| dispatcher.worker_gone(now, self.number));
    }
}

/// The agents of a node. Clones are handles to the same ones.
#[derive(Clone)]
pub(crate) struct Agents(Arc<Inner>);

struct Inner {
    desk: Mutex<Desk>,
    numbers: AtomicU64,
    deadline: watch::Sender<Option<Instant>>,
    errands: mpsc::Sender<Errand>,
}

struct Desk {
    dispatcher: Dispatcher,
    ends: BTreeMap<WorkerNumber, mpsc::Sender<ToWorker>>,
}

/// What has to be asked of a room.
#[derive(Debug)]
enum Errand {
    Survey { room: RoomName, dispatch: String },
    Remove { room: RoomName, identity: String },
}

impl Agents {
    /// Nobody works yet. Its clock runs on the runtime that this is called in, if there is one.
    pub(crate) fn start(dispatcher: Dispatcher, directory: Arc<Directory>) -> Self {
        let (deadline, due) = watch::channel(None);
        let (errands, waiting) = mpsc::channel(ERRANDS);
        let desk = Mutex::new(Desk { dispatcher, ends: BTreeMap::new() });
        let inner = Arc::new(Inner { desk, numbers: AtomicU64::new(1), deadline, errands });
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(run(Arc::downgrade(&inner), due, waiting, directory));
        }
        Self(inner)
    }

    /// A worker connected, with a token of this app that this key signed.
    pub(crate) fn connect(&self, app: AppId, api_key: String) -> Result<AttachedWorker, Crowded> {
        let number = WorkerNumber(self.0.numbers.fetch_add(1, Ordering::Relaxed));
        let (end, told) = mpsc::channel(WORKER_QUEUE);
        self.desk().ends.insert(number, end);
        // Whatever comes of it, it is taken out again when this is dropped.
        let says = WorkerSender { agents: self.clone(), number };
        self.change(|dispatcher, now| dispatcher.worker_connected(now, number, app, api_key))?;
        Ok(AttachedWorker { says, told })
    }

    /// Whether rooms may be made with these dispatches.
    pub(crate) fn check(&self, dispatches: &[proto::RoomAgentDispatch]) -> Result<(), DispatchError> {
        let desk = self.desk();
        desk.dispatcher.check_dispatches(dispatches)
    }

    pub(crate) fn room_opened(&self, name: &RoomName, info: proto::Room, dispatches: Vec<proto::RoomAgentDispatch>) {
        self.change(|dispatcher, now| dispatcher.room_opened(now, name, info, dispatches));
    }

    /// Something happened in a room.
    pub(crate) fn event(&self, room: &RoomName, event: &RoomEvent) {
        let sid = &event.room_sid;
        match &event.kind {
            RoomEventKind::RoomFinished(_) => {
                self.change(|dispatcher, now| dispatcher.room_closed(now, room, sid));
            }
            RoomEventKind::ParticipantJoined(info) => {
                self.change(|dispatcher, now| dispatcher.participant_joined(now, room, sid, info));
            }
            RoomEventKind::ParticipantLeft(info) => {
                self.change(|dispatcher, now| dispatcher.participant_left(now, room, sid, info));
            }
            RoomEventKind::TrackPublished { participant, .. } => {
                self.change(|dispatcher, now| dispatcher.participant_published(now, room, sid, participant));
            }
            RoomEventKind::RoomStarted(_)
            | RoomEventKind::ConnectionAborted(_)
            | RoomEventKind::TrackUnpublished { .. } => {}
        }
    }

    pub(crate) fn create_dispatch(
        &self,
        room: &RoomName,
        request: proto::CreateAgentDispatchRequest,
    ) -> Result<proto::AgentDispatch, DispatchError> {
        self.change(|dispatcher, now| dispatcher.create_dispatch(now, room, request))
    }

    pub(crate) fn delete_dispatch(&self, room: &RoomName, id: &str) -> Result<proto::AgentDispatch, DispatchError> {
        self.change(|dispatcher, now| dispatcher.delete_dispatch(now, room, id))
    }

    pub(crate) fn list_dispatches(
        &self,
        room: &RoomName,
        id: &str,
    ) -> Result<Vec<proto::AgentDispatch>, DispatchError> {
        self.desk().dispatcher.list_dispatches(room, id)
    }

    /// Sends every worker away.
    pub(crate) fn stop(&self) {
        self.change(|dispatcher, _| dispatcher.stop());
    }

    pub(crate) fn census(&self) -> Census {
        self.desk().dispatcher.census()
    }

    fn change<T>(&self, work: impl FnOnce(&mut Dispatcher, Moment) -> T) -> T {
        let mut desk = self.desk();
        let result = work(&mut desk.dispatcher, moment());
        desk.carry_out(&self.0.errands);
        let due = desk.dispatcher.poll_timeout();
        self.0.deadline.send_if_modified(|known| std::mem::replace(known, due) != due);
        result
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn carry_out(&mut self, errands: &mpsc::Sender<Errand>) {
        while let Some(output) = self.dispatcher.poll_output() {
            let errand = match output {
                Output::Send { worker, message } => {
                    self.tell(worker, ToWorker::Message(message));
                    continue;
                }
                Output::Assign { worker, job, grant } => {
                    self.tell(worker, ToWorker::Assign { job, grant });
                    continue;
                }
                Output::Close { worker, why } => {
                    self.tell(worker, ToWorker::Close(why));
                    self.ends.remove(&worker);
                    continue;
                }
                Output::JobStarted { room, job } => {
                    journal::job(&room, &job, "agent job started");
                    continue;
                }
                Output::JobEnded { room, job } => {
                    journal::job(&room, &job, "agent job ended");
                    continue;
                }
                Output::Survey { room, dispatch } => Errand::Survey { room, dispatch },
                Output::Remove { room, identity } => Errand::Remove { room, identity },
            };
            if let Err(error) = errands.try_send(errand) {
                tracing::warn!(%error, "an errand for agents is dropped");
            }
        }
    }

    fn tell(&mut self, worker: WorkerNumber, what: ToWorker) {
        // Its socket sees the end of the queue, and goes.
        if self.ends.get(&worker).is_some_and(|end| end.try_send(what).is_err()) {
            tracing::warn!(worker = worker.0, "an agent worker reads too slowly, or is gone");
            self.ends.remove(&worker);
        }
    }
}

/// The clock and the errands, until the node is gone.
async fn run(
    agents: Weak<Inner>,
    mut deadline: watch::Receiver<Option<Instant>>,
    mut errands: mpsc::Receiver<Errand>,
    directory: Arc<Directory>,
) {
    loop {
        let due = *deadline.borrow_and_update();
        let wait = async {
            match due {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = deadline.changed() => if changed.is_err() { return },
            errand = errands.recv() => match errand {
                Some(errand) => drop(tokio::spawn(do_errand(agents.clone(), errand, directory.clone()))),
                None => return,
            },
            () = wait => match agents.upgrade() {
                Some(inner) => Agents(inner).change(|dispatcher, now| dispatcher.handle_timeout(now)),
                None => return,
            },
        }
    }
}

async fn do_errand(agents: Weak<Inner>, errand: Errand, directory: Arc<Directory>) {
    match errand {
        Errand::Survey { room, dispatch } => {
            let Some(lanes) = directory.by_name(&room) else { return };
            let answer = directory.ask(&lanes, Question::Participants).await;
            if let (Some(Answer::Participants(participants)), Some(inner)) = (answer, agents.upgrade()) {
                Agents(inner).change(|dispatcher, now| dispatcher.present(now, &room, &dispatch, &participants));
            }
        }
        Errand::Remove { room, identity } => {
            let Some(lanes) = directory.by_name(&room) else { return };
            // Who is gone by now needs no removal.
            let _ = directory.ask(&lanes, Question::Admin(AdminRequest::Remove { identity })).await;
        }
    }
}

fn moment() -> Moment {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment { instant: Instant::now(), unix_ns: i64::try_from(unix.as_nanos()).unwrap_or(i64::MAX) }
}
