//! The first words to a client: `JoinResponse`, its token, and the connection that the server offers.

use std::time::Instant;

use livekit_protocol as proto;
use proto::signal_response::Message;

use tutti_rtp::{Codec, MediaKind};

use super::{Output, Session, TOKEN_REFRESH_INTERVAL, codec_of};

impl Session {
    /// Says `Join` and opens the client's transports. `participant` is the client itself, `others` everyone it may see.
    pub fn begin(
        &mut self,
        now: Instant,
        room: proto::Room,
        participant: proto::ParticipantInfo,
        others: Vec<proto::ParticipantInfo>,
    ) {
        let publishable = |mime: &&String| codec_of(mime).is_some_and(|codec| self.peer.may_publish(codec));
        let codecs = self.facts.codecs.iter().filter(publishable).map(|mime| codec_entry(mime.clone()));
        let join = proto::JoinResponse {
            room: Some(room),
            participant: Some(participant),
            other_participants: others,
            server_version: self.facts.server_info.version.clone(),
            server_region: self.facts.server_info.region.clone(),
            ice_servers: self.start.ice_servers.clone(),
            subscriber_primary: self.start.subscriber_primary(),
            client_configuration: Some(self.client_configuration()),
            ping_interval: self.facts.ping_interval_s,
            ping_timeout: self.facts.ping_timeout_s,
            server_info: Some(self.facts.server_info.clone()),
            sif_trailer: self.start.sif_trailer.clone(),
            enabled_publish_codecs: codecs.collect(),
            fast_publish: self.start.can_publish,
            ..Default::default()
        };
        self.out.respond(Message::Join(join));
        self.token_due = Some(now + TOKEN_REFRESH_INTERVAL);
        self.out.put(Output::RefreshToken);
        self.links.open(&mut self.out);
    }

    pub(super) fn client_configuration(&self) -> proto::ClientConfiguration {
        let entries = |codecs: &[Codec]| codecs.iter().map(|codec| codec_entry(mime_of(*codec))).collect::<Vec<_>>();
        let (codecs, publish) = (self.peer.disabled_codecs(), self.peer.disabled_publish_codecs());
        let disabled = proto::DisabledCodecs { codecs: entries(codecs), publish: entries(publish) };
        proto::ClientConfiguration {
            resume_connection: proto::ClientConfigSetting::Enabled as i32,
            disabled_codecs: (!codecs.is_empty() || !publish.is_empty()).then_some(disabled),
            ..Default::default()
        }
    }
}

fn codec_entry(mime: String) -> proto::Codec {
    proto::Codec { mime, fmtp_line: String::new() }
}

fn mime_of(codec: Codec) -> String {
    let kind = if codec.kind() == MediaKind::Audio { "audio" } else { "video" };
    format!("{kind}/{}", codec.name())
}
