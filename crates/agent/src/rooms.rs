//! What happens in rooms. Each call names the room by its sid too: another room of the same name may have begun.

use livekit_protocol as proto;
use proto::JobType;
use proto::participant_info::Kind;
use proto::server_message::Message;
use tutti_id::RoomName;

use crate::agenda::Duty;
use crate::dispatcher::Dispatcher;
use crate::job::Phase;
use crate::moment::Moment;
use crate::room::Room;

impl Dispatcher {
    /// A room is open, with the dispatches that it was made with; without any, every agent without a name is due.
    pub fn room_opened(
        &mut self,
        now: Moment,
        name: &RoomName,
        info: proto::Room,
        dispatches: Vec<proto::RoomAgentDispatch>,
    ) {
        self.forget_room(now, name);
        let room = Room { info, dispatches: Default::default(), agents: Default::default(), jobs: Default::default() };
        self.rooms.insert(name.clone(), room);
        let dispatches = match dispatches {
            none if none.is_empty() => vec![proto::RoomAgentDispatch::default()],
            some => some,
        };
        for dispatch in dispatches.into_iter().take(self.settings.limits.dispatches) {
            let proto::RoomAgentDispatch { agent_name, metadata, restart_policy, deployment, attributes } = dispatch;
            let info = proto::AgentDispatch {
                agent_name,
                metadata,
                restart_policy,
                deployment,
                attributes,
                ..Default::default()
            };
            if let Some(id) = self.add_dispatch(now, name, info) {
                self.launch(now, name, &id, JobType::JtRoom, None);
            }
        }
    }

    /// A room is over.
    pub fn room_closed(&mut self, now: Moment, name: &RoomName, sid: &str) {
        if self.rooms.get(name).is_some_and(|room| room.info.sid == sid) {
            self.forget_room(now, name);
        }
    }

    fn forget_room(&mut self, now: Moment, name: &RoomName) {
        let Some(room) = self.rooms.get(name) else { return };
        for id in room.jobs.iter().cloned().collect::<Vec<_>>() {
            match self.jobs.get(&id).map(|job| job.phase) {
                Some(Phase::Running(worker) | Phase::Leaving(worker)) => {
                    self.send(worker, Message::Termination(proto::JobTermination { job_id: id.clone() }));
                }
                // That it is over was told.
                Some(Phase::Ending) => drop(self.forget(&id)),
                _ => {}
            }
            self.finish(now, &id, proto::JobStatus::JsSuccess, "");
        }
        self.rooms.remove(name);
    }

    /// A participant became active.
    pub fn participant_joined(&mut self, now: Moment, name: &RoomName, sid: &str, info: &proto::ParticipantInfo) {
        let Some(room) = self.rooms.get(name).filter(|room| room.info.sid == sid) else { return };
        if let Some(job) = room.agents.get(&info.identity).and_then(|id| self.jobs.get_mut(id)) {
            job.agent_sid.clone_from(&info.sid);
            if let Phase::Leaving(worker) = job.phase {
                job.phase = Phase::Running(worker);
                let duty = Duty::Job(job.info.id.clone());
                self.agenda.cancel(&duty);
            }
        }
        self.launch_for(now, name, JobType::JtParticipant, info);
    }

    /// A participant published a track.
    pub fn participant_published(&mut self, now: Moment, name: &RoomName, sid: &str, info: &proto::ParticipantInfo) {
        if self.rooms.get(name).is_some_and(|room| room.info.sid == sid) {
            self.launch_for(now, name, JobType::JtPublisher, info);
        }
    }

    /// A participant that was active left.
    pub fn participant_left(&mut self, now: Moment, name: &RoomName, sid: &str, info: &proto::ParticipantInfo) {
        let Some(room) = self.rooms.get_mut(name).filter(|room| room.info.sid == sid) else { return };
        let ended = |id: &String| !self.jobs.contains_key(id);
        for dispatch in room.dispatches.values_mut() {
            dispatch.slots.retain(|slot, id| slot.participant != info.sid || !ended(id));
        }
        let job = room.agents.get(&info.identity).and_then(|id| self.jobs.get(id));
        if let Some(job) = job.filter(|job| job.agent_sid == info.sid) {
            let id = job.info.id.clone();
            self.agent_left(now, &id);
        }
    }

    /// Those who are in a room, for a dispatch that asked ([`crate::Output::Survey`]).
    pub fn present(&mut self, now: Moment, name: &RoomName, dispatch: &str, participants: &[proto::ParticipantInfo]) {
        for info in participants.iter().filter(|info| !is_dependent(info)) {
            self.launch(now, name, dispatch, JobType::JtParticipant, Some(info));
            if !info.tracks.is_empty() {
                self.launch(now, name, dispatch, JobType::JtPublisher, Some(info));
            }
        }
    }

    fn launch_for(&mut self, now: Moment, name: &RoomName, job_type: JobType, info: &proto::ParticipantInfo) {
        if is_dependent(info) {
            return;
        }
        let dispatches = self.rooms.get(name).map(|room| room.dispatches.keys().cloned().collect::<Vec<_>>());
        for dispatch in dispatches.unwrap_or_default() {
            self.launch(now, name, &dispatch, job_type, Some(info));
        }
    }
}

/// Agents and recorders are nobody's reason for an agent.
fn is_dependent(info: &proto::ParticipantInfo) -> bool {
    #[expect(deprecated, reason = "tokens still state it")]
    let by_right = info.permission.as_ref().is_some_and(|permission| permission.agent || permission.recorder);
    by_right || matches!(info.kind(), Kind::Agent | Kind::Egress)
}
