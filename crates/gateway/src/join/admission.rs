//! The checks of a join in their order (docs/protocol.md#admission), and the request to the node that comes out of
//! them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use livekit_protocol as proto;
use proto::participant_info::{Kind as ProtoKind, KindDetail};
use tutti_cluster::JoinRequest;
use tutti_id::RoomName;
use tutti_room::{Joiner, Presets};
use tutti_token::{Claims, Keys, Kind};

use super::asked::Asked;
use super::issuer::{Issuer, permission_message};
use super::{Refusal, client};
use crate::Settings;
use crate::query::Query;

/// Which endpoint was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// `/rtc`: two peer connections, or one if there is a `join_request`.
    V0,
    /// `/rtc/v1`: one peer connection; there must be a `join_request`.
    V1,
}

/// One call to join or to validate.
pub(crate) struct Call<'a> {
    pub(crate) version: Version,
    /// Validation is strict about attributes.
    pub(crate) strict: bool,
    pub(crate) query: Query,
    /// The `Authorization` header.
    pub(crate) authorization: Option<&'a str>,
    pub(crate) user_agent: &'a str,
    pub(crate) address: IpAddr,
}

/// A call that was let in.
pub(crate) struct Admission {
    /// What the room is asked.
    pub(crate) request: JoinRequest,
    /// Signs the tokens that the client reconnects with.
    pub(crate) issuer: Issuer,
}

/// Checks a call. Only the room itself is not asked yet.
///
/// # Errors
/// The first thing found wrong, in the order that clients rely on: who it is, what was asked, what may be.
pub(crate) fn admit(
    call: &Call<'_>,
    keys: &Arc<Keys>,
    settings: &Settings,
    now: SystemTime,
) -> Result<Admission, Refusal> {
    let mut claims = keys.verify(token(call)?, now)?;
    if !claims.video.room_join {
        return Err(Refusal::PermissionDenied);
    }
    let room_config = room_config(&claims, &settings.presets)?;
    if call.version == Version::V1 && call.query.get("join_request").is_empty() {
        return Err(Refusal::JoinRequestMissing);
    }
    let mut asked = Asked::read(&call.query, call.strict)?;
    apply(&asked, &mut claims)?;
    check_limits(&claims, settings)?;
    client::complete(&mut asked.client, call.user_agent, call.address);

    let joiner = joiner(&claims, &asked);
    let room = RoomName::of_default_app(claims.video.room.clone());
    let request = JoinRequest {
        create: claims.video.room_create,
        room_config,
        resume: asked.resume,
        disable_ice_lite: asked.disable_ice_lite,
        subscriber_allow_pause: asked.subscriber_allow_pause,
        add_tracks: asked.add_tracks,
        publisher_offer: asked.publisher_offer,
        sync_state: asked.sync_state,
        ..JoinRequest::new(room, joiner, asked.mode)
    };
    Ok(Admission { request, issuer: Issuer { keys: keys.clone(), claims } })
}

/// The header wins over the query (docs/protocol.md#where-the-token-stands).
fn token<'a>(call: &'a Call<'_>) -> Result<&'a str, Refusal> {
    let token = match call.authorization {
        Some(header) => header.strip_prefix("Bearer ").ok_or(Refusal::NotBearer)?.trim(),
        None => call.query.get("access_token"),
    };
    if token.is_empty() { Err(Refusal::NoToken) } else { Ok(token) }
}

/// What the token asks for a room that this join makes, with the preset that it names.
fn room_config(claims: &Claims, presets: &Presets) -> Result<Option<proto::RoomConfiguration>, Refusal> {
    let config: Option<proto::RoomConfiguration> =
        claims.room_config.clone().map(tutti_json::from_value).transpose().map_err(|_| Refusal::RoomConfig)?;
    // Told, not passed over: whoever asks for a recording waits for it.
    if let Some(egress) = config.as_ref().and_then(|config| config.egress.as_ref())
        && *egress != proto::RoomEgress::default()
    {
        return Err(Refusal::Egress);
    }
    if claims.room_preset.is_empty() {
        return Ok(config);
    }
    let completed = presets.complete(&claims.room_preset, config.unwrap_or_default());
    completed.map(Some).map_err(|_| Refusal::RoomPreset)
}

