//! The parts of the send side that are worth a table of their own.

use std::time::{Duration, Instant};

use tutti_rtp::RtpTimestamp;

use super::history::{History, Request, ResendConfig, SentAs};
use super::runs::{Rewrite, Runs};
use super::timeline::{Origin, Timeline};
use crate::LayerIndex;

const LAYER: LayerIndex = LayerIndex(0);
const PLAIN: SentAs = SentAs { mid: false, filler: false, target_mask: false, copy: 0 };

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn numbers_run_on_over_what_is_left_out_and_wait_for_what_is_missing() {
    enum Event {
        Take(u64, u64),
        Skip(u64),
        Late(u64, Option<u64>),
    }
    use Event::{Late, Skip, Take};
    let mut runs = Runs::new(100);
    runs.begin(50);
    let rewrite = Rewrite::default();
    let events = [
        Take(50, 100),
        Take(51, 101),
        Skip(52),
        Take(53, 102),
        Take(56, 105),
        Late(54, Some(103)),
        Late(52, None),
        // 58 and 59 are missing before one that is left out: they keep their numbers.
        Take(57, 106),
        Skip(60),
        Take(61, 109),
        Late(58, Some(107)),
        Late(59, Some(108)),
        Late(60, None),
        // 63 is missing after one that is left out.
        Skip(62),
        Take(64, 111),
        Late(63, Some(110)),
        // A gap that nobody can close is shortened, not hidden.
        Take(5_000, 112 + 512),
        Late(4_999, Some(112 + 511)),
        Late(3_000, None),
    ];
    for event in events {
        match event {
            Take(index, out) => {
                assert!(runs.is_newer(index));
                runs.keep_gap(LAYER, index, &rewrite);
                assert_eq!(runs.take(LAYER, index, &rewrite), out, "{index}");
                let run = runs.of_number(out).unwrap();
                assert_eq!(run.index_of(out), index, "and back");
            }
            Skip(index) => {
                runs.keep_gap(LAYER, index, &rewrite);
                runs.skip(index);
            }
            Late(index, out) => {
                assert!(!runs.is_newer(index));
                assert_eq!(runs.of_packet(LAYER, index).map(|run| run.out_of(index)), out, "{index}");
            }
        }
    }
    // Another stream goes on with the next number; the old one's late packets are still known.
    let next = runs.next();
    runs.begin(7);
    let other = LayerIndex(1);
    runs.keep_gap(other, 7, &rewrite);
    assert_eq!(runs.take(other, 7, &rewrite), next);
    assert_eq!(runs.of_packet(LAYER, 54).map(|run| run.out_of(54)), Some(103));
    assert_eq!(runs.of_packet(other, 54), None);
    assert!(runs.of_number(next + 1).is_none() && runs.of_number(99).is_none());
}

#[test]
fn a_run_never_changes_how_its_packets_are_rewritten() {
    let mut runs = Runs::new(0);
    runs.begin(1);
    let (old, new) = (Rewrite::default(), Rewrite { timestamp: 5, ..Rewrite::default() });
    runs.take(LAYER, 1, &old);
    runs.keep_gap(LAYER, 4, &old);
    runs.take(LAYER, 4, &new);
    let rewrites: Vec<u32> = (0..4).map(|out| runs.of_number(out).unwrap().rewrite.timestamp).collect();
    assert_eq!(rewrites, [0, 0, 0, 5]);
}

#[test]
fn requests_are_answered_within_bounds() {
    let began = Instant::now();
    let mut history = History::new(began, ResendConfig::AUDIO);
    let rtt = Some(ms(30));
    assert_eq!(history.request(began, 5, rtt), Request::Unknown);
    history.sent(began, 5, PLAIN);
    let mut answers = Vec::new();
    for at in (0..400).step_by(10) {
        if history.request(began + ms(at), 5, rtt) == Request::Resend(PLAIN) {
            answers.push(at);
        }
    }
    assert_eq!(answers, [30, 60, 90, 120, 150, 180]);
    assert_eq!(history.request(began + ms(1_000), 5, rtt), Request::TooOften);
    assert_eq!(history.request(began, 6, rtt), Request::Unknown);
}

#[test]
fn a_history_never_forgets_that_it_forgot() {
    let began = Instant::now();
    let mut history = History::new(began, ResendConfig::AUDIO);
    let mut at = 0;
    for out in 0..2_000u64 {
        // At first so slow that old numbers go, then so fast that it has to grow.
        at += if out < 500 { 50 } else { 1 };
        if out % 7 != 3 {
            history.sent(began + ms(at), out, PLAIN);
        }
        for earlier in out.saturating_sub(300)..=out {
            if history.remembers(earlier) {
                assert_eq!(history.was_sent(earlier), earlier % 7 != 3, "{earlier} of {out}");
            }
        }
    }
    assert!(history.remembers(1_800) && !history.remembers(1_000));
}

#[test]
fn time_runs_on_over_switches() {
    let began = Instant::now();
    let origin = |layer, generation| Origin { layer: LayerIndex(layer), generation, rate_hz: 90_000, clock: None };
    // (stream and generation, its timestamp, ms of arrival, timestamp that goes out)
    let cases = [
        ((0, 0), 1_000, 0, 1_000),
        ((0, 0), 4_000, 33, 4_000),
        ((1, 0), 900_000, 66, 4_000 + 33 * 90),
        ((1, 0), 903_000, 99, 4_000 + 33 * 90 + 3_000),
        // At the same moment: one tick later.
        ((0, 0), 13_000, 99, 4_000 + 33 * 90 + 3_001),
        // Back in the same stream after a pause its own clock counts.
        ((0, 0), 913_000, 10_099, 4_000 + 33 * 90 + 3_001 + 900_000),
        ((0, 1), 5, 10_199, 4_000 + 33 * 90 + 3_001 + 900_000 + 9_000),
    ];
    let mut timeline = Timeline::new(0);
    let mut current = None;
    for ((layer, generation), timestamp, at, expected) in cases {
        let (origin, arrival) = (origin(layer, generation), began + ms(at));
        if current != Some((layer, generation)) || timestamp == 913_000 {
            timeline.switch(origin, RtpTimestamp(timestamp), arrival);
        }
        current = Some((layer, generation));
        timeline.advance(origin, RtpTimestamp(timestamp), arrival);
        assert_eq!(RtpTimestamp(timestamp).add(timeline.offset()), RtpTimestamp(expected), "{timestamp} at {at}");
    }
}
