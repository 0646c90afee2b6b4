//! Seeded sequences of adding, removing, publishing and renegotiating against the model, in both roles.

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tutti_rtp::{Codec, MediaKind};
use tutti_sdp::Direction;

use super::model::{Answerer, Offerer};
use super::*;
use crate::negotiation::{Need, Sends};

/// Codecs that a publisher may send.
const CODECS: [&[Codec]; 6] = [
    &[Codec::Opus],
    &[Codec::Red, Codec::Opus],
    &[Codec::Vp8],
    &[Codec::Vp9, Codec::Vp8],
    &[Codec::H264],
    &[Codec::H264, Codec::Vp8],
];

/// What forwarding would know of the sends.
#[derive(Default)]
struct Forwarding {
    running: BTreeMap<SubscriptionKey, (String, u32)>,
    ssrcs: BTreeSet<u32>,
}

impl Forwarding {
    fn apply(&mut self, sends: &Sends, wanted: &BTreeSet<u32>) {
        for subscription in &sends.displaced {
            assert!(self.running.remove(subscription).is_some(), "only what runs is displaced");
        }
        assert!(sends.unsupported.is_empty());
        for subscribed in &sends.subscribed {
            assert!(wanted.contains(&(subscribed.subscription.index())));
            for ssrc in [Some(subscribed.ssrc), subscribed.rtx_ssrc].into_iter().flatten() {
                assert!(self.ssrcs.insert(ssrc), "an SSRC is used once");
            }
            self.running.insert(subscribed.subscription, (subscribed.mid.clone(), subscribed.ssrc));
        }
    }

    /// What runs is what the descriptions say.
    fn check(&self, carried: &BTreeMap<String, String>, wanted: &BTreeSet<u32>) {
        let tracks: BTreeMap<String, String> = self
            .running
            .iter()
            .map(|(subscription, (mid, _))| (mid.clone(), format!("TR_{}", subscription.index())))
            .collect();
        assert_eq!(&tracks, carried);
        assert_eq!(self.running.len(), wanted.len());
    }
}

/// Adds or removes sends, at most `limit` of them.
struct Wishes {
    wanted: BTreeSet<u32>,
    next: u32,
    limit: usize,
}

impl Wishes {
    fn change(&mut self, rng: &mut StdRng, connection: &mut Connection, forwarding: &mut Forwarding) {
        if self.wanted.len() < self.limit && rng.random_bool(0.55) {
            self.next += 1;
            self.wanted.insert(self.next);
            connection.add_send(outgoing(self.next, CODECS.choose(rng).unwrap()));
        } else if let Some(index) = self.wanted.iter().copied().collect::<Vec<_>>().choose(rng).copied() {
            self.wanted.remove(&index);
            connection.remove_send(subscription(index));
            forwarding.running.remove(&subscription(index));
        }
    }
}

#[test]
fn subscriber_sequences_keep_the_rules() {
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let sdk = if seed % 2 == 0 { proto::client_info::Sdk::Js } else { proto::client_info::Sdk::Node };
        let mut connection = connection(Role::Subscriber, &proto::ClientInfo { sdk: sdk as i32, ..plain() });
        let mut peer = Answerer::new();
        let mut forwarding = Forwarding::default();
        let mut wishes = Wishes { wanted: BTreeSet::new(), next: 0, limit: 12 };
        let mut answer = None;
        let mut restarts = 0;
        for _ in 0..200 {
            match rng.random_range(0..10) {
                0..5 => wishes.change(&mut rng, &mut connection, &mut forwarding),
                5..7 => {
                    if let Some(offer) = connection.offer(None) {
                        assert!(answer.is_none(), "one offer at a time");
                        // Some are lost with their socket; the resume that follows restarts ICE.
                        answer = rng.random_bool(0.8).then(|| peer.answer(&offer));
                    }
                }
                7..9 => {
                    if let Some(answer) = answer.take() {
                        let answered = connection.read_answer(&answer).unwrap().unwrap();
                        forwarding.apply(&answered.sends, &wishes.wanted);
                    }
                }
                _ if rng.random_bool(0.1) => {
                    restarts += 1;
                    let offer = connection.offer(Some(credentials(restarts))).unwrap();
                    let late = answer.replace(peer.answer(&offer));
                    if let Some(late) = late.filter(|_| rng.random_bool(0.5)) {
                        assert_eq!(connection.read_answer(&late), Ok(None));
                    }
                }
                _ => {}
            }
        }
        // Let it settle.
        if connection.is_offering() && answer.is_none() {
            answer = Some(peer.answer(&connection.offer(Some(credentials(999))).unwrap()));
        }
        for _ in 0..4 {
            if let Some(answer) = answer.take() {
                let answered = connection.read_answer(&answer).unwrap().unwrap();
                forwarding.apply(&answered.sends, &wishes.wanted);
            }
            answer = connection.offer(None).map(|offer| peer.answer(&offer));
        }
        assert!(answer.is_none(), "seed {seed} does not settle");
        assert_eq!(connection.need(), Need::Nothing, "seed {seed}");
        forwarding.check(peer.rules.carried(), &wishes.wanted);
    }
}

