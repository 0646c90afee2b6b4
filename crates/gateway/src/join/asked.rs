//! What a client asks for when it joins, in one form whichever way it was said.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use tutti_cluster::Resume;
use tutti_signal::Mode;

use super::{Refusal, client, wrapped};
use crate::query::Query;

/// The client's side of a join. Nothing of it is a right.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) mode: Mode,
    pub(super) client: proto::ClientInfo,
    pub(super) auto_subscribe: bool,
    pub(super) auto_subscribe_data_track: bool,
    pub(super) adaptive_stream: bool,
    /// `None` = the server's default.
    pub(super) subscriber_allow_pause: Option<bool>,
    pub(super) disable_ice_lite: bool,
    /// Suffix of the identity of a publish-only helper; empty = none.
    pub(super) publish: String,
    /// Takes the place of the token's; empty = none.
    pub(super) metadata: String,
    /// Come on top of the token's.
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) resume: Option<Resume>,
    pub(super) add_tracks: Vec<proto::AddTrackRequest>,
    pub(super) publisher_offer: Option<proto::SessionDescription>,
    pub(super) sync_state: Option<proto::SyncState>,
}

impl Asked {
    /// Reads a `join_request` if there is one, else the single parameters. Attributes that cannot be read are an error
    /// only if `strict`.
    pub(super) fn read(query: &Query, strict: bool) -> Result<Self, Refusal> {
        match query.get("join_request") {
            "" => Self::from_parameters(query, strict),
            packed => Ok(Self::from_join_request(wrapped::unpack(packed)?)),
        }
    }

    /// docs/protocol.md#join-parameters.
    fn from_parameters(query: &Query, strict: bool) -> Result<Self, Refusal> {
        let attributes = match query.get("attributes") {
            "" => BTreeMap::new(),
            text => match attributes(text) {
                Some(attributes) => attributes,
                None if strict => return Err(Refusal::Attributes),
                None => BTreeMap::new(),
            },
        };
        Ok(Self {
            mode: Mode::Dual,
            client: client::from_query(query),
            auto_subscribe: query.flag("auto_subscribe").unwrap_or(true),
            auto_subscribe_data_track: query.flag("auto_subscribe_data_track").unwrap_or(false),
            adaptive_stream: query.flag("adaptive_stream").unwrap_or(false),
            subscriber_allow_pause: query.flag("subscriber_allow_pause"),
            disable_ice_lite: query.flag("disable_ice_lite").unwrap_or(false),
            publish: query.get("publish").to_owned(),
            metadata: String::new(),
            attributes,
            resume: query.flag("reconnect").unwrap_or(false).then(|| Resume { sid: query.get("sid").to_owned() }),
            add_tracks: Vec::new(),
            publisher_offer: None,
            sync_state: None,
        })
    }

    /// docs/protocol.md#join-request. What is absent is `false` here, but for what has presence of its own.
    fn from_join_request(join: proto::JoinRequest) -> Self {
        let settings = join.connection_settings.unwrap_or_default();
        Self {
            mode: Mode::Single,
            client: join.client_info.unwrap_or_default(),
            auto_subscribe: settings.auto_subscribe,
            auto_subscribe_data_track: settings.auto_subscribe_data_track.unwrap_or(false),
            adaptive_stream: settings.adaptive_stream,
            subscriber_allow_pause: settings.subscriber_allow_pause,
            disable_ice_lite: settings.disable_ice_lite,
            publish: String::new(),
            metadata: join.metadata,
            attributes: join.participant_attributes.into_iter().collect(),
            resume: join.reconnect.then_some(Resume { sid: join.participant_sid }),
            add_tracks: join.add_track_requests,
            publisher_offer: join.publisher_offer,
            sync_state: join.sync_state,
        }
    }
}

/// Reads base64url of a JSON object of texts.
fn attributes(text: &str) -> Option<BTreeMap<String, String>> {
    serde_json::from_slice(&wrapped::base64url(text)?).ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE;
    use prost::Message;

    use super::*;

    fn read(raw: &str) -> Asked {
        Asked::read(&Query::parse(raw), false).expect("query is good")
    }

    fn packed(join: &proto::JoinRequest) -> String {
        let wrapper = proto::WrappedJoinRequest { compression: 0, join_request: join.encode_to_vec() };
        format!("join_request={}", URL_SAFE.encode(wrapper.encode_to_vec()).replace('=', "%3D"))
    }

    #[test]
    fn parameters_have_their_defaults() {
        let asked = read("");
        assert_eq!(asked.mode, Mode::Dual);
        assert!(asked.auto_subscribe && !asked.adaptive_stream && !asked.disable_ice_lite);
        assert!(!asked.auto_subscribe_data_track && asked.subscriber_allow_pause.is_none() && asked.resume.is_none());

        let asked = read("auto_subscribe=0&adaptive_stream=1&disable_ice_lite=true&subscriber_allow_pause=0&junk=1");
        assert!(!asked.auto_subscribe && asked.adaptive_stream && asked.disable_ice_lite);
        assert_eq!(asked.subscriber_allow_pause, Some(false));

        let asked = read("reconnect=1&sid=PA_x&reconnect_reason=2");
        assert_eq!(asked.resume.map(|resume| resume.sid).as_deref(), Some("PA_x"));
        assert!(read("sid=PA_x").resume.is_none());
    }

    #[test]
    fn attributes_are_strict_only_for_validation() {
        let good = format!("attributes={}", URL_SAFE.encode(r#"{"seat":"3"}"#));
        assert_eq!(read(&good).attributes.get("seat").map(String::as_str), Some("3"));
        for bad in ["attributes=!", "attributes=e30x", "attributes=WzFd"] {
            assert!(read(bad).attributes.is_empty(), "{bad}");
            assert_eq!(Asked::read(&Query::parse(bad), true).err(), Some(Refusal::Attributes), "{bad}");
        }
    }

    #[test]
    fn a_join_request_is_the_single_mode() {
        let asked = read(&packed(&proto::JoinRequest { client_info: Some(Default::default()), ..Default::default() }));
        assert_eq!(asked.mode, Mode::Single);
        assert!(!asked.auto_subscribe && asked.resume.is_none() && asked.subscriber_allow_pause.is_none());

        let offer =
            proto::SessionDescription { r#type: "offer".into(), sdp: "v=0".into(), id: 1, ..Default::default() };
        let asked = read(&packed(&proto::JoinRequest {
            client_info: Some(proto::ClientInfo { protocol: 17, ..Default::default() }),
            connection_settings: Some(proto::ConnectionSettings { auto_subscribe: true, ..Default::default() }),
            metadata: "m".into(),
            participant_attributes: [("seat".to_owned(), "3".to_owned())].into(),
            add_track_requests: vec![proto::AddTrackRequest { cid: "c".into(), ..Default::default() }],
            publisher_offer: Some(offer.clone()),
            reconnect: true,
            participant_sid: "PA_x".into(),
            ..Default::default()
        }));
        assert_eq!((asked.client.protocol, asked.metadata.as_str()), (17, "m"));
        assert!(asked.auto_subscribe && asked.attributes.len() == 1 && asked.add_tracks.len() == 1);
        assert_eq!(asked.publisher_offer, Some(offer));
        assert_eq!(asked.resume.map(|resume| resume.sid).as_deref(), Some("PA_x"));
    }
}
