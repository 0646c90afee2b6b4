//! The layouts of SRTP and SRTCP packets, and one peer's keys in both directions.
//!
//! RTP under GCM: header | ciphertext | tag 16 (RFC 7714, section 8). Under CM: header | ciphertext | tag 10.
//! RTCP under GCM: 8 bytes | ciphertext | tag 16 | E and index (section 9). Under CM: 8 bytes | ciphertext | E and
//! index | tag 10 (RFC 3711, section 3.4).

use super::cipher::{CounterMode, GCM_TAG_LEN, GcmOpener, GcmSealer, SHA1_TAG_LEN, Sha1Tag};
use super::key::{MasterKey, SessionKeys, Use};
use super::replay::Sources;
use super::{SrtpError, SrtpProfile};
use crate::command::DtlsRole;

/// Bytes of an RTP header without CSRCs and extension.
const RTP_HEADER_LEN: usize = 12;

/// Bytes at the front of RTCP that stay in the clear.
const RTCP_CLEAR_LEN: usize = 8;

/// Bytes of the word with the E flag and the SRTCP index.
const RTCP_INDEX_LEN: usize = 4;

/// The flag in that word which says that the packet is encrypted.
const RTCP_ENCRYPTED: u32 = 1 << 31;

/// Packet indexes have 48 bits, which bounds the life of an SRTP key (RFC 3711, section 9.2).
const RTP_INDEX_END: u64 = 1 << 48;

/// SRTCP indexes have 31.
const RTCP_INDEX_END: u32 = 1 << 31;

/// One peer's SRTP and SRTCP.
pub(crate) struct SrtpSession {
    seal_rtp: Sealer,
    seal_rtcp: Sealer,
    open_rtp: Opener,
    open_rtcp: Opener,
    /// Of the next SRTCP packet that we send.
    rtcp_index: u32,
    rtp_sources: Sources,
    rtcp_sources: Sources,
}

impl SrtpSession {
    /// The session for what DTLS exported. `None` when the material does not fit the profile.
    pub(crate) fn new(profile: SrtpProfile, material: &[u8], role: DtlsRole) -> Option<Self> {
        let (ours, theirs) = MasterKey::split(profile, material, role)?;
        Self::from_keys(
            [&ours.derive(Use::Rtp)?, &ours.derive(Use::Rtcp)?],
            [&theirs.derive(Use::Rtp)?, &theirs.derive(Use::Rtcp)?],
        )
    }

    /// A session from keys for (SRTP, SRTCP) of each direction.
    pub(super) fn from_keys(ours: [&SessionKeys; 2], theirs: [&SessionKeys; 2]) -> Option<Self> {
        let [seal_rtp, seal_rtcp] = ours;
        let [open_rtp, open_rtcp] = theirs;
        Some(Self {
            seal_rtp: Sealer::new(seal_rtp)?,
            seal_rtcp: Sealer::new(seal_rtcp)?,
            open_rtp: Opener::new(open_rtp)?,
            open_rtcp: Opener::new(open_rtcp)?,
            rtcp_index: 0,
            rtp_sources: Sources::default(),
            rtcp_sources: Sources::default(),
        })
    }

    /// See [`crate::Transport::seal_rtp`].
    pub(crate) fn seal_rtp(
        &self,
        header: &[u8],
        payload: &[u8],
        index: u64,
        out: &mut [u8],
    ) -> Result<usize, SrtpError> {
        let (sequence, ssrc) = rtp_identity(header).ok_or(SrtpError::Malformed)?;
        if index >= RTP_INDEX_END {
            return Err(SrtpError::KeyExhausted);
        }
        if sequence != index as u16 {
            return Err(SrtpError::Malformed);
        }
        let len = header.len() + payload.len() + self.seal_rtp.tag_len();
        let (clear, sealed) =
            out.get_mut(..len).ok_or(SrtpError::NoRoom)?.split_at_mut_checked(header.len()).ok_or(SrtpError::NoRoom)?;
        clear.copy_from_slice(header);
        let done = match &self.seal_rtp {
            Sealer::Gcm { cipher, salt } => cipher.seal(&gcm_nonce(salt, ssrc, index), header, payload, sealed),
            Sealer::Cm(keys) => {
                let CmKeys { cipher, salt, tag } = &**keys;
                let (body, _) = sealed.split_at_mut(payload.len());
                body.copy_from_slice(payload);
                let encrypted = cipher.apply(cm_block(*salt, ssrc, index), body);
                let (message, end) = out.split_at_mut(len - SHA1_TAG_LEN);
                end.iter_mut().zip(tag.tag(message, &rollover(index))).for_each(|(to, from)| *to = from);
                encrypted
            }
        };
        if done { Ok(len) } else { Err(SrtpError::Malformed) }
    }

