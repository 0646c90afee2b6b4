//! Two of ours, and a network between them on a virtual clock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::command::CertificateHash;

/// The same seed, the same network.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What happens to datagrams, each in percent.
#[derive(Clone, Copy, Default)]
struct Weather {
    loss: u64,
    repeats: u64,
    damage: u64,
    /// Delay beyond ten milliseconds, at most.
    jitter_ms: u64,
}

struct World {
    start: Instant,
    now: Instant,
    random: Random,
    weather: Weather,
    sides: [Side; 2],
    /// By arrival and number: to whom, what.
    flying: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    sent: u64,
}

fn certificates() -> [Certificate; 2] {
    [Certificate::generate().unwrap(), Certificate::generate().unwrap()]
}

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        let [client, server] = certificates();
        let sides = [
            Side::new(&client, DtlsRole::Client, server.fingerprint()),
            Side::new(&server, DtlsRole::Server, client.fingerprint()),
        ];
        Self::between(sides, seed, weather)
    }

    fn between(sides: [Side; 2], seed: u64, weather: Weather) -> Self {
        let start = Instant::now();
        Self { start, now: start, random: Random::new(seed), weather, sides, flying: BTreeMap::new(), sent: 0 }
    }

    fn launch(&mut self, to: usize, mut datagram: Vec<u8>) {
        let Weather { loss, repeats, damage, jitter_ms } = self.weather;
        let copies = if self.random.below(100) < loss { 0 } else { 1 + u64::from(self.random.below(100) < repeats) };
        for _ in 0..copies {
            if self.random.below(100) < damage {
                let at = self.random.below(datagram.len() as u64) as usize;
                match self.random.below(3) {
                    0 => datagram.truncate(at),
                    1 => datagram.extend_from_within(at..),
                    _ => datagram[at] ^= 1 << self.random.below(8),
                }
            }
            let arrival = self.now + Duration::from_millis(10 + self.random.below(jitter_ms + 1));
            self.sent += 1;
            self.flying.insert((arrival, self.sent), (to, datagram.clone()));
        }
    }

    fn transmit(&mut self) {
        for from in 0..2 {
            for datagram in self.sides[from].transmit(self.now) {
                self.launch(1 - from, datagram);
            }
        }
    }

    /// Runs until nothing more happens, or for `limit`.
    fn run(&mut self, limit: Duration) {
        let end = self.now + limit;
        loop {
            self.transmit();
            let timers = self.sides.iter().filter(|side| side.failure.is_none()).filter_map(|s| s.dtls.poll_timeout());
            let next = self.flying.keys().map(|(arrival, _)| *arrival).chain(timers).min();
            let Some(next) = next.filter(|next| *next <= end) else { return };
            self.now = self.now.max(next);
            for side in &mut self.sides {
                side.dtls.handle_timeout(self.now);
            }
            while let Some(first) = self.flying.first_entry().filter(|first| first.key().0 <= self.now) {
                let (to, datagram) = first.remove();
                self.sides[to].receive(self.now, &datagram);
                self.transmit();
            }
        }
    }

    fn is_up(&self) -> bool {
        let [client, server] = &self.sides;
        let up = client.dtls.is_connected() && server.dtls.is_connected();
        assert!(!up || client.keys == server.keys && client.keys.is_some());
        up
    }
}

/// The digest of a certificate.
fn digest(hash: CertificateHash, certificate: &Certificate) -> (CertificateHash, Vec<u8>) {
    let algorithm = match hash {
        CertificateHash::Sha256 => &aws_lc_rs::digest::SHA256,
        CertificateHash::Sha384 => &aws_lc_rs::digest::SHA384,
        CertificateHash::Sha512 => &aws_lc_rs::digest::SHA512,
    };
    (hash, aws_lc_rs::digest::digest(algorithm, certificate.der()).as_ref().to_vec())
}

