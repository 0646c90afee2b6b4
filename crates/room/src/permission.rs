//! Rights: which sources a member may publish, and who may have its tracks. Pure; rooms act on the answers.

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;

/// Whether a permission lets a source be published. No listed source = all.
pub(crate) fn may_publish(permission: &proto::ParticipantPermission, source: proto::TrackSource) -> bool {
    permission.can_publish
        && (permission.can_publish_sources.is_empty() || permission.can_publish_sources.contains(&(source as i32)))
}

/// A member's `SubscriptionPermission`: who may subscribe to its tracks. Names may be of members that have not joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TrackPermissions {
    everyone: bool,
    by_sid: BTreeMap<String, Allowed>,
    by_identity: BTreeMap<String, Allowed>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Allowed {
    all: bool,
    track_sids: BTreeSet<String>,
}

impl TrackPermissions {
    pub(crate) fn read(message: proto::SubscriptionPermission) -> Self {
        let mut permissions = Self { everyone: message.all_participants, ..Self::default() };
        for entry in message.track_permissions {
            let allowed = if entry.participant_sid.is_empty() {
                permissions.by_identity.entry(entry.participant_identity).or_default()
            } else {
                permissions.by_sid.entry(entry.participant_sid).or_default()
            };
            allowed.all |= entry.all_tracks;
            allowed.track_sids.extend(entry.track_sids);
        }
        permissions
    }

    /// Whether the member with this sid and identity may have this track.
    pub(crate) fn allows(&self, sid: &str, identity: &str, track_sid: &str) -> bool {
        let lists = [self.by_sid.get(sid), self.by_identity.get(identity)];
        self.everyone || lists.into_iter().flatten().any(|list| list.all || list.track_sids.contains(track_sid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::TrackSource::{Camera, Microphone, ScreenShare, Unknown};

    #[test]
    fn sources() {
        let rights = |can_publish, sources: &[proto::TrackSource]| proto::ParticipantPermission {
            can_publish,
            can_publish_sources: sources.iter().map(|source| *source as i32).collect(),
            ..Default::default()
        };
        for (rights, source, may) in [
            (rights(true, &[]), Camera, true),
            (rights(true, &[]), Unknown, true),
            (rights(false, &[]), Camera, false),
            (rights(false, &[Camera]), Camera, false),
            (rights(true, &[Microphone]), Microphone, true),
            (rights(true, &[Microphone]), ScreenShare, false),
        ] {
            assert_eq!(may_publish(&rights, source), may, "{rights:?} {source:?}");
        }
    }

    #[test]
    fn lists() {
        let entry = |sid: &str, identity: &str, all_tracks, tracks: &[&str]| proto::TrackPermission {
            participant_sid: sid.into(),
            participant_identity: identity.into(),
            all_tracks,
            track_sids: tracks.iter().map(|sid| (*sid).to_owned()).collect(),
        };
        let list = TrackPermissions::read(proto::SubscriptionPermission {
            all_participants: false,
            track_permissions: vec![
                entry("PA_1", "", true, &[]),
                entry("", "bea", false, &["TR_a"]),
                entry("", "bea", false, &["TR_b"]),
            ],
        });
        for (sid, identity, track, allowed) in [
            ("PA_1", "any", "TR_x", true),
            ("PA_2", "bea", "TR_a", true),
            ("PA_2", "bea", "TR_b", true),
            ("PA_2", "bea", "TR_c", false),
            ("PA_3", "cai", "TR_a", false),
        ] {
            assert_eq!(list.allows(sid, identity, track), allowed, "{sid} {identity} {track}");
        }
        let open =
            TrackPermissions::read(proto::SubscriptionPermission { all_participants: true, ..Default::default() });
        assert!(open.allows("PA_3", "cai", "TR_a"));
    }
}
