//! Seeded random descriptions: what is written is read back, and damaged text is refused or read, never a panic.

use tutti_sdp::{
    Direction, ExtensionMapping, Feedback, Fingerprint, GroupSemantics, Hash, MediaKind, MediaSection, Msid, Payload,
    Protocol, Rid, RidDirection, SessionDescription, Setup, Simulcast, Source, SourceGroup, TransportAttributes,
};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn word(&mut self) -> String {
        let length = 1 + self.below(12);
        (0..length).map(|_| self.pick(b"abcXYZ0189_-{}|") as char).collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.coin() { Some(make(self)) } else { None }
    }

    fn list<T>(&mut self, limit: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(limit + 1)).map(|_| make(self)).collect()
    }
}

fn transport(dice: &mut Dice) -> TransportAttributes {
    TransportAttributes {
        ice_ufrag: dice.maybe(Dice::word),
        ice_pwd: dice.maybe(Dice::word),
        fingerprints: dice.list(3, |dice| {
            let hash =
                dice.pick(&[Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512, Hash::Other("md5".to_owned())]);
            let len = hash.digest_len().unwrap_or(16);
            Fingerprint { hash, digest: (0..len).map(|_| dice.next() as u8).collect() }
        }),
        setup: dice.maybe(|dice| dice.pick(&[Setup::ActPass, Setup::Active, Setup::Passive, Setup::HoldConn])),
        trickle: dice.coin(),
    }
}

fn msid(dice: &mut Dice) -> Msid {
    Msid { stream: dice.word(), track: dice.word() }
}

fn payloads(dice: &mut Dice) -> Vec<Payload> {
    let mut payloads: Vec<Payload> = Vec::new();
    for _ in 0..1 + dice.below(20) {
        let number = dice.below(128) as u8;
        if payloads.iter().any(|payload| payload.number == number) {
            continue;
        }
        let mut payload = Payload::new(number);
        payload.encoding = dice.pick(&["VP8", "opus", "rtx", "H264", "own"]).into();
        payload.clock_rate = dice.next() as u32;
        payload.channels = 1 + dice.below(8) as u8;
        payload.parameters = dice.list(3, |dice| format!("{}={}", dice.word(), dice.word())).join(";");
        for feedback in Feedback::ALL {
            if dice.coin() {
                payload.feedback.insert(feedback);
            }
        }
        payloads.push(payload);
    }
    payloads
}

fn media(dice: &mut Dice) -> MediaSection {
    if dice.below(4) == 0 {
        let mut section = MediaSection::new(MediaKind::Application, Protocol::DtlsSctp);
        section.format = "webrtc-datachannel".to_owned();
        section.direction = Direction::SendRecv;
        section.mid = dice.maybe(Dice::word);
        section.transport = transport(dice);
        section.sctp_port = dice.maybe(|dice| dice.next() as u16);
        section.sctp_map = dice.maybe(|dice| dice.next() as u16);
        section.max_message_size = dice.maybe(Dice::next);
        return section;
    }
    let mut section = MediaSection::new(dice.pick(&[MediaKind::Audio, MediaKind::Video]), Protocol::DtlsRtp);
    section.port = dice.next() as u16;
    section.mid = dice.maybe(Dice::word);
    section.bundle_only = dice.coin();
    section.direction =
        dice.pick(&[Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]);
    section.transport = transport(dice);
    section.payloads = payloads(dice);
    section.rtcp_mux = dice.coin();
    section.rtcp_rsize = dice.coin();
    section.extmap_allow_mixed = dice.coin();
    section.extensions = extensions(dice);
    section.msids = dice.list(2, msid);
    let ssrcs: Vec<u32> = (0..4).map(|index| (dice.next() as u32 & !3) | index).collect();
    section.sources =
        ssrcs.iter().map(|ssrc| Source { ssrc: *ssrc, cname: Some(dice.word()), msid: dice.maybe(msid) }).collect();
    section.source_groups = dice.list(3, |dice| SourceGroup {
        semantics: dice.pick(&[
            GroupSemantics::Fid,
            GroupSemantics::Sim,
            GroupSemantics::FecFr,
            GroupSemantics::Other("X-Y".to_owned()),
        ]),
        ssrcs: ssrcs.clone(),
    });
    section.rids = dice.list(3, |dice| Rid {
        id: dice.word(),
        direction: dice.pick(&[RidDirection::Send, RidDirection::Recv]),
        restrictions: dice.maybe(|_| "pt=96;max-width=1280".to_owned()).unwrap_or_default(),
    });
    section.simulcast = dice.maybe(|dice| Simulcast { send: vec![dice.word()], recv: dice.list(3, Dice::word) });
    section.candidates = dice.list(2, |dice| format!("candidate:1 1 udp {} 192.0.2.1 7882 typ host", dice.next()));
    section.end_of_candidates = dice.coin();
    section
}

fn extensions(dice: &mut Dice) -> Vec<ExtensionMapping> {
    dice.list(6, |dice| ExtensionMapping {
        id: 1 + dice.below(4351) as u16,
        direction: dice.maybe(|dice| dice.pick(&[Direction::SendOnly, Direction::RecvOnly])),
        uri: format!("urn:{}", dice.word()),
    })
}

fn description(dice: &mut Dice) -> SessionDescription {
    SessionDescription {
        session_id: dice.next(),
        session_version: dice.next(),
        bundle: dice.list(5, Dice::word),
        ice_lite: dice.coin(),
        extmap_allow_mixed: dice.coin(),
        msid_semantic: dice.maybe(|_| "WMS *".to_owned()),
        extensions: extensions(dice),
        transport: transport(dice),
        media: dice.list(8, media),
    }
}

#[test]
fn what_is_written_is_read_back() {
    for seed in 0..500 {
        let written = description(&mut Dice(seed));
        let text = written.to_string();
        let read = SessionDescription::parse(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        assert_eq!(written, read, "seed {seed}\n{text}");
    }
}

#[test]
fn damaged_text_is_read_or_refused() {
    let fixture = include_str!("fixtures/chrome_single_publish_offer.sdp");
    let firefox = include_str!("fixtures/firefox_publish_offer.sdp");
    let small = include_str!("fixtures/libwebrtc_publish_offer.sdp");
    for seed in 0..3000 {
        let mut dice = Dice(seed);
        let mut bytes = dice.pick(&[fixture, firefox, small, small, small]).as_bytes().to_vec();
        for _ in 0..1 + dice.below(8) {
            let at = dice.below(bytes.len());
            match dice.below(5) {
                0 => bytes[at] = dice.next() as u8,
                1 => bytes[at] = dice.pick(b"\r\n \t:;,/=0a*~"),
                2 => {
                    let end = (at + dice.below(200)).min(bytes.len());
                    bytes.drain(at..end);
                }
                3 => {
                    let end = (at + dice.below(200)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = dice.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
                _ => {
                    let digits = dice.pick(&["99999999999999999999", "-1", "", "0", "128", "65536", "4294967296"]);
                    bytes.splice(at..at, digits.bytes());
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(read) = SessionDescription::parse(&text) {
            let again = SessionDescription::parse(&read.to_string());
            assert!(again.is_ok(), "seed {seed}: {again:?}");
        }
    }
}
