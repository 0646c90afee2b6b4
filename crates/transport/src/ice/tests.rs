//! The lite agent's choice of paths, its restarts and its bounds. The full agent is tried in the tests of the crate.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use is::stun::{StunMessage, TransId};

use super::consent::{ASKED_AFTER, ASKED_EVERY};
use super::lite::LiteAgent;
use super::{Heard, PATHS_MAX};
use crate::command::IceCredentials;
use crate::path::{Datagram, Path, Proto, TcpConnection};

/// A peer that writes checks with another codec than ours.
struct Peer {
    ufrag: &'static str,
    now: Instant,
}

/// What a check says.
#[derive(Clone, Copy, Default)]
struct Check {
    nominate: bool,
    controlled: bool,
}

const PLAIN: Check = Check { nominate: false, controlled: false };
const NOMINATING: Check = Check { nominate: true, controlled: false };

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.into(), pwd: format!("{name}-password-of-22-chars") }
}

fn path(port: u16) -> Path {
    Path {
        proto: Proto::Udp,
        remote: SocketAddr::from(([198, 51, 100, 7], port)),
        local: SocketAddr::from(([192, 0, 2, 1], 7882)),
    }
}

fn over_tcp(connection: u64, port: u16) -> Path {
    Path { proto: Proto::Tcp(TcpConnection(connection)), ..path(port) }
}

fn hmac_sha1(key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
    payloads.iter().for_each(|payload| context.update(payload));
    context.sign().as_ref().try_into().unwrap()
}

impl Peer {
    fn check(&mut self, agent: &mut LiteAgent, ours: &IceCredentials, path: Path, check: Check) -> Heard {
        self.now += Duration::from_millis(10);
        let username = format!("{}:{}", ours.ufrag, self.ufrag);
        let message =
            StunMessage::binding_request(&username, TransId::new(), !check.controlled, 1, 1 << 24, check.nominate);
        let mut contents = vec![0; 256];
        let len = message.to_bytes(Some(ours.pwd.as_bytes()), &mut contents, hmac_sha1).unwrap();
        let datagram =
            Datagram { proto: path.proto, source: path.remote, destination: path.local, contents: &contents[..len] };
        agent.handle_stun(self.now, &datagram)
    }
}

fn agent(name: &str) -> (LiteAgent, IceCredentials, Peer) {
    let ours = credentials(name);
    (LiteAgent::new(&ours), ours, Peer { ufrag: "peer", now: Instant::now() })
}

#[test]
fn the_latest_nomination_is_followed() {
    let (mut agent, ours, mut peer) = agent("aaaa");
    assert_eq!(agent.selected(), None);
    // Until something is nominated, the first path serves, then the one that the peer speaks on.
    peer.check(&mut agent, &ours, path(1), PLAIN);
    peer.check(&mut agent, &ours, path(2), PLAIN);
    assert_eq!(agent.selected(), Some(path(1)));
    agent.note_traffic(path(2));
    assert_eq!(agent.selected(), Some(path(2)));
    agent.note_traffic(path(3));
    assert_eq!(agent.selected(), Some(path(2)), "nobody proved to be there");
    peer.check(&mut agent, &ours, path(1), NOMINATING);
    assert_eq!(agent.selected(), Some(path(1)));
    agent.note_traffic(path(2));
    peer.check(&mut agent, &ours, path(2), PLAIN);
    assert_eq!(agent.selected(), Some(path(1)));
    peer.check(&mut agent, &ours, path(2), NOMINATING);
    assert_eq!(agent.selected(), Some(path(2)));
}

#[test]
fn every_check_gets_its_answer_on_its_path() {
    let (mut agent, ours, mut peer) = agent("aaaa");
    for path in [path(1), over_tcp(9, 2)] {
        assert_eq!(peer.check(&mut agent, &ours, path, PLAIN), Heard::Authentic);
        let answer = agent.poll_transmit().unwrap();
        assert_eq!((answer.proto, answer.source, answer.destination), (path.proto, path.local, path.remote));
        let message = StunMessage::parse(&answer.contents).unwrap();
        assert_eq!(message.mapped_address(), Some(path.remote));
        assert!(message.verify(ours.pwd.as_bytes(), hmac_sha1));
        assert!(agent.poll_transmit().is_none());
    }
}