/// The single connection and its client.
struct Call {
    connection: Connection,
    client: Offerer,
    forwarding: Forwarding,
    /// Sections that wait for their track.
    waiting: Vec<String>,
    /// Tracks by section, as the session would know them.
    published: BTreeMap<String, u32>,
    next_track: u32,
    asked: Vec<(u32, u32)>,
}

impl Call {
    fn exchange(&mut self, rng: &mut StdRng, wanted: &BTreeSet<u32>) {
        let offer = self.client.offer();
        let offered = self.connection.read_offer(&offer).unwrap();
        for ended in &offered.ended {
            let index = self.published.remove(&ended.mid).unwrap();
            assert_eq!(ended.track, track(index));
        }
        let mut policies = BTreeMap::new();
        for section in &offered.sections {
            match section.track {
                Some(known) => assert_eq!(known, track(self.published[&section.mid])),
                None if rng.random_bool(0.5) => {
                    self.next_track += 1;
                    policies.insert(section.mid.clone(), policy(self.next_track));
                    self.published.insert(section.mid.clone(), self.next_track);
                }
                None => {}
            }
        }
        let answered = self.connection.answer(&policies).unwrap();
        assert!(answered.refused.is_empty());
        // A track that was attached late gets its own codec order only now, and is told again.
        let told = answered.published.iter().filter(|published| policies.contains_key(&published.publish.mid));
        assert_eq!(told.count(), policies.len());
        for published in &answered.published {
            assert_eq!(published.publish.track, track(self.published[&published.publish.mid]));
        }
        self.waiting.clone_from(&answered.waiting);
        self.client.take(&answered);
        self.forwarding.apply(&answered.sends, wanted);
    }

    /// The tracks of waiting sections turn up.
    fn attach(&mut self) {
        for mid in self.waiting.drain(..) {
            self.next_track += 1;
            let published = self.connection.attach(&mid, policy(self.next_track)).unwrap();
            assert_eq!((published.publish.track, &published.publish.mid), (track(self.next_track), &mid));
            self.published.insert(mid, self.next_track);
        }
    }

    fn ask(&mut self) {
        if let Need::Ask { audios, videos } = self.connection.need() {
            self.connection.asked();
            self.asked.push((audios, videos));
        }
    }

    /// The client does something of its own.
    fn publish(&mut self, rng: &mut StdRng) {
        let sending: Vec<usize> = (0..self.client.slots.len())
            .filter(|at| self.client.slots[*at].direction == Direction::SendOnly && !self.client.slots[*at].stopped)
            .collect();
        match sending.choose(rng) {
            Some(at) if sending.len() > 3 || rng.random_bool(0.3) => {
                let slot = &mut self.client.slots[*at];
                slot.stopped = rng.random_bool(0.5);
                slot.direction = Direction::Inactive;
            }
            _ => {
                let kinds = [tutti_sdp::MediaKind::Audio, tutti_sdp::MediaKind::Video];
                self.client.publish(kinds.choose(rng).unwrap().clone());
            }
        }
    }
}

#[test]
fn single_sequences_keep_the_rules() {
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut call = Call {
            connection: connection(Role::Single, &plain()),
            client: Offerer::new(3, 3),
            forwarding: Forwarding::default(),
            waiting: Vec::new(),
            published: BTreeMap::new(),
            next_track: 1000,
            asked: Vec::new(),
        };
        let mut wishes = Wishes { wanted: BTreeSet::new(), next: 0, limit: 12 };
        for _ in 0..200 {
            match rng.random_range(0..12) {
                0..5 => wishes.change(&mut rng, &mut call.connection, &mut call.forwarding),
                5..7 => call.ask(),
                7..9 if !call.asked.is_empty() => {
                    let (audios, videos) = call.asked.remove(0);
                    call.client.add_receivers(audios, videos);
                    call.exchange(&mut rng, &wishes.wanted);
                }
                9 => call.publish(&mut rng),
                10 => call.exchange(&mut rng, &wishes.wanted),
                11 => call.attach(),
                _ => {}
            }
        }
        for _ in 0..4 {
            call.ask();
            for (audios, videos) in std::mem::take(&mut call.asked) {
                call.client.add_receivers(audios, videos);
            }
            call.exchange(&mut rng, &wishes.wanted);
        }
        assert_eq!(call.connection.need(), Need::Nothing, "seed {seed} does not settle");
        call.forwarding.check(call.client.rules.carried(), &wishes.wanted);
        let receiving = |kind: MediaKind| {
            let of = |slot: &&super::model::Slot| {
                slot.direction == Direction::RecvOnly && slot.kind.text() == kind_text(kind)
            };
            call.client.slots.iter().filter(of).count()
        };
        // Sections in use, those being freed, and those asked for before some were free.
        for kind in [MediaKind::Audio, MediaKind::Video] {
            assert!(receiving(kind) <= 3 * wishes.limit, "seed {seed}: {} sections", receiving(kind));
        }
    }
}

const fn kind_text(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}
