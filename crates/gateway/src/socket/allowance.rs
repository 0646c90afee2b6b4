//! How much a client may say: a steady rate with a burst, from which each message takes what it costs. Generous: the
//! busiest honest client (hundreds of tracks at once) stays far below it.

use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use tutti_limit::Rate;

/// Units a second, and at once after a quiet time.
pub(crate) const RATE: Rate = Rate::new(400, 4000);
/// A message costs one, and one more for each of these, bytes.
const BYTES_PER_UNIT: usize = 4096;
/// And one more for each of these tracks that it names.
const TRACKS_PER_UNIT: usize = 16;

/// What a message of `bytes` costs before it is read.
pub(crate) fn cost_of_bytes(bytes: usize) -> u32 {
    u32::try_from(1 + bytes / BYTES_PER_UNIT).unwrap_or(u32::MAX)
}

/// What it costs on top, by what it makes the server do: for every track of the room, or for everybody in it.
pub(super) fn cost_of(message: &Request) -> u32 {
    let tracks = |count: usize| u32::try_from(count / TRACKS_PER_UNIT).unwrap_or(u32::MAX);
    match message {
        Request::Offer(_) | Request::Answer(_) | Request::UpdateMetadata(_) => 8,
        Request::SyncState(_) | Request::Simulate(_) => 16,
        Request::SubscriptionPermission(permission) => {
            let named = permission.track_permissions.iter().map(|entry| 1 + entry.track_sids.len()).sum();
            tracks(named).saturating_add(15)
        }
        Request::Subscription(update) => {
            let listed = update.participant_tracks.iter().map(|entry| entry.track_sids.len()).sum::<usize>();
            tracks(update.track_sids.len() + listed)
        }
        Request::TrackSetting(settings) => tracks(settings.track_sids.len()),
        Request::UpdateDataSubscription(update) => tracks(update.updates.len()),
        // Its answer may have 64 KB.
        Request::GetDataBlobRequest(_) => 15,
        Request::Mute(_) | Request::UpdateAudioTrack(_) | Request::UpdateVideoTrack(_) => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_tracks_cost() {
        assert_eq!([0, 4095, 4096, 2 << 20].map(cost_of_bytes), [1, 1, 2, 513]);
        let wish = |count: usize| {
            let track_sids = vec!["TR_x".to_owned(); count];
            let track_settings = proto::UpdateTrackSettings { track_sids: track_sids.clone(), ..Default::default() };
            let listed = proto::ParticipantTracks { track_sids: track_sids.clone(), ..Default::default() };
            let subscription =
                proto::UpdateSubscription { track_sids, participant_tracks: vec![listed], ..Default::default() };
            [cost_of(&Request::Subscription(subscription)), cost_of(&Request::TrackSetting(track_settings))]
        };
        assert_eq!([wish(1), wish(16), wish(1000)], [[0, 0], [2, 1], [125, 62]]);
        assert_eq!(cost_of(&Request::Ping(1)), 0);
    }
}
