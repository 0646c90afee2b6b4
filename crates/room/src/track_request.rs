//! From an `AddTrackRequest` to the track as it will be announced (docs/protocol.md#publishing). Pure.

use std::collections::BTreeSet;

use livekit_protocol as proto;
use proto::video_layer::Mode;
use proto::{AudioTrackFeature, TrackSource, TrackType};

/// Codecs whose spatial layers share one stream unless the client says otherwise.
const SVC_CODECS: [&str; 2] = ["video/vp9", "video/av1"];

/// More layers of one codec are not taken.
const LAYERS_MAX: usize = 8;

/// More features of one track are not taken.
const FEATURES_MAX: usize = 32;

/// What a request may ask for.
pub(crate) fn kind_of(request: &proto::AddTrackRequest) -> Option<TrackType> {
    TrackType::try_from(request.r#type).ok().filter(|kind| matches!(kind, TrackType::Audio | TrackType::Video))
}

/// The prefix of the MIME types of a kind.
fn prefix(kind: TrackType) -> &'static str {
    if kind == TrackType::Audio { "audio/" } else { "video/" }
}

/// The first of `codecs` that is of this kind.
fn first_of(codecs: &[String], kind: TrackType) -> Option<&str> {
    codecs.iter().map(String::as_str).find(|mime| starts_with_ignoring_case(mime, prefix(kind)))
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The MIME type a track gets for a codec it asks for: as `codecs` spells it, or the first of its kind.
/// `None` = nothing of this kind may be published.
fn enabled_mime(codecs: &[String], kind: TrackType, codec: &str) -> Option<String> {
    let full = match starts_with_ignoring_case(codec, prefix(kind)) {
        true => codec.to_owned(),
        false => format!("{}{codec}", prefix(kind)),
    };
    let enabled = codecs.iter().map(String::as_str).find(|mime| mime.eq_ignore_ascii_case(&full));
    enabled.or_else(|| first_of(codecs, kind)).map(str::to_owned)
}

/// What a client that does not group its tracks means.
fn default_stream(source: TrackSource) -> &'static str {
    match source {
        TrackSource::Camera | TrackSource::Microphone => "camera",
        TrackSource::ScreenShare | TrackSource::ScreenShareAudio => "screen",
        TrackSource::Unknown => "unknown",
    }
}

fn by_quality(layers: &[proto::VideoLayer]) -> Vec<proto::VideoLayer> {
    let mut layers: Vec<_> = layers.iter().take(LAYERS_MAX).cloned().collect();
    layers.sort_by_key(|layer| layer.quality);
    layers
}

/// A list of enum values, each once; unknown ones are newer than we are and are passed on.
pub(crate) fn without_repeats(values: &[i32]) -> Vec<i32> {
    let mut seen = BTreeSet::new();
    values.iter().copied().filter(|value| seen.insert(*value)).take(FEATURES_MAX).collect()
}

/// The codecs of a request: enabled ones, each once, each with its layers. Never empty.
fn codecs_of(
    request: &proto::AddTrackRequest,
    kind: TrackType,
    enabled: &[String],
) -> Option<Vec<proto::SimulcastCodecInfo>> {
    first_of(enabled, kind)?;
    let mut seen = BTreeSet::new();
    let mut codecs = Vec::new();
    for asked in &request.simulcast_codecs {
        let Some(mime_type) = enabled_mime(enabled, kind, &asked.codec) else { continue };
        if !seen.insert(mime_type.to_ascii_lowercase()) {
            continue;
        }
        let layers = if asked.layers.is_empty() { &request.layers } else { &asked.layers };
        let asked_mode = Mode::try_from(asked.video_layer_mode).unwrap_or(Mode::Unused);
        codecs.push(proto::SimulcastCodecInfo {
            video_layer_mode: layer_mode(kind, asked_mode, &mime_type) as i32,
            mime_type,
            cid: asked.cid.clone(),
            layers: by_quality(layers),
            ..Default::default()
        });
    }
    if codecs.is_empty() {
        // The client leaves the codec to the descriptions.
        codecs.push(proto::SimulcastCodecInfo {
            cid: request.cid.clone(),
            layers: by_quality(&request.layers),
            video_layer_mode: layer_mode(kind, Mode::Unused, "") as i32,
            ..Default::default()
        });
    }
    Some(codecs)
}

