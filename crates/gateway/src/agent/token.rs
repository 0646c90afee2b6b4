//! The tokens that agents join their rooms with.

use std::time::{Duration, SystemTime};

use tutti_agent::Grant;
use tutti_token::{Claims, Keys, Kind, TokenError, VideoGrants};

use crate::join::permission_values;

/// How long an agent may take to join.
const TTL: Duration = Duration::from_secs(3600);

/// Signs what an agent may do with the key that its worker came with.
///
/// # Errors
/// The key is gone.
pub(super) fn sign(keys: &Keys, grant: Grant, now: SystemTime) -> Result<String, TokenError> {
    let Grant { api_key, room, identity, name, metadata, attributes, permission } = grant;
    let mut video = VideoGrants { room_join: true, room, ..VideoGrants::default() };
    video.set_permission(&permission_values(&permission));
    video.agent = true;
    let claims = Claims { sub: identity, name, metadata, attributes, kind: Kind::Agent, video, ..Claims::default() };
    keys.sign(&api_key, &claims, now, TTL)
}

#[cfg(test)]
mod tests {
    use livekit_protocol as proto;
    use tutti_token::Secret;

    use super::*;

    #[test]
    fn an_agent_may_what_its_worker_allows() {
        let keys = Keys::one("key", Secret::new("a secret of more than thirty-two bytes"));
        let now = SystemTime::now();
        let grant = Grant {
            api_key: "key".into(),
            room: "hall".into(),
            identity: "agent-1".into(),
            name: "Echo".into(),
            metadata: "m".into(),
            attributes: [("lk.agent_name".to_owned(), "echo".to_owned())].into(),
            permission: proto::ParticipantPermission { can_publish: true, hidden: true, ..Default::default() },
        };
        let claims = keys.verify(&sign(&keys, grant.clone(), now).expect("signs"), now).expect("is good");
        assert_eq!((claims.identity(), claims.kind, claims.name.as_str()), ("agent-1", Kind::Agent, "Echo"));
        assert_eq!(claims.attributes.get("lk.agent_name").map(String::as_str), Some("echo"));
        let video = &claims.video;
        assert!(video.room_join && video.room == "hall" && video.agent && video.hidden && video.can_publish());
        assert!(!video.can_subscribe() && !video.can_publish_data() && !video.room_admin && !video.room_create);
        assert_eq!(claims.exp.zip(claims.iat).map(|(exp, iat)| exp - iat), Some(3600), "docs/server-api/agents.md");
        assert!(sign(&Keys::default(), grant, now).is_err());
    }
}
