//! Numbers that the documentation promises, against what is written there: a test that takes a constant from the code
//! does not notice when the constant changes.

use std::time::Duration;

use crate::certificate::DATAGRAM_MAX;
use crate::data::{RECEIVE_MESSAGE_MAX, STREAMS_MAX};
use crate::ice::{ASKED_AFTER, ASKED_EVERY};
use crate::liveness::{DISCONNECTED_AFTER, FIRST_CHECK_WITHIN, GIVEN_UP_AFTER};
use crate::transport::DTLS_WITHIN;
use crate::{MAX_MESSAGE_SIZE, PATHS_MAX};

#[test]
fn the_clocks_are_those_of_the_page_about_networks() {
    assert_eq!(ASKED_AFTER, Duration::from_secs(5));
    assert_eq!(ASKED_EVERY, Duration::from_millis(2500));
    assert_eq!(DISCONNECTED_AFTER, Duration::from_secs(10));
    assert_eq!(GIVEN_UP_AFTER, Duration::from_secs(15));
}

#[test]
fn the_bounds_are_those_of_the_page_about_operation() {
    assert_eq!(FIRST_CHECK_WITHIN, Duration::from_secs(30));
    assert_eq!(DTLS_WITHIN, Duration::from_secs(20));
    assert_eq!(PATHS_MAX, 16);
    assert_eq!(STREAMS_MAX, 64);
    assert_eq!(RECEIVE_MESSAGE_MAX, 256 << 10);
    assert_eq!(MAX_MESSAGE_SIZE, 64 << 10);
    assert_eq!(DATAGRAM_MAX, 1200);
}
