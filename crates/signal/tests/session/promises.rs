//! Times and bounds that docs/protocol.md promises, as literals: a test that took them from the code would follow the
//! code wherever it goes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use livekit_protocol as proto;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_id::RoomKey;
use tutti_room::{Delivery, MemberKey};
use tutti_signal::{Mode, Output, Session};
use tutti_transport::{Channel, TransportCommand, TransportEvent, TransportFailure, TransportId};

use crate::stage::{PUBLISH, ask, drain, joined, offer, said, start};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn transports() -> [TransportId; 2] {
    tutti_signal::transports_of(RoomKey(7), MemberKey(3))
}

/// When `happens` is seen for the first time, from deadline to deadline.
fn when(session: &mut Session, start: Instant, happens: fn(&Output) -> bool) -> Option<Duration> {
    while let Some(due) = session.poll_timeout() {
        session.handle_timeout(due);
        if drain(session).iter().any(happens) {
            return Some(due - start);
        }
    }
    None
}

/// A client whose media was up and failed at the returned time.
fn failed() -> (Session, Instant) {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [_, subscriber] = transports();
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    session.handle_transport(now, subscriber, TransportEvent::Failed { reason: TransportFailure::NoChecks });
    drain(&mut session);
    (session, now)
}

fn resumes(output: &Output) -> bool {
    matches!(output, Output::Respond(frame) if matches!(frame.message(), Some(Message::Leave(leave))
        if leave.action() == proto::leave_request::Action::Resume))
}

#[test]
fn failed_media() {
    let ended = |output: &Output| matches!(output, Output::Ended);
    let (mut session, now) = failed();
    assert_eq!(when(&mut session, now, resumes), Some(millis(500)), "a leave may be on its way");
    assert_eq!(when(&mut session, now, ended), Some(millis(5_000)), "time to resume");

    let (mut session, now) = failed();
    let resumed = now + millis(2_000);
    session.handle_timeout(resumed);
    session.resume(resumed, 0);
    drain(&mut session);
    assert_eq!(when(&mut session, resumed, ended), Some(millis(15_000)), "time for media after a resume");
}

#[test]
fn tokens() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let refreshed = |output: &Output| matches!(output, Output::RefreshToken);
    assert_eq!(when(&mut session, now, refreshed), Some(millis(300_000)));
}

#[test]
fn an_offer_inside_the_join() {
    let now = Instant::now();
    let mut start = start(Mode::Single);
    start.client.sdk = proto::client_info::Sdk::Go as i32;
    let (mut session, _) = joined(start, now);
    session.handle_embedded_offer(now, offer(PUBLISH, 1));
    let answered = |output: &Output| matches!(output, Output::Respond(frame) if matches!(frame.message(), Some(Message::Answer(_))));
    assert_eq!(when(&mut session, now, answered), Some(millis(250)));
}

/// Packets that reach a client whose channels open `later`.
fn kept(sizes: &[usize], later: Duration) -> usize {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    for size in sizes {
        session.send_data(now, Delivery::Reliable, Bytes::from(vec![0; *size]));
    }
    let [_, subscriber] = transports();
    for channel in [Channel::Reliable, Channel::Lossy] {
        session.handle_transport(now + later, subscriber, TransportEvent::ChannelOpen(channel));
    }
    let sent = drain(&mut session);
    sent.iter().filter(|output| matches!(output, Output::Transport(_, TransportCommand::Send { .. }))).count()
}

#[test]
fn reliable_packets_before_the_channels() {
    assert_eq!(kept(&[10, 10], millis(2_000)), 2);
    assert_eq!(kept(&[10, 10], millis(2_001)), 0);
    assert_eq!(kept(&[1_024; 100], millis(0)), 100, "100 KiB");
    assert_eq!(kept(&[1_024; 101], millis(0)), 100, "and no more");
}

#[test]
fn candidates_before_their_description() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let init = r#"{"candidate":"candidate:9 1 udp 1 127.0.0.1 9 typ host","sdpMid":"0","sdpMLineIndex":0}"#;
    for _ in 0..70 {
        let trickle = proto::TrickleRequest { candidate_init: init.into(), ..Default::default() };
        ask(&mut session, Ask::Trickle(trickle));
    }
    let outputs = ask(&mut session, Ask::Offer(offer(PUBLISH, 1)));
    assert!(said(&outputs).iter().any(|message| matches!(message, Message::Answer(_))));
    let early = outputs.iter().filter(|output| {
        matches!(output, Output::Transport(_, TransportCommand::AddRemoteCandidate(text)) if text.starts_with("candidate:9 "))
    });
    assert_eq!(early.count(), 64);
}
