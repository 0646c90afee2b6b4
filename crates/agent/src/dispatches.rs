//! The back ends' door: dispatches are made, listed and deleted (docs/server-api/agents.md#dispatches).

use livekit_protocol as proto;
use proto::JobType;
use tutti_id::RoomName;

use crate::dispatcher::Dispatcher;
use crate::error::DispatchError;
use crate::moment::Moment;
use crate::output::Output;
use crate::room::{Dispatch, Room};

/// Longest name of a deployment, bytes.
const DEPLOYMENT_BYTES_MAX: usize = 64;

impl Dispatcher {
    /// Whether a room may be made with these dispatches.
    ///
    /// # Errors
    /// There are too many, or a text of one cannot be taken.
    pub fn check_dispatches(&self, dispatches: &[proto::RoomAgentDispatch]) -> Result<(), DispatchError> {
        let max = self.settings.limits.dispatches;
        if dispatches.len() > max {
            return Err(DispatchError::TooMany { max });
        }
        dispatches.iter().try_for_each(|dispatch| self.check_dispatch(dispatch))
    }

    fn check_dispatch(&self, dispatch: &proto::RoomAgentDispatch) -> Result<(), DispatchError> {
        let limits = &self.settings.limits;
        check_name("agent name", &dispatch.agent_name, limits.name_bytes)?;
        check_deployment(&dispatch.deployment)?;
        check_length("metadata", dispatch.metadata.len(), limits.metadata_bytes)?;
        let attributes = dispatch.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        check_length("attributes", attributes, limits.attributes_bytes)
    }

    /// Makes a dispatch in a room that is open.
    ///
    /// # Errors
    /// There is no such room, it has too many, or a text cannot be taken.
    pub fn create_dispatch(
        &mut self,
        now: Moment,
        room: &RoomName,
        request: proto::CreateAgentDispatchRequest,
    ) -> Result<proto::AgentDispatch, DispatchError> {
        let proto::CreateAgentDispatchRequest { agent_name, metadata, restart_policy, deployment, attributes, .. } =
            request;
        let asked = proto::RoomAgentDispatch { agent_name, metadata, restart_policy, deployment, attributes };
        self.check_dispatch(&asked)?;
        let max = self.settings.limits.dispatches;
        let entry = self.rooms.get(room).ok_or(DispatchError::NoSuchRoom)?;
        if entry.dispatches.len() >= max {
            return Err(DispatchError::TooMany { max });
        }
        let info = proto::AgentDispatch {
            agent_name: asked.agent_name,
            metadata: asked.metadata,
            restart_policy: asked.restart_policy,
            deployment: asked.deployment,
            attributes: asked.attributes,
            ..Default::default()
        };
        let id = self.add_dispatch(now, room, info).ok_or(DispatchError::NoSuchRoom)?;
        self.launch(now, room, &id, JobType::JtRoom, None);
        self.put_out(Output::Survey { room: room.clone(), dispatch: id.clone() });
        self.list_dispatches(room, &id)?.pop().ok_or(DispatchError::NoSuchDispatch)
    }

    /// Deletes a dispatch: its jobs end, and agents that do not go by themselves are taken out.
    ///
    /// # Errors
    /// There is no such room or dispatch.
    pub fn delete_dispatch(
        &mut self,
        now: Moment,
        room: &RoomName,
        id: &str,
    ) -> Result<proto::AgentDispatch, DispatchError> {
        let mut deleted = self.list_dispatches(room, id)?.pop().ok_or(DispatchError::NoSuchDispatch)?;
        deleted.state.get_or_insert_default().deleted_at = now.unix_ns;
        let dispatch = self.rooms.get_mut(room).and_then(|entry| entry.dispatches.remove(id));
        for job in dispatch.map(|dispatch| dispatch.slots).unwrap_or_default().into_values() {
            self.terminate(now, &job);
        }
        Ok(deleted)
    }

    /// The dispatches of a room with their jobs, in the order of their making; only the one of this id unless it is
    /// empty.
    ///
    /// # Errors
    /// There is no such room.
    pub fn list_dispatches(&self, room: &RoomName, id: &str) -> Result<Vec<proto::AgentDispatch>, DispatchError> {
        let room = self.rooms.get(room).ok_or(DispatchError::NoSuchRoom)?;
        let wanted = room.dispatches.values().filter(|dispatch| id.is_empty() || dispatch.info.id == id);
        let mut listed: Vec<_> = wanted.map(|dispatch| self.info_of(room, dispatch)).collect();
        listed.sort_by_key(|dispatch| dispatch.state.as_ref().map_or(0, |state| state.created_at));
        Ok(listed)
    }

    fn info_of(&self, room: &Room, dispatch: &Dispatch) -> proto::AgentDispatch {
        let mut info = proto::AgentDispatch { room: room.info.name.clone(), ..dispatch.info.clone() };
        let running = dispatch.slots.values().filter_map(|id| self.jobs.get(id)).map(|job| job.info.clone());
        info.state.get_or_insert_default().jobs = dispatch.ended.iter().cloned().chain(running).collect();
        info
    }

    /// Puts a dispatch into the books of its room.
    pub(crate) fn add_dispatch(
        &mut self,
        now: Moment,
        room: &RoomName,
        mut info: proto::AgentDispatch,
    ) -> Option<String> {
        let id = self.chance.dispatch();
        info.id.clone_from(&id);
        info.state = Some(proto::AgentDispatchState { created_at: now.unix_ns, ..Default::default() });
        let dispatch = Dispatch { info, slots: Default::default(), ended: Default::default() };
        self.rooms.get_mut(room)?.dispatches.insert(id.clone(), dispatch);
        Some(id)
    }
}

fn check_length(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), DispatchError> {
    if bytes > bytes_max { Err(DispatchError::TooLong { what, bytes_max }) } else { Ok(()) }
}

pub(crate) fn check_name(what: &'static str, name: &str, bytes_max: usize) -> Result<(), DispatchError> {
    check_length(what, name.len(), bytes_max)?;
    match name.chars().find(|character| character.is_control()) {
        Some(character) => Err(DispatchError::Character { what, character }),
        None => Ok(()),
    }
}

/// The name of a deployment has neither spaces nor underscores, as everywhere in the protocol.
pub(crate) fn check_deployment(name: &str) -> Result<(), DispatchError> {
    let what = "deployment";
    check_length(what, name.len(), DEPLOYMENT_BYTES_MAX)?;
    match name.chars().find(|character| *character == '_' || *character <= ' ' || *character == '\u{7f}') {
        Some(character) => Err(DispatchError::Character { what, character }),
        None => Ok(()),
    }
}
