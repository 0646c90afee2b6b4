//! The workers' door: they come, say who they are and how they are, answer, and go (docs/server-api/agents.md#workers).

use std::time::Duration;

use livekit_protocol as proto;
use proto::server_message::Message;
use proto::worker_message::Message as Said;
use tutti_id::AppId;

use crate::agenda::Duty;
use crate::dispatcher::Dispatcher;
use crate::dispatches::{check_deployment, check_name};
use crate::error::Crowded;
use crate::job::{Phase, Slot};
use crate::launch::Target;
use crate::moment::Moment;
use crate::output::Goodbye;
use crate::worker::{Pool, Registered, Worker, WorkerNumber};

/// A worker says who it is within this time.
const REGISTERS_WITHIN: Duration = Duration::from_secs(10);

impl Dispatcher {
    /// A worker connected, with a token of this app that this key signed.
    ///
    /// # Errors
    /// There are too many already.
    pub fn worker_connected(
        &mut self,
        now: Moment,
        number: WorkerNumber,
        app: AppId,
        api_key: String,
    ) -> Result<(), Crowded> {
        let max = self.settings.limits.workers;
        if self.workers.len() >= max {
            return Err(Crowded { max });
        }
        let worker = Worker {
            app,
            api_key,
            id: self.chance.worker(),
            registered: None,
            asked: Default::default(),
            jobs: Default::default(),
        };
        self.workers.insert(number, worker);
        self.agenda.set(Duty::Register(number), now.after(REGISTERS_WITHIN));
        Ok(())
    }

    /// A worker said something. What comes from one that is gone, or is about jobs that are not its own, is ignored: it
    /// crossed something on its way.
    pub fn worker_said(&mut self, now: Moment, number: WorkerNumber, message: proto::WorkerMessage) {
        let Some(worker) = self.workers.get_mut(&number) else { return };
        let is_registered = worker.registered.is_some();
        match message.message {
            Some(Said::Ping(ping)) => {
                let pong = proto::WorkerPong { last_timestamp: ping.timestamp, timestamp: now.unix_ns / 1_000_000 };
                self.send(number, Message::Pong(pong));
            }
            Some(Said::Register(register)) if !is_registered => self.on_register(now, number, register),
            Some(_) if !is_registered => self.close(number, Goodbye::OutOfOrder),
            Some(Said::Register(_)) => self.close(number, Goodbye::OutOfOrder),
            Some(Said::UpdateWorker(update)) => self.on_update_worker(now, number, update),
            Some(Said::Availability(answer)) => self.on_availability(now, number, answer),
            Some(Said::UpdateJob(update)) => self.on_update_job(now, number, &update),
            Some(Said::MigrateJob(migrate)) => self.on_migrate_job(now, number, migrate),
            Some(Said::SimulateJob(simulate)) => self.on_simulate_job(now, number, simulate),
            // A message of a newer worker.
            None => {}
        }
    }

    /// A worker's connection is gone.
    pub fn worker_gone(&mut self, now: Moment, number: WorkerNumber) {
        let Some(worker) = self.workers.remove(&number) else { return };
        self.agenda.cancel(&Duty::Register(number));
        if let Some(registered) = worker.registered
            && let Some(workers) = self.pools.get_mut(&registered.pool)
        {
            workers.remove(&number);
            if workers.is_empty() {
                self.pools.remove(&registered.pool);
            }
        }
        for job in worker.asked {
            self.offer(now, &job);
        }
        for job in worker.jobs {
            self.lost_its_worker(now, &job);
        }
    }

