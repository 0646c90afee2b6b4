//! `livekit.RoomService`: which method needs which right, and what the room is asked.

use axum::response::Response;
use livekit_protocol as proto;
use tutti_cluster::{AdminRefusal, JoinError};
use tutti_id::RoomName;
use tutti_room::{AdminError, AdminReply, AdminRequest, CallError};

use crate::Api;
use crate::rights::{Caller, Need};
use crate::twirp::{Call, Code, Error};

/// Does what a method says.
pub(crate) async fn dispatch(api: &Api, caller: &Caller, method: &str, call: &Call) -> Result<Response, Error> {
    match method {
        "CreateRoom" => {
            caller.may(Need::Create)?;
            let request: proto::CreateRoomRequest = call.read()?;
            call.answer(&api.create(caller, request).await?)
        }
        "ListRooms" => {
            caller.may(Need::List)?;
            let request: proto::ListRoomsRequest = call.read()?;
            call.answer(&proto::ListRoomsResponse { rooms: api.node.rooms(caller.app(), &request.names).await })
        }
        "DeleteRoom" => {
            caller.may(Need::Create)?;
            let request: proto::DeleteRoomRequest = call.read()?;
            api.ask(&caller.room(&request.room), AdminRequest::Close).await?;
            call.answer(&proto::DeleteRoomResponse {})
        }
        "ListParticipants" => {
            let request: proto::ListParticipantsRequest = call.read()?;
            let room = caller.administers(&request.room)?;
            // A room that nobody is in yet is not an error to who lists it.
            let participants = api.node.participants(&room).await.unwrap_or_default();
            call.answer(&proto::ListParticipantsResponse { participants })
        }
        "GetParticipant" => {
            let request: proto::RoomParticipantIdentity = call.read()?;
            let room = caller.administers(&request.room)?;
            call.answer(&api.node.participant(&room, &request.identity).await?)
        }
        "RemoveParticipant" => {
            let request: proto::RoomParticipantIdentity = call.read()?;
            let room = caller.administers(&request.room)?;
            api.ask(&room, AdminRequest::Remove { identity: request.identity }).await?;
            call.answer(&proto::RemoveParticipantResponse {})
        }
        "MutePublishedTrack" => {
            let proto::MuteRoomTrackRequest { room, identity, track_sid, muted } = call.read()?;
            let room = caller.administers(&room)?;
            match api.ask(&room, AdminRequest::MuteTrack { identity, track_sid, muted }).await? {
                AdminReply::Track(track) => call.answer(&proto::MuteRoomTrackResponse { track: Some(*track) }),
                other => Err(unexpected(&other)),
            }
        }
        "UpdateParticipant" => {
            let request: proto::UpdateParticipantRequest = call.read()?;
            let room = caller.administers(&request.room)?;
            match api.ask(&room, AdminRequest::UpdateParticipant(Box::new(request))).await? {
                AdminReply::Participant(info) => call.answer(&*info),
                other => Err(unexpected(&other)),
            }
        }
        "UpdateSubscriptions" => {
            let request: proto::UpdateSubscriptionsRequest = call.read()?;
            let room = caller.administers(&request.room)?;
            api.ask(&room, AdminRequest::UpdateSubscriptions(request)).await?;
            call.answer(&proto::UpdateSubscriptionsResponse {})
        }
        "SendData" => {
            let request: proto::SendDataRequest = call.read()?;
            let room = caller.administers(&request.room)?;
            api.ask(&room, AdminRequest::SendData(request)).await?;
            call.answer(&proto::SendDataResponse {})
        }
        "UpdateRoomMetadata" => {
            let request: proto::UpdateRoomMetadataRequest = call.read()?;
            let room = caller.administers(&request.room)?;
            match api.ask(&room, AdminRequest::UpdateMetadata(request.metadata)).await? {
                AdminReply::Room(room) => call.answer(&*room),
                other => Err(unexpected(&other)),
            }
        }
        "PerformRpc" => {
            let request: proto::PerformRpcRequest = call.read()?;
            let room = caller.administers(&request.room)?;
            if request.destination_identity.is_empty() {
                return Err(Error::new(Code::InvalidArgument, "destination identity is required"));
            }
            let payload = api.node.perform_rpc(&room, request).await?;
            call.answer(&proto::PerformRpcResponse { payload })
        }
        "ForwardParticipant" | "MoveParticipant" => {
            let what = if method == "MoveParticipant" { "moved" } else { "forwarded" };
            let sentence = format!("{method} is not there yet: participants cannot be {what} to another room");
            Err(Error::new(Code::Unimplemented, sentence))
        }
        _ => Err(Error::no_such_method(method)),
    }
}

impl Api {
    async fn ask(&self, room: &RoomName, request: AdminRequest) -> Result<AdminReply, Error> {
        Ok(self.node.administer(room, request).await?)
    }