fn layer_mode(kind: TrackType, asked: Mode, mime_type: &str) -> Mode {
    match asked {
        Mode::Unused if kind == TrackType::Audio => Mode::Unused,
        Mode::Unused => default_layer_mode(mime_type),
        asked => asked,
    }
}

/// How the layers of a codec arrive where nobody says so.
pub(crate) fn default_layer_mode(mime_type: &str) -> Mode {
    if starts_with_ignoring_case(mime_type, prefix(TrackType::Audio)) {
        Mode::Unused
    } else if SVC_CODECS.iter().any(|codec| codec.eq_ignore_ascii_case(mime_type)) {
        Mode::MultipleSpatialLayersPerStream
    } else {
        Mode::OneSpatialLayerPerStream
    }
}

/// The track that a request makes. `None` = its kind is unknown or none of its codecs may be published.
#[expect(deprecated, reason = "older clients read the fields that newer ones replaced")]
pub(crate) fn track_info(
    request: &proto::AddTrackRequest,
    sid: String,
    enabled: &[String],
    version: proto::TimedVersion,
) -> Option<proto::TrackInfo> {
    let kind = kind_of(request)?;
    let codecs = codecs_of(request, kind, enabled)?;
    let source = TrackSource::try_from(request.source).unwrap_or(TrackSource::Unknown);
    let mut audio_features = request.audio_features.clone();
    if request.stereo {
        audio_features.push(AudioTrackFeature::TfStereo as i32);
    }
    if request.disable_dtx {
        audio_features.push(AudioTrackFeature::TfNoDtx as i32);
    }
    let has = |feature: AudioTrackFeature| audio_features.contains(&(feature as i32));
    let (stereo, disable_dtx) = (has(AudioTrackFeature::TfStereo), has(AudioTrackFeature::TfNoDtx));
    let primary = codecs.first();
    let shares_stream =
        primary.is_some_and(|codec| codec.video_layer_mode == Mode::MultipleSpatialLayersPerStream as i32);
    Some(proto::TrackInfo {
        sid,
        r#type: request.r#type,
        name: request.name.clone(),
        muted: request.muted,
        width: request.width,
        height: request.height,
        simulcast: !shares_stream && primary.is_some_and(|codec| codec.layers.len() > 1),
        disable_dtx,
        source: source as i32,
        layers: by_quality(&request.layers),
        mime_type: primary.map(|codec| codec.mime_type.clone()).unwrap_or_default(),
        codecs,
        stereo,
        disable_red: request.disable_red,
        encryption: request.encryption,
        stream: match request.stream.as_str() {
            "" => default_stream(source).to_owned(),
            stream => stream.to_owned(),
        },
        version: Some(version),
        audio_features: without_repeats(&audio_features),
        backup_codec_policy: request.backup_codec_policy,
        packet_trailer_features: without_repeats(&request.packet_trailer_features),
        ..Default::default()
    })
}

