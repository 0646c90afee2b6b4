//! Full queues.

use tutti_forward::{ForwardEvent, TrackKey};
use tutti_id::RoomKey;
use tutti_transport::{Channel, DATA_WINDOW, TransportEvent, TransportFailure, TransportId};

use super::*;

const KEY: RoomKey = RoomKey(1);

fn of_transport(event: TransportEvent) -> MediaEvent {
    MediaEvent::Transport { id: TransportId::new(KEY, 1), event }
}

fn message(channel: Channel) -> MediaEvent {
    of_transport(TransportEvent::Message { channel, payload: bytes::Bytes::from_static(b"m") })
}

fn level() -> MediaEvent {
    MediaEvent::Forward(ForwardEvent::Speaker { track: TrackKey::new(KEY, 1), level: 0.5, active: true })
}

#[test]
fn a_full_room_loses_what_comes_again_and_keeps_what_does_not() {
    let (lanes, mut ends) = Lanes::new(2, data_weight(1) + 3 * data_weight(0));
    assert_eq!([(); 3].map(|()| lanes.report(level())), [Reported::Taken, Reported::Taken, Reported::Dropped]);
    assert_eq!(lanes.report(message(Channel::Lossy)), Reported::Dropped);
    assert_eq!(lanes.report(message(Channel::DataTrack)), Reported::Dropped);
    for event in [
        of_transport(TransportEvent::Connected { tcp: false }),
        of_transport(TransportEvent::ChannelOpen(Channel::Reliable)),
        message(Channel::Reliable),
        of_transport(TransportEvent::Failed { reason: TransportFailure::NoChecks }),
    ] {
        assert_eq!(lanes.report(event), Reported::Taken);
    }
    assert!(!lanes.is_overrun());
    // In their order.
    let state = std::iter::from_fn(|| ends.state.try_recv()).map(|event| match event {
        MediaEvent::Transport { event: TransportEvent::Connected { .. }, .. } => "connected",
        MediaEvent::Transport { event: TransportEvent::ChannelOpen(_), .. } => "open",
        MediaEvent::Transport { event: TransportEvent::Message { .. }, .. } => "message",
        MediaEvent::Transport { event: TransportEvent::Failed { .. }, .. } => "failed",
        _ => "?",
    });
    assert_eq!(state.collect::<Vec<_>>(), ["connected", "open", "message", "failed"]);
}

#[test]
fn a_room_that_lost_what_it_must_not_lose_is_overrun_for_good() {
    let (lanes, mut ends) = Lanes::new(2, data_weight(0));
    let connected = || of_transport(TransportEvent::Connected { tcp: false });
    assert_eq!([lanes.report(connected()), lanes.report(connected())], [Reported::Taken, Reported::Overrun]);
    assert!(ends.state.try_recv().is_some());
    assert_eq!(lanes.report(connected()), Reported::Taken);
    assert!(lanes.is_overrun());
}

#[test]
fn full_windows_of_tiny_messages_find_room() {
    let (lanes, mut ends) = Lanes::new(1, STATE_WEIGHT_MAX);
    // A hundred senders, each with all that its window takes.
    let count = 100 * u64::from(DATA_WINDOW) / data_weight(1);
    assert!(count > 400_000);
    assert!((0..count).all(|_| lanes.report(message(Channel::Reliable)) == Reported::Taken));
    assert_eq!(lanes.state_weight.load(Ordering::Relaxed), count * data_weight(1));
    assert_eq!(std::iter::from_fn(|| ends.state.try_recv()).count() as u64, count);
    assert_eq!(lanes.state_weight.load(Ordering::Relaxed), 0);
}

#[test]
fn a_room_that_is_over_needs_nothing() {
    let (lanes, ends) = Lanes::new(1, data_weight(0));
    drop(ends);
    assert_eq!([lanes.report(level()), lanes.report(message(Channel::Reliable))], [Reported::Taken; 2]);
    assert!(lanes.is_closed() && !lanes.is_overrun());
}
