//! A tiny model of a client's peer connection. It knows the rules of media sections and checks every description of
//! ours against them (RFC 8829, sections 5.2 and 5.3; RFC 9143; docs/protocol.md#descriptions,
//! docs/protocol.md#stream-names).

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;
use tutti_sdp::{
    Direction, ExtensionMapping, Feedback, Fingerprint, MediaKind, MediaSection, Msid, Payload, Protocol,
    SessionDescription, Setup, TransportAttributes,
};

use crate::negotiation::Answered;

/// What holds from one description of ours to the next.
#[derive(Default)]
pub(super) struct Rules {
    last: Option<SessionDescription>,
    /// Every source ever seen, with its section and track.
    sources: BTreeMap<u32, (String, String)>,
    /// Track of each section in the last description.
    carried: BTreeMap<String, String>,
}

impl Rules {
    /// Checks a description of ours.
    fn observe(&mut self, description: &proto::SessionDescription) -> SessionDescription {
        let parsed = super::parse(description);
        if let Some(last) = &self.last {
            assert_eq!(parsed.session_id, last.session_id);
            assert!(parsed.session_version > last.session_version);
            assert!(parsed.media.len() >= last.media.len(), "sections never go");
        }
        let mids: BTreeSet<_> = parsed.media.iter().map(|section| section.mid.clone().unwrap()).collect();
        assert_eq!(mids.len(), parsed.media.len(), "one name for one section");
        let living = parsed.media.iter().filter(|section| !section.is_rejected());
        let living: BTreeSet<_> = living.map(|section| section.mid.clone().unwrap()).collect();
        assert_eq!(living, parsed.bundle.iter().cloned().collect(), "all that lives is bundled");
        one_meaning(&parsed);

        let mut carried = BTreeMap::new();
        for section in parsed.media.iter().filter(|section| section.kind != MediaKind::Application) {
            let mid = section.mid.clone().unwrap();
            assert_eq!(section.msids.len(), usize::from(section.direction.sends()), "a stream where one is sent");
            assert_eq!(section.sources.is_empty(), !section.direction.sends());
            let Some(msid) = section.msids.first() else { continue };
            let parts: Vec<&str> = msid.stream.split('|').collect();
            assert!(parts.len() == 2 && parts[0].starts_with("PA_"), "{}", msid.stream);
            for source in &section.sources {
                let owner = (mid.clone(), msid.track.clone());
                let known = self.sources.entry(source.ssrc).or_insert_with(|| owner.clone());
                assert_eq!(*known, owner, "a source is never used for something else");
            }
            if let Some(before) = self.carried.get(&mid) {
                assert_eq!(*before, msid.track, "between two tracks a section is inactive");
            }
            carried.insert(mid, msid.track.clone());
        }
        let tracks: BTreeSet<_> = carried.values().collect();
        assert_eq!(tracks.len(), carried.len(), "one section for one track");
        let stated: BTreeMap<_, _> = description.mid_to_track_id.clone().into_iter().collect();
        assert_eq!(stated, carried, "mid_to_track_id is complete");
        self.carried = carried;
        self.last = Some(parsed.clone());
        parsed
    }

    /// Section and track of everything that the last description sends.
    pub(super) fn carried(&self) -> &BTreeMap<String, String> {
        &self.carried
    }
}

/// In a BUNDLE group a payload type and an extension id mean one thing (RFC 9143, section 7.1).
fn one_meaning(description: &SessionDescription) {
    let mut payloads = BTreeMap::new();
    let mut extensions = BTreeMap::new();
    for section in &description.media {
        for payload in section.payloads.iter().filter(|payload| !payload.encoding.is_empty()) {
            let meaning = (payload.encoding.clone(), payload.clock_rate, payload.retransmits());
            assert_eq!(*payloads.entry(payload.number).or_insert_with(|| meaning.clone()), meaning);
        }
        for extension in &section.extensions {
            assert_eq!(*extensions.entry(extension.id).or_insert_with(|| extension.uri.clone()), extension.uri);
        }
    }
}

/// Transport attributes of the client.
fn transport(setup: Setup) -> TransportAttributes {
    TransportAttributes {
        ice_ufrag: Some("peer".to_owned()),
        ice_pwd: Some("peer-password-of-the-client".to_owned()),
        fingerprints: vec![Fingerprint::sha256([0xcd; 32])],
        setup: Some(setup),
        trickle: true,
    }
}

