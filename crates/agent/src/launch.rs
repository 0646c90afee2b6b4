//! What a dispatch makes jobs of (docs/server-api/agents.md#which-jobs): one for the room, one for each participant, one for
//! each that publishes, as far as there are workers for it; each namespace of workers has its own.

use livekit_protocol as proto;
use proto::JobType;
use tutti_id::RoomName;

use crate::dispatcher::Dispatcher;
use crate::job::{Job, Phase, Slot};
use crate::moment::Moment;
use crate::output::Output;
use crate::worker::Pool;

/// Whom a job is for; nobody: the room.
pub(crate) struct Target {
    pub(crate) participant: Option<proto::ParticipantInfo>,
}

impl Dispatcher {
    /// Makes the jobs of one type that a dispatch has for somebody and has not made yet.
    pub(crate) fn launch(
        &mut self,
        now: Moment,
        room: &RoomName,
        dispatch_id: &str,
        job_type: JobType,
        participant: Option<&proto::ParticipantInfo>,
    ) {
        let Some(entry) = self.rooms.get(room) else { return };
        let Some(dispatch) = entry.dispatches.get(dispatch_id) else { return };
        let first = Pool {
            app: room.app.clone(),
            agent_name: dispatch.info.agent_name.clone(),
            job_type: job_type as i32,
            deployment: dispatch.info.deployment.clone(),
            namespace: String::new(),
        };
        let same = |pool: &&Pool| Pool { namespace: String::new(), ..(*pool).clone() } == first;
        let pools: Vec<_> = self.pools.range(first.clone()..).map(|(pool, _)| pool).take_while(same).cloned().collect();
        for pool in pools {
            let sid = participant.map(|participant| participant.sid.clone()).unwrap_or_default();
            let slot = Slot { job_type: job_type as i32, namespace: pool.namespace.clone(), participant: sid };
            let Some(entry) = self.rooms.get(room) else { return };
            let Some(dispatch) = entry.dispatches.get(dispatch_id) else { return };
            if dispatch.slots.contains_key(&slot) {
                continue;
            }
            let (info, dispatch) = (entry.info.clone(), Some(dispatch.info.clone()));
            let target = Target { participant: participant.cloned() };
            if let Some(id) = self.begin(room, info, dispatch, pool, slot, target) {
                self.offer(now, &id);
            }
        }
    }

    /// Puts a job into the books. `None`: there are too many.
    pub(crate) fn begin(
        &mut self,
        room: &RoomName,
        info: proto::Room,
        dispatch: Option<proto::AgentDispatch>,
        pool: Pool,
        slot: Slot,
        target: Target,
    ) -> Option<String> {
        if self.jobs.len() >= self.settings.limits.jobs {
            self.jobs_refused += 1;
            return None;
        }
        let id = self.chance.job();
        let once = dispatch.as_ref().is_none_or(|it| it.restart_policy == proto::JobRestartPolicy::JrpNever as i32);
        let dispatch = dispatch.unwrap_or_default();
        let room_sid = info.sid.clone();
        #[expect(deprecated, reason = "older workers read the namespace")]
        let info = proto::Job {
            id: id.clone(),
            dispatch_id: dispatch.id.clone(),
            r#type: slot.job_type,
            room: Some(info),
            participant: target.participant,
            namespace: slot.namespace.clone(),
            metadata: dispatch.metadata,
            agent_name: pool.agent_name.clone(),
            state: Some(proto::JobState::default()),
            deployment: pool.deployment.clone(),
            attributes: dispatch.attributes,
            ..Default::default()
        };
        if let Some(entry) = self.rooms.get_mut(room).filter(|entry| entry.info.sid == room_sid) {
            entry.jobs.insert(id.clone());
            if let Some(dispatch) = entry.dispatches.get_mut(&dispatch.id) {
                dispatch.slots.insert(slot.clone(), id.clone());
            }
        }
        let job = Job {
            info,
            room: room.clone(),
            room_sid,
            pool,
            slot,
            once,
            phase: Phase::Waiting,
            tried: Default::default(),
            resuming: false,
            agent_sid: String::new(),
        };
        self.jobs.insert(id.clone(), job);
        Some(id)
    }

    /// The first worker of a pool came: dispatches that name their agent have waited for it.
    pub(crate) fn serve_named(&mut self, now: Moment, pool: &Pool) {
        let only = self.pools.get(pool).is_some_and(|workers| workers.len() == 1);
        if pool.agent_name.is_empty() || !only {
            return;
        }
        let mut waiting = Vec::new();
        for (room, entry) in self.rooms.iter().filter(|(room, _)| room.app == pool.app) {
            for (id, dispatch) in &entry.dispatches {
                if dispatch.info.agent_name == pool.agent_name && dispatch.info.deployment == pool.deployment {
                    waiting.push((room.clone(), id.clone()));
                }
            }
        }
        for (room, dispatch) in waiting {
            if pool.job_type == JobType::JtRoom as i32 {
                self.launch(now, &room, &dispatch, JobType::JtRoom, None);
            } else {
                self.put_out(Output::Survey { room, dispatch });
            }
        }
    }
}
