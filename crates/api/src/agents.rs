//! `livekit.AgentDispatchService`: which method needs which right, and what the node is asked
//! (docs/server-api/agents.md).

use axum::response::Response;
use livekit_protocol as proto;
use tutti_cluster::{DispatchError, DispatchRefusal};

use crate::Api;
use crate::rights::Caller;
use crate::twirp::{Call, Code, Error};

/// Does what a method says.
pub(crate) async fn dispatch(api: &Api, caller: &Caller, method: &str, call: &Call) -> Result<Response, Error> {
    match method {
        "CreateDispatch" => {
            let request: proto::CreateAgentDispatchRequest = call.read()?;
            let room = caller.administers(&request.room)?;
            call.answer(&api.node.create_dispatch(&room, request).await?)
        }
        "DeleteDispatch" => {
            let request: proto::DeleteAgentDispatchRequest = call.read()?;
            let room = caller.administers(&request.room)?;
            call.answer(&api.node.delete_dispatch(&room, &request.dispatch_id)?)
        }
        "ListDispatch" => {
            let request: proto::ListAgentDispatchRequest = call.read()?;
            let room = caller.administers(&request.room)?;
            let agent_dispatches = api.node.dispatches(&room, &request.dispatch_id)?;
            call.answer(&proto::ListAgentDispatchResponse { agent_dispatches })
        }
        _ => Err(Error::no_such_method(method)),
    }
}

impl From<DispatchRefusal> for Error {
    fn from(refusal: DispatchRefusal) -> Self {
        match refusal {
            DispatchRefusal::Room(error) => error.into(),
            DispatchRefusal::Dispatch(error) => error.into(),
        }
    }
}

impl From<DispatchError> for Error {
    fn from(error: DispatchError) -> Self {
        Self::new(code(&error), error.to_string())
    }
}

/// The code of what is wrong with a dispatch, wherever it is asked for.
pub(crate) fn code(error: &DispatchError) -> Code {
    match error {
        DispatchError::NoSuchRoom | DispatchError::NoSuchDispatch => Code::NotFound,
        DispatchError::TooMany { .. } => Code::ResourceExhausted,
        DispatchError::TooLong { .. } | DispatchError::Character { .. } => Code::InvalidArgument,
    }
}
