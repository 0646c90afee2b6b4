//! What a token must grant for a method.

use std::time::SystemTime;

use axum::http::{HeaderMap, header};
use tutti_token::{Keys, VideoGrants};

use crate::twirp::{Code, Error};

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

/// Checks the token of a request.
pub(crate) fn check(keys: &Keys, headers: &HeaderMap, need: Need<'_>) -> Result<(), Error> {
    let unauthenticated = |message: &str| Error::new(Code::Unauthenticated, message);
    let header = headers.get(header::AUTHORIZATION).ok_or_else(|| unauthenticated("no token"))?;
    let token = header.to_str().ok().and_then(|header| header.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| unauthenticated("invalid authorization header, must start with Bearer"))?;
    let claims = keys.verify(token.trim(), SystemTime::now()).map_err(|error| unauthenticated(&error.to_string()))?;
    let grants = claims.video;
    if need.is_met(&grants) { Ok(()) } else { Err(unauthenticated("permissions denied")) }
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
