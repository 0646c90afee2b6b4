//! What a token says, as JSON (docs/protocol.md#access-token). Unknown claims are passed over, `null` counts as
//! absent, and names are found in any case: `tutti_json` sees to that.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::TokenError;
use crate::absent::is_default;
use crate::grants::{AgentGrants, InferenceGrants, ObservabilityGrants, SipGrants, VideoGrants};

/// The claims of an access token.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Claims {
    /// API key whose secret signed the token.
    #[serde(skip_serializing_if = "is_default")]
    pub iss: String,
    /// Identity of the participant. See [`Claims::identity`].
    #[serde(skip_serializing_if = "is_default")]
    pub sub: String,
    /// Token id; stands in for an empty `sub`.
    #[serde(skip_serializing_if = "is_default")]
    pub jti: String,
    /// End of validity, seconds since 1970.
    #[serde(deserialize_with = "numeric_date", skip_serializing_if = "is_default")]
    pub exp: Option<i64>,
    /// Begin of validity, seconds since 1970.
    #[serde(deserialize_with = "numeric_date", skip_serializing_if = "is_default")]
    pub nbf: Option<i64>,
    /// When it was made, seconds since 1970.
    #[serde(deserialize_with = "numeric_date", skip_serializing_if = "is_default")]
    pub iat: Option<i64>,
    /// Display name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Kind of participant.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: Kind,
    /// Lower-case names of `ParticipantInfo.KindDetail`.
    #[serde(skip_serializing_if = "is_default")]
    pub kind_details: Vec<String>,
    /// Participant metadata.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: String,
    /// Participant attributes.
    #[serde(skip_serializing_if = "is_default")]
    pub attributes: BTreeMap<String, String>,
    /// SHA-256 of a request body, base64; used by web-hooks.
    #[serde(skip_serializing_if = "is_default")]
    pub sha256: String,
    /// `RoomConfiguration` in proto3 JSON, for a room that this join makes. May hold storage credentials: `Debug` hides it.
    #[serde(skip_serializing_if = "is_default")]
    pub room_config: Option<Value>,
    /// Name of a room preset of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub room_preset: String,
    /// Rights on rooms.
    #[serde(skip_serializing_if = "is_default")]
    pub video: VideoGrants,
    /// Rights on telephony.
    #[serde(skip_serializing_if = "is_default")]
    pub sip: SipGrants,
    /// Rights on agents.
    #[serde(skip_serializing_if = "is_default")]
    pub agent: AgentGrants,
    /// Rights on inference.
    #[serde(skip_serializing_if = "is_default")]
    pub inference: InferenceGrants,
    /// Rights on observability.
    #[serde(skip_serializing_if = "is_default")]
    pub observability: ObservabilityGrants,
}

impl Claims {
    /// Reads claims as the verifier does.
    ///
    /// # Errors
    /// Not a JSON object, a claim of a wrong type, or one that stands there twice.
    pub fn from_json(json: &[u8]) -> Result<Self, TokenError> {
        tutti_json::claims_from_slice(json).map_err(|error| TokenError::Claims(error.to_string()))
    }

    /// Claims that let one identity join one room, with every right at its default.
    pub fn join(room: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            sub: identity.into(),
            video: VideoGrants { room_join: true, room: room.into(), ..VideoGrants::default() },
            ..Self::default()
        }
    }

    /// Identity of the participant: `sub`, else `jti`, else empty.
    pub fn identity(&self) -> &str {
        if self.sub.is_empty() { &self.jti } else { &self.sub }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("iss", &self.iss)
            .field("identity", &self.identity())
            .field("exp", &self.exp)
            .field("kind", &self.kind)
            .field("video", &self.video)
            .field("room_preset", &self.room_preset)
            .finish_non_exhaustive()
    }
}

/// Kind of participant that a token states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A user. Also: an absent or unknown kind.
    #[default]
    Standard,
    /// A stream from outside.
    Ingress,
    /// A recorder.
    Egress,
    /// A telephone.
    Sip,
    /// An agent.
    Agent,
    /// A connector to another service.
    Connector,
    /// A bridge between rooms.
    Bridge,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Standard, Self::Ingress, Self::Egress, Self::Sip, Self::Agent, Self::Connector, Self::Bridge];

    /// Its name, in lower case, as tokens have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
            Self::Sip => "sip",
            Self::Agent => "agent",
            Self::Connector => "connector",
            Self::Bridge => "bridge",
        }
    }

    /// The kind of this lower-case name; `Standard` for a name that is not known.
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::from_name(&name))
    }
}

/// Reads a `NumericDate`, which may have a fraction (RFC 7519, section 2). The fraction is dropped.
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    // `as` saturates, so that an absurd date stays an absurd date. Doubles are exact for 285 million years.
    Ok(Option::<f64>::deserialize(deserializer)?.map(|seconds| seconds as i64))
}
