//! `livekit.RoomService`: which method needs which right, and what the room is asked.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use livekit_protocol as proto;
use tutti_cluster::{AdminRefusal, JoinError};
use tutti_id::{AppId, RoomName};
use tutti_room::{AdminError, AdminReply, AdminRequest};

use crate::Api;
use crate::rights::{Need, check};
use crate::twirp::{Call, Code, Error};

pub(crate) fn routes() -> Router<Arc<Api>> {
    Router::new().route("/twirp/livekit.RoomService/{method}", post(call))
}

async fn call(
    State(api): State<Arc<Api>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let answer = match body {
        Ok(body) => dispatch(&api, &method, &headers, body).await,
        Err(error) => Err(Error::new(Code::Malformed, error.body_text())),
    };
    answer.unwrap_or_else(|error| {
        tracing::debug!(method, ?error, "server API call refused");
        error.into_response()
    })
}

async fn dispatch(api: &Api, method: &str, headers: &HeaderMap, body: Bytes) -> Result<Response, Error> {
    let call = Call::new(headers, body)?;
    let may = |need: Need<'_>| check(&api.settings.keys, headers, need);
    match method {
        "CreateRoom" => {
            may(Need::Create)?;
            let request: proto::CreateRoomRequest = call.read()?;
            call.answer(&api.create(request).await?)
        }
        "ListRooms" => {
            may(Need::List)?;
            let request: proto::ListRoomsRequest = call.read()?;
            call.answer(&proto::ListRoomsResponse { rooms: api.node.rooms(&AppId::default(), &request.names).await })
        }
        "DeleteRoom" => {
            may(Need::Create)?;
            let request: proto::DeleteRoomRequest = call.read()?;
            api.ask(&request.room, AdminRequest::Close).await?;
            call.answer(&proto::DeleteRoomResponse {})
        }
        "ListParticipants" => {
            let request: proto::ListParticipantsRequest = call.read()?;
            may(Need::Admin(&request.room))?;
            // A room that nobody is in yet is not an error to who lists it.
            let participants = api.node.participants(&room_name(&request.room)).await.unwrap_or_default();
            call.answer(&proto::ListParticipantsResponse { participants })
        }
        "GetParticipant" => {
            let request: proto::RoomParticipantIdentity = call.read()?;
            may(Need::Admin(&request.room))?;
            call.answer(&api.node.participant(&room_name(&request.room), &request.identity).await?)
        }
        "RemoveParticipant" => {
            let request: proto::RoomParticipantIdentity = call.read()?;
            may(Need::Admin(&request.room))?;
            api.ask(&request.room, AdminRequest::Remove { identity: request.identity }).await?;
            call.answer(&proto::RemoveParticipantResponse {})
        }
        "MutePublishedTrack" => {
            let proto::MuteRoomTrackRequest { room, identity, track_sid, muted } = call.read()?;
            may(Need::Admin(&room))?;
            match api.ask(&room, AdminRequest::MuteTrack { identity, track_sid, muted }).await? {
                AdminReply::Track(track) => call.answer(&proto::MuteRoomTrackResponse { track: Some(*track) }),
                other => Err(unexpected(&other)),
            }
        }
        "UpdateParticipant" => {
            let request: proto::UpdateParticipantRequest = call.read()?;
            may(Need::Admin(&request.room))?;
            let room = request.room.clone();
            match api.ask(&room, AdminRequest::UpdateParticipant(Box::new(request))).await? {
                AdminReply::Participant(info) => call.answer(&*info),
                other => Err(unexpected(&other)),
            }
        }
        "UpdateSubscriptions" => {
            let request: proto::UpdateSubscriptionsRequest = call.read()?;
            may(Need::Admin(&request.room))?;
            let room = request.room.clone();
            api.ask(&room, AdminRequest::UpdateSubscriptions(request)).await?;
            call.answer(&proto::UpdateSubscriptionsResponse {})
        }
        "SendData" => {
            let request: proto::SendDataRequest = call.read()?;
            may(Need::Admin(&request.room))?;
            let room = request.room.clone();
            api.ask(&room, AdminRequest::SendData(request)).await?;
            call.answer(&proto::SendDataResponse {})
        }
        "UpdateRoomMetadata" => {
            let request: proto::UpdateRoomMetadataRequest = call.read()?;
            may(Need::Admin(&request.room))?;
            match api.ask(&request.room, AdminRequest::UpdateMetadata(request.metadata)).await? {
                AdminReply::Room(room) => call.answer(&*room),
                other => Err(unexpected(&other)),
            }
        }
        "ForwardParticipant" | "MoveParticipant" | "PerformRpc" => {
            Err(Error::new(Code::Unimplemented, format!("{method} is not there yet")))
        }
        _ => Err(Error::new(Code::BadRoute, format!("no such method: {method}"))),
    }
}

impl Api {
    async fn ask(&self, room: &str, request: AdminRequest) -> Result<AdminReply, Error> {
        Ok(self.node.administer(&room_name(room), request).await?)
    }

    /// Makes a room, or finds it as it is.
    async fn create(&self, request: proto::CreateRoomRequest) -> Result<proto::Room, Error> {
        let invalid = |message: &str| Err(Error::new(Code::InvalidArgument, message));
        let max = self.settings.room_name_bytes;
        if request.name.is_empty() {
            return invalid("no room name");
        }
        if max > 0 && request.name.len() > max {
            return invalid(&format!("room name length exceeds limits: max length {max}"));
        }
        if !request.room_preset.is_empty() {
            return invalid("room preset does not exist");
        }
        let config = proto::RoomConfiguration {
            empty_timeout: request.empty_timeout,
            departure_timeout: request.departure_timeout,
            max_participants: request.max_participants,
            metadata: request.metadata,
            sync_streams: request.sync_streams,
            ..proto::RoomConfiguration::default()
        };
        self.node.create_room(&room_name(&request.name), &config).await.map_err(|error| {
            let code = match error {
                JoinError::Unavailable => Code::Unavailable,
                JoinError::Settings(_) => Code::InvalidArgument,
                JoinError::RoomNotFound => Code::NotFound,
                JoinError::RoomFailed => Code::Internal,
                JoinError::Refused(_) => Code::ResourceExhausted,
            };
            Error::new(code, error.to_string())
        })
    }
}

/// The keys of the configuration all belong to one app.
fn room_name(name: &str) -> RoomName {
    RoomName::of_default_app(name)
}

impl From<AdminRefusal> for Error {
    fn from(refusal: AdminRefusal) -> Self {
        let code = match &refusal {
            AdminRefusal::RoomNotFound
            | AdminRefusal::Room(AdminError::NoSuchMember { .. } | AdminError::NoSuchTrack { .. }) => Code::NotFound,
            AdminRefusal::Room(AdminError::Closed) => Code::Unavailable,
            AdminRefusal::Room(AdminError::UnmuteDisabled) => Code::FailedPrecondition,
            AdminRefusal::Room(AdminError::Text(_)) => Code::InvalidArgument,
        };
        Self::new(code, refusal.to_string())
    }
}

/// The room answered something else than it was asked: a bug.
fn unexpected(reply: &AdminReply) -> Error {
    tracing::error!(?reply, "unexpected answer of a room");
    Error::new(Code::Internal, "unexpected answer of the room")
}
