//! The rights in a token, and what an absent right means (docs/protocol.md#access-token).

use serde::{Deserialize, Serialize};

use crate::absent::is_default;

/// Rights on rooms. Those that are `Option` are tri-state: absent is not the same as `false`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoGrants {
    /// Make and delete rooms.
    #[serde(skip_serializing_if = "is_default")]
    pub room_create: bool,
    /// List rooms.
    #[serde(skip_serializing_if = "is_default")]
    pub room_list: bool,
    /// Record rooms.
    #[serde(skip_serializing_if = "is_default")]
    pub room_record: bool,
    /// Administer the room [`VideoGrants::room`].
    #[serde(skip_serializing_if = "is_default")]
    pub room_admin: bool,
    /// Join the room [`VideoGrants::room`].
    #[serde(skip_serializing_if = "is_default")]
    pub room_join: bool,
    /// Name of the room.
    #[serde(skip_serializing_if = "is_default")]
    pub room: String,
    /// Room that participants may be forwarded or moved to.
    #[serde(skip_serializing_if = "is_default")]
    pub destination_room: String,
    /// Publish tracks.
    #[serde(skip_serializing_if = "is_default")]
    pub can_publish: Option<bool>,
    /// Subscribe to tracks.
    #[serde(skip_serializing_if = "is_default")]
    pub can_subscribe: Option<bool>,
    /// Publish data.
    #[serde(skip_serializing_if = "is_default")]
    pub can_publish_data: Option<bool>,
    /// Lower-case names of the sources that may be published; empty = all.
    #[serde(skip_serializing_if = "is_default")]
    pub can_publish_sources: Vec<String>,
    /// Change one's own name, metadata and attributes.
    #[serde(skip_serializing_if = "is_default")]
    pub can_update_own_metadata: Option<bool>,
    /// Administer ingress.
    #[serde(skip_serializing_if = "is_default")]
    pub ingress_admin: bool,
    /// Not shown to other participants.
    #[serde(skip_serializing_if = "is_default")]
    pub hidden: bool,
    /// A recorder.
    #[serde(skip_serializing_if = "is_default")]
    pub recorder: bool,
    /// May register as an agent worker.
    #[serde(skip_serializing_if = "is_default")]
    pub agent: bool,
    /// Subscribe to metrics.
    #[serde(skip_serializing_if = "is_default")]
    pub can_subscribe_metrics: Option<bool>,
    /// Manage an agent's session.
    #[serde(skip_serializing_if = "is_default")]
    pub can_manage_agent_session: Option<bool>,
}

impl VideoGrants {
    /// Default: yes.
    pub fn can_publish(&self) -> bool {
        self.can_publish.unwrap_or(true)
    }

    /// Default: yes.
    pub fn can_subscribe(&self) -> bool {
        self.can_subscribe.unwrap_or(true)
    }

    /// Default: as [`VideoGrants::can_publish`].
    pub fn can_publish_data(&self) -> bool {
        self.can_publish_data.unwrap_or_else(|| self.can_publish())
    }

    /// Default: no.
    pub fn can_update_own_metadata(&self) -> bool {
        self.can_update_own_metadata.unwrap_or(false)
    }

    /// Default: no.
    pub fn can_subscribe_metrics(&self) -> bool {
        self.can_subscribe_metrics.unwrap_or(false)
    }

    /// Default: no.
    pub fn can_manage_agent_session(&self) -> bool {
        self.can_manage_agent_session.unwrap_or(false)
    }

    /// The rights inside the room, with the defaults filled in.
    pub fn permission(&self) -> Permission {
        Permission {
            can_subscribe: self.can_subscribe(),
            can_publish: self.can_publish(),
            can_publish_data: self.can_publish_data(),
            can_publish_sources: self.can_publish_sources.iter().map(|name| Source::from_name(name)).collect(),
            hidden: self.hidden,
            recorder: self.recorder,
            agent: self.agent,
            can_update_metadata: self.can_update_own_metadata(),
            can_subscribe_metrics: self.can_subscribe_metrics(),
            can_manage_agent_session: self.can_manage_agent_session(),
        }
    }

    /// States other rights inside the room, each of them openly; the rights outside it stay.
    pub fn set_permission(&mut self, permission: &Permission) {
        self.can_subscribe = Some(permission.can_subscribe);
        self.can_publish = Some(permission.can_publish);
        self.can_publish_data = Some(permission.can_publish_data);
        self.can_publish_sources = permission.can_publish_sources.iter().map(|s| s.name().to_owned()).collect();
        self.hidden = permission.hidden;
        self.recorder = permission.recorder;
        self.agent = permission.agent;
        self.can_update_own_metadata = Some(permission.can_update_metadata);
        self.can_subscribe_metrics = Some(permission.can_subscribe_metrics);
        self.can_manage_agent_session = Some(permission.can_manage_agent_session);
    }
}

/// Rights inside a room with nothing left open: the values of `ParticipantPermission`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Subscribe to tracks.
    pub can_subscribe: bool,
    /// Publish tracks.
    pub can_publish: bool,
    /// Publish data.
    pub can_publish_data: bool,
    /// What may be published; empty = everything.
    pub can_publish_sources: Vec<Source>,
    /// Not shown to others.
    pub hidden: bool,
    /// A recorder.
    pub recorder: bool,
    /// An agent worker.
    pub agent: bool,
    /// Change one's own name, metadata and attributes.
    pub can_update_metadata: bool,
    /// Subscribe to metrics.
    pub can_subscribe_metrics: bool,
    /// Manage an agent's session.
    pub can_manage_agent_session: bool,
}

/// What a track shows or carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// None of the others; a name that is not known.
    Unknown,
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A shared screen.
    ScreenShare,
    /// The sound of a shared screen.
    ScreenShareAudio,
}

impl Source {
    /// The source of this name, in any case; `Unknown` for a name that is not known, which permits only that.
    pub fn from_name(name: &str) -> Self {
        [Self::Camera, Self::Microphone, Self::ScreenShare, Self::ScreenShareAudio]
            .into_iter()
            .find(|source| source.name().eq_ignore_ascii_case(name))
            .unwrap_or(Self::Unknown)
    }

    /// Its lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::ScreenShare => "screen_share",
            Self::ScreenShareAudio => "screen_share_audio",
        }
    }
}

/// Rights on telephony.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SipGrants {
    /// Administer trunks and rules.
    #[serde(skip_serializing_if = "is_default")]
    pub admin: bool,
    /// Make calls.
    #[serde(skip_serializing_if = "is_default")]
    pub call: bool,
}

/// Rights on agents.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentGrants {
    /// Administer agents.
    #[serde(skip_serializing_if = "is_default")]
    pub admin: bool,
    /// Administer simulations.
    #[serde(skip_serializing_if = "is_default")]
    pub simulation_admin: bool,
    /// Administer agents' databases.
    #[serde(skip_serializing_if = "is_default")]
    pub database_admin: bool,
}

/// Rights on inference.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InferenceGrants {
    /// Use it.
    #[serde(skip_serializing_if = "is_default")]
    pub perform: bool,
}

/// Rights on observability.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObservabilityGrants {
    /// Upload data.
    #[serde(skip_serializing_if = "is_default")]
    pub write: bool,
}
