//! What docs/operation.md and docs/protocol.md promise of the front door, against the literal values that stand there.

use std::time::Duration;

use tutti_limit::Rate;

use crate::join::{JOIN_REQUEST_BYTES_MAX, TTL_MIN};
use crate::socket::{MESSAGE_BYTES_MAX, PING_INTERVAL, RATE, SILENCE_MAX, WRITE_TIMEOUT};
use crate::{REFUSALS_LOGGED, door, serve};

#[test]
fn bounds() {
    let promised = [
        ("a signalling message, bytes", MESSAGE_BYTES_MAX, 2_097_152),
        ("a join request when unpacked, bytes", JOIN_REQUEST_BYTES_MAX, 1_048_576),
        ("connections that have not joined", door::AT_THE_DOOR_MAX, 8_192),
    ];
    for (what, is, promised) in promised {
        assert_eq!(is, promised, "{what}");
    }
    assert_eq!(RATE, Rate::new(400, 4_000), "signalling messages, a second and at once");
    assert_eq!(REFUSALS_LOGGED, Rate::new(10, 100), "refused joins in the log, a second and at once");
}

#[test]
fn times() {
    let promised = [
        ("a ping on the level of WebSockets", PING_INTERVAL, 10),
        ("a socket on which nothing came ends", SILENCE_MAX, 35),
        ("a client that takes nothing ends", WRITE_TIMEOUT, 10),
        ("a request's head has come", serve::HEAD_TIMEOUT, 20),
        ("the last messages are delivered when the server stops", serve::STOP_GRACE, 3),
        ("a fresh token is valid at least", TTL_MIN, 600),
    ];
    for (what, is, promised_s) in promised {
        assert_eq!(is, Duration::from_secs(promised_s), "{what}");
    }
}