    /// Makes a room, or finds it as it is.
    async fn create(&self, caller: &Caller, request: proto::CreateRoomRequest) -> Result<proto::Room, Error> {
        let invalid = |message: &str| Err(Error::new(Code::InvalidArgument, message));
        let max = self.settings.room_name_bytes;
        if request.name.is_empty() {
            return invalid("no room name");
        }
        if max > 0 && request.name.len() > max {
            return invalid(&format!("room name length exceeds limits: max length {max}"));
        }
        if request.name.contains(char::is_control) {
            return invalid("room name must not contain control characters");
        }
        not_there(&request)?;
        let config = proto::RoomConfiguration {
            empty_timeout: request.empty_timeout,
            departure_timeout: request.departure_timeout,
            max_participants: request.max_participants,
            metadata: request.metadata,
            sync_streams: request.sync_streams,
            min_playout_delay: request.min_playout_delay,
            max_playout_delay: request.max_playout_delay,
            agents: request.agents,
            tags: request.tags,
            ..proto::RoomConfiguration::default()
        };
        let config = self.settings.presets.complete(&request.room_preset, config).map_err(JoinError::from)?;
        Ok(self.node.create_room(&caller.room(&request.name), &config).await?)
    }
}

/// Refuses a room that shall do what this server cannot: whoever asks for a recording waits for it.
fn not_there(request: &proto::CreateRoomRequest) -> Result<(), Error> {
    let what = if request.egress.as_ref().is_some_and(|egress| *egress != proto::RoomEgress::default()) {
        "egress"
    } else if request.replay_enabled {
        "replayEnabled"
    } else {
        return Ok(());
    };
    Err(Error::new(Code::Unimplemented, format!("the room asks for {what}, which is not there yet on this server")))
}

impl From<JoinError> for Error {
    fn from(error: JoinError) -> Self {
        use tutti_room::JoinError as Refused;
        let code = match &error {
            JoinError::NodeFull { .. } | JoinError::Refused(Refused::Full { .. } | Refused::TooOften) => {
                Code::ResourceExhausted
            }
            JoinError::Stopping | JoinError::Refused(Refused::Closed) => Code::Unavailable,
            JoinError::Settings(_) | JoinError::Refused(Refused::IdentityEmpty | Refused::Text(_)) => {
                Code::InvalidArgument
            }
            JoinError::Agents(error) => crate::agents::code(error),
            JoinError::RoomNotFound => Code::NotFound,
            JoinError::RoomFailed => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<AdminRefusal> for Error {
    fn from(refusal: AdminRefusal) -> Self {
        let code = match &refusal {
            AdminRefusal::RoomNotFound
            | AdminRefusal::Room(AdminError::NoSuchMember { .. } | AdminError::NoSuchTrack { .. }) => Code::NotFound,
            AdminRefusal::Room(AdminError::Closed) => Code::Unavailable,
            AdminRefusal::Room(AdminError::Behind { .. }) => Code::ResourceExhausted,
            AdminRefusal::Room(AdminError::UnmuteDisabled) => Code::FailedPrecondition,
            AdminRefusal::Room(AdminError::Text(_)) => Code::InvalidArgument,
            AdminRefusal::Call(error) => code_of_call(error),
        };
        Self::new(code, refusal.to_string())
    }
}

/// What the reference server makes of the codes of calls (docs/server-api/data.md#rpc).
fn code_of_call(error: &CallError) -> Code {
    match error {
        CallError::NoSuchMember { .. } => Code::NotFound,
        CallError::TooMany { .. } => Code::ResourceExhausted,
        CallError::Method { .. } => Code::InvalidArgument,
        CallError::Failed(error) => match error.code {
            1400 => Code::InvalidArgument,
            1401 => Code::NotFound,
            1402 | 1504 => Code::Malformed,
            1403 | 1404 => Code::Unimplemented,
            1501 | 1502 => Code::Canceled,
            1503 => Code::Unavailable,
            // The method failed, or says so in a code of its own.
            _ => Code::Internal,
        },
    }
}

/// The room answered something else than it was asked: a bug.
fn unexpected(reply: &AdminReply) -> Error {
    tracing::error!(?reply, "unexpected answer of a room");
    Error::new(Code::Internal, "unexpected answer of the room")
}

#[cfg(test)]
mod tests {
    use tutti_room::{BadText, JoinError as Refused};

    use super::*;

    #[test]
    fn every_refusal_of_a_room_has_its_code() {
        let bad = BadText::ControlCharacter { what: "identity" };
        for (error, code, message) in [
            (JoinError::RoomNotFound, "not_found", "requested room does not exist"),
            (JoinError::NodeFull { max: 7 }, "resource_exhausted", "the server is full: max rooms 7"),
            (JoinError::Stopping, "unavailable", "the server is shutting down"),
            (JoinError::RoomFailed, "internal", "the room failed"),
            (JoinError::Settings(tutti_room::SettingsError::NameEmpty), "invalid_argument", "no room name"),
            (JoinError::Refused(Refused::Closed), "unavailable", "the room is closed"),
            (JoinError::Refused(Refused::Full { max: 5 }), "resource_exhausted", "room is full: max participants 5"),
            (JoinError::Refused(Refused::TooOften), "resource_exhausted", "too many joins of this identity"),
            (JoinError::Refused(Refused::IdentityEmpty), "invalid_argument", "the identity is empty"),
            (JoinError::Refused(bad.into()), "invalid_argument", "identity contains a control character"),
        ] {
            let error = Error::from(error);
            assert_eq!((error.code(), error.message()), (code, message));
        }
    }
}
