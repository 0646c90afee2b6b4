//! Our side of every description: origin, transport, data channels, rejected sections.

use livekit_protocol as proto;
use tutti_sdp::{
    Direction, Fingerprint, MediaKind, MediaSection, Payload, Protocol, SessionDescription, Setup, TransportAttributes,
};
use tutti_transport::{IceCredentials, SCTP_PORT};

use super::{LocalParameters, NegotiationError};

/// Largest data channel message that we take, bytes. Clients stay below 64,000 (docs/protocol.md#data-channels).
const MESSAGE_SIZE_MAX: u64 = 65_536;

/// Our transport and the counters of our descriptions.
#[derive(Debug)]
pub(super) struct Local {
    parameters: LocalParameters,
    session_id: u64,
    session_version: u64,
    ssrcs: SsrcSequence,
}

impl Local {
    pub(super) fn new(parameters: LocalParameters, seed: u64) -> Self {
        // A session id is to fit a signed 64-bit number (RFC 8829, section 5.2.1).
        Self { parameters, session_id: seed >> 1 | 1, session_version: 0, ssrcs: SsrcSequence::new(seed) }
    }

    /// Takes new credentials for the next description.
    pub(super) fn restart(&mut self, ice: IceCredentials) {
        self.parameters.ice = ice;
    }

    /// Takes other candidates for the next description.
    pub(super) fn set_candidates(&mut self, candidates: Vec<String>) {
        self.parameters.candidates = candidates;
    }

    /// An SSRC that this connection has never used.
    pub(super) fn next_ssrc(&mut self) -> u32 {
        self.ssrcs.next()
    }

    /// A description around `media`: the sections that live are bundled, in the order that `bundle` gives their mids.
    pub(super) fn describe(&mut self, bundle: Vec<String>, mut media: Vec<MediaSection>) -> SessionDescription {
        self.session_version += 1;
        let tagged = |section: &&mut MediaSection| match bundle.first() {
            Some(mid) => section.mid.as_ref() == Some(mid),
            None => !section.is_rejected(),
        };
        if let Some(section) = media.iter_mut().find(tagged) {
            section.candidates.clone_from(&self.parameters.candidates);
        }
        SessionDescription {
            session_id: self.session_id,
            session_version: self.session_version,
            bundle,
            ice_lite: self.parameters.ice_lite,
            extmap_allow_mixed: true,
            msid_semantic: Some("WMS *".to_owned()),
            extensions: Vec::new(),
            transport: TransportAttributes {
                ice_ufrag: Some(self.parameters.ice.ufrag.clone()),
                ice_pwd: Some(self.parameters.ice.pwd.clone()),
                fingerprints: vec![Fingerprint::sha256(self.parameters.fingerprint.0)],
                setup: None,
                trickle: true,
            },
            media,
        }
    }
}

/// A section for data channels in our offer.
pub(super) fn data_section(mid: &str) -> MediaSection {
    let mut section = MediaSection::new(MediaKind::Application, Protocol::DtlsSctp);
    section.format = "webrtc-datachannel".to_owned();
    section.mid = Some(mid.to_owned());
    section.direction = Direction::SendRecv;
    section.transport.setup = Some(Setup::ActPass);
    section.sctp_port = Some(SCTP_PORT);
    section.max_message_size = Some(MESSAGE_SIZE_MAX);
    section
}

/// The answer to a section for data channels: its protocol and format (RFC 8829, section 5.3.1), and the port in the
/// form that the client knows.
pub(super) fn answered_data_section(offered: &MediaSection) -> MediaSection {
    let mut section = MediaSection::new(offered.kind.clone(), offered.protocol.clone());
    section.format.clone_from(&offered.format);
    section.direction = Direction::SendRecv;
    section.sctp_map = offered.sctp_map;
    section.sctp_port = if offered.sctp_map.is_none() { Some(SCTP_PORT) } else { offered.sctp_port };
    section.max_message_size = Some(MESSAGE_SIZE_MAX);
    section
}

/// The answer to a section that we refuse: port 0, and of its formats the first, because a line needs one.
pub(super) fn rejected_section(offered: &MediaSection) -> MediaSection {
    let mut section = MediaSection::new(offered.kind.clone(), offered.protocol.clone());
    section.port = 0;
    section.mid.clone_from(&offered.mid);
    section.format.clone_from(&offered.format);
    section.payloads = offered.payloads.first().map(|payload| Payload::new(payload.number)).into_iter().collect();
    section
}

/// Checks the type of a description, then reads it.
pub(super) fn read(
    description: &proto::SessionDescription,
    expected: &'static str,
) -> Result<SessionDescription, NegotiationError> {
    if description.r#type != expected {
        let found = description.r#type.chars().take(32).collect();
        return Err(NegotiationError::WrongType { expected, found });
    }
    Ok(SessionDescription::parse(&description.sdp)?)
}

/// SSRCs that look random and never repeat: a counter through a bijection of 32 bits. A repeated SSRC would repeat
/// an AEAD nonce on the same key (RFC 7714, section 8.1).
#[derive(Debug)]
struct SsrcSequence {
    counter: u32,
    mask: u32,
}

impl SsrcSequence {
    fn new(seed: u64) -> Self {
        Self { counter: seed as u32, mask: (seed >> 32) as u32 }
    }

    fn next(&mut self) -> u32 {
        loop {
            self.counter = self.counter.wrapping_add(1);
            // Multiplications by odd numbers and shifts that fold into themselves: each step can be undone.
            let mut ssrc = self.counter ^ self.mask;
            ssrc = (ssrc ^ ssrc >> 16).wrapping_mul(0x7feb_352d);
            ssrc = (ssrc ^ ssrc >> 15).wrapping_mul(0x846c_a68b);
            ssrc ^= ssrc >> 16;
            if ssrc != 0 {
                return ssrc;
            }
        }
    }
}
