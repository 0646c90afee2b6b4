//! Who gets a job (docs/server-api/agents.md#who-gets-a-job): a worker of its pool by chance, the likelier the less it has to
//! do. It is asked first; if it declines or says nothing, the next one is.

use std::time::Duration;

use livekit_protocol as proto;
use proto::server_message::Message;

use crate::agenda::Duty;
use crate::dispatcher::Dispatcher;
use crate::job::Phase;
use crate::moment::Moment;
use crate::output::{Grant, Output};
use crate::worker::{Pool, WorkerNumber};

/// A worker answers within this time whether it takes a job.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Attribute of an agent's participant that says which agent it is.
const AGENT_NAME: &str = "lk.agent_name";

impl Dispatcher {
    /// Looks for a worker for a job. Without one it waits; if every one has declined, it is over.
    pub(crate) fn offer(&mut self, now: Moment, id: &str) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.phase = Phase::Waiting;
        let simulated = job.info.dispatch_id.is_empty();
        self.agenda.cancel(&Duty::Job(id.to_owned()));
        if simulated {
            return self.finish(now, id, proto::JobStatus::JsFailed, "the worker did not take its own job");
        }
        match self.choose(id) {
            Some(worker) => self.ask(now, id, worker),
            None if self.all_declined(id) => {
                self.finish(now, id, proto::JobStatus::JsFailed, "no worker took the job");
            }
            None => {
                if let Some(job) = self.jobs.get(id) {
                    self.waiting.entry(job.pool.clone()).or_default().push_back(id.to_owned());
                }
            }
        }
    }

    fn choose(&mut self, id: &str) -> Option<WorkerNumber> {
        let target_load = self.settings.target_load;
        let job = self.jobs.get(id)?;
        let workers = self.pools.get(&job.pool)?.iter().filter(|worker| !job.tried.contains(worker));
        let weighted = workers.filter_map(|number| {
            let left = self.workers.get(number)?.registered.as_ref()?.room_left(target_load);
            (left > 0.0).then_some((*number, left))
        });
        let weighted: Vec<_> = weighted.collect();
        let mut drawn = self.chance.share() * weighted.iter().map(|(_, left)| left).sum::<f32>();
        for (number, left) in &weighted {
            drawn -= left;
            if drawn <= 0.0 {
                return Some(*number);
            }
        }
        weighted.last().map(|(number, _)| *number)
    }

    /// Whether there are workers, and each of them has said no.
    fn all_declined(&self, id: &str) -> bool {
        let Some(job) = self.jobs.get(id) else { return false };
        self.pools.get(&job.pool).is_some_and(|workers| workers.iter().all(|worker| job.tried.contains(worker)))
    }

    /// Asks a worker whether it takes a job.
    pub(crate) fn ask(&mut self, now: Moment, id: &str, number: WorkerNumber) {
        let (Some(job), Some(worker)) = (self.jobs.get_mut(id), self.workers.get_mut(&number)) else { return };
        job.phase = Phase::Asked(number);
        worker.asked.insert(id.to_owned());
        let request = proto::AvailabilityRequest { job: Some(job.info.clone()), resuming: job.resuming };
        self.send(number, Message::Availability(request));
        self.agenda.set(Duty::Job(id.to_owned()), now.after(ANSWERS_WITHIN));
    }

    pub(crate) fn on_availability(&mut self, now: Moment, number: WorkerNumber, answer: proto::AvailabilityResponse) {
        let id = &answer.job_id;
        if !self.jobs.get(id).is_some_and(|job| job.phase == Phase::Asked(number)) {
            return;
        }
        if let Some(worker) = self.workers.get_mut(&number) {
            worker.asked.remove(id);
        }
        if answer.terminate {
            // The worker knows that there is nothing to do.
            self.finish(now, id, proto::JobStatus::JsSuccess, "");
        } else if answer.available {
            self.assign(now, number, answer);
        } else {
            self.declined(now, &answer.job_id, number);
        }
    }

    /// A worker does not take a job, in words or by saying nothing.
    pub(crate) fn declined(&mut self, now: Moment, id: &str, number: WorkerNumber) {
        if let Some(worker) = self.workers.get_mut(&number) {
            worker.asked.remove(id);
        }
        if let Some(job) = self.jobs.get_mut(id) {
            job.tried.insert(number);
            self.offer(now, id);
        }
    }

    fn assign(&mut self, now: Moment, number: WorkerNumber, answer: proto::AvailabilityResponse) {
        let id = answer.job_id;
        let (Some(job), Some(worker)) = (self.jobs.get_mut(&id), self.workers.get_mut(&number)) else { return };
        let Some(registered) = &worker.registered else { return };
        self.agenda.cancel(&Duty::Job(id.clone()));
        let identity = match answer.participant_identity {
            unsaid if unsaid.is_empty() => format!("agent-{id}"),
            said => said,
        };
        job.phase = Phase::Running(number);
        job.tried.clear();
        job.agent_sid.clear();
        let began = job.info.state.as_ref().map_or(0, |state| state.started_at);
        *job.state() = proto::JobState {
            status: proto::JobStatus::JsRunning as i32,
            started_at: if began > 0 { began } else { now.unix_ns },
            updated_at: now.unix_ns,
            participant_identity: identity.clone(),
            worker_id: worker.id.clone(),
            ..Default::default()
        };
        worker.jobs.insert(id.clone());
        let mut attributes: std::collections::BTreeMap<_, _> = answer.participant_attributes.into_iter().collect();
        attributes.insert(AGENT_NAME.to_owned(), registered.pool.agent_name.clone());
        let grant = Grant {
            api_key: worker.api_key.clone(),
            room: job.room.name.clone(),
            identity: identity.clone(),
            name: answer.participant_name,
            metadata: answer.participant_metadata,
            attributes,
            permission: registered.permission.clone(),
        };
        let (room, info) = (job.room.clone(), Box::new(job.info.clone()));
        if let Some(entry) = self.rooms.get_mut(&room).filter(|entry| entry.info.sid == job.room_sid) {
            entry.agents.insert(identity, id);
        }
        self.put_out(Output::Assign { worker: number, job: info.clone(), grant: Box::new(grant) });
        self.put_out(Output::JobStarted { room, job: info });
    }

    /// Workers of a pool can take something: those that wait have their turn.
    pub(crate) fn wake(&mut self, now: Moment, pool: &Pool) {
        let Some(mut waiting) = self.waiting.remove(pool) else { return };
        while let Some(id) = waiting.pop_front() {
            self.offer(now, &id);
            if self.jobs.get(&id).is_some_and(|job| job.phase == Phase::Waiting) {
                // No room is left. It went to the end of the line, and belongs to its front.
                let line = self.waiting.entry(pool.clone()).or_default();
                line.pop_back();
                waiting.push_front(id);
                waiting.append(line);
                *line = waiting;
                return;
            }
        }
    }
}