/// What the client may change about itself by asking, it changes in the claims.
fn apply(asked: &Asked, claims: &mut Claims) -> Result<(), Refusal> {
    if !asked.publish.is_empty() {
        if !claims.video.can_publish() {
            return Err(Refusal::PermissionDenied);
        }
        claims.video.can_subscribe = Some(false);
        let identity = claims.identity();
        if !identity.is_empty() {
            claims.sub = format!("{identity}#{}", asked.publish);
        }
    }
    if (!asked.metadata.is_empty() || !asked.attributes.is_empty()) && !claims.video.can_update_own_metadata() {
        return Err(Refusal::PermissionDenied);
    }
    if !asked.metadata.is_empty() {
        claims.metadata.clone_from(&asked.metadata);
    }
    // An empty value does not delete what the token says.
    let added = asked.attributes.iter().filter(|(_, value)| !value.is_empty());
    claims.attributes.extend(added.map(|(key, value)| (key.clone(), value.clone())));
    Ok(())
}

fn check_limits(claims: &Claims, settings: &Settings) -> Result<(), Refusal> {
    let limits = &settings.limits;
    let identity = claims.identity();
    // Names stand in logs, lists and terminals.
    for (what, text) in [("identity", identity), ("room name", &claims.video.room), ("name", &claims.name)] {
        if text.contains(char::is_control) {
            return Err(Refusal::ControlCharacter(what));
        }
    }
    if claims.attributes.keys().any(|key| key.contains(char::is_control)) {
        return Err(Refusal::ControlCharacter("attribute key"));
    }
    if identity.is_empty() {
        return Err(Refusal::IdentityEmpty);
    }
    if identity.len() > limits.identity_bytes {
        return Err(Refusal::IdentityTooLong(limits.identity_bytes));
    }
    let room = &claims.video.room;
    if room.is_empty() {
        return Err(Refusal::RoomEmpty);
    }
    if room.len() > settings.room_name_bytes {
        return Err(Refusal::RoomTooLong(settings.room_name_bytes));
    }
    if claims.name.len() > limits.name_bytes {
        return Err(Refusal::NameTooLong(limits.name_bytes));
    }
    if claims.metadata.len() > limits.metadata_bytes {
        return Err(Refusal::MetadataTooLong(limits.metadata_bytes));
    }
    let attributes: usize = claims.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
    if attributes > limits.attributes_bytes {
        return Err(Refusal::AttributesTooLong(limits.attributes_bytes));
    }
    Ok(())
}

fn joiner(claims: &Claims, asked: &Asked) -> Joiner {
    Joiner {
        identity: claims.identity().to_owned(),
        name: claims.name.clone(),
        metadata: claims.metadata.clone(),
        attributes: claims.attributes.clone(),
        kind: match claims.kind {
            Kind::Standard => ProtoKind::Standard,
            Kind::Ingress => ProtoKind::Ingress,
            Kind::Egress => ProtoKind::Egress,
            Kind::Sip => ProtoKind::Sip,
            Kind::Agent => ProtoKind::Agent,
            Kind::Connector => ProtoKind::Connector,
            Kind::Bridge => ProtoKind::Bridge,
        },
        kind_details: claims
            .kind_details
            .iter()
            .filter_map(|name| KindDetail::from_str_name(&name.to_ascii_uppercase()))
            .collect(),
        permission: permission_message(&claims.video.permission()),
        client: asked.client.clone(),
        auto_subscribe: asked.auto_subscribe,
        auto_subscribe_data_track: asked.auto_subscribe_data_track,
        adaptive_stream: asked.adaptive_stream,
    }
}

#[cfg(test)]
mod tests;
