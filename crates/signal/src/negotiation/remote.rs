//! What a description of the client says of its transport.

use tutti_sdp::{Fingerprint, MediaKind, MediaSection, SessionDescription, Setup, TransportAttributes};
use tutti_transport::{DtlsRole, IceCredentials, RemoteParameters};

use super::NegotiationError;

/// Largest message of a peer that does not state one, bytes (RFC 8841, section 6.1).
const MESSAGE_SIZE_DEFAULT: u32 = 65_536;

/// The client's side of the transport. Our DTLS role comes from the caller, who knows the first description.
pub(super) fn parameters(
    description: &SessionDescription,
    dtls_role: DtlsRole,
) -> Result<RemoteParameters, NegotiationError> {
    let sections = || by_bundle(description).map(|section| &section.transport).chain([&description.transport]);
    let ice = sections().find_map(credentials).ok_or(NegotiationError::NoIceCredentials)?;
    let fingerprint = match sections().find_map(|transport| transport.fingerprint.as_ref()) {
        Some(Fingerprint::Sha256(bytes)) => tutti_transport::Fingerprint(*bytes),
        Some(Fingerprint::Unsupported(hash)) => return Err(NegotiationError::UnsupportedFingerprint(hash.clone())),
        None => return Err(NegotiationError::NoFingerprint),
    };
    let application = description.media.iter().find(|section| is_data(section) && !section.is_rejected());
    let size = application.map_or(0, |section| section.max_message_size.unwrap_or(MESSAGE_SIZE_DEFAULT.into()));
    Ok(RemoteParameters {
        ice,
        fingerprint,
        dtls_role,
        data_channels: application.is_some(),
        max_message_size: (size > 0).then(|| u32::try_from(size).unwrap_or(u32::MAX)),
    })
}

/// The connection role in the description.
pub(super) fn setup(description: &SessionDescription) -> Option<Setup> {
    by_bundle(description).find_map(|section| section.transport.setup).or(description.transport.setup)
}

/// The candidates in the description.
pub(super) fn candidates(description: &SessionDescription) -> Vec<String> {
    by_bundle(description).next().map(|section| section.candidates.clone()).unwrap_or_default()
}

/// A section for data channels that we understand.
pub(super) fn is_data(section: &MediaSection) -> bool {
    section.kind == MediaKind::Application
        && section.protocol.text().ends_with("DTLS/SCTP")
        && section.format.split(' ').any(|format| format == "webrtc-datachannel")
}

/// Sections that live, the one that BUNDLE tags first (RFC 9143, section 7.2).
fn by_bundle(description: &SessionDescription) -> impl Iterator<Item = &MediaSection> {
    let living = || description.media.iter().filter(|section| !section.is_rejected());
    let tagged = description.bundle.iter().find_map(|mid| living().find(|section| section.mid.as_ref() == Some(mid)));
    tagged.into_iter().chain(living())
}

/// Credentials of legal length (RFC 8839, section 5.4), of characters that cannot leave a line or a STUN attribute.
fn credentials(transport: &TransportAttributes) -> Option<IceCredentials> {
    let legal = |text: &&String, least: usize| {
        (least..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
    };
    let ufrag = transport.ice_ufrag.as_ref().filter(|text| legal(text, 4))?;
    let pwd = transport.ice_pwd.as_ref().filter(|text| legal(text, 22))?;
    Some(IceCredentials { ufrag: ufrag.clone(), pwd: pwd.clone() })
}
