//! The tokens that a joined client reconnects with (docs/protocol.md#token-refresh): as the first one, but with the
//! participant as it is now, so that a reconnect undoes no change.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use livekit_protocol as proto;
use tutti_token::{Claims, Keys, Permission, Source};

/// Shortest life of such a token.
pub(crate) const TTL_MIN: Duration = Duration::from_secs(600);

/// Signs with the key that signed the first token.
pub(crate) struct Issuer {
    pub(super) keys: Arc<Keys>,
    /// Of the first token.
    pub(super) claims: Claims,
}

impl Issuer {
    /// A token for the participant as it is now; `None` if none can be made (the key is gone).
    pub(crate) fn refresh(&self, participant: &proto::ParticipantInfo) -> Option<String> {
        self.refresh_at(participant, SystemTime::now())
    }

    fn refresh_at(&self, participant: &proto::ParticipantInfo, now: SystemTime) -> Option<String> {
        let mut claims = Claims {
            sub: participant.identity.clone(),
            jti: String::new(),
            name: participant.name.clone(),
            metadata: participant.metadata.clone(),
            attributes: participant.attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            ..self.claims.clone()
        };
        if let Some(permission) = &participant.permission {
            claims.video.set_permission(&permission_values(permission));
        }
        let expiry = u64::try_from(self.claims.exp.unwrap_or_default()).unwrap_or_default();
        let now_s = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let remaining = Duration::from_secs(expiry).saturating_sub(now_s);
        self.keys.sign(&self.claims.iss, &claims, now, remaining.max(TTL_MIN)).ok()
    }
}

/// The rights of a token as the protocol states them.
#[expect(deprecated, reason = "older clients read `recorder` and `agent`")]
pub(super) fn permission_message(permission: &Permission) -> proto::ParticipantPermission {
    proto::ParticipantPermission {
        can_subscribe: permission.can_subscribe,
        can_publish: permission.can_publish,
        can_publish_data: permission.can_publish_data,
        can_publish_sources: permission
            .can_publish_sources
            .iter()
            .map(|source| match source {
                Source::Unknown => proto::TrackSource::Unknown,
                Source::Camera => proto::TrackSource::Camera,
                Source::Microphone => proto::TrackSource::Microphone,
                Source::ScreenShare => proto::TrackSource::ScreenShare,
                Source::ScreenShareAudio => proto::TrackSource::ScreenShareAudio,
            })
            .map(i32::from)
            .collect(),
        hidden: permission.hidden,
        recorder: permission.recorder,
        can_update_metadata: permission.can_update_metadata,
        agent: permission.agent,
        can_subscribe_metrics: permission.can_subscribe_metrics,
        can_manage_agent_session: permission.can_manage_agent_session,
    }
}

/// The way back.
#[expect(deprecated, reason = "a token states `recorder` and `agent`")]
pub(crate) fn permission_values(permission: &proto::ParticipantPermission) -> Permission {
    Permission {
        can_subscribe: permission.can_subscribe,
        can_publish: permission.can_publish,
        can_publish_data: permission.can_publish_data,
        can_publish_sources: permission
            .can_publish_sources()
            .map(|source| match source {
                proto::TrackSource::Unknown => Source::Unknown,
                proto::TrackSource::Camera => Source::Camera,
                proto::TrackSource::Microphone => Source::Microphone,
                proto::TrackSource::ScreenShare => Source::ScreenShare,
                proto::TrackSource::ScreenShareAudio => Source::ScreenShareAudio,
            })
            .collect(),
        hidden: permission.hidden,
        recorder: permission.recorder,
        agent: permission.agent,
        can_update_metadata: permission.can_update_metadata,
        can_subscribe_metrics: permission.can_subscribe_metrics,
        can_manage_agent_session: permission.can_manage_agent_session,
    }
}

#[cfg(test)]
mod tests {
    use tutti_token::{Secret, VideoGrants};

    use super::*;

    #[test]
    fn a_refreshed_token_tells_what_is_true_now() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let keys = Arc::new(Keys::one("devkey", Secret::new("secret")));
        let first = Claims {
            kind: tutti_token::Kind::Agent,
            name: "Before".into(),
            room_preset: "p".into(),
            video: VideoGrants { room_admin: true, ..Claims::join("r", "").video },
            ..Claims::join("r", "ada")
        };
        for (ttl, life) in [(60, 600), (3600, 3600)] {
            let token = keys.sign("devkey", &first, now, Duration::from_secs(ttl)).expect("key is known");
            let issuer = Issuer { keys: keys.clone(), claims: keys.verify(&token, now).expect("token is good") };
            let permission = Permission {
                can_publish: false,
                can_publish_sources: vec![Source::Camera, Source::ScreenShareAudio],
                ..first.video.permission()
            };
            let participant = proto::ParticipantInfo {
                identity: "ada#screen".into(),
                name: "After".into(),
                metadata: "m".into(),
                attributes: [("seat".to_owned(), "3".to_owned())].into(),
                permission: Some(permission_message(&permission)),
                ..Default::default()
            };
            let token = issuer.refresh_at(&participant, now).expect("key is known");
            let claims = keys.verify(&token, now).expect("token is good");
            assert_eq!(claims.exp, Some(1_800_000_000 + life));
            assert_eq!((claims.identity(), claims.name.as_str()), ("ada#screen", "After"));
            assert_eq!((claims.metadata.as_str(), claims.attributes.len()), ("m", 1));
            assert_eq!(claims.video.permission(), permission);
            assert_eq!((claims.kind, claims.room_preset.as_str()), (first.kind, "p"));
            assert!(claims.video.room_join && claims.video.room_admin && claims.video.room == "r");
        }
    }

    #[test]
    fn a_key_that_is_gone_signs_nothing() {
        let issuer = Issuer { keys: Arc::default(), claims: Claims::join("r", "ada") };
        assert_eq!(issuer.refresh(&proto::ParticipantInfo::default()), None);
    }
}
