//! What the documentation promises, against the literal values that stand there.

use livekit_protocol::VideoQuality;
use tutti_room::{Limits, Settings};

use crate::stage::{millis, secs};

#[test]
fn times() {
    let settings = Settings::default();
    let promised = [
        ("a room without anybody ends", settings.empty_timeout, secs(300)),
        ("a room that all have left ends", settings.departure_timeout, secs(20)),
        ("who is not connected is taken out", settings.join_timeout, secs(60)),
        ("an unwanted layer is switched off", settings.dynacast_decrease_delay, secs(5)),
        ("quality is judged", settings.quality_interval, secs(5)),
        ("a track that does not come is given up", settings.wanted_track_timeout, secs(60)),
        ("updates of those who publish nothing are collected", settings.update_batch_interval, secs(3)),
        ("their departures are collected", settings.departure_batch_interval, millis(250)),
        ("the room's counts are told", settings.room_update_interval, secs(5)),
    ];
    for (what, is, promised) in promised {
        assert_eq!(is, promised, "{what}");
    }
}

#[test]
fn limits() {
    let limits = Limits::default();
    let promised = [
        ("room name, bytes", limits.room_name_bytes, 256),
        ("identity, bytes", limits.identity_bytes, 256),
        ("name, bytes", limits.name_bytes, 256),
        ("metadata, bytes", limits.metadata_bytes, 524_288),
        ("attributes, bytes", limits.attributes_bytes, 65_536),
        ("tracks", limits.tracks, 200),
        ("tracks that wait for their section", limits.pending_tracks, 20),
        ("requests that wait for a client id", limits.queued_tracks_per_cid, 3),
        ("client id, name and stream, bytes", limits.track_text_bytes, 1_024),
        ("data tracks", limits.data_tracks, 256),
        ("name of a data track, bytes", limits.data_track_name_bytes, 256),
        ("name of an encoding, bytes", limits.data_track_encoding_bytes, 32),
        ("data blobs of a participant, bytes", limits.data_blobs_bytes, 64_000),
        ("wishes", limits.wishes, 20_000),
        ("track permissions", limits.track_permissions, 10_000),
        ("data kept for who is not active yet, bytes", limits.held_data_bytes, 102_400),
    ];
    for (what, is, promised) in promised {
        assert_eq!(is, promised, "{what}");
    }
}

#[test]
fn choices() {
    let settings = Settings::default();
    assert_eq!((settings.max_participants, settings.remote_unmute, settings.sync_streams), (0, false, false));
    assert_eq!((settings.start_quality_adaptive, settings.start_quality), (VideoQuality::Low, VideoQuality::High));
    let codecs = [
        "video/VP8",
        "video/H264",
        "video/VP9",
        "video/AV1",
        "video/H265",
        "audio/opus",
        "audio/red",
        "audio/PCMU",
        "audio/PCMA",
    ];
    assert_eq!(settings.codecs, codecs);
}