/// RFC 8122, section 5.1: the strongest function that is stated counts, and one of its digests is enough.
#[test]
fn a_certificate_has_one_of_the_digests_by_the_strongest_function() {
    use CertificateHash::{Sha256, Sha384, Sha512};
    let [ours, theirs] = certificates();
    let other = Certificate::generate().unwrap();
    let right = |hash| digest(hash, &theirs);
    let wrong = |hash| digest(hash, &other);
    let cases = [
        (vec![right(Sha256)], true),
        (vec![right(Sha384)], true),
        (vec![right(Sha512)], true),
        (vec![wrong(Sha256), right(Sha256)], true),
        (vec![right(Sha512), wrong(Sha512)], true),
        (vec![wrong(Sha256), right(Sha384)], true),
        (vec![right(Sha256), wrong(Sha384)], false),
        (vec![right(Sha256), right(Sha384), wrong(Sha512)], false),
        (vec![wrong(Sha256), wrong(Sha256)], false),
    ];
    for (number, (stated, accepted)) in cases.into_iter().enumerate() {
        for role in [DtlsRole::Client, DtlsRole::Server] {
            let expected = PeerFingerprints::strongest(stated.clone()).unwrap();
            let strict = Side::new(&ours, role, expected);
            let sides = match role {
                DtlsRole::Client => [strict, Side::new(&theirs, DtlsRole::Server, ours.fingerprint())],
                DtlsRole::Server => [Side::new(&theirs, DtlsRole::Client, ours.fingerprint()), strict],
            };
            let mut world = World::between(sides, 1, Weather::default());
            world.run(Duration::from_secs(5));
            assert_eq!(world.is_up(), accepted, "case {number}");
            let failures = world.sides.iter().filter_map(|side| side.failure);
            assert_eq!(failures.into_iter().any(|failure| failure == DtlsFailure::Fingerprint), !accepted);
        }
    }
    assert_eq!(PeerFingerprints::strongest([]), None);
    let twice = [right(Sha256), wrong(Sha256), right(Sha256)];
    let turned = [wrong(Sha256), right(Sha256)];
    assert_eq!(PeerFingerprints::strongest(twice), PeerFingerprints::strongest(turned), "order says nothing");
}

#[test]
fn two_connect_within_two_round_trips_and_prefer_the_cheapest_profile() {
    let mut world = World::new(1, Weather::default());
    world.run(Duration::from_secs(5));
    assert!(world.is_up());
    assert_eq!(world.now - world.start, Duration::from_millis(40));
    assert_eq!(world.sent, 4, "each flight is one datagram");
    assert_eq!(world.sides[0].keys.as_ref().unwrap().0, SrtpProfile::AeadAes128Gcm);
    assert!(world.sides.iter().all(|side| side.dtls.poll_timeout().is_none()), "no timer runs on");
}

#[test]
fn handshakes_pass_through_loss_repetition_and_reordering() {
    let mut slowest = Duration::ZERO;
    for seed in 0..200 {
        let weather = Weather { loss: seed % 31, repeats: seed % 20, damage: 0, jitter_ms: seed % 60 };
        let mut world = World::new(seed, weather);
        world.run(Duration::from_secs(20));
        assert!(world.is_up(), "seed {seed}");
        slowest = slowest.max(world.now - world.start);
    }
    assert!(slowest > Duration::from_millis(400), "some flight was lost");
}

#[test]
fn data_passes_both_ways_once_and_after_the_end_only_close_is_heard() {
    let mut world = World::new(3, Weather { repeats: 50, jitter_ms: 30, ..Weather::default() });
    world.run(Duration::from_secs(5));
    for number in 0..100_u8 {
        for from in 0..2 {
            let datagram = world.sides[from].dtls.seal(&[number; 1000]).unwrap();
            world.launch(1 - from, datagram);
        }
        world.run(Duration::from_millis(3));
    }
    world.run(Duration::from_secs(1));
    for side in &mut world.sides {
        side.data.sort();
        assert_eq!(side.data, (0..100).map(|number| vec![number; 1000]).collect::<Vec<_>>());
    }
    // Plain alerts and handshake messages of anybody change nothing any more.
    let now = world.now;
    for body in
        [&[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40][..], &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0]]
    {
        world.sides[1].receive(now, body);
    }
    assert!(world.sides[1].failure.is_none() && world.sides[1].transmit(now).is_empty());
    world.sides[0].dtls.close();
    world.run(Duration::from_secs(1));
    assert_eq!(world.sides[1].failure, Some(DtlsFailure::Closed));
}

