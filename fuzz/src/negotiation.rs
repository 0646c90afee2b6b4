//! Target for the session descriptions of one peer connection: whatever the client says, what we say follows the rules.

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;
use proto::client_info::Sdk;
use proto::signal_response::Message;
use tutti_forward::{SubscriptionKey, TrackKey};
use tutti_id::RoomKey;
use tutti_rtp::{Codec, MediaKind};
use tutti_sdp::{MediaKind as Kind, SessionDescription};
use tutti_signal::negotiation::{
    Answered, CodecPolicy, Connection, LocalParameters, Need, Outgoing, Peer, Role, SectionPolicy,
};
use tutti_transport::{Fingerprint, IceCredentials};

use super::strict;

/// What divides the steps in the bytes, so that descriptions stay readable in them.
const STEP: u8 = 0;
/// Bytes of a description for each of its client's and for each section, at most: nobody makes us write without end.
const GROWTH: usize = 4;
const SECTION_BYTES_MAX: usize = 6000;

/// The first byte is the role, the second the client; then steps, each with its letter.
pub fn negotiation(data: &[u8]) {
    let [role, client, steps @ ..] = data else { return };
    let role = [Role::Publisher, Role::Subscriber, Role::Single][usize::from(role % 3)];
    let mut play =
        Play { connection: connection(role, *client), role, id: 0, tracks: 0, said: None, offered: None, restarts: 0 };
    for step in steps.split(|byte| *byte == STEP) {
        let Some((letter, rest)) = step.split_first() else { continue };
        play.step(*letter, rest);
    }
}

fn connection(role: Role, client: u8) -> Connection {
    let sdks = [Sdk::Js, Sdk::Go, Sdk::Rust, Sdk::Swift];
    let browsers = ["chrome", "firefox", "safari", ""];
    let info = proto::ClientInfo {
        sdk: sdks[usize::from(client & 3)] as i32,
        browser: browsers[usize::from(client >> 2 & 3)].to_owned(),
        os: if client & 16 == 0 { "linux" } else { "macos" }.to_owned(),
        version: "2.21.0".to_owned(),
        protocol: if client & 32 == 0 { 16 } else { 3 },
        ..Default::default()
    };
    let local = LocalParameters {
        ice: credentials(0),
        ice_lite: client & 64 == 0,
        fingerprint: Fingerprint([0xab; 32]),
        candidates: vec!["candidate:1 1 udp 2130706431 192.0.2.10 7882 typ host".to_owned()],
    };
    Connection::new(role, Peer::from_client(&info), CodecPolicy::default(), local, 7)
}

fn credentials(index: u32) -> IceCredentials {
    IceCredentials { ufrag: format!("0000local{index:03}"), pwd: format!("{index:032}") }
}

struct Play {
    connection: Connection,
    role: Role,
    /// Number of the last description.
    id: u32,
    /// Tracks so far, of either direction.
    tracks: u32,
    /// Our last description.
    said: Option<SessionDescription>,
    /// Our last offer as it stands on the wire.
    offered: Option<proto::SessionDescription>,
    restarts: u32,
}

impl Play {
    fn step(&mut self, letter: u8, rest: &[u8]) {
        match letter {
            b'o' => self.offer(&String::from_utf8_lossy(rest), rest.len().is_multiple_of(2)),
            b'a' => self.answer(&String::from_utf8_lossy(rest)),
            b'm' => self.mirror(rest),
            b's' => self.subscribe(rest),
            b'u' => {
                let index = rest.first().map_or(0, |byte| u32::from(*byte));
                self.connection.remove_send(SubscriptionKey::new(RoomKey(7), index));
            }
            b'd' => self.connection.detach(&String::from_utf8_lossy(rest)),
            b't' => {
                self.tracks += 1;
                let policy = SectionPolicy::new(TrackKey::new(RoomKey(7), self.tracks));
                // A section that does not wait for a track is named as unknown.
                let _ = self.connection.attach(&String::from_utf8_lossy(rest), policy);
            }
            b'f' => self.connection.forget_asked(),
            _ => {
                self.restarts += 1;
                self.ask(Some(credentials(self.restarts)));
            }
        }
        match self.connection.need() {
            Need::Nothing => {}
            Need::Offer => self.ask(None),
            Need::Ask { .. } => {
                assert_eq!(self.role, Role::Single);
                self.connection.asked();
                assert_eq!(self.connection.need(), Need::Nothing, "asked twice");
            }
        }
    }

    /// The client offers; every other offer gets tracks for its sections.
    fn offer(&mut self, sdp: &str, publish: bool) {
        self.id += 1;
        let offer = description("offer", sdp, self.id);
        let Ok(offered) = self.connection.read_offer(&offer) else { return };
        assert_ne!(self.role, Role::Subscriber);
        if offered.restart {
            self.restarts += 1;
            self.connection.restart(credentials(self.restarts));
        }
        let mut policies = BTreeMap::new();
        for section in offered.sections.iter().filter(|section| section.track.is_none() && publish) {
            self.tracks += 1;
            let policy = SectionPolicy {
                codec: section.codecs.last().copied(),
                rids: section.rids.clone(),
                ..SectionPolicy::new(TrackKey::new(RoomKey(7), self.tracks))
            };
            policies.insert(section.mid.clone(), policy);
        }
        let answered = self.connection.answer(&policies).expect("an offer that was read is answered");
        assert_eq!((answered.restart, answered.description.id), (offered.restart, self.id));
        self.check_answer(sdp, &answered);
        let again = self.connection.answer(&policies);
        assert!(again.is_err(), "one answer for one offer");
    }

