//! Values that users and operators are promised, or that peers rely on: what the documents say, not what the code says.

use std::time::Duration;

use tutti_limit::Rate;
use tutti_rtp::Ssrc;
use tutti_rtp::rtcp::twcc::TransportFeedbackBuilder;

use crate::shard::limits::{DATA_DATAGRAMS, DATAGRAMS, FEEDBACK_BYTES, HALF_OPEN_MAX, LOOKUPS, MESSAGES, STATUSES_MAX};
use crate::shard::peer::Arrivals;
use crate::shard::{LINK_RETRY, TIMER_STEP, demux, ingress, memory, outbox, relay, reports};
use crate::wheel::Timer;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn bounds_are_those_of_the_documents() {
    // docs/operation.md#what-an-attacker-can-do-and-what-bounds-it: so many a second, so many at once.
    assert_eq!(DATAGRAMS, Rate::new(10_000, 10_000));
    assert_eq!(DATA_DATAGRAMS, Rate::new(50_000, 50_000));
    assert_eq!(FEEDBACK_BYTES, Rate::new(131_072, 262_144));
    assert_eq!(LOOKUPS, Rate::new(2_000, 2_000));
    assert_eq!(MESSAGES, Rate::new(5_000, 5_000));
    assert_eq!((HALF_OPEN_MAX, ingress::INCOMING_MAX, demux::ADDRESSES_MAX), (16_384, 256, 16));
    assert_eq!((demux::HELD_FOR, memory::HELD_MAX, STATUSES_MAX), (ms(15_000), 268_435_456, 4_096));
    // Every queue has a bound.
    assert_eq!(
        (outbox::PACKETS_MAX, relay::PACKETS_MAX, relay::WISHES_MAX, relay::BACKLOG_MAX),
        (65_536, 512, 256, 1_024)
    );
    assert_eq!((TIMER_STEP, LINK_RETRY), (ms(1), ms(2)));
}

#[test]
fn publishers_are_told_as_often_as_browsers_expect() {
    assert_eq!(reports::REPORT_INTERVAL, ms(1_000));
    let now = std::time::Instant::now();
    let arrivals = |count| Arrivals {
        extension: 1,
        builder: TransportFeedbackBuilder::new(Ssrc(1), now),
        last_source: Ssrc(0),
        count,
        timer: Timer::IDLE,
    };
    // Transport-wide feedback every 100 ms, every 50 ms from 6 packets in that time on.
    for (count, interval) in [(0, 100), (5, 100), (6, 50), (1_000, 50)] {
        assert_eq!(reports::arrivals_interval(&arrivals(count)), ms(interval), "{count}");
    }
}
