//! SRTP and SRTCP: what is sealed opens once, what is not never opens, and neither a forger nor a replay moves anything.

use std::collections::{BTreeMap, BTreeSet};

use super::input::Input;
use crate::command::DtlsRole;
use crate::srtp::{SrtpError, SrtpProfile, SrtpSession};

/// Packets that a window covers at least.
const WINDOW: u64 = 1024;

/// What the receiver must remember of one source.
#[derive(Default)]
struct Heard {
    highest: u64,
    seen: BTreeSet<u64>,
}

impl Heard {
    fn expect(&self, index: u64) -> Result<(), SrtpError> {
        let old = index + WINDOW <= self.highest;
        if old || self.seen.contains(&index) { Err(SrtpError::Replayed) } else { Ok(()) }
    }

    fn record(&mut self, index: u64) {
        self.highest = self.highest.max(index);
        self.seen.insert(index);
    }
}

/// The first byte chooses the profile; then packets, sealed by the peer and delivered as the bytes say.
pub fn srtp(data: &[u8]) {
    let mut input = Input::new(data);
    let (profile, material) = match input.byte() % 3 {
        0 => (SrtpProfile::AeadAes128Gcm, 2 * (16 + 12)),
        1 => (SrtpProfile::AeadAes256Gcm, 2 * (32 + 12)),
        _ => (SrtpProfile::Aes128CmSha1_80, 2 * (16 + 14)),
    };
    let material: Vec<u8> = (0..material).collect();
    let session = |role| SrtpSession::new(profile, &material, role).expect("the material has the profile's length");
    let mut pair = Pair {
        sender: session(DtlsRole::Client),
        receiver: session(DtlsRole::Server),
        rtp: BTreeMap::new(),
        rtcp: BTreeMap::new(),
        rtcp_index: 0,
    };
    while !input.is_empty() {
        match input.byte() % 4 {
            0 => pair.rtp(&mut input),
            1 => pair.rtcp(&mut input),
            2 => refuse(input.piece(), |packet| pair.receiver.open_rtp(packet)),
            _ => refuse(input.piece(), |packet| pair.receiver.open_rtcp(packet)),
        }
    }
}

struct Pair {
    sender: SrtpSession,
    receiver: SrtpSession,
    rtp: BTreeMap<u32, Heard>,
    rtcp: BTreeMap<u32, Heard>,
    /// Of the next SRTCP packet of the sender.
    rtcp_index: u64,
}

impl Pair {
    /// One packet of one of four sources, at any distance from the one before.
    fn rtp(&mut self, input: &mut Input<'_>) {
        let ssrc = u32::from(input.byte() % 4);
        let step = i64::from(input.short().cast_signed());
        let heard = self.rtp.entry(ssrc).or_default();
        let index = heard.highest.saturating_add_signed(step);
        if heard.seen.is_empty() && index > 0xffff {
            return;
        }
        let header = [&[0x80, 96][..], &(index as u16).to_be_bytes(), &[0; 4], &ssrc.to_be_bytes()].concat();
        let flip = input.short();
        let payload = input.piece();
        let mut sealed = vec![0; header.len() + payload.len() + crate::SRTP_OVERHEAD_MAX];
        let len = self.sender.seal_rtp(&header, payload, index, &mut sealed).expect("it fits");
        sealed.truncate(len);

        spoil(&sealed, flip, |packet| self.receiver.open_rtp(packet));
        let expected = heard.expect(index);
        let opened = deliver(&sealed, |packet| self.receiver.open_rtp(packet));
        assert_eq!(opened.as_ref().map(|_| ()), expected.as_ref().map(|_| ()), "index {index} of {ssrc}");
        if let Ok(plain) = opened {
            assert_eq!(plain, [&header[..], payload].concat());
            heard.record(index);
        }
        assert_eq!(deliver(&sealed, |packet| self.receiver.open_rtp(packet)), Err(SrtpError::Replayed));
    }

    fn rtcp(&mut self, input: &mut Input<'_>) {
        let ssrc = u32::from(input.byte() % 4);
        let delivered = input.byte() % 3;
        let flip = input.short();
        let packet = [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes(), input.piece()].concat();
        let mut sealed = vec![0; packet.len() + crate::SRTCP_OVERHEAD_MAX];
        let len = self.sender.seal_rtcp(&packet, &mut sealed).expect("it fits");
        sealed.truncate(len);
        let index = self.rtcp_index;
        self.rtcp_index += 1;

        spoil(&sealed, flip, |packet| self.receiver.open_rtcp(packet));
        let heard = self.rtcp.entry(ssrc).or_default();
        for _ in 0..delivered {
            let expected = heard.expect(index);
            let opened = deliver(&sealed, |packet| self.receiver.open_rtcp(packet));
            assert_eq!(opened, expected.map(|()| packet.clone()), "index {index} of {ssrc}");
            heard.record(index);
        }
    }
}

type Opened = Result<usize, SrtpError>;

fn deliver(sealed: &[u8], open: impl FnOnce(&mut [u8]) -> Opened) -> Result<Vec<u8>, SrtpError> {
    let mut packet = sealed.to_vec();
    let len = open(&mut packet)?;
    packet.truncate(len);
    Ok(packet)
}

/// The packet with one bit changed, or cut at its end.
fn spoil(sealed: &[u8], flip: u16, open: impl FnOnce(&mut [u8]) -> Opened) {
    let mut packet = sealed.to_vec();
    let at = usize::from(flip >> 3) % (2 * packet.len());
    match packet.get_mut(at) {
        Some(byte) => *byte ^= 1 << (flip & 7),
        None => packet.truncate(at - packet.len()),
    }
    assert!(open(&mut packet).is_err(), "a spoilt packet was opened");
}

/// Bytes that nobody sealed.
fn refuse(packet: &[u8], open: impl FnOnce(&mut [u8]) -> Opened) {
    assert!(open(&mut packet.to_vec()).is_err(), "a packet that nobody sealed was opened");
}
