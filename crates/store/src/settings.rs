//! What an app may set, and what holds where it sets nothing. Numbers of 0 are no limit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Settings of an app; they can be changed while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppSettings {
    /// How much of everything.
    pub limits: AppLimits,
    /// Requests of the server API.
    pub requests: RequestRates,
    /// What rooms, users and display names may be called.
    pub naming: Naming,
    /// What happens when a user joins a room that it is in.
    pub duplicates: Duplicates,
    /// Whoever loses its network is kept this long, seconds.
    pub grace_s: u32,
    /// Rights of each role, by its name, as grants of tokens spell them.
    pub roles: BTreeMap<String, serde_json::Value>,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            limits: AppLimits::default(),
            requests: RequestRates::default(),
            naming: Naming::default(),
            duplicates: Duplicates::default(),
            grace_s: 30,
            roles: BTreeMap::new(),
        }
    }
}

/// Limits of an app and of each of its rooms.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppLimits {
    /// Rooms at a time.
    pub rooms: u32,
    /// Participants at a time, over all rooms.
    pub participants: u32,
    /// Publishers at a time, over all rooms.
    pub publishers: u32,
    /// Participants in one room.
    pub room_participants: u32,
    /// Who publish anything in one room.
    pub room_publishers: u32,
    /// Who send sound at the same time in one room.
    pub room_audio_senders: u32,
    /// Who send video at the same time in one room.
    pub room_video_senders: u32,
    /// What one participant may send, kbit/s.
    pub participant_kbps: u32,
}

/// How often the server API may be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestRates {
    /// Requests of each method, per second.
    pub per_s: u32,
    /// Other rates for some methods, by their names.
    pub methods: BTreeMap<String, u32>,
}

impl Default for RequestRates {
    fn default() -> Self {
        Self { per_s: 500, methods: BTreeMap::new() }
    }
}

/// What names may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// What the server takes (`limits` of its configuration).
    #[default]
    Server,
    /// UTF-8, at most 128 bytes.
    Relaxed,
    /// `[A-Za-z0-9_-]`, 1 to 64 of them.
    Strict,
}

impl Naming {
    /// Whether something may have this name, as far as the app decides it.
    pub fn allows(self, name: &str) -> bool {
        match self {
            Self::Server => true,
            Self::Relaxed => name.len() <= 128,
            Self::Strict => {
                let plain = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
                (1..=64).contains(&name.len()) && name.chars().all(plain)
            }
        }
    }
}

/// What happens when a user joins a room that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// The newest stays.
    #[default]
    Newest,
    /// The newest is refused.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "x".repeat(129);
        for (name, strict, relaxed) in [
            ("room-1_A", true, true),
            ("", false, true),
            ("ü", false, true),
            ("a b", false, true),
            ("a\n", false, true),
            (&long[..64], true, true),
            (&long[..65], false, true),
            (&long[..128], false, true),
            (&long, false, false),
        ] {
            assert_eq!((Naming::Strict.allows(name), Naming::Relaxed.allows(name)), (strict, relaxed), "{name}");
            assert!(Naming::Server.allows(name));
        }
    }

    #[test]
    fn settings_are_read_strictly_and_have_defaults() {
        let settings: AppSettings =
            serde_json::from_str(r#"{"naming":"strict","limits":{"rooms":3}}"#).expect("settings");
        assert_eq!((settings.naming, settings.limits.rooms, settings.grace_s), (Naming::Strict, 3, 30));
        assert_eq!(settings.requests.per_s, 500);
        for text in [r#"{"nameing":"strict"}"#, r#"{"limits":{"rooms":-1}}"#, r#"{"naming":"lax"}"#] {
            assert!(serde_json::from_str::<AppSettings>(text).is_err(), "{text}");
        }
    }
}
