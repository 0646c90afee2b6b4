//! Payload formats: the table of our own offers, and what a section of the client names.

use std::borrow::Cow;

use tutti_forward::PayloadFormat;
use tutti_rtp::{Codec, MediaKind};
use tutti_sdp::{Feedback, FeedbackSet, MediaSection, Payload};

/// Feedback that we give or take for video.
const VIDEO_FEEDBACK: FeedbackSet =
    FeedbackSet::of(&[Feedback::TransportCc, Feedback::CcmFir, Feedback::Nack, Feedback::NackPli]);
/// Feedback that we give or take for audio.
const AUDIO_FEEDBACK: FeedbackSet = FeedbackSet::of(&[Feedback::TransportCc, Feedback::Nack]);
/// RED repairs itself; asking for packets again on top of it makes them arrive twice.
const RED_FEEDBACK: FeedbackSet = FeedbackSet::of(&[Feedback::TransportCc]);

/// Parameters of Opus that hold everywhere.
const OPUS_PARAMETERS: &str = "minptime=10;useinbandfec=1";

/// Feedback that we negotiate for `codec`.
pub(super) fn feedback(codec: Codec) -> FeedbackSet {
    match (codec, codec.kind()) {
        (Codec::Red, _) => RED_FEEDBACK,
        (_, MediaKind::Audio) => AUDIO_FEEDBACK,
        (_, MediaKind::Video) => VIDEO_FEEDBACK,
    }
}

/// A format that we offer. The payload types are those that every client has seen for years (docs/protocol.md#formats).
struct OwnFormat {
    codec: Codec,
    payload_type: u8,
    parameters: &'static str,
}

const fn own(codec: Codec, payload_type: u8, parameters: &'static str) -> OwnFormat {
    OwnFormat { codec, payload_type, parameters }
}

