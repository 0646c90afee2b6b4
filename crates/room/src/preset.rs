//! What the configuration has prepared for rooms, by name (docs/server-api/rooms.md#presets).

use std::collections::BTreeMap;

use livekit_protocol::RoomConfiguration;

use crate::SettingsError;

/// Room presets by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Presets(BTreeMap<String, RoomConfiguration>);

impl FromIterator<(String, RoomConfiguration)> for Presets {
    fn from_iter<I: IntoIterator<Item = (String, RoomConfiguration)>>(presets: I) -> Self {
        Self(presets.into_iter().collect())
    }
}

impl Presets {
    /// What somebody asks for a room, with the preset that it names (empty: none) filling in what it leaves unset.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn complete(&self, preset: &str, asked: RoomConfiguration) -> Result<RoomConfiguration, SettingsError> {
        if preset.is_empty() {
            return Ok(asked);
        }
        let preset = self.0.get(preset).ok_or(SettingsError::NoSuchPreset)?;
        let number = |asked: u32, preset: u32| if asked > 0 { asked } else { preset };
        Ok(RoomConfiguration {
            name: asked.name,
            empty_timeout: number(asked.empty_timeout, preset.empty_timeout),
            departure_timeout: number(asked.departure_timeout, preset.departure_timeout),
            max_participants: number(asked.max_participants, preset.max_participants),
            metadata: if asked.metadata.is_empty() { preset.metadata.clone() } else { asked.metadata },
            egress: asked.egress.or_else(|| preset.egress.clone()),
            min_playout_delay: number(asked.min_playout_delay, preset.min_playout_delay),
            max_playout_delay: number(asked.max_playout_delay, preset.max_playout_delay),
            sync_streams: asked.sync_streams || preset.sync_streams,
            agents: if asked.agents.is_empty() { preset.agents.clone() } else { asked.agents },
            tags: if asked.tags.is_empty() { preset.tags.clone() } else { asked.tags },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_stands_and_the_rest_is_filled_in() {
        let agent = |name: &str| livekit_protocol::RoomAgentDispatch { agent_name: name.into(), ..Default::default() };
        let class = RoomConfiguration {
            empty_timeout: 60,
            max_participants: 30,
            metadata: "class".into(),
            sync_streams: true,
            agents: vec![agent("teacher")],
            ..Default::default()
        };
        let presets: Presets = [("class".to_owned(), class.clone())].into_iter().collect();
        assert_eq!(presets.complete("class", RoomConfiguration::default()), Ok(class.clone()));
        let asked = RoomConfiguration { max_participants: 2, agents: vec![agent("tutor")], ..Default::default() };
        let made = RoomConfiguration { max_participants: 2, agents: vec![agent("tutor")], ..class };
        assert_eq!(presets.complete("class", asked.clone()), Ok(made));
        assert_eq!(presets.complete("", asked.clone()), Ok(asked.clone()));
        assert_eq!(presets.complete("show", asked), Err(SettingsError::NoSuchPreset));
    }
}