    fn on_register(&mut self, now: Moment, number: WorkerNumber, register: proto::RegisterWorkerRequest) {
        let limits = self.settings.limits;
        let namespace = register.namespace.unwrap_or_default();
        let names = check_name("agent name", &register.agent_name, limits.name_bytes)
            .and_then(|()| check_name("namespace", &namespace, limits.name_bytes))
            .and_then(|()| check_deployment(&register.deployment));
        let Ok(job_type) = proto::JobType::try_from(register.r#type) else {
            return self.close(number, Goodbye::BadRegistration);
        };
        let Some(worker) = self.workers.get_mut(&number).filter(|_| names.is_ok()) else {
            return self.close(number, Goodbye::BadRegistration);
        };
        let permission = register.allowed_permissions.unwrap_or(proto::ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            can_update_metadata: true,
            ..Default::default()
        });
        let pool = Pool {
            app: worker.app.clone(),
            agent_name: register.agent_name,
            job_type: job_type as i32,
            deployment: register.deployment,
            namespace,
        };
        worker.registered = Some(Registered { pool: pool.clone(), permission, available: true, load: 0.0 });
        let worker_id = worker.id.clone();
        self.agenda.cancel(&Duty::Register(number));
        self.pools.entry(pool.clone()).or_default().insert(number);
        let server_info = Some(self.settings.server_info.clone());
        let response = proto::RegisterWorkerResponse { worker_id, server_info, endpoint_settings: None };
        self.send(number, Message::Register(response));
        self.wake(now, &pool);
        self.serve_named(now, &pool);
    }

    fn on_update_worker(&mut self, now: Moment, number: WorkerNumber, update: proto::UpdateWorkerStatus) {
        let target_load = self.settings.target_load;
        let registered = self.workers.get_mut(&number).and_then(|worker| worker.registered.as_mut());
        let Some(registered) = registered else { return };
        if let Some(status) = update.status {
            registered.available = status == proto::WorkerStatus::WsAvailable as i32;
        }
        registered.available &= !update.draining;
        registered.load = if update.load.is_finite() { update.load.max(0.0) } else { f32::MAX };
        if registered.room_left(target_load) > 0.0 {
            let pool = registered.pool.clone();
            self.wake(now, &pool);
        }
    }

    /// A worker that came again tells which jobs it still does.
    fn on_migrate_job(&mut self, now: Moment, number: WorkerNumber, migrate: proto::MigrateJobRequest) {
        for id in migrate.job_ids {
            let Some(worker) = self.workers.get_mut(&number) else { return };
            let Some(job) = self.jobs.get_mut(&id).filter(|job| job.pool.app == worker.app) else { continue };
            match job.phase {
                Phase::Running(other) | Phase::Leaving(other) if other == number => {}
                Phase::Asked(other) if other != number => self.dismiss(number, id),
                Phase::Orphaned | Phase::Waiting | Phase::Asked(_) if job.resuming || job.phase == Phase::Orphaned => {
                    let waited = job.phase == Phase::Waiting;
                    job.phase = Phase::Running(number);
                    let state = job.info.state.get_or_insert_default();
                    state.status = proto::JobStatus::JsRunning as i32;
                    state.worker_id.clone_from(&worker.id);
                    state.updated_at = now.unix_ns;
                    worker.asked.remove(&id);
                    worker.jobs.insert(id.clone());
                    let pool = job.pool.clone();
                    if waited {
                        self.no_longer_waits(&pool, &id);
                    }
                    self.agenda.cancel(&Duty::Job(id));
                }
                // Somebody else has it by now, or it is not wanted any more.
                _ => self.dismiss(number, id),
            }
        }
    }

    fn dismiss(&mut self, worker: WorkerNumber, job_id: String) {
        self.send(worker, Message::Termination(proto::JobTermination { job_id }));
    }

    /// A worker tries itself: a job that nobody dispatched, for itself alone.
    fn on_simulate_job(&mut self, now: Moment, number: WorkerNumber, simulate: proto::SimulateJobRequest) {
        let worker = self.workers.get(&number);
        let Some((app, pool)) = worker.and_then(|it| Some((it.app.clone(), it.registered.as_ref()?.pool.clone())))
        else {
            return;
        };
        let name_bytes = self.settings.limits.name_bytes;
        let Some(room) = simulate.room.filter(|room| room.name.len() <= name_bytes) else { return };
        let job_type = match simulate.participant {
            Some(_) => proto::JobType::JtPublisher,
            None => proto::JobType::JtRoom,
        };
        let target = Target { participant: simulate.participant };
        let slot = Slot { job_type: job_type as i32, namespace: pool.namespace.clone(), participant: String::new() };
        let name = tutti_id::RoomName::new(app, room.name.clone());
        if let Some(id) = self.begin(&name, room, None, pool, slot, target) {
            self.ask(now, &id, number);
        }
    }
}