const OWN_FORMATS: [OwnFormat; 12] = [
    own(Codec::Red, 63, "111/111"),
    own(Codec::Opus, 111, OPUS_PARAMETERS),
    own(Codec::Pcmu, 0, ""),
    own(Codec::Pcma, 8, ""),
    own(Codec::Vp8, 96, ""),
    own(Codec::Vp9, 98, "profile-id=0"),
    own(Codec::Vp9, 100, "profile-id=2"),
    own(Codec::H264, 125, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    own(Codec::H264, 108, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"),
    own(Codec::H264, 123, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f"),
    own(Codec::Av1, 35, ""),
    own(Codec::H265, 116, "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST"),
];

/// The payloads of our offer for `codec`, each followed by its retransmissions.
pub(super) fn own_payloads(codec: Codec) -> impl Iterator<Item = Payload> {
    let formats = OWN_FORMATS.iter().filter(move |format| format.codec == codec);
    formats.flat_map(move |format| {
        let mut payload = Payload::new(format.payload_type);
        payload.encoding = Cow::Borrowed(codec.name());
        payload.clock_rate = codec.clock_rate();
        payload.channels = if matches!(codec, Codec::Opus | Codec::Red) { 2 } else { 1 };
        payload.parameters = format.parameters.to_owned();
        payload.feedback = feedback(codec);
        let repair = (codec.kind() == MediaKind::Video).then(|| retransmission(format.payload_type + 1, &payload));
        std::iter::once(payload).chain(repair)
    })
}

/// The payload that retransmits `payload`, with type `number`.
pub(super) fn retransmission(number: u8, payload: &Payload) -> Payload {
    let mut repair = Payload::new(number);
    repair.encoding = Cow::Borrowed("rtx");
    repair.clock_rate = payload.clock_rate;
    repair.parameters = format!("apt={}", payload.number);
    repair
}

/// The parameters of Opus as we state them.
pub(super) fn opus_parameters(dtx: bool, stereo: bool, sends_stereo: bool) -> String {
    let mut parameters = OPUS_PARAMETERS.to_owned();
    for (wanted, text) in
        [(dtx, ";usedtx=1"), (stereo, ";stereo=1;maxaveragebitrate=510000"), (sends_stereo, ";sprop-stereo=1")]
    {
        if wanted {
            parameters.push_str(text);
        }
    }
    parameters
}

/// A format that a section of the client names and that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) codec: Codec,
    pub(super) payload_type: u8,
    pub(super) rtx: Option<u8>,
    /// As [`PayloadFormat::profile`].
    pub(super) profile: u32,
    /// What both sides have of feedback.
    pub(super) feedback: FeedbackSet,
    /// Order among formats of one codec: the one that most receivers take is lowest.
    rank: u8,
}

impl Format {
    /// As forwarding wants it.
    pub(super) fn agreed(self) -> PayloadFormat {
        PayloadFormat {
            codec: self.codec,
            payload_type: self.payload_type,
            rtx_payload_type: self.rtx,
            profile: self.profile,
            nack: self.feedback.contains(Feedback::Nack),
        }
    }
}

/// The formats of `section` that we know, in its order; those of one codec with the widest understood one first.
pub(super) fn formats(section: &MediaSection, kind: MediaKind) -> Vec<Format> {
    let mut repairs = [None; 128];
    for payload in &section.payloads {
        if let Some(repair) = payload.retransmits().and_then(|of| repairs.get_mut(usize::from(of))) {
            *repair = repair.or(Some(payload.number));
        }
    }
    let mut formats: Vec<Format> = Vec::new();
    for payload in &section.payloads {
        let Some(codec) = Codec::from_name(&payload.encoding).filter(|codec| codec.kind() == kind) else { continue };
        if payload.clock_rate != codec.clock_rate() || (codec == Codec::Red && !wraps_opus(section, payload)) {
            continue;
        }
        let (profile, rank) = profile(codec, payload);
        formats.push(Format {
            codec,
            payload_type: payload.number,
            rtx: repairs.get(usize::from(payload.number)).copied().flatten(),
            profile,
            feedback: payload.feedback.intersection(feedback(codec)),
            rank,
        });
    }
    let first: Vec<Codec> = formats.iter().map(|format| format.codec).collect();
    formats.sort_by_key(|format| (first.iter().position(|codec| *codec == format.codec), format.rank));
    formats
}

/// Leaves out high profiles where a client can send others: few receivers take them.
pub(super) fn prefer_common_profiles(formats: &mut Vec<Format>) {
    if formats.iter().any(|format| format.codec == Codec::H264 && format.rank < RANK_HIGH) {
        formats.retain(|format| format.codec != Codec::H264 || format.rank < RANK_HIGH);
    }
}

/// The primary and redundant encoding of a RED payload (RFC 2198, section 5) are Opus.
fn wraps_opus(section: &MediaSection, red: &Payload) -> bool {
    let mut types = red.parameters.split('/').map(|text| text.trim().parse::<u8>());
    types.all(|number| number.ok().and_then(|number| section.payload(number)).is_some_and(|inner| inner.is("opus")))
}

/// Ranks from here on are H.264 profiles above the baseline.
const RANK_HIGH: u8 = 4;

/// What tells formats of one codec apart, and the format's rank.
fn profile(codec: Codec, payload: &Payload) -> (u32, u8) {
    let number = |name| payload.parameter(name).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    match codec {
        Codec::Vp9 => {
            let profile = number("profile-id").min(3);
            (profile, profile as u8)
        }
        Codec::Av1 => {
            let profile = number("profile").min(2);
            (profile, profile as u8)
        }
        Codec::H264 => {
            let level = payload.parameter("profile-level-id").and_then(|text| u32::from_str_radix(text, 16).ok());
            let mode = number("packetization-mode").min(2);
            let (class, rank) = h264_class(level.unwrap_or(0x42_00_0a));
            let single = u8::from(mode == 0);
            (class << 8 | mode, if rank < RANK_HIGH { rank + 2 * single } else { rank + single })
        }
        _ => (0, 0),
    }
}

/// The class of an H.264 `profile-level-id` (RFC 6184, section 8.1, table 5) as `profile_idc` and flags in 16 bits,
/// and its rank. Baseline counts as constrained baseline: no encoder in use makes the difference.
fn h264_class(profile_level_id: u32) -> (u32, u8) {
    let idc = profile_level_id >> 16 & 0xff;
    let flags = profile_level_id >> 8 & 0xff;
    match (idc, flags) {
        (0x42, flags) if flags & 0x40 != 0 => (0x42e0, 0),
        (0x4d, flags) if flags & 0x80 != 0 => (0x42e0, 0),
        (0x58, flags) if flags & 0xc0 == 0xc0 => (0x42e0, 0),
        (0x42, _) => (0x42e0, 1),
        (0x4d, _) => (0x4d00, RANK_HIGH),
        (0x64, _) => (0x6400, RANK_HIGH + 2),
        (idc, _) => (idc << 8, RANK_HIGH + 4),
    }
}