fn describe(version: u64, bundle: Vec<String>, media: Vec<MediaSection>) -> String {
    let description = SessionDescription {
        session_id: 99,
        session_version: version,
        bundle,
        extmap_allow_mixed: true,
        media,
        ..SessionDescription::default()
    };
    description.to_string()
}

/// The client of a connection that we offer.
pub(super) struct Answerer {
    pub(super) rules: Rules,
    /// Encodings that it takes.
    pub(super) codecs: Vec<&'static str>,
    /// It takes nothing that its first section of a kind did not name.
    pub(super) fixes_codecs: bool,
    fixed: Vec<(MediaKind, Vec<u8>)>,
    /// Name, kind and whether it was rejected, of each section.
    last: Vec<(String, MediaKind, bool)>,
    version: u64,
}

impl Answerer {
    pub(super) fn new() -> Self {
        let codecs = vec!["opus", "red", "PCMU", "VP8", "VP9", "H264", "AV1"];
        Self { rules: Rules::default(), codecs, fixes_codecs: false, fixed: Vec::new(), last: Vec::new(), version: 0 }
    }

    pub(super) fn answer(&mut self, offer: &proto::SessionDescription) -> proto::SessionDescription {
        assert_eq!(offer.r#type, "offer");
        let parsed = self.rules.observe(offer);
        for (section, (mid, kind, rejected)) in parsed.media.iter().zip(&self.last) {
            let kept = section.mid.as_ref() == Some(mid) && section.kind == *kind;
            assert!(kept || *rejected, "names and kinds stay in their order until both sides rejected the section");
            assert!(!(kept && *rejected) || section.is_rejected(), "what is rejected comes back under another name");
        }
        for section in parsed.media.iter().filter(|_| self.fixes_codecs) {
            if !self.fixed.iter().any(|(kind, _)| *kind == section.kind) {
                self.fixed.push((section.kind.clone(), super::numbers(section)));
            }
        }
        let media: Vec<_> = parsed.media.iter().map(|section| self.section(section)).collect();
        self.last = media.iter().map(|s| (s.mid.clone().unwrap(), s.kind.clone(), s.is_rejected())).collect();
        let living = media.iter().filter(|section| !section.is_rejected()).filter_map(|section| section.mid.clone());
        self.version += 1;
        super::description("answer", &describe(self.version, living.collect(), media.clone()), offer.id)
    }

    fn section(&self, offered: &MediaSection) -> MediaSection {
        let mut section = offered.clone();
        section.transport = transport(Setup::Active);
        section.candidates.clear();
        section.msids.clear();
        section.sources.clear();
        section.source_groups.clear();
        if section.kind == MediaKind::Application {
            return section;
        }
        let fixed = self.fixed.iter().find(|(kind, _)| *kind == section.kind);
        let known = |payload: &Payload| fixed.is_none_or(|(_, numbers)| numbers.contains(&payload.number));
        let takes = |payload: &Payload| known(payload) && self.codecs.iter().any(|codec| payload.is(codec));
        let taken: Vec<u8> = offered.payloads.iter().filter(|p| takes(p)).map(|p| p.number).collect();
        section.payloads.retain(|p| taken.contains(&p.retransmits().unwrap_or(p.number)));
        section.direction = Direction::new(false, offered.direction.sends());
        if offered.is_rejected() || section.payloads.is_empty() {
            section.port = 0;
            section.payloads = offered.payloads.iter().take(1).cloned().collect();
            section.direction = Direction::Inactive;
        }
        section
    }
}

/// The client of a connection that it offers.
pub(super) struct Offerer {
    pub(super) rules: Rules,
    pub(super) slots: Vec<Slot>,
    id: u32,
}

/// One of its transceivers.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) mid: String,
    pub(super) kind: MediaKind,
    pub(super) direction: Direction,
    pub(super) stopped: bool,
    pub(super) cid: String,
}

impl Offerer {
    /// A client with free sections and data channels.
    pub(super) fn new(audios: u32, videos: u32) -> Self {
        let mut offerer = Self { rules: Rules::default(), slots: Vec::new(), id: 0 };
        offerer.add_receivers(audios, videos);
        offerer.add(MediaKind::Application, Direction::SendRecv);
        offerer
    }

    fn add(&mut self, kind: MediaKind, direction: Direction) -> usize {
        let mid = self.slots.len().to_string();
        let cid = format!("cid-{mid}");
        self.slots.push(Slot { mid, kind, direction, stopped: false, cid });
        self.slots.len() - 1
    }