#[test]
fn whoever_shows_another_certificate_is_refused_and_told() {
    for deceived in 0..2 {
        let [client, server] = certificates();
        let stranger = Fingerprint([1; 32]);
        let mut world = World::new(4, Weather::default());
        world.sides = [
            Side::new(&client, DtlsRole::Client, if deceived == 0 { stranger } else { server.fingerprint() }),
            Side::new(&server, DtlsRole::Server, if deceived == 1 { stranger } else { client.fingerprint() }),
        ];
        world.run(Duration::from_secs(5));
        assert_eq!(world.sides[deceived].failure, Some(DtlsFailure::Fingerprint));
        assert_eq!(world.sides[1 - deceived].failure, Some(DtlsFailure::Alert));
        assert!(world.sides.iter().all(|side| side.keys.is_none() && !side.dtls.is_connected()));
    }
}

#[test]
fn a_stolen_certificate_without_its_key_is_refused() {
    // The thief shows the victim's certificate and signs with a key of its own.
    for thief in 0..2 {
        let [victim, other] = certificates();
        let stolen = victim.with_key_of(&Certificate::generate().unwrap());
        let (shown, honest) = (stolen.fingerprint(), other.fingerprint());
        assert_eq!(shown, victim.fingerprint());
        let mut world = World::new(5, Weather::default());
        world.sides = if thief == 0 {
            [Side::new(&stolen, DtlsRole::Client, honest), Side::new(&other, DtlsRole::Server, shown)]
        } else {
            [Side::new(&other, DtlsRole::Client, shown), Side::new(&stolen, DtlsRole::Server, honest)]
        };
        world.run(Duration::from_secs(5));
        assert_eq!(world.sides[1 - thief].failure, Some(DtlsFailure::Proof), "thief {thief}");
        assert!(world.sides[1 - thief].keys.is_none());
    }
}

#[test]
fn damage_never_panics_nor_lets_sides_disagree() {
    let (mut up, mut failed) = (0, 0);
    for seed in 0..600 {
        let weather = Weather { loss: 5, repeats: 20, damage: 5 + seed % 40, jitter_ms: 20 };
        let mut world = World::new(seed, weather);
        world.run(Duration::from_secs(20));
        if world.is_up() {
            up += 1;
        }
        failed += usize::from(world.sides.iter().any(|side| side.failure.is_some()));
    }
    assert!(up > 100 && failed > 50, "{up} up, {failed} failed");
}

#[test]
fn a_peer_that_repeats_itself_gets_no_more_than_it_sends() {
    let [client, server] = certificates();
    let now = Instant::now();
    let mut client = Side::new(&client, DtlsRole::Client, server.fingerprint());
    let mut server = Side::new(&server, DtlsRole::Server, Fingerprint([0; 32]));
    let hello = client.transmit(now).remove(0);
    let mut sent = 0;
    for ms in 0..1000 {
        let now = now + Duration::from_millis(ms / 10);
        server.receive(now, &hello);
        sent += server.transmit(now).len();
    }
    assert!(sent <= 3, "{sent} flights for a thousand hellos in 100 ms");
}

#[test]
fn records_that_overtake_the_handshake_are_kept_within_bounds() {
    let [_, server] = certificates();
    let mut server = Side::new(&server, DtlsRole::Server, Fingerprint([0; 32]));
    for number in 0..50 {
        let record = [&[23, 254, 253, 0, 1, 0, 0, 0, 0, 0, number, 0, 40][..], &[7; 40]].concat();
        server.receive(Instant::now(), &record);
    }
    assert_eq!(server.dtls.early.len(), EARLY_MAX);
}
