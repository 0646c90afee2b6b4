//! A dispatcher on a virtual clock, with everything it puts out sorted by who gets it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::server_message::Message as Told;
use proto::worker_message::Message as Said;
use proto::{JobStatus, JobType};
use tutti_agent::{Dispatcher, Goodbye, Grant, Moment, Output, Settings, WorkerNumber};
use tutti_id::{AppId, RoomName};

pub(crate) const UNIX_NS: i64 = 1_700_000_000_000_000_000;

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::of_default_app(name)
}

pub(crate) fn named(agent_name: &str) -> proto::RoomAgentDispatch {
    proto::RoomAgentDispatch { agent_name: agent_name.into(), metadata: "m".into(), ..Default::default() }
}

/// Who is called so, in its `session`-th session.
pub(crate) fn person(identity: &str, session: u32) -> proto::ParticipantInfo {
    let sid = format!("PA_{identity}{session}");
    proto::ParticipantInfo { sid, identity: identity.into(), ..Default::default() }
}

pub(crate) fn agent(identity: &str, session: u32) -> proto::ParticipantInfo {
    let kind = proto::participant_info::Kind::Agent as i32;
    proto::ParticipantInfo { kind, ..person(identity, session) }
}

pub(crate) struct Stage {
    pub(crate) dispatcher: Dispatcher,
    start: Instant,
    now: Instant,
    came: u64,
    told: BTreeMap<WorkerNumber, Vec<Told>>,
    pub(crate) assigned: Vec<(WorkerNumber, proto::Job, Grant)>,
    pub(crate) closed: Vec<(WorkerNumber, Goodbye)>,
    pub(crate) surveys: Vec<(RoomName, String)>,
    pub(crate) removed: Vec<String>,
    pub(crate) started: Vec<String>,
    pub(crate) ended: Vec<proto::Job>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let now = Instant::now();
        Self {
            dispatcher: Dispatcher::new(settings, 7),
            start: now,
            now,
            came: 0,
            told: BTreeMap::new(),
            assigned: Vec::new(),
            closed: Vec::new(),
            surveys: Vec::new(),
            removed: Vec::new(),
            started: Vec::new(),
            ended: Vec::new(),
        }
    }

    pub(crate) fn moment(&self) -> Moment {
        let passed = (self.now - self.start).as_nanos() as i64;
        Moment { instant: self.now, unix_ns: UNIX_NS + passed }
    }

    pub(crate) fn act<T>(&mut self, work: impl FnOnce(&mut Dispatcher, Moment) -> T) -> T {
        let now = self.moment();
        let result = work(&mut self.dispatcher, now);
        while let Some(output) = self.dispatcher.poll_output() {
            match output {
                Output::Send { worker, message } => {
                    self.told.entry(worker).or_default().extend(message.message);
                }
                Output::Assign { worker, job, grant } => self.assigned.push((worker, *job, *grant)),
                Output::Close { worker, why } => self.closed.push((worker, why)),
                Output::Survey { room, dispatch } => self.surveys.push((room, dispatch)),
                Output::Remove { identity, .. } => self.removed.push(identity),
                Output::JobStarted { job, .. } => self.started.push(job.id),
                Output::JobEnded { job, .. } => self.ended.push(*job),
            }
        }
        result
    }

    /// Lets time pass, from deadline to deadline.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(at) = self.dispatcher.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.act(|dispatcher, now| dispatcher.handle_timeout(now));
        }
        self.now = end;
    }

    pub(crate) fn connect_of(&mut self, app: &str) -> WorkerNumber {
        self.came += 1;
        let number = WorkerNumber(self.came);
        let app = AppId::new(app);
        self.act(|dispatcher, now| dispatcher.worker_connected(now, number, app, "key".into())).expect("not crowded");
        number
    }

    pub(crate) fn connect(&mut self) -> WorkerNumber {
        self.connect_of(AppId::DEFAULT)
    }

    pub(crate) fn say(&mut self, worker: WorkerNumber, said: Said) {
        let message = proto::WorkerMessage { message: Some(said) };
        self.act(|dispatcher, now| dispatcher.worker_said(now, worker, message));
    }

    /// A worker that is there and takes jobs.
    pub(crate) fn worker(&mut self, job_type: JobType, agent_name: &str) -> WorkerNumber {
        self.worker_with(job_type, agent_name, |_| {})
    }

    pub(crate) fn worker_with(
        &mut self,
        job_type: JobType,
        agent_name: &str,
        change: impl FnOnce(&mut proto::RegisterWorkerRequest),
    ) -> WorkerNumber {
        let worker = self.connect();
        let mut register = proto::RegisterWorkerRequest {
            r#type: job_type as i32,
            agent_name: agent_name.into(),
            ..Default::default()
        };
        change(&mut register);
        self.say(worker, Said::Register(register));
        worker
    }

    pub(crate) fn gone(&mut self, worker: WorkerNumber) {
        self.act(|dispatcher, now| dispatcher.worker_gone(now, worker));
    }

    pub(crate) fn status(&mut self, worker: WorkerNumber, status: proto::WorkerStatus, load: f32) {
        let update = proto::UpdateWorkerStatus { status: Some(status as i32), load, ..Default::default() };
        self.say(worker, Said::UpdateWorker(update));
    }

    pub(crate) fn take(&mut self, worker: WorkerNumber) -> Vec<Told> {
        self.told.remove(&worker).unwrap_or_default()
    }

    /// The jobs that a worker is asked about.
    pub(crate) fn asked(&mut self, worker: WorkerNumber) -> Vec<proto::AvailabilityRequest> {
        let told = self.take(worker).into_iter();
        told.filter_map(|told| if let Told::Availability(asked) = told { Some(asked) } else { None }).collect()
    }

    /// The jobs that a worker is told to end.
    pub(crate) fn terminated(&mut self, worker: WorkerNumber) -> Vec<String> {
        let told = self.take(worker).into_iter();
        told.filter_map(|told| if let Told::Termination(end) = told { Some(end.job_id) } else { None }).collect()
    }

    /// The only job that a worker is asked about.
    pub(crate) fn asked_once(&mut self, worker: WorkerNumber) -> proto::Job {
        let mut asked = self.asked(worker);
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0).job.expect("a job")
    }

    pub(crate) fn answer(&mut self, worker: WorkerNumber, job: &str, available: bool) {
        let answer = proto::AvailabilityResponse {
            job_id: job.into(),
            available,
            participant_identity: if available { format!("agent-{job}") } else { String::new() },
            ..Default::default()
        };
        self.say(worker, Said::Availability(answer));
    }

    /// The worker takes the only job that it is asked about.
    pub(crate) fn accept(&mut self, worker: WorkerNumber) -> String {
        let job = self.asked_once(worker).id;
        self.answer(worker, &job, true);
        job
    }

    pub(crate) fn update(&mut self, worker: WorkerNumber, job: &str, status: JobStatus) {
        let update = proto::UpdateJobStatus { job_id: job.into(), status: status as i32, error: "e".into() };
        self.say(worker, Said::UpdateJob(update));
    }

    pub(crate) fn open(&mut self, name: &str, dispatches: &[proto::RoomAgentDispatch]) {
        let info = proto::Room { sid: format!("RM_{name}"), name: name.into(), ..Default::default() };
        let dispatches = dispatches.to_vec();
        self.act(|dispatcher, now| dispatcher.room_opened(now, &room(name), info, dispatches));
    }

    pub(crate) fn joined(&mut self, name: &str, who: &proto::ParticipantInfo) {
        let sid = format!("RM_{name}");
        self.act(|dispatcher, now| dispatcher.participant_joined(now, &room(name), &sid, who));
    }

    pub(crate) fn published(&mut self, name: &str, who: &proto::ParticipantInfo) {
        let sid = format!("RM_{name}");
        self.act(|dispatcher, now| dispatcher.participant_published(now, &room(name), &sid, who));
    }

    pub(crate) fn left(&mut self, name: &str, who: &proto::ParticipantInfo) {
        let sid = format!("RM_{name}");
        self.act(|dispatcher, now| dispatcher.participant_left(now, &room(name), &sid, who));
    }

    pub(crate) fn over(&mut self, name: &str) {
        let sid = format!("RM_{name}");
        self.act(|dispatcher, now| dispatcher.room_closed(now, &room(name), &sid));
    }

    /// The jobs of the only dispatch of a room.
    pub(crate) fn jobs(&self, name: &str) -> Vec<proto::Job> {
        let mut listed = self.dispatcher.list_dispatches(&room(name), "").expect("the room is there");
        assert_eq!(listed.len(), 1);
        listed.remove(0).state.map(|state| state.jobs).unwrap_or_default()
    }

    pub(crate) fn statuses(&self, name: &str) -> Vec<JobStatus> {
        self.jobs(name).into_iter().map(|job| job.state.unwrap_or_default().status()).collect()
    }
}
