//! Values that have no name yet. Clients may be newer than this server and state enum values that it does not know;
//! they are passed on as numbers. The JSON form has names only, so there they are left out.

use livekit_protocol as proto;
use proto::signal_response::Message;
use proto::{data_track_frame_encoding, data_track_schema_encoding, request_response};

/// Leaves out every enum value of a client that has no name: single ones fall back to their default.
pub(crate) fn named_only(message: &mut Message) {
    match message {
        Message::Join(join) => {
            join.participant.iter_mut().chain(&mut join.other_participants).for_each(participant);
        }
        Message::Update(update) => update.participants.iter_mut().for_each(participant),
        Message::TrackPublished(published) => published.track.iter_mut().for_each(track),
        Message::PublishDataTrackResponse(response) => response.info.iter_mut().for_each(data_track),
        Message::UnpublishDataTrackResponse(response) => response.info.iter_mut().for_each(data_track),
        Message::RequestResponse(response) => response.request.iter_mut().for_each(request),
        _ => {}
    }
}

fn participant(info: &mut proto::ParticipantInfo) {
    info.tracks.iter_mut().for_each(track);
    info.data_tracks.iter_mut().for_each(data_track);
    many::<proto::client_info::Capability>(&mut info.capabilities);
}

#[expect(deprecated, reason = "older clients read the layers beside the codecs")]
fn track(info: &mut proto::TrackInfo) {
    info.layers.iter_mut().for_each(layer);
    info.codecs.iter_mut().flat_map(|codec| &mut codec.layers).for_each(layer);
    one::<proto::encryption::Type>(&mut info.encryption);
    one::<proto::BackupCodecPolicy>(&mut info.backup_codec_policy);
    many::<proto::AudioTrackFeature>(&mut info.audio_features);
    many::<proto::PacketTrailerFeature>(&mut info.packet_trailer_features);
}

fn layer(layer: &mut proto::VideoLayer) {
    one::<proto::VideoQuality>(&mut layer.quality);
}

fn data_track(info: &mut proto::DataTrackInfo) {
    one::<proto::encryption::Type>(&mut info.encryption);
    info.frame_encoding.iter_mut().for_each(frame_encoding);
    info.schema.iter_mut().for_each(schema);
}

fn frame_encoding(encoding: &mut proto::DataTrackFrameEncoding) {
    if let Some(data_track_frame_encoding::Value::WellKnown(value)) = &mut encoding.value {
        one::<data_track_frame_encoding::WellKnownFrameEncoding>(value);
    }
}

fn schema(schema: &mut proto::DataTrackSchemaId) {
    let encoding = schema.encoding.as_mut().and_then(|encoding| encoding.value.as_mut());
    if let Some(data_track_schema_encoding::Value::WellKnown(value)) = encoding {
        one::<data_track_schema_encoding::WellKnownSchemaEncoding>(value);
    }
}

/// A request that comes back to the client that made it.
fn request(request: &mut request_response::Request) {
    use request_response::Request;
    match request {
        Request::AddTrack(add) => {
            one::<proto::TrackType>(&mut add.r#type);
            one::<proto::TrackSource>(&mut add.source);
            one::<proto::encryption::Type>(&mut add.encryption);
            one::<proto::BackupCodecPolicy>(&mut add.backup_codec_policy);
            many::<proto::AudioTrackFeature>(&mut add.audio_features);
            many::<proto::PacketTrailerFeature>(&mut add.packet_trailer_features);
            add.layers.iter_mut().for_each(layer);
            for codec in &mut add.simulcast_codecs {
                one::<proto::video_layer::Mode>(&mut codec.video_layer_mode);
                codec.layers.iter_mut().for_each(layer);
            }
        }
        Request::UpdateAudioTrack(update) => many::<proto::AudioTrackFeature>(&mut update.features),
        Request::PublishDataTrack(publish) => {
            one::<proto::encryption::Type>(&mut publish.encryption);
            publish.frame_encoding.iter_mut().for_each(frame_encoding);
            publish.schema.iter_mut().for_each(schema);
        }
        _ => {}
    }
}

fn one<E: TryFrom<i32> + Default + Into<i32>>(value: &mut i32) {
    if E::try_from(*value).is_err() {
        *value = E::default().into();
    }
}

fn many<E: TryFrom<i32>>(values: &mut Vec<i32>) {
    values.retain(|value| E::try_from(*value).is_ok());
}