/// Adds the codecs of a second request for the same track (backup codec), or fills in their client ids.
/// `false` = nothing in the request may be published.
pub(crate) fn add_codecs(info: &mut proto::TrackInfo, request: &proto::AddTrackRequest, enabled: &[String]) -> bool {
    let Ok(kind) = TrackType::try_from(info.r#type) else { return false };
    let Some(codecs) = codecs_of(request, kind, enabled) else { return false };
    let mut taken = false;
    for codec in codecs.into_iter().filter(|codec| !codec.mime_type.is_empty()) {
        taken = true;
        match info.codecs.iter_mut().find(|known| known.mime_type.eq_ignore_ascii_case(&codec.mime_type)) {
            Some(known) => {
                known.cid = codec.cid;
                if !codec.layers.is_empty() {
                    known.layers = codec.layers;
                }
            }
            None => info.codecs.push(codec),
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled() -> Vec<String> {
        crate::Settings::default().codecs
    }

    fn request(kind: TrackType, source: TrackSource, codecs: &[(&str, &str)]) -> proto::AddTrackRequest {
        let codec = |(codec, cid): &(&str, &str)| proto::SimulcastCodec {
            codec: (*codec).to_owned(),
            cid: (*cid).to_owned(),
            ..Default::default()
        };
        proto::AddTrackRequest {
            cid: "c".into(),
            r#type: kind as i32,
            source: source as i32,
            simulcast_codecs: codecs.iter().map(codec).collect(),
            ..Default::default()
        }
    }

    fn info(request: &proto::AddTrackRequest) -> Option<proto::TrackInfo> {
        track_info(request, "TR_x".into(), &enabled(), proto::TimedVersion::default())
    }

    #[test]
    fn codecs() {
        use Mode::{MultipleSpatialLayersPerStream as Svc, OneSpatialLayerPerStream as Sim, Unused};
        use TrackType::{Audio, Video};
        // (kind, asked, (MIME type, client id, layer mode)…)
        type Row<'a> = (TrackType, &'a [(&'a str, &'a str)], &'a [(&'a str, &'a str, Mode)]);
        let rows: &[Row] = &[
            (Video, &[("vp8", "c")], &[("video/VP8", "c", Sim)]),
            (Video, &[("VP9", "c"), ("vp8", "")], &[("video/VP9", "c", Svc), ("video/VP8", "", Sim)]),
            (Video, &[("video/AV1", "c")], &[("video/AV1", "c", Svc)]),
            (Video, &[("theora", "c")], &[("video/VP8", "c", Sim)]),
            (Video, &[("theora", "c"), ("vp8", "d")], &[("video/VP8", "c", Sim)]),
            (Video, &[], &[("", "c", Sim)]),
            (Audio, &[("opus", "c")], &[("audio/opus", "c", Unused)]),
            (Audio, &[("speex", "c")], &[("audio/opus", "c", Unused)]),
            (Audio, &[], &[("", "c", Unused)]),
        ];
        for (kind, asked, expected) in rows {
            let info = info(&request(*kind, TrackSource::Camera, asked)).unwrap();
            let got: Vec<_> =
                info.codecs.iter().map(|c| (c.mime_type.as_str(), c.cid.as_str(), c.video_layer_mode())).collect();
            assert_eq!(&got, expected, "{asked:?}");
            assert_eq!(info.mime_type, expected[0].0);
        }
        assert_eq!(info(&request(TrackType::Data, TrackSource::Unknown, &[])), None);
        let only_audio = vec!["audio/opus".to_owned()];
        let video = request(Video, TrackSource::Camera, &[("vp8", "c")]);
        assert_eq!(track_info(&video, String::new(), &only_audio, proto::TimedVersion::default()), None);
    }

    #[test]
    #[expect(deprecated, reason = "older clients use these fields")]
    fn old_and_new_audio_fields_agree() {
        let mut asked = request(TrackType::Audio, TrackSource::Microphone, &[]);
        asked.stereo = true;
        asked.audio_features = vec![AudioTrackFeature::TfNoDtx as i32, AudioTrackFeature::TfNoDtx as i32];
        let info = info(&asked).unwrap();
        assert!(info.stereo && info.disable_dtx);
        assert_eq!(info.audio_features, [AudioTrackFeature::TfNoDtx as i32, AudioTrackFeature::TfStereo as i32]);
    }

    #[test]
    #[expect(deprecated, reason = "older clients use these fields")]
    fn layers_ascend_and_streams_group() {
        let mut asked = request(TrackType::Video, TrackSource::ScreenShare, &[("vp8", "c")]);
        let layer = |quality: proto::VideoQuality| proto::VideoLayer { quality: quality as i32, ..Default::default() };
        asked.layers = vec![layer(proto::VideoQuality::High), layer(proto::VideoQuality::Low)];
        let info = info(&asked).unwrap();
        assert!(info.simulcast);
        assert_eq!(info.codecs[0].layers[0].quality(), proto::VideoQuality::Low);
        assert_eq!(info.stream, "screen");
        asked.stream = "mine".into();
        assert_eq!(super::tests::info(&asked).unwrap().stream, "mine");
    }

    #[test]
    fn backup_codec_joins_the_list() {
        let mut info = info(&request(TrackType::Video, TrackSource::Camera, &[("vp9", "c"), ("vp8", "")])).unwrap();
        assert!(add_codecs(&mut info, &request(TrackType::Video, TrackSource::Camera, &[("vp8", "d")]), &enabled()));
        assert_eq!(info.codecs.len(), 2);
        assert_eq!(info.codecs[1].cid, "d");
        assert!(add_codecs(&mut info, &request(TrackType::Video, TrackSource::Camera, &[("h264", "e")]), &enabled()));
        assert_eq!(info.codecs[2].mime_type, "video/H264");
        assert!(!add_codecs(&mut info, &request(TrackType::Video, TrackSource::Camera, &[]), &enabled()));
    }
}