    /// See [`crate::Transport::seal_rtcp`].
    pub(crate) fn seal_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_identity(packet).ok_or(SrtpError::Malformed)?;
        if self.rtcp_index >= RTCP_INDEX_END {
            return Err(SrtpError::KeyExhausted);
        }
        let index = self.rtcp_index;
        let word = (index | RTCP_ENCRYPTED).to_be_bytes();
        let len = packet.len() + self.seal_rtcp.tag_len() + RTCP_INDEX_LEN;
        let out = out.get_mut(..len).ok_or(SrtpError::NoRoom)?;
        let (header, body) = packet.split_at_checked(RTCP_CLEAR_LEN).ok_or(SrtpError::Malformed)?;
        let done = match &self.seal_rtcp {
            Sealer::Gcm { cipher, salt } => {
                let (clear, rest) = out.split_at_mut(RTCP_CLEAR_LEN);
                let (sealed, end) = rest.split_at_mut(body.len() + GCM_TAG_LEN);
                clear.copy_from_slice(header);
                end.copy_from_slice(&word);
                cipher.seal(&gcm_nonce(salt, ssrc, u64::from(index)), &gcm_rtcp_aad(header, word), body, sealed)
            }
            Sealer::Cm(keys) => {
                let CmKeys { cipher, salt, tag } = &**keys;
                let (message, end) = out.split_at_mut(packet.len() + RTCP_INDEX_LEN);
                let (copy, index_word) = message.split_at_mut(packet.len());
                copy.copy_from_slice(packet);
                index_word.copy_from_slice(&word);
                let (_, copied_body) = copy.split_at_mut(RTCP_CLEAR_LEN);
                let encrypted = cipher.apply(cm_block(*salt, ssrc, u64::from(index)), copied_body);
                end.copy_from_slice(&tag.tag(message, &[]));
                encrypted
            }
        };
        if !done {
            return Err(SrtpError::Malformed);
        }
        self.rtcp_index += 1;
        Ok(len)
    }

    /// See [`crate::Transport::open_rtp`].
    pub(crate) fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let (sequence, ssrc) = rtp_identity(packet).ok_or(SrtpError::Malformed)?;
        let header_len = rtp_header_len(packet).ok_or(SrtpError::Malformed)?;
        let plain_len = packet.len().checked_sub(self.open_rtp.tag_len()).ok_or(SrtpError::Malformed)?;
        if plain_len < header_len {
            return Err(SrtpError::Malformed);
        }
        let index = match self.rtp_sources.get(ssrc) {
            Some(window) => {
                window.estimate(sequence).filter(|index| window.accepts(*index)).ok_or(SrtpError::Replayed)?
            }
            None => u64::from(sequence),
        };
        let authentic = match &self.open_rtp {
            Opener::Gcm { cipher, salt } => {
                let (header, sealed) = packet.split_at_mut(header_len);
                cipher.open(&gcm_nonce(salt, ssrc, index), header, sealed)
            }
            Opener::Cm(keys) => {
                let CmKeys { cipher, salt, tag } = &**keys;
                let (message, end) = packet.split_at_mut(plain_len);
                let (_, body) = if tag.verify(message, &rollover(index), end) {
                    message.split_at_mut(header_len)
                } else {
                    return Err(SrtpError::NotAuthentic);
                };
                cipher.apply(cm_block(*salt, ssrc, index), body)
            }
        };
        if !authentic {
            return Err(SrtpError::NotAuthentic);
        }
        self.rtp_sources.record(ssrc, index);
        Ok(plain_len)
    }

    /// See [`crate::Transport::open_rtcp`].
    pub(crate) fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_identity(packet).ok_or(SrtpError::Malformed)?;
        let plain_len =
            packet.len().checked_sub(self.open_rtcp.tag_len() + RTCP_INDEX_LEN).ok_or(SrtpError::Malformed)?;
        if plain_len < RTCP_CLEAR_LEN {
            return Err(SrtpError::Malformed);
        }
        let word_at = match &self.open_rtcp {
            Opener::Gcm { .. } => plain_len + GCM_TAG_LEN,
            Opener::Cm(_) => plain_len,
        };
        let word = read_word(packet, word_at).ok_or(SrtpError::Malformed)?;
        // No WebRTC peer sends SRTCP in the clear (RFC 8827, section 6.5 demands encryption).
        if word & RTCP_ENCRYPTED == 0 {
            return Err(SrtpError::Malformed);
        }
        let index = u64::from(word & !RTCP_ENCRYPTED);
        if self.rtcp_sources.get(ssrc).is_some_and(|window| !window.accepts(index)) {
            return Err(SrtpError::Replayed);
        }
        let authentic = match &self.open_rtcp {
            Opener::Gcm { cipher, salt } => {
                let (clear, rest) = packet.split_at_mut(RTCP_CLEAR_LEN);
                let (sealed, _) = rest.split_at_mut(word_at - RTCP_CLEAR_LEN);
                cipher.open(&gcm_nonce(salt, ssrc, index), &gcm_rtcp_aad(clear, word.to_be_bytes()), sealed)
            }
            Opener::Cm(keys) => {
                let CmKeys { cipher, salt, tag } = &**keys;
                let (message, end) = packet.split_at_mut(plain_len + RTCP_INDEX_LEN);
                if !tag.verify(message, &[], end) {
                    return Err(SrtpError::NotAuthentic);
                }
                let (copy, _) = message.split_at_mut(plain_len);
                let (_, body) = copy.split_at_mut(RTCP_CLEAR_LEN);
                cipher.apply(cm_block(*salt, ssrc, index), body)
            }
        };
        if !authentic {
            return Err(SrtpError::NotAuthentic);
        }
        self.rtcp_sources.record(ssrc, index);
        Ok(plain_len)
    }

    #[cfg(test)]
    pub(super) fn set_rtcp_index(&mut self, index: u32) {
        self.rtcp_index = index;
    }
}

