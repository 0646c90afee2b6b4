//! Values that users and operators are promised, or that peers rely on: what the documents say, not what the code says.

use std::time::Duration;

use tutti_rtp::MediaKind;

use crate::receive::{keyframe, stream};
use crate::ring::RingConfig;
use crate::send::{layering, timers};
use crate::{NackConfig, ReceiveConfig, ResendConfig, SpeakerConfig};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn values_are_those_of_the_documents() {
    // docs/operation.md: 6 repeats of one packet, not sooner than a round trip.
    for resend in [ResendConfig::AUDIO, ResendConfig::VIDEO] {
        assert_eq!((resend.tries_max, resend.quiet_min, resend.quiet_max), (6, ms(10), ms(100)));
    }
    // docs/operation.md: a publisher is asked for a key frame of a layer every 0.5 to 1 s at most.
    assert_eq!((stream::KEY_FRAME_INTERVAL_LOW, stream::KEY_FRAME_INTERVAL_HIGH), (ms(500), ms(1_000)));
    assert_eq!((keyframe::TRIES_MAX, layering::ASK_AGAIN), (40, ms(2_000)));
    // docs/media.md: a new subscriber starts from a key frame that is still in the ring.
    assert_eq!(layering::KEY_FRAME_AGE_MAX, ms(1_000));
    for (kind, bytes) in [(MediaKind::Audio, 128 * 1_024), (MediaKind::Video, 1_024 * 1_024)] {
        assert_eq!((RingConfig::of(kind).keep, RingConfig::of(kind).bytes_max), (ms(1_200), bytes));
    }
    let nack = NackConfig {
        reorder_packets: 3,
        reorder_time: ms(8),
        repeat_rtt_percent: 100,
        repeat_min: ms(20),
        repeat_max: ms(250),
        tries_max: 10,
        keep: ms(1_200),
        missing_max: 256,
    };
    assert_eq!(NackConfig::default(), nack);
    // docs/protocol.md: who speaks, and how well a track fares.
    let speaker = SpeakerConfig { window: ms(400), threshold_dbov: 35, loud_percent: 40, smooth_windows: 2 };
    assert_eq!(SpeakerConfig::default(), speaker);
    assert_eq!((ReceiveConfig::default().quality_window, timers::QUALITY_WINDOW), (ms(5_000), ms(5_000)));
    assert_eq!(timers::REPORT_INTERVAL, ms(3_000));
    assert_eq!((timers::PADDING_INTERVAL, timers::PADDING_PACKETS), (ms(100), 50));
}
