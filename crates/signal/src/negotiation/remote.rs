//! What a description of the client says of its transport.

use tutti_sdp::{Fingerprint, Hash, MediaSection, SessionDescription, Setup, TransportAttributes};
use tutti_transport::{CertificateHash, DtlsRole, IceCredentials, PeerFingerprints, RemoteParameters, SCTP_PORT};

use super::NegotiationError;

/// Largest message of a peer that does not state one, bytes (RFC 8841, section 6.1).
const MESSAGE_SIZE_DEFAULT: u32 = 65_536;

/// The client's side of the transport. Our DTLS role comes from the caller, who knows the first description.
pub(super) fn parameters(
    description: &SessionDescription,
    dtls_role: DtlsRole,
) -> Result<RemoteParameters, NegotiationError> {
    let ice = levels(description).find_map(credentials).ok_or(NegotiationError::NoIceCredentials)?;
    let stated = levels(description).map(|level| &level.fingerprints).find(|stated| !stated.is_empty());
    let fingerprints = fingerprints(stated.ok_or(NegotiationError::NoFingerprint)?)?;
    let application = description.media.iter().find(|section| section.is_data_channels() && !section.is_rejected());
    let size = application.map_or(0, |section| section.max_message_size.unwrap_or(MESSAGE_SIZE_DEFAULT.into()));
    Ok(RemoteParameters {
        ice,
        fingerprints,
        dtls_role,
        data_channels: application.is_some(),
        sctp_port: application.and_then(sctp_port).unwrap_or(SCTP_PORT),
        max_message_size: (size > 0).then(|| u32::try_from(size).unwrap_or(u32::MAX)),
    })
}

/// The port that a section for data channels states, in either form.
pub(super) fn sctp_port(section: &MediaSection) -> Option<u16> {
    section.sctp_port.or(section.sctp_map)
}

/// What the client's certificate is compared with.
fn fingerprints(stated: &[Fingerprint]) -> Result<PeerFingerprints, NegotiationError> {
    let usable = stated.iter().filter_map(|fingerprint| {
        let hash = match fingerprint.hash {
            Hash::Sha256 => CertificateHash::Sha256,
            Hash::Sha384 => CertificateHash::Sha384,
            Hash::Sha512 => CertificateHash::Sha512,
            Hash::Sha1 | Hash::Sha224 | Hash::Other(_) => return None,
        };
        Some((hash, fingerprint.digest.clone()))
    });
    let unsupported = || stated.iter().map(|it| it.hash.text()).collect::<Vec<_>>().join(", ");
    PeerFingerprints::strongest(usable).ok_or_else(|| NegotiationError::UnsupportedFingerprint(unsupported()))
}

/// The connection role in the description.
pub(super) fn setup(description: &SessionDescription) -> Option<Setup> {
    levels(description).find_map(|level| level.setup)
}

/// The candidates in the description: those of the tagged section, which speak for all.
pub(super) fn candidates(description: &SessionDescription) -> Vec<String> {
    let stated = by_bundle(description).map(|section| &section.candidates).find(|stated| !stated.is_empty());
    stated.cloned().unwrap_or_default()
}

/// Where attributes of the transport stand, what counts more first: the tagged section, the session for all that do not
/// say it themselves (RFC 8866, section 5.13), then the others.
fn levels(description: &SessionDescription) -> impl Iterator<Item = &TransportAttributes> {
    let mut sections = by_bundle(description).map(|section| &section.transport);
    sections.next().into_iter().chain([&description.transport]).chain(sections)
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
