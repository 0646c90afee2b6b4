//! Order, bounds and hand-over of the ring between two shards.

use super::ring;

#[test]
fn in_order_until_full() {
    let (mut producer, mut consumer) = ring::<u32>(4);
    for value in 0..4 {
        assert!(producer.push_with(|slot| *slot = value));
    }
    assert!(!producer.push_with(|_| unreachable!("full")));
    assert_eq!(consumer.pop_with(|slot| *slot), Some(0));
    assert!(producer.push_with(|slot| *slot = 4));
    for value in 1..5 {
        assert_eq!(consumer.pop_with(|slot| *slot), Some(value));
    }
    assert_eq!(consumer.pop_with(|slot| *slot), None);
}

#[test]
fn what_was_pushed_outlives_the_producer() {
    let (mut producer, mut consumer) = ring::<u32>(4);
    assert!(producer.push_with(|slot| *slot = 9));
    assert!(!consumer.is_abandoned());
    drop(producer);
    assert!(consumer.is_abandoned());
    assert_eq!(consumer.pop_with(|slot| *slot), Some(9));
}

#[test]
fn two_threads_see_whole_values_in_order() {
    let (mut producer, mut consumer) = ring::<[u64; 16]>(8);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for value in 1..=20_000u64 {
                while !producer.push_with(|slot| slot.fill(value)) {
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 1;
        while expected <= 20_000 {
            match consumer.pop_with(|slot| *slot) {
                Some(value) => {
                    assert_eq!(value, [expected; 16]);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
    });
}