/// The key of one sending direction and use.
enum Sealer {
    Gcm { cipher: GcmSealer, salt: [u8; 12] },
    Cm(Box<CmKeys>),
}

impl Sealer {
    fn new(keys: &SessionKeys) -> Option<Self> {
        Some(match keys.profile() {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
                Self::Gcm { cipher: GcmSealer::new(keys.key())?, salt: gcm_salt(keys) }
            }
            SrtpProfile::Aes128CmSha1_80 => Self::Cm(Box::new(CmKeys::new(keys)?)),
        })
    }

    const fn tag_len(&self) -> usize {
        match self {
            Self::Gcm { .. } => GCM_TAG_LEN,
            Self::Cm(_) => SHA1_TAG_LEN,
        }
    }
}

/// The key of one receiving direction and use.
enum Opener {
    Gcm { cipher: GcmOpener, salt: [u8; 12] },
    Cm(Box<CmKeys>),
}

impl Opener {
    fn new(keys: &SessionKeys) -> Option<Self> {
        Some(match keys.profile() {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
                Self::Gcm { cipher: GcmOpener::new(keys.key())?, salt: gcm_salt(keys) }
            }
            SrtpProfile::Aes128CmSha1_80 => Self::Cm(Box::new(CmKeys::new(keys)?)),
        })
    }

    const fn tag_len(&self) -> usize {
        match self {
            Self::Gcm { .. } => GCM_TAG_LEN,
            Self::Cm(_) => SHA1_TAG_LEN,
        }
    }
}

/// What CM and HMAC-SHA1 need in one direction and use. Large, and rare.
struct CmKeys {
    cipher: CounterMode,
    /// The upper 112 bits of a counter block.
    salt: u128,
    tag: Sha1Tag,
}

impl CmKeys {
    fn new(keys: &SessionKeys) -> Option<Self> {
        let cipher = CounterMode::new(keys.key())?;
        Some(Self { cipher, salt: cm_salt(keys), tag: Sha1Tag::new(&keys.authentication) })
    }
}

/// The twelve bytes of salt that GCM uses.
fn gcm_salt(keys: &SessionKeys) -> [u8; 12] {
    let mut salt = [0; 12];
    salt.copy_from_slice(&keys.salt[..12]);
    salt
}

/// The salt as the upper 112 bits of a counter block.
fn cm_salt(keys: &SessionKeys) -> u128 {
    let mut block = [0; 16];
    block[..14].copy_from_slice(&keys.salt);
    u128::from_be_bytes(block)
}

/// The nonce of GCM: two zero bytes, SSRC and 48-bit index, under the salt (RFC 7714, sections 8.1 and 9.1; an SRTCP
/// index of 31 bits fills the same place).
fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    nonce.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
    nonce
}

/// The first counter block of a packet under CM (RFC 3711, section 4.1.1).
fn cm_block(salt: u128, ssrc: u32, index: u64) -> u128 {
    salt ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16)
}

/// What an SRTCP tag covers besides the ciphertext: the clear bytes, then the index word (RFC 7714, section 9.2).
fn gcm_rtcp_aad(clear: &[u8], word: [u8; RTCP_INDEX_LEN]) -> [u8; RTCP_CLEAR_LEN + RTCP_INDEX_LEN] {
    let mut aad = [0; RTCP_CLEAR_LEN + RTCP_INDEX_LEN];
    aad.iter_mut().zip(clear.iter().take(RTCP_CLEAR_LEN).chain(&word)).for_each(|(to, from)| *to = *from);
    aad
}

/// The rollover counter of an index, as the HMAC covers it.
fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// Sequence number and SSRC of an RTP packet of version 2.
fn rtp_identity(packet: &[u8]) -> Option<(u16, u32)> {
    let header: &[u8; RTP_HEADER_LEN] = packet.first_chunk()?;
    let [first, _, s0, s1, _, _, _, _, a, b, c, d] = *header;
    (first >> 6 == 2).then_some((u16::from_be_bytes([s0, s1]), u32::from_be_bytes([a, b, c, d])))
}

/// Length of an RTP header with its CSRCs and extension.
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let len = RTP_HEADER_LEN + 4 * usize::from(first & 0x0f);
    if first & 0x10 == 0 {
        return Some(len);
    }
    let words = u16::from_be_bytes(*packet.get(len + 2..)?.first_chunk()?);
    Some(len + 4 + 4 * usize::from(words))
}

/// Sender's SSRC of an RTCP packet of version 2.
fn rtcp_identity(packet: &[u8]) -> Option<u32> {
    (packet.first()? >> 6 == 2).then_some(())?;
    read_word(packet, 4)
}

fn read_word(packet: &[u8], at: usize) -> Option<u32> {
    packet.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}
