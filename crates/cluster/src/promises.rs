//! What the documentation promises, against the literal values that stand there.

use std::time::Duration;

use crate::lanes::{STATE_WEIGHT_MAX, WORK_QUEUE};
use crate::node::SHUTDOWN_GRACE;
use crate::room_round::INPUTS_PER_ROUND;
use crate::room_task::SOCKET_QUEUE;

#[test]
fn bounds() {
    let promised = [
        ("inputs that wait for a room", WORK_QUEUE, 16_384),
        ("messages that wait for a client's socket", SOCKET_QUEUE, 1_024),
        ("inputs of one lane in a round", INPUTS_PER_ROUND, 64),
    ];
    for (what, is, promised) in promised {
        assert_eq!(is, promised, "{what}");
    }
    assert_eq!(STATE_WEIGHT_MAX, 536_870_912, "reports that must not be lost and wait for a room, bytes");
    assert_eq!(SHUTDOWN_GRACE, Duration::from_secs(3), "rooms say goodbye");
}
