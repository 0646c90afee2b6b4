//! How jobs go on without their worker, and how they end.

use std::time::Duration;

use livekit_protocol as proto;
use proto::JobStatus;
use proto::server_message::Message;

use crate::agenda::Duty;
use crate::dispatcher::Dispatcher;
use crate::job::{Job, Phase};
use crate::moment::Moment;
use crate::output::Output;
use crate::worker::{Pool, WorkerNumber};

/// A worker that lost its connection has this long to come again and claim its jobs; then others get them.
const COMES_AGAIN_WITHIN: Duration = Duration::from_secs(5);
/// An agent that was told to go, and one that went without a word, has this long.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

impl Dispatcher {
    /// What a job waited for did not come.
    pub(crate) fn on_job_due(&mut self, now: Moment, id: &str) {
        let Some(job) = self.jobs.get(id) else { return };
        match job.phase {
            Phase::Asked(worker) => self.declined(now, id, worker),
            Phase::Orphaned => self.resume(now, id),
            Phase::Leaving(worker) => {
                self.send(worker, Message::Termination(proto::JobTermination { job_id: id.to_owned() }));
                self.finish(now, id, JobStatus::JsFailed, "agent worker left the room");
            }
            Phase::Ending => {
                let (room, identity) = (job.room.clone(), job.identity().to_owned());
                self.put_out(Output::Remove { room, identity });
                self.forget(id);
            }
            Phase::Waiting | Phase::Running(_) => {}
        }
    }

    /// The worker of a job that runs is gone.
    pub(crate) fn lost_its_worker(&mut self, now: Moment, id: &str) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        match job.phase {
            Phase::Running(_) => {
                job.phase = Phase::Orphaned;
                self.agenda.set(Duty::Job(id.to_owned()), now.after(COMES_AGAIN_WITHIN));
            }
            // Its agent went first: it may have ended well, and nobody is left to say so.
            Phase::Leaving(_) => self.resume(now, id),
            _ => {}
        }
    }

    /// Nobody does a job any more: another worker shall.
    pub(crate) fn resume(&mut self, now: Moment, id: &str) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if job.once {
            return self.finish(now, id, JobStatus::JsFailed, "the worker is gone");
        }
        job.resuming = true;
        job.state().status = JobStatus::JsPending as i32;
        job.state().updated_at = now.unix_ns;
        self.offer(now, id);
    }

    pub(crate) fn on_update_job(&mut self, now: Moment, number: WorkerNumber, update: &proto::UpdateJobStatus) {
        let Some(job) = self.jobs.get_mut(&update.job_id) else { return };
        if !matches!(job.phase, Phase::Running(worker) | Phase::Leaving(worker) if worker == number) {
            return;
        }
        match JobStatus::try_from(update.status) {
            Ok(status @ (JobStatus::JsSuccess | JobStatus::JsFailed)) => {
                self.finish(now, &update.job_id, status, &update.error);
            }
            Ok(status) => {
                job.state().status = status as i32;
                job.state().error.clone_from(&update.error);
                job.state().updated_at = now.unix_ns;
            }
            Err(_) => {}
        }
    }

    /// A job is over.
    pub(crate) fn finish(&mut self, now: Moment, id: &str, status: JobStatus, error: &str) {
        let Some(mut job) = self.forget(id) else { return };
        *job.state() = proto::JobState {
            status: status as i32,
            error: error.to_owned(),
            ended_at: now.unix_ns,
            updated_at: now.unix_ns,
            ..job.info.state.clone().unwrap_or_default()
        };
        let kept = self.settings.limits.ended_jobs;
        let entry = self.rooms.get_mut(&job.room).filter(|entry| entry.info.sid == job.room_sid);
        if let Some(dispatch) = entry.and_then(|entry| entry.dispatches.get_mut(&job.info.dispatch_id)) {
            dispatch.ended.push_back(job.info.clone());
            while dispatch.ended.len() > kept {
                dispatch.ended.pop_front();
            }
        }
        self.put_out(Output::JobEnded { room: job.room, job: Box::new(job.info) });
    }

    /// Ends a job because it is not wanted any more. Its agent has some time to go by itself.
    pub(crate) fn terminate(&mut self, now: Moment, id: &str) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let worker = match job.phase {
            Phase::Running(worker) | Phase::Leaving(worker) => Some(worker),
            _ => None,
        };
        let in_room = matches!(job.phase, Phase::Running(_) | Phase::Orphaned) && !job.identity().is_empty();
        if let Some(worker) = worker {
            self.send(worker, Message::Termination(proto::JobTermination { job_id: id.to_owned() }));
        }
        let Some(job) = self.jobs.get(id) else { return };
        let again = in_room.then(|| Job {
            info: job.info.clone(),
            room: job.room.clone(),
            room_sid: job.room_sid.clone(),
            pool: job.pool.clone(),
            slot: job.slot.clone(),
            once: true,
            phase: Phase::Ending,
            tried: Default::default(),
            resuming: false,
            agent_sid: job.agent_sid.clone(),
        });
        self.finish(now, id, JobStatus::JsSuccess, "");
        // What is left of it sees to it that the agent goes.
        let Some(job) = again else { return };
        let Some(entry) = self.rooms.get_mut(&job.room).filter(|entry| entry.info.sid == job.room_sid) else { return };
        entry.jobs.insert(id.to_owned());
        entry.agents.insert(job.identity().to_owned(), id.to_owned());
        self.jobs.insert(id.to_owned(), job);
        self.agenda.set(Duty::Job(id.to_owned()), now.after(ENDS_WITHIN));
    }

    /// The agent of a job left its room.
    pub(crate) fn agent_left(&mut self, now: Moment, id: &str) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        match job.phase {
            Phase::Running(worker) => {
                job.phase = Phase::Leaving(worker);
                self.agenda.set(Duty::Job(id.to_owned()), now.after(ENDS_WITHIN));
            }
            Phase::Orphaned => self.resume(now, id),
            Phase::Ending => drop(self.forget(id)),
            Phase::Waiting | Phase::Asked(_) | Phase::Leaving(_) => {}
        }
    }

    /// Strikes a job from the books.
    pub(crate) fn forget(&mut self, id: &str) -> Option<Job> {
        let job = self.jobs.remove(id)?;
        self.agenda.cancel(&Duty::Job(id.to_owned()));
        match job.phase {
            Phase::Waiting => self.no_longer_waits(&job.pool, id),
            Phase::Asked(worker) | Phase::Running(worker) | Phase::Leaving(worker) => {
                if let Some(worker) = self.workers.get_mut(&worker) {
                    worker.asked.remove(id);
                    worker.jobs.remove(id);
                }
            }
            Phase::Orphaned | Phase::Ending => {}
        }
        if let Some(entry) = self.rooms.get_mut(&job.room).filter(|entry| entry.info.sid == job.room_sid) {
            entry.jobs.remove(id);
            if entry.agents.get(job.identity()).is_some_and(|known| known == id) {
                entry.agents.remove(job.identity());
            }
        }
        Some(job)
    }

    /// Takes a job out of the line.
    pub(crate) fn no_longer_waits(&mut self, pool: &Pool, id: &str) {
        let Some(line) = self.waiting.get_mut(pool) else { return };
        line.retain(|waiting| waiting != id);
        if line.is_empty() {
            self.waiting.remove(pool);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promised_values() {
        assert_eq!(COMES_AGAIN_WITHIN, Duration::from_secs(5), "docs/server-api/agents.md");
        assert_eq!(ENDS_WITHIN, Duration::from_secs(3), "docs/server-api/agents.md");
    }
}