    fn check_answer(&mut self, offer: &str, answered: &Answered) {
        let answer = self.observe(Message::Answer(answered.description.clone()), &answered.description);
        let offer_len = offer.len();
        let offer = SessionDescription::parse(offer).expect("it was read before");
        let bound = GROWTH * offer_len + SECTION_BYTES_MAX * (1 + answer.media.len());
        assert!(answered.description.sdp.len() <= bound, "{} bytes for {offer_len}", answered.description.sdp.len());
        assert_eq!(answer.media.len(), offer.media.len());
        for (ours, theirs) in answer.media.iter().zip(&offer.media) {
            assert_eq!((&ours.mid, &ours.kind, &ours.protocol), (&theirs.mid, &theirs.kind, &theirs.protocol));
            assert!(ours.is_rejected() || !theirs.is_rejected());
            if ours.is_rejected() || ours.kind == Kind::Application {
                continue;
            }
            assert!(!ours.direction.sends() || theirs.direction.receives());
            assert!(!ours.direction.receives() || theirs.direction.sends());
            for payload in &ours.payloads {
                let known = theirs.payload(payload.number);
                // The case of names means nothing (RFC 4855, section 3).
                let known = known.is_some_and(|known| known.encoding.eq_ignore_ascii_case(&payload.encoding));
                assert!(known, "payload type {} was not offered", payload.number);
            }
            for extension in &ours.extensions {
                let known =
                    theirs.extensions.iter().any(|known| (known.id, &known.uri) == (extension.id, &extension.uri));
                assert!(known, "extension {extension:?} was not offered");
            }
        }
        if self.role == Role::Publisher {
            assert!(answer.media.iter().all(|section| section.kind == Kind::Application || !section.direction.sends()));
        }
    }

    /// What holds of every description of ours.
    fn observe(&mut self, message: Message, description: &proto::SessionDescription) -> SessionDescription {
        strict::message(&message);
        let parsed = SessionDescription::parse(&description.sdp).expect("the strictest client read it");
        if let Some(before) = &self.said {
            assert_eq!(parsed.session_id, before.session_id);
            assert!(parsed.session_version > before.session_version);
        }
        let named = || parsed.media.iter().filter_map(|section| section.mid.as_deref());
        assert_eq!(named().collect::<BTreeSet<_>>().len(), named().count(), "one name for one section");
        let mut owners = BTreeMap::new();
        for section in &parsed.media {
            for source in &section.sources {
                assert_eq!(
                    *owners.entry(source.ssrc).or_insert(&section.mid),
                    &section.mid,
                    "a source in two sections"
                );
            }
        }
        self.said = Some(parsed.clone());
        parsed
    }

    /// We offer, if we would.
    fn ask(&mut self, restart: Option<IceCredentials>) {
        let restarts = restart.is_some();
        let Some(offer) = self.connection.offer(restart) else {
            assert!(!restarts || self.role != Role::Subscriber, "a restart is offered at once");
            return;
        };
        assert_eq!(self.role, Role::Subscriber);
        let before = self.said.take();
        let sections = before.as_ref().map_or(0, |before| before.media.len());
        self.said = before;
        let parsed = self.observe(Message::Offer(offer.clone()), &offer);
        assert!(parsed.media.len() >= sections, "sections never go");
        assert!(self.connection.is_offering());
        self.offered = Some(offer);
    }

    fn answer(&mut self, sdp: &str) {
        let id = self.offered.as_ref().map_or(0, |offer| offer.id);
        let Ok(Some(answered)) = self.connection.read_answer(&description("answer", sdp, id)) else { return };
        let offered = self.said.as_ref().map_or(0, |said| said.media.len());
        assert!(answered.sends.subscribed.len() <= offered);
        for subscribed in &answered.sends.subscribed {
            assert!(!subscribed.formats.is_empty() && subscribed.rtx_ssrc != Some(subscribed.ssrc));
        }
    }

    /// An honest answer to our offer, damaged at one place.
    fn mirror(&mut self, damage: &[u8]) {
        let Some(offer) = &self.offered else { return };
        let text = offer.sdp.replace("a=setup:actpass", "a=setup:active").replace("a=sendonly", "a=recvonly");
        let mut bytes = text.into_bytes();
        if let [high, low, len, insert @ ..] = damage {
            let at = (usize::from(*high) << 8 | usize::from(*low)) % (bytes.len() + 1);
            let end = (at + usize::from(*len)).min(bytes.len());
            bytes.splice(at..end, insert.iter().copied());
        }
        self.answer(&String::from_utf8_lossy(&bytes));
    }

    fn subscribe(&mut self, rest: &[u8]) {
        let kinds = rest.first().copied().unwrap_or_default();
        let audio = kinds & 1 == 0;
        let codecs: &[Codec] = match (audio, kinds >> 1 & 3) {
            (true, 0) => &[Codec::Red, Codec::Opus],
            (true, 1) => &[Codec::Pcmu],
            (true, _) => &[Codec::Opus],
            (false, 0) => &[Codec::Vp8],
            (false, 1) => &[Codec::Vp9, Codec::Vp8],
            (false, 2) => &[Codec::H264, Codec::H265],
            (false, _) => &[Codec::Av1],
        };
        let index = u32::from(kinds >> 3);
        self.connection.add_send(Outgoing {
            subscription: SubscriptionKey::new(RoomKey(7), index),
            track_sid: format!("TR_{index}"),
            stream: format!("PA_x|TR_{index}"),
            kind: if audio { MediaKind::Audio } else { MediaKind::Video },
            codecs: codecs.to_vec(),
            stereo: true,
            playout_delay: true,
        });
    }
}

fn description(kind: &str, sdp: &str, id: u32) -> proto::SessionDescription {
    proto::SessionDescription { r#type: kind.to_owned(), sdp: sdp.to_owned(), id, ..Default::default() }
}