#[test]
fn a_peer_that_believes_to_be_controlled_is_told() {
    let (mut agent, ours, mut peer) = agent("aaaa");
    let check = Check { controlled: true, ..PLAIN };
    assert_eq!(peer.check(&mut agent, &ours, path(1), check), Heard::Authentic);
    let answer = agent.poll_transmit().unwrap();
    assert_eq!(StunMessage::parse(&answer.contents).unwrap().error_code().map(|(code, _)| code), Some(487));
    assert_eq!(agent.selected(), None);
}

#[test]
fn only_the_peer_of_the_description_is_heard() {
    let (mut agent, ours, mut peer) = agent("aaaa");
    assert_eq!(peer.check(&mut agent, &credentials("bbbb"), path(1), PLAIN), Heard::Rejected);
    let wrong = IceCredentials { ufrag: ours.ufrag.clone(), pwd: "wrong".into() };
    assert_eq!(peer.check(&mut agent, &wrong, path(1), PLAIN), Heard::Rejected);
    agent.set_remote(&credentials("peer"));
    assert_eq!(peer.check(&mut agent, &ours, path(1), PLAIN), Heard::Authentic);
    peer.ufrag = "other";
    assert_eq!(peer.check(&mut agent, &ours, path(1), PLAIN), Heard::Rejected);
}

#[test]
fn a_restart_serves_both_generations_until_the_new_one_nominates() {
    let (mut agent, old, mut peer) = agent("aaaa");
    peer.check(&mut agent, &old, path(1), NOMINATING);
    let unused = credentials("bbbb");
    let new = credentials("cccc");
    agent.restart(&unused);
    agent.restart(&unused);
    agent.restart(&new);
    assert_eq!(agent.local_ufrags(), ("cccc", Some("aaaa")), "the generation in use, not one that never was");
    assert!(agent.is_restarting());
    assert_eq!(peer.check(&mut agent, &unused, path(1), NOMINATING), Heard::Rejected);
    assert_eq!(peer.check(&mut agent, &old, path(2), NOMINATING), Heard::Authentic);
    assert_eq!(agent.selected(), Some(path(2)), "the old one still moves");
    assert_eq!(peer.check(&mut agent, &new, path(3), PLAIN), Heard::Authentic);
    assert_eq!((agent.selected(), agent.restarts_done()), (Some(path(2)), 0));
    peer.check(&mut agent, &new, path(3), NOMINATING);
    assert_eq!((agent.selected(), agent.restarts_done()), (Some(path(3)), 1));
    assert_eq!(agent.local_ufrags(), ("cccc", None));
    assert_eq!(peer.check(&mut agent, &old, path(1), NOMINATING), Heard::Rejected);
}

#[test]
fn revoked_credentials_are_dead_but_a_restart_is_not() {
    let (mut agent, old, mut peer) = agent("aaaa");
    peer.check(&mut agent, &old, path(1), NOMINATING);
    agent.revoke();
    assert_eq!((agent.selected(), agent.paths().iter().count()), (None, 0));
    assert_eq!(peer.check(&mut agent, &old, path(1), NOMINATING), Heard::Rejected);
    let new = credentials("bbbb");
    agent.restart(&new);
    assert_eq!(agent.local_ufrags(), ("bbbb", None));
    agent.revoke();
    assert_eq!(peer.check(&mut agent, &new, path(1), NOMINATING), Heard::Authentic);
    assert_eq!((agent.selected(), agent.restarts_done()), (Some(path(1)), 1));
}

#[test]
fn a_closed_connection_takes_its_path_along() {
    let (mut agent, ours, mut peer) = agent("aaaa");
    peer.check(&mut agent, &ours, path(1), PLAIN);
    peer.check(&mut agent, &ours, over_tcp(4, 2), NOMINATING);
    agent.close_tcp(TcpConnection(5));
    assert_eq!(agent.selected(), Some(over_tcp(4, 2)));
    agent.close_tcp(TcpConnection(4));
    assert_eq!(agent.selected(), Some(path(1)));
    // The peer connects again, and nominates.
    peer.check(&mut agent, &ours, over_tcp(6, 3), NOMINATING);
    assert_eq!(agent.selected(), Some(over_tcp(6, 3)));
    agent.close_tcp(TcpConnection(6));
    assert_eq!(agent.selected(), Some(path(1)));
}

