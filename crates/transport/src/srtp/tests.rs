//! Vectors of RFC 3711 and RFC 7714, round trips, rollover, replay and spoilt packets.

use super::cipher::CounterMode;
use super::key::{MasterKey, SessionKeys, Use};
use super::replay::{Sources, WINDOW_LEN, Window};
use super::*;
use crate::command::DtlsRole;

const PROFILES: [SrtpProfile; 3] =
    [SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm, SrtpProfile::Aes128CmSha1_80];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// RFC 3711, appendix B.2: the AES-CM key stream.
#[test]
fn counter_mode_key_stream() {
    let cipher = CounterMode::new(&bytes("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
    let mut stream = vec![0; 48];
    assert!(cipher.apply(0xF0F1_F2F3_F4F5_F6F7_F8F9_FAFB_FCFD_0000, &mut stream));
    assert_eq!(
        stream,
        bytes("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0")
    );
}

/// RFC 3711, appendix B.3: key derivation.
#[test]
fn key_derivation() {
    let master = MasterKey::new(
        SrtpProfile::Aes128CmSha1_80,
        &bytes("E1F97A0D3E018BE0D64FA32C06DE4139"),
        &bytes("0EC675AD498AFEEBB6960B3AABE6"),
    )
    .unwrap();
    let keys = master.derive(Use::Rtp).unwrap();
    assert_eq!(keys.key(), bytes("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(keys.salt.to_vec(), bytes("30CBBC08863D8C85D49DB34A9AE1"));
    // The RFC prints 94 bytes of this stream; the first 20 are the key of HMAC-SHA1.
    assert_eq!(keys.authentication.to_vec(), bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

/// A session whose two directions have the same raw session keys.
fn mirror(profile: SrtpProfile, key: &str, salt: &str) -> SrtpSession {
    let keys = SessionKeys::new(profile, &bytes(key), &bytes(salt)).unwrap();
    SrtpSession::from_keys([&keys, &keys], [&keys, &keys]).unwrap()
}

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SALT: &str = "517569642070726f2071756f";

/// RFC 7714, sections 16.1.1, 16.1.2, 16.2.1, 16.2.2.
#[test]
fn gcm_rtp_vectors() {
    let header = bytes("8040f17b8041f8d35501a0b2");
    let payload = b"Gallia est omnis divisa in partes tres";
    let cases = [
        (
            SrtpProfile::AeadAes128Gcm,
            KEY_128,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
             51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        ),
        (
            SrtpProfile::AeadAes256Gcm,
            KEY_256,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02
             76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        ),
    ];
    for (profile, key, sealed) in cases {
        let mut session = mirror(profile, key, SALT);
        let mut out = [0; 128];
        let len = session.seal_rtp(&header, payload, 0xf17b, &mut out).unwrap();
        assert_eq!(out[..len], bytes(sealed), "{profile:?}");
        let plain = session.open_rtp(&mut out[..len]).unwrap();
        assert_eq!(out[..plain], [header.as_slice(), payload].concat(), "{profile:?}");
    }
}

/// RFC 7714, sections 17.1 and 17.2.
#[test]
fn gcm_rtcp_vectors() {
    let packet = bytes(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
         deadbeef deadbeef deadbeef deadbeef deadbeef",
    );
    let cases = [
        (
            SrtpProfile::AeadAes128Gcm,
            KEY_128,
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda
             4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
        ),
        (
            SrtpProfile::AeadAes256Gcm,
            KEY_256,
            "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be
             8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
        ),
    ];
    for (profile, key, sealed) in cases {
        let mut session = mirror(profile, key, SALT);
        session.set_rtcp_index(0x5d4);
        let mut out = [0; 128];
        let len = session.seal_rtcp(&packet, &mut out).unwrap();
        assert_eq!(out[..len], bytes(sealed), "{profile:?}");
        let plain = session.open_rtcp(&mut out[..len]).unwrap();
        assert_eq!(out[..plain], packet, "{profile:?}");
    }
}

/// RFC 7714, section 17.3: authentic, but in the clear, which WebRTC forbids.
#[test]
fn clear_rtcp_is_refused() {
    let mut packet = bytes(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef
         deadbeef deadbeef 841dd968 3dd78ec9 2ae58790 125f62b3 000005d4",
    );
    let mut session = mirror(SrtpProfile::AeadAes128Gcm, KEY_128, SALT);
    assert_eq!(session.open_rtcp(&mut packet), Err(SrtpError::Malformed));
}

/// Two ends of one DTLS association.
fn pair(profile: SrtpProfile) -> (SrtpSession, SrtpSession) {
    let len = 2 * (profile.key_len() + profile.salt_len());
    let material: Vec<u8> = (0..len).map(|i| (i * 7 + 3) as u8).collect();
    (
        SrtpSession::new(profile, &material, DtlsRole::Client).unwrap(),
        SrtpSession::new(profile, &material, DtlsRole::Server).unwrap(),
    )
}

fn header(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut header = vec![0x80, 96];
    header.extend(sequence.to_be_bytes());
    header.extend([0, 0, 0, 1]);
    header.extend(ssrc.to_be_bytes());
    header
}

fn sealed(from: &SrtpSession, index: u64, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 1500];
    let len = from.seal_rtp(&header(index as u16, ssrc), payload, index, &mut out).unwrap();
    out.truncate(len);
    out
}

#[test]
fn both_directions_open_what_the_other_seals() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        for index in 0..50 {
            let payload = vec![index as u8; index as usize * 20];
            let mut packet = sealed(&client, index, 7, &payload);
            let plain = server.open_rtp(&mut packet).unwrap();
            assert_eq!(packet[12..plain], payload);
            let mut packet = sealed(&server, index, 7, &payload);
            let plain = client.open_rtp(&mut packet).unwrap();
            assert_eq!(packet[12..plain], payload);

            let report = [[0x80, 201, 0, 1, 0, 0, 0, 9].as_slice(), &payload].concat();
            let mut out = vec![0; 1500];
            let len = client.seal_rtcp(&report, &mut out).unwrap();
            if index > 0 {
                assert_ne!(out[..report.len()], report[..], "encrypted");
            }
            let plain = server.open_rtcp(&mut out[..len]).unwrap();
            assert_eq!(out[..plain], report);
        }
        // Our own packets are not for us.
        let mut packet = sealed(&client, 60, 7, b"x");
        assert_eq!(client.open_rtp(&mut packet), Err(SrtpError::NotAuthentic), "{profile:?}");
    }
}

#[test]
fn csrcs_and_extensions_stay_clear_and_authentic() {
    for profile in PROFILES {
        let (client, mut server) = pair(profile);
        let mut header = header(5, 7);
        header[0] = 0x92;
        header.extend([1; 8]);
        header.extend([0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
        let mut out = [0; 200];
        let len = client.seal_rtp(&header, b"payload", 5, &mut out).unwrap();
        assert_eq!(out[..header.len()], header);
        let mut changed = out;
        changed[header.len() - 3] ^= 1;
        assert_eq!(server.open_rtp(&mut changed[..len]), Err(SrtpError::NotAuthentic));
        let plain = server.open_rtp(&mut out[..len]).unwrap();
        assert_eq!(&out[header.len()..plain], b"payload");
    }
}

#[test]
fn rollover_is_followed_through_loss_and_reordering() {
    for profile in PROFILES {
        let (client, mut server) = pair(profile);
        let mut open = |index: u64| server.open_rtp(&mut sealed(&client, index, 7, b"abc"));
        assert!(open(65_000).is_ok());
        assert!(open(65_534).is_ok());
        assert!(open(65_537).is_ok(), "sequence 1, rolled over once");
        assert!(open(65_535).is_ok(), "late, from before the rollover");
        assert!(open(65_536).is_ok());
        assert!(open(65_536 + 30_000).is_ok(), "a long gap");
        assert!(open(65_536 + 60_000).is_ok(), "and another");
        assert!(open(2 * 65_536 + 10).is_ok(), "rolled over twice");
    }
}

#[test]
fn replays_are_refused_and_forgeries_change_nothing() {
    for profile in PROFILES {
        let (client, mut server) = pair(profile);
        let first = sealed(&client, 100, 7, b"abc");
        assert!(server.open_rtp(&mut first.clone()).is_ok());
        assert_eq!(server.open_rtp(&mut first.clone()), Err(SrtpError::Replayed));
        // A forgery far ahead does not move the window.
        let mut forged = sealed(&client, 20_000, 7, b"abc");
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(server.open_rtp(&mut forged), Err(SrtpError::NotAuthentic));
        assert!(server.open_rtp(&mut sealed(&client, 101, 7, b"abc")).is_ok());
        assert!(server.open_rtp(&mut sealed(&client, 99, 7, b"abc")).is_ok());
        // Too old to tell.
        assert!(server.open_rtp(&mut sealed(&client, 5000, 7, b"abc")).is_ok());
        assert_eq!(server.open_rtp(&mut sealed(&client, 102, 7, b"abc")), Err(SrtpError::Replayed));

        let report = [0x80, 201, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4];
        let (mut client, mut server) = pair(profile);
        let mut out = [0; 64];
        let len = client.seal_rtcp(&report, &mut out).unwrap();
        let mut first = out;
        assert!(server.open_rtcp(&mut first[..len]).is_ok());
        assert_eq!(server.open_rtcp(&mut out[..len]), Err(SrtpError::Replayed));
    }
}

#[test]
fn every_truncation_and_every_flipped_byte_is_refused() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        let packet = sealed(&client, 9, 7, b"some payload");
        let report = [0x81, 200, 0, 6, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8];
        let mut control = vec![0; 64];
        let len = client.seal_rtcp(&report, &mut control).unwrap();
        control.truncate(len);
        for end in 0..packet.len() {
            assert!(server.open_rtp(&mut packet.clone()[..end]).is_err());
        }
        for end in 0..control.len() {
            assert!(server.open_rtcp(&mut control.clone()[..end]).is_err());
        }
        for at in 0..packet.len() {
            let mut packet = packet.clone();
            packet[at] ^= 0x10;
            assert!(server.open_rtp(&mut packet).is_err(), "{profile:?} byte {at}");
        }
        for at in 0..control.len() {
            let mut control = control.clone();
            control[at] ^= 0x80;
            assert!(server.open_rtcp(&mut control).is_err(), "{profile:?} byte {at}");
        }
        assert!(server.open_rtp(&mut packet.clone()).is_ok());
        assert!(server.open_rtcp(&mut control.clone()).is_ok());
    }
}

#[test]
fn sealing_refuses_what_it_cannot_do() {
    for profile in PROFILES {
        let (client, _) = pair(profile);
        let tag = if profile == SrtpProfile::Aes128CmSha1_80 { 10 } else { 16 };
        let header = header(5, 7);
        let mut out = [0; 100];
        assert_eq!(client.seal_rtp(&header, b"abcd", 5, &mut out[..15 + tag]), Err(SrtpError::NoRoom));
        assert_eq!(client.seal_rtp(&header, b"abcd", 5, &mut out[..16 + tag]), Ok(16 + tag));
        assert_eq!(client.seal_rtp(&header, b"abcd", 6, &mut out), Err(SrtpError::Malformed));
        assert_eq!(client.seal_rtp(&header[..11], b"abcd", 5, &mut out), Err(SrtpError::Malformed));
        assert_eq!(client.seal_rtp(&header, b"abcd", (1 << 48) + 5, &mut out), Err(SrtpError::KeyExhausted));
        let (mut client, _) = pair(profile);
        assert_eq!(client.seal_rtcp(&[0x80, 200, 0, 0, 0, 0, 0], &mut out), Err(SrtpError::Malformed));
        client.set_rtcp_index(1 << 31);
        assert_eq!(client.seal_rtcp(&[0x80, 201, 0, 1, 0, 0, 0, 1], &mut out), Err(SrtpError::KeyExhausted));
    }
}

#[test]
fn window_against_a_plain_set() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut window = Window::starting_at(70_000);
    let mut seen = std::collections::BTreeSet::from([70_000_u64]);
    let mut highest = 70_000_u64;
    for _ in 0..20_000 {
        let jump = if random() % 50 == 0 { random() % 3000 } else { random() % 8 };
        let index = (highest + jump).saturating_sub(random() % 1500);
        let fresh = index > highest || (highest - index < WINDOW_LEN && !seen.contains(&index));
        assert_eq!(window.accepts(index), fresh, "index {index} highest {highest}");
        assert_eq!(window.estimate(index as u16), Some(index));
        if fresh {
            window.record(index);
            seen.insert(index);
            highest = highest.max(index);
        }
    }
}

#[test]
fn sources_are_bounded_and_the_silent_one_goes() {
    let mut sources = Sources::default();
    for ssrc in 0..600_u32 {
        sources.record(ssrc.wrapping_mul(2_654_435_761), 1);
        sources.record(0, 10 + u64::from(ssrc));
    }
    assert_eq!(sources.len(), 512);
    assert!(sources.get(0).is_some(), "the busy one stays");
    assert!(sources.get(2_654_435_761).is_none(), "the oldest silent one went");
    assert!(sources.get(599_u32.wrapping_mul(2_654_435_761)).is_some());
}
