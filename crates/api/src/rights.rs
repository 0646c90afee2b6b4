//! Who calls, and what its token must grant for a method.

use std::time::SystemTime;

use axum::http::{HeaderMap, header};
use tutti_id::{AppId, RoomName};
use tutti_token::{Keys, VideoGrants};

use crate::twirp::{Code, Error};

/// Who calls: a back end that showed a token.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Whose rooms it sees.
    app: AppId,
    /// The API key that signed its token.
    key: String,
    /// What it may do.
    scope: VideoGrants,
}

/// What a method asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need<'a> {
    /// Make and end rooms.
    Create,
    /// List rooms.
    List,
    /// Administer this room.
    Admin(&'a str),
}

impl Caller {
    /// Reads the token of a request.
    pub(crate) fn of(keys: &Keys, headers: &HeaderMap) -> Result<Self, Error> {
        let unauthenticated = |message: &str| Error::new(Code::Unauthenticated, message);
        let header = headers.get(header::AUTHORIZATION).ok_or_else(|| unauthenticated("no token"))?;
        let token = header.to_str().ok().and_then(|header| header.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| unauthenticated("invalid authorization header, must start with Bearer"))?;
        let claims =
            keys.verify(token.trim(), SystemTime::now()).map_err(|error| unauthenticated(&error.to_string()))?;
        // The keys of the configuration all belong to one app.
        Ok(Self { app: AppId::default(), key: claims.iss, scope: claims.video })
    }

    /// Whose rooms it sees.
    pub(crate) const fn app(&self) -> &AppId {
        &self.app
    }

    /// The API key that signed its token.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The room of its app that it calls so.
    pub(crate) fn room(&self, name: &str) -> RoomName {
        RoomName::new(self.app.clone(), name)
    }

    /// Checks that it may do something.
    pub(crate) fn may(&self, need: Need<'_>) -> Result<(), Error> {
        if need.is_met(&self.scope) { Ok(()) } else { Err(Error::new(Code::Unauthenticated, "permissions denied")) }
    }

    /// Checks that it administers a room, and names it.
    pub(crate) fn administers(&self, room: &str) -> Result<RoomName, Error> {
        self.may(Need::Admin(room))?;
        Ok(self.room(room))
    }
}

impl Need<'_> {
    fn is_met(self, grants: &VideoGrants) -> bool {
        match self {
            Self::Create => grants.room_create,
            Self::List => grants.room_list,
            Self::Admin(room) => grants.room_admin && !room.is_empty() && grants.room == room,
        }
    }
}