    /// Does what `MediaSectionsRequirement` asks for.
    pub(super) fn add_receivers(&mut self, audios: u32, videos: u32) {
        for _ in 0..audios {
            self.add(MediaKind::Audio, Direction::RecvOnly);
        }
        for _ in 0..videos {
            self.add(MediaKind::Video, Direction::RecvOnly);
        }
    }

    /// Publishes something on a new section.
    pub(super) fn publish(&mut self, kind: MediaKind) -> usize {
        self.add(kind, Direction::SendOnly)
    }

    pub(super) fn offer(&mut self) -> proto::SessionDescription {
        self.id += 1;
        let media: Vec<MediaSection> = self.slots.iter().map(section).collect();
        let living = self.slots.iter().filter(|slot| !slot.stopped).map(|slot| slot.mid.clone());
        super::description("offer", &describe(self.id.into(), living.collect(), media), self.id)
    }

    /// Checks the answer to the last offer.
    pub(super) fn take(&mut self, answered: &Answered) -> SessionDescription {
        assert_eq!(answered.description.id, self.id, "the answer echoes the id");
        assert_eq!(answered.description.r#type, "answer");
        let answer = self.rules.observe(&answered.description);
        assert!(answer.media.len() <= self.slots.len());
        for (ours, slot) in answer.media.iter().zip(&self.slots) {
            assert_eq!((ours.mid.as_ref(), &ours.kind), (Some(&slot.mid), &slot.kind));
            assert_eq!(ours.is_rejected(), slot.stopped);
            if slot.kind == MediaKind::Application || slot.stopped {
                continue;
            }
            assert!(!ours.direction.sends() || slot.direction.receives());
            assert!(!ours.direction.receives() || slot.direction.sends());
            let theirs = section(slot);
            assert!(ours.payloads.iter().all(|p| theirs.payload(p.number).is_some_and(|t| t.encoding == p.encoding)));
            assert!(ours.extensions.iter().all(|extension| theirs.extensions.contains(extension)));
        }
        answer
    }
}

fn section(slot: &Slot) -> MediaSection {
    if slot.kind == MediaKind::Application {
        let mut section = MediaSection::new(MediaKind::Application, Protocol::DtlsSctp);
        section.format = "webrtc-datachannel".to_owned();
        section.mid = Some(slot.mid.clone());
        section.direction = Direction::SendRecv;
        section.transport = transport(Setup::ActPass);
        section.sctp_port = Some(5000);
        return section;
    }
    let mut section = MediaSection::new(slot.kind.clone(), Protocol::DtlsRtp);
    section.mid = Some(slot.mid.clone());
    section.port = if slot.stopped { 0 } else { 9 };
    section.transport = transport(Setup::ActPass);
    section.rtcp_mux = true;
    section.direction = slot.direction;
    let codecs: &[(&str, u8, &str)] = match slot.kind {
        MediaKind::Audio => &[("opus", 111, "minptime=10"), ("red", 63, "111/111")],
        _ => &[
            ("VP8", 96, ""),
            ("VP9", 98, "profile-id=0"),
            ("H264", 108, "packetization-mode=1;profile-level-id=42e01f"),
        ],
    };
    for (name, number, parameters) in codecs {
        let audio = slot.kind == MediaKind::Audio;
        let mut payload = Payload::new(*number);
        payload.encoding = (*name).to_owned().into();
        payload.clock_rate = if audio { 48_000 } else { 90_000 };
        payload.channels = if audio { 2 } else { 1 };
        payload.parameters = (*parameters).to_owned();
        payload.feedback.insert(Feedback::TransportCc);
        payload.feedback.insert(Feedback::Nack);
        section.payloads.push(payload.clone());
        if !audio {
            let mut repair = Payload::new(number + 1);
            repair.encoding = "rtx".into();
            repair.clock_rate = 90_000;
            repair.parameters = format!("apt={number}");
            section.payloads.push(repair);
        }
    }
    section.extensions = [
        (4, "urn:ietf:params:rtp-hdrext:sdes:mid"),
        (3, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"),
    ]
    .map(|(id, uri)| ExtensionMapping { id, direction: None, uri: uri.to_owned() })
    .to_vec();
    if slot.direction.sends() {
        section.msids = vec![Msid { stream: "stream".to_owned(), track: slot.cid.clone() }];
    }
    section
}
