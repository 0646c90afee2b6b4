//! The client's session descriptions: what it offers and answers, and what it takes from the server's.
//!
//! Owns its media sections, their names and order. Knows one audio and one video codec, as synthetic media needs no
//! more; sends nothing and receives nothing.

use tutti_rtp::{Codec, Extension, ExtensionMap, MediaKind};
use tutti_sdp::{
    Direction, ExtensionMapping, Feedback, FeedbackSet, Fingerprint, GroupSemantics, Hash, MediaKind as SectionKind,
    MediaSection, Msid, Payload, Protocol, Rid, RidDirection, SessionDescription, Setup, Simulcast, Source,
    SourceGroup, TransportAttributes,
};
use tutti_transport::{DtlsRole, IceCredentials, MAX_MESSAGE_SIZE, RemoteParameters, SCTP_PORT};

use crate::error::ClientError;

/// Payload types of our offers, as browsers number them.
const OPUS: u8 = 111;
const VP8: u8 = 96;
const RTX: u8 = 97;

/// Extensions of our offers and their ids, as Chrome numbers them.
const AUDIO_EXTENSIONS: [(u8, Extension); 4] =
    [(1, Extension::AudioLevel), (2, Extension::AbsSendTime), (3, Extension::TransportCc), (4, Extension::Mid)];
const VIDEO_EXTENSIONS: [(u8, Extension); 5] = [
    (2, Extension::AbsSendTime),
    (3, Extension::TransportCc),
    (4, Extension::Mid),
    (10, Extension::Rid),
    (11, Extension::RepairedRid),
];

/// What we say of our transport.
pub(crate) struct LocalTransport {
    pub(crate) ice: IceCredentials,
    pub(crate) fingerprint: [u8; 32],
    /// `candidate:…`.
    pub(crate) candidate: String,
}

/// A stream that a section sends.
#[derive(Debug, Clone)]
pub(crate) struct OfferedStream {
    pub(crate) rid: Option<&'static str>,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
}

/// What a section of an offer of ours is for.
enum Use {
    Send { kind: MediaKind, cid: String, streams: Vec<OfferedStream> },
    Receive(MediaKind),
    Data,
}

/// The sections of a connection that we offer. They only ever grow.
pub(crate) struct Offer {
    session_id: u64,
    version: u64,
    sections: Vec<Use>,
}

impl Offer {
    /// Without any section. `session_id` is for the `o=` line.
    pub(crate) fn new(session_id: u64) -> Self {
        Self { session_id, version: 0, sections: Vec::new() }
    }

    /// Adds a section for a track of ours; the result is its mid.
    pub(crate) fn send(&mut self, kind: MediaKind, cid: String, streams: Vec<OfferedStream>) -> String {
        self.sections.push(Use::Send { kind, cid, streams });
        (self.sections.len() - 1).to_string()
    }

    /// Adds free sections for tracks of others.
    pub(crate) fn receive(&mut self, kind: MediaKind, count: u32) {
        self.sections.extend((0..count).map(|_| Use::Receive(kind)));
    }

    /// Adds the section for data channels.
    pub(crate) fn data(&mut self) {
        self.sections.push(Use::Data);
    }

    /// The next offer.
    pub(crate) fn write(&mut self, local: &LocalTransport) -> String {
        self.version += 1;
        let attributes = transport(local, Setup::ActPass);
        let media = (0u32..).zip(&self.sections).map(|(mid, section)| {
            let mut written = match section {
                Use::Send { kind, cid, streams } => sending(*kind, cid, streams),
                Use::Receive(kind) => MediaSection { direction: Direction::RecvOnly, ..rtp(*kind) },
                Use::Data => data(),
            };
            written.mid = Some(mid.to_string());
            written.transport = attributes.clone();
            written
        });
        describe(self.session_id, self.version, local, media.collect())
    }
}

/// Answers an offer of the server: receives everything that it understands.
pub(crate) fn answer(session_id: u64, version: u64, local: &LocalTransport, offer: &SessionDescription) -> String {
    let attributes = transport(local, Setup::Active);
    let media = offer.media.iter().map(|offered| MediaSection { transport: attributes.clone(), ..answered(offered) });
    describe(session_id, version, local, media.collect())
}