#[test]
fn paths_are_bounded_and_the_selected_one_stays() {
    let (mut agent, ours, mut peer) = agent("aaaa");
    peer.check(&mut agent, &ours, path(1), NOMINATING);
    for port in 100..1000 {
        peer.check(&mut agent, &ours, path(port), PLAIN);
        agent.poll_transmit();
    }
    assert_eq!(agent.paths().iter().count(), PATHS_MAX);
    assert!(agent.paths().contains(&path(1)));
    assert!(agent.paths().contains(&path(999)));
    assert!(!agent.paths().contains(&path(100)));
}

/// The peer's answer to a question of ours, under its password.
fn answer(question: &[u8], peer: &IceCredentials, path: Path) -> Vec<u8> {
    let question = StunMessage::parse(question).unwrap();
    let mut contents = vec![0; 256];
    let message = StunMessage::binding_reply(question.trans_id(), path.local);
    let len = message.to_bytes(Some(peer.pwd.as_bytes()), &mut contents, hmac_sha1).unwrap();
    contents.truncate(len);
    contents
}

fn arrive(agent: &mut LiteAgent, now: Instant, path: Path, contents: &[u8]) -> Heard {
    agent.handle_stun(now, &Datagram { proto: path.proto, source: path.remote, destination: path.local, contents })
}

#[test]
fn a_silent_peer_is_asked_until_it_answers() {
    let (mut agent, ours, mut peer) = agent("aaaa");
    let theirs = credentials("peer");
    for nominate in [false, true] {
        assert_eq!(peer.check(&mut agent, &ours, path(1), Check { nominate, ..PLAIN }), Heard::Authentic);
        agent.poll_transmit();
        assert_eq!(agent.poll_timeout(), None, "its description is not here yet");
    }
    agent.set_remote(&theirs);
    let heard_at = peer.now;
    assert_eq!(agent.poll_timeout(), Some(heard_at + ASKED_AFTER));
    agent.handle_timeout(heard_at + ASKED_AFTER - Duration::from_millis(1));
    assert!(agent.poll_transmit().is_none());

    let mut questions = Vec::new();
    for number in 0..3 {
        let due = heard_at + ASKED_AFTER + number * ASKED_EVERY;
        assert_eq!(agent.poll_timeout(), Some(due));
        agent.handle_timeout(due);
        agent.handle_timeout(due);
        let question = agent.poll_transmit().unwrap();
        assert_eq!((question.proto, question.destination), (Proto::Udp, path(1).remote));
        assert!(agent.poll_transmit().is_none(), "one question at a time");
        let message = StunMessage::parse(&question.contents).unwrap();
        assert!(message.is_binding_request() && message.verify(theirs.pwd.as_bytes(), hmac_sha1));
        assert_eq!(message.split_username(), Some(("peer", "aaaa")));
        assert!(message.ice_controlled().is_some() && message.prio().is_some() && !message.use_candidate());
        questions.push(question.contents);
    }
    assert!(questions[0] != questions[1] && questions[1] != questions[2]);

    let now = heard_at + Duration::from_secs(11);
    let right = answer(&questions[2], &theirs, path(1));
    for (contents, from) in [
        (answer(&questions[2], &credentials("else"), path(1)), path(1)),
        (answer(&questions[0], &theirs, path(1)), path(1)),
        (right.clone(), path(2)),
        (questions[2].to_vec(), path(1)),
    ] {
        assert_eq!(arrive(&mut agent, now, from, &contents), Heard::Rejected);
    }
    assert_eq!(agent.paths().last_heard(agent.selected()), Some(heard_at));
    assert_eq!(arrive(&mut agent, now, path(1), &right), Heard::Authentic);
    assert_eq!(agent.paths().last_heard(agent.selected()), Some(now));
    assert_eq!(arrive(&mut agent, now, path(1), &right), Heard::Rejected, "an answer counts once");
    assert_eq!(agent.poll_timeout(), Some(now + ASKED_AFTER));
}

#[test]
fn a_peer_is_asked_only_under_credentials_that_are_in_force() {
    let (mut agent, ours, mut peer) = agent("aaaa");
    agent.set_remote(&credentials("peer"));
    peer.check(&mut agent, &ours, path(1), NOMINATING);
    agent.restart(&credentials("bbbb"));
    assert_eq!(agent.poll_timeout(), None);
    agent.set_remote(&credentials("peer"));
    assert!(agent.poll_timeout().is_some());
    agent.revoke();
    assert_eq!(agent.poll_timeout(), None);
}
