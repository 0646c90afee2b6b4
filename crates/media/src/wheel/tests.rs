//! The wheel against a sorted list, on a virtual clock.

use std::time::{Duration, Instant};

use super::{Timer, Wheel};

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn drain(wheel: &mut Wheel<u32>, now: Instant) -> Vec<(u32, u32)> {
    std::iter::from_fn(|| wheel.pop(now)).map(|expired| (expired.key, expired.generation)).collect()
}

#[test]
fn expires_in_order_and_never_early() {
    let epoch = Instant::now();
    let mut wheel = Wheel::new(epoch);
    let mut timers = [Timer::IDLE; 4];
    for (key, deadline) in [(0, 7), (1, 3), (2, 5000), (3, 7)] {
        wheel.arm(&mut timers[key as usize], key, epoch + ms(deadline));
    }
    assert_eq!(wheel.next_deadline(), Some(epoch + ms(3)));
    assert!(drain(&mut wheel, epoch + ms(2)).is_empty());
    assert_eq!(drain(&mut wheel, epoch + ms(3)), [(1, 1)]);
    let mut seventh = drain(&mut wheel, epoch + ms(10));
    seventh.sort_unstable();
    assert_eq!(seventh, [(0, 1), (3, 1)]);
    // Slot 5000 % 4096 is passed once before its turn.
    assert!(drain(&mut wheel, epoch + ms(4999)).is_empty());
    assert_eq!(drain(&mut wheel, epoch + ms(5000)), [(2, 1)]);
    assert!(wheel.is_empty());
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn fractions_of_a_millisecond_round_up() {
    let epoch = Instant::now();
    let mut wheel = Wheel::new(epoch);
    let mut timer = Timer::IDLE;
    wheel.arm(&mut timer, 1, epoch + Duration::from_micros(1500));
    assert!(drain(&mut wheel, epoch + Duration::from_micros(1999)).is_empty());
    assert_eq!(drain(&mut wheel, epoch + ms(2)), [(1, 1)]);
}

#[test]
fn cancelled_and_moved_timers_do_not_fire() {
    let epoch = Instant::now();
    let mut wheel = Wheel::new(epoch);
    let mut timer = Timer::IDLE;
    wheel.arm(&mut timer, 1, epoch + ms(10));
    // Later: the entry stays.
    wheel.arm(&mut timer, 1, epoch + ms(20));
    assert_eq!(wheel.len(), 1);
    // Earlier: a new generation.
    wheel.arm(&mut timer, 1, epoch + ms(5));
    assert_eq!(wheel.len(), 2);
    let fired: Vec<bool> =
        drain(&mut wheel, epoch + ms(30)).into_iter().map(|(_, generation)| timer.fire(generation)).collect();
    assert_eq!(fired, [true, false]);

    wheel.arm(&mut timer, 1, epoch + ms(40));
    timer.cancel();
    assert!(!timer.is_armed());
    let fired: Vec<bool> =
        drain(&mut wheel, epoch + ms(50)).into_iter().map(|(_, generation)| timer.fire(generation)).collect();
    assert_eq!(fired, [false]);
}

#[test]
fn a_long_sleep_loses_nothing() {
    let epoch = Instant::now();
    let mut wheel = Wheel::new(epoch);
    let mut timers = vec![Timer::IDLE; 200];
    for (key, timer) in timers.iter_mut().enumerate() {
        wheel.arm(timer, key as u32, epoch + ms(97 * key as u64));
    }
    assert_eq!(drain(&mut wheel, epoch + ms(1_000_000)).len(), 200);
    // A deadline in the past is due at once.
    timers[0].cancel();
    wheel.arm(&mut timers[0], 0, epoch);
    assert_eq!(drain(&mut wheel, epoch + ms(1_000_000)).len(), 1);
}

#[test]
fn agrees_with_a_sorted_list() {
    let epoch = Instant::now();
    for seed in 1..20u64 {
        let mut random = seed;
        let mut next = move |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let mut wheel = Wheel::new(epoch);
        let mut timers = vec![Timer::IDLE; 64];
        let mut model: Vec<Option<u64>> = vec![None; 64];
        let mut now = 0u64;
        for _ in 0..2000 {
            let key = next(64) as usize;
            match next(4) {
                0 => {
                    timers[key].cancel();
                    model[key] = None;
                }
                _ => {
                    let at = now + next(9000);
                    if model[key].is_none_or(|armed| at < armed) {
                        model[key] = Some(at);
                    }
                    wheel.arm(&mut timers[key], key as u32, epoch + ms(at));
                }
            }
            now += next(30);
            if let (Some(next), Some(first)) = (wheel.next_deadline(), model.iter().flatten().min()) {
                assert!(next <= epoch + ms((*first).max(now)), "seed {seed}: {next:?} after {first}");
            }
            let mut fired: Vec<usize> = drain(&mut wheel, epoch + ms(now))
                .into_iter()
                .filter(|&(key, generation)| timers[key as usize].fire(generation))
                .map(|(key, _)| key as usize)
                .collect();
            fired.sort_unstable();
            let expected: Vec<usize> = (0..64).filter(|&key| model[key].is_some_and(|at| at <= now)).collect();
            for &key in &expected {
                model[key] = None;
            }
            assert_eq!(fired, expected, "seed {seed} at {now} ms");
        }
    }
}