/// What the server's description says of its transport. `ours` is the role that is left to us when it takes either.
pub(crate) fn remote_parameters(remote: &SessionDescription) -> Result<RemoteParameters, ClientError> {
    let sections = || remote.media.iter().filter(|section| !section.is_rejected()).map(|section| &section.transport);
    let levels = || sections().chain(std::iter::once(&remote.transport));
    let missing = |what| ClientError::Protocol(what);
    let ufrag = levels().find_map(|level| level.ice_ufrag.clone()).ok_or(missing("description without ICE ufrag"))?;
    let pwd = levels().find_map(|level| level.ice_pwd.clone()).ok_or(missing("description without ICE password"))?;
    let stated = levels().find_map(|level| level.fingerprints.iter().find(|stated| stated.hash == Hash::Sha256));
    let digest = stated.and_then(|stated| <[u8; 32]>::try_from(stated.digest.as_slice()).ok());
    let fingerprint = digest.map(tutti_transport::Fingerprint);
    let dtls_role = match levels().find_map(|level| level.setup) {
        Some(Setup::Active) => DtlsRole::Server,
        _ => DtlsRole::Client,
    };
    let data = remote.media.iter().find(|section| section.kind == SectionKind::Application && !section.is_rejected());
    let message_max = data.and_then(|section| section.max_message_size).filter(|size| *size > 0);
    Ok(RemoteParameters {
        ice: IceCredentials { ufrag, pwd },
        fingerprints: fingerprint.ok_or(missing("description without SHA-256 fingerprint"))?.into(),
        dtls_role,
        data_channels: data.is_some(),
        sctp_port: data.and_then(|section| section.sctp_port).unwrap_or(SCTP_PORT),
        max_message_size: message_max.map(|size| u32::try_from(size).unwrap_or(u32::MAX)),
    })
}

/// A section in which the server sends.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) mid: String,
    pub(crate) kind: MediaKind,
    /// Track id of the msid.
    pub(crate) track: String,
    /// Stated sources: media, then its retransmissions.
    pub(crate) ssrc: Option<u32>,
    pub(crate) rtx_ssrc: Option<u32>,
    pub(crate) formats: Formats,
    pub(crate) ids: ExtensionMap,
}

/// Payload types of a section.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Formats {
    pub(crate) payload_type: Option<u8>,
    pub(crate) rtx_payload_type: Option<u8>,
    /// Lost packets may be asked for.
    pub(crate) nack: bool,
}

/// The sections in which the server sends.
pub(crate) fn incoming(remote: &SessionDescription) -> Vec<Incoming> {
    let sends = |section: &&MediaSection| !section.is_rejected() && section.direction.sends();
    remote.media.iter().filter(sends).filter_map(incoming_section).collect()
}

fn incoming_section(section: &MediaSection) -> Option<Incoming> {
    let kind = match section.kind {
        SectionKind::Audio => MediaKind::Audio,
        SectionKind::Video => MediaKind::Video,
        SectionKind::Application | SectionKind::Other(_) => return None,
    };
    let pair = section.source_groups.iter().find(|group| group.semantics == GroupSemantics::Fid);
    let pair = pair.map(|group| group.ssrcs.as_slice()).unwrap_or_default();
    let first = section.sources.first().map(|source| source.ssrc);
    Some(Incoming {
        mid: section.mid.clone()?,
        kind,
        track: section.msid().map(|msid| msid.track.clone()).unwrap_or_default(),
        ssrc: pair.first().copied().or(first),
        rtx_ssrc: pair.get(1).copied(),
        formats: formats(section, kind),
        ids: ids(section),
    })
}

/// What the server took of a section in which we send.
pub(crate) fn accepted(remote: &SessionDescription, mid: &str) -> Option<(Formats, ExtensionMap)> {
    let section = remote.media.iter().find(|section| section.mid.as_deref() == Some(mid))?;
    let kind = if section.kind == SectionKind::Audio { MediaKind::Audio } else { MediaKind::Video };
    (!section.is_rejected() && section.direction.receives()).then(|| (formats(section, kind), ids(section)))
}

fn codec(kind: MediaKind) -> Codec {
    match kind {
        MediaKind::Audio => Codec::Opus,
        MediaKind::Video => Codec::Vp8,
    }
}

fn formats(section: &MediaSection, kind: MediaKind) -> Formats {
    let media = section.payloads.iter().find(|payload| payload.is(codec(kind).name()));
    let number = media.map(|payload| payload.number);
    let repair = section.payloads.iter().find(|payload| number.is_some() && payload.retransmits() == number);
    Formats {
        payload_type: number,
        rtx_payload_type: repair.map(|payload| payload.number),
        nack: media.is_some_and(|payload| payload.feedback.contains(Feedback::Nack)),
    }
}

fn ids(section: &MediaSection) -> ExtensionMap {
    let mut ids = ExtensionMap::default();
    for mapping in &section.extensions {
        if let (Some(extension), Ok(id)) = (Extension::from_uri(&mapping.uri), u8::try_from(mapping.id)) {
            ids.set(extension, id);
        }
    }
    ids
}

fn transport(local: &LocalTransport, setup: Setup) -> TransportAttributes {
    TransportAttributes {
        ice_ufrag: Some(local.ice.ufrag.clone()),
        ice_pwd: Some(local.ice.pwd.clone()),
        fingerprints: vec![Fingerprint::sha256(local.fingerprint)],
        setup: Some(setup),
        trickle: true,
    }
}

fn describe(session_id: u64, version: u64, local: &LocalTransport, mut media: Vec<MediaSection>) -> String {
    let bundle = media.iter().filter(|section| !section.is_rejected()).filter_map(|section| section.mid.clone());
    let bundle = bundle.collect();
    if let Some(tagged) = media.iter_mut().find(|section| !section.is_rejected()) {
        tagged.candidates = vec![local.candidate.clone()];
        tagged.end_of_candidates = true;
    }
    SessionDescription {
        session_id,
        session_version: version,
        bundle,
        extmap_allow_mixed: true,
        media,
        ..SessionDescription::default()
    }
    .to_string()
}

/// A section with everything that we can do with this kind.
fn rtp(kind: MediaKind) -> MediaSection {
    let section = match kind {
        MediaKind::Audio => SectionKind::Audio,
        MediaKind::Video => SectionKind::Video,
    };
    let payload = |number, name: &'static str, channels, feedback: &[Feedback], parameters: &str| Payload {
        number,
        encoding: name.into(),
        clock_rate: codec(kind).clock_rate(),
        channels,
        parameters: parameters.to_owned(),
        feedback: FeedbackSet::of(feedback),
    };
    let video = [Feedback::GoogRemb, Feedback::TransportCc, Feedback::CcmFir, Feedback::Nack, Feedback::NackPli];
    let (payloads, extensions) = match kind {
        MediaKind::Audio => (
            vec![payload(OPUS, "opus", 2, &[Feedback::TransportCc], "minptime=10;useinbandfec=1")],
            AUDIO_EXTENSIONS.as_slice(),
        ),
        MediaKind::Video => (
            vec![payload(VP8, "VP8", 1, &video, ""), payload(RTX, "rtx", 1, &[], &format!("apt={VP8}"))],
            VIDEO_EXTENSIONS.as_slice(),
        ),
    };
    let extension = |(id, extension): &(u8, Extension)| ExtensionMapping {
        id: u16::from(*id),
        direction: None,
        uri: extension.uri().to_owned(),
    };
    MediaSection {
        payloads,
        extensions: extensions.iter().map(extension).collect(),
        rtcp_mux: true,
        rtcp_rsize: true,
        ..MediaSection::new(section, Protocol::DtlsRtp)
    }
}

fn sending(kind: MediaKind, cid: &str, streams: &[OfferedStream]) -> MediaSection {
    let msid = Msid { stream: "tutti".to_owned(), track: cid.to_owned() };
    let mut section = MediaSection { direction: Direction::SendOnly, msids: vec![msid], ..rtp(kind) };
    let rids: Vec<String> = streams.iter().filter_map(|stream| stream.rid).map(str::to_owned).collect();
    if rids.is_empty() {
        let source = |ssrc| Source { ssrc, cname: Some("tutti".to_owned()), msid: None };
        for stream in streams {
            section.sources.push(source(stream.ssrc));
            if let Some(rtx) = stream.rtx_ssrc {
                section.sources.push(source(rtx));
                let ssrcs = vec![stream.ssrc, rtx];
                section.source_groups.push(SourceGroup { semantics: GroupSemantics::Fid, ssrcs });
            }
        }
        return section;
    }
    let rid = |id: &String| Rid { id: id.clone(), direction: RidDirection::Send, restrictions: String::new() };
    section.rids = rids.iter().map(rid).collect();
    section.simulcast = Some(Simulcast { send: rids, recv: Vec::new() });
    section
}

fn data() -> MediaSection {
    MediaSection {
        format: "webrtc-datachannel".to_owned(),
        direction: Direction::SendRecv,
        sctp_port: Some(5000),
        max_message_size: Some(u64::from(MAX_MESSAGE_SIZE)),
        ..MediaSection::new(SectionKind::Application, Protocol::DtlsSctp)
    }
}

/// A section of ours for one of the server's.
fn answered(offered: &MediaSection) -> MediaSection {
    let mut section = match offered.kind {
        SectionKind::Application => data(),
        _ => MediaSection {
            payloads: offered.payloads.clone(),
            extensions: offered.extensions.clone(),
            rtcp_mux: true,
            rtcp_rsize: offered.rtcp_rsize,
            ..MediaSection::new(offered.kind.clone(), offered.protocol.clone())
        },
    };
    section.mid.clone_from(&offered.mid);
    if offered.kind == SectionKind::Application && !offered.is_rejected() {
        return section;
    }
    let known = |uri: &str| Extension::from_uri(uri).is_some_and(|found| found != Extension::DependencyDescriptor);
    section.extensions.retain(|mapping| known(&mapping.uri));
    let taken = |payload: &Payload| payload.is("opus") || payload.is("VP8");
    let numbers: Vec<u8> = offered.payloads.iter().filter(|p| taken(p)).map(|payload| payload.number).collect();
    section.payloads.retain(|payload| numbers.contains(&payload.retransmits().unwrap_or(payload.number)));
    section.direction = Direction::new(false, offered.direction.sends());
    if offered.is_rejected() || section.payloads.is_empty() {
        section.port = 0;
        section.payloads = offered.payloads.iter().take(1).cloned().collect();
        section.direction = Direction::Inactive;
    }
    section
}
