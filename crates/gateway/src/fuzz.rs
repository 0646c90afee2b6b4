//! What the fuzz targets do with their bytes. Lies in this crate because it reaches for what the crate does not show;
//! compiled for its tests, which replay the corpus, and for cargo-fuzz.

#[expect(dead_code, unreachable_pub, reason = "shared with the fuzz targets of other crates")]
#[path = "../../../fuzz/src/input.rs"]
mod input;

#[cfg(test)]
#[expect(unreachable_pub, reason = "shared with the replay of other crates")]
#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use livekit_protocol as proto;
use prost::Message as _;
use tutti_room::Limits;
use tutti_token::{Claims, Keys, Secret, TTL_DEFAULT};

use crate::Settings;
use crate::join::{Admission, Call, Version, admit};
use crate::query::Query;
use input::Input;

/// A join: how it is put, the claims of its token as JSON, then the query, the `join_request`, the header and the
/// user agent. Whoever gets in has a name, a room, values within the limits, and no right that the token does not give.
pub fn join(data: &[u8]) {
    let mut input = Input::new(data);
    let how = input.byte();
    let claims = input.piece();
    let (raw, join_request) = (text(input.piece()), input.piece());
    let (header, user_agent) = (text(input.piece()), text(input.piece()));

    let keys = Arc::new(Keys::one("devkey", Secret::new("secret")));
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let claims = Claims::from_json(claims).unwrap_or_else(|_| Claims::join("stage", "ada"));
    let signed = keys.sign("devkey", &claims, now, TTL_DEFAULT).expect("the key is known");
    let mut query = raw;
    if how & 1 == 0 {
        query = format!("access_token={signed}&{query}");
    }
    if how & 2 != 0 {
        query = format!("join_request={}&{query}", packed(join_request, how & 4 != 0, how & 8 != 0));
    }
    let bearer = format!("Bearer {signed}");
    let call = Call {
        version: if how & 16 == 0 { Version::V0 } else { Version::V1 },
        strict: how & 32 != 0,
        query: Query::parse(&query),
        authorization: match how >> 6 {
            0 | 1 => None,
            2 => Some(&header),
            _ => Some(&bearer),
        },
        user_agent: &user_agent,
        address: Ipv4Addr::LOCALHOST.into(),
    };
    let settings = settings();
    match admit(&call, &keys, &settings, now) {
        Ok(admission) => admitted(&admission, &claims, &keys, &settings),
        Err(refusal) => {
            assert!(refusal.status().is_client_error(), "{refusal:?}");
            assert!(!refusal.to_string().is_empty() && refusal.to_string().len() < 1024, "{refusal:?}");
        }
    }
}

/// One frame of a socket, as text or as bytes: what is read is written so that the same is read again.
pub fn frame(data: &[u8]) {
    let mut text_encoding = crate::socket::Encoding::default();
    let as_text = text_encoding.read(&axum::extract::ws::Message::text(text(data)));
    let as_bytes = crate::socket::Encoding::default().read(&axum::extract::ws::Message::Binary(data.to_vec().into()));
    for request in [as_text, as_bytes].into_iter().flatten().flatten() {
        let bytes = request.encode_to_vec();
        let again = proto::SignalRequest::decode(bytes.as_slice()).expect("what was written can be read");
        assert_eq!(again.encode_to_vec().len(), bytes.len());
    }
}

fn settings() -> Settings {
    Settings {
        keys: Keys::default(),
        dev_key: None,
        demo: false,
        metrics: false,
        trusted_proxies: Vec::new(),
        connections_max: 10,
        limits: Limits::default(),
        room_name_bytes: 256,
        presets: Default::default(),
        facts: None,
        api: axum::Router::new(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A `join_request` as clients pack it, whatever is in it.
fn packed(join_request: &[u8], gzip: bool, says_gzip: bool) -> String {
    let mut join_request = join_request.to_vec();
    if gzip {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        join_request = encoder.write_all(&join_request).and_then(|()| encoder.finish()).expect("memory can be written");
    }
    let compression = i32::from(gzip || says_gzip);
    URL_SAFE_NO_PAD.encode(proto::WrappedJoinRequest { compression, join_request }.encode_to_vec())
}

fn admitted(Admission { request, issuer }: &Admission, claims: &Claims, keys: &Keys, settings: &Settings) {
    let (joiner, limits) = (&request.joiner, &settings.limits);
    assert!(!joiner.identity.is_empty() && joiner.identity.len() <= limits.identity_bytes);
    assert!(!request.room.name.is_empty() && request.room.name.len() <= settings.room_name_bytes);
    assert!(joiner.name.len() <= limits.name_bytes && joiner.metadata.len() <= limits.metadata_bytes);
    let attributes: usize = joiner.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert!(attributes <= limits.attributes_bytes);

    let rights = claims.video.permission();
    let given = &joiner.permission;
    assert!(
        claims.video.room_join && request.room.name == claims.video.room && request.create == claims.video.room_create
    );
    assert!(!given.can_publish || rights.can_publish);
    assert!(!given.can_subscribe || rights.can_subscribe);
    assert!(!given.can_publish_data || rights.can_publish_data);
    assert!(!given.can_update_metadata || rights.can_update_metadata);
    assert!(!given.can_subscribe_metrics || rights.can_subscribe_metrics);
    assert_eq!(given.hidden, rights.hidden);
    assert!(
        given.can_update_metadata || (joiner.metadata == claims.metadata && joiner.attributes == claims.attributes)
    );

    // The token that it reconnects with is this server's, and says the same.
    let participant = proto::ParticipantInfo {
        identity: joiner.identity.clone(),
        name: joiner.name.clone(),
        metadata: joiner.metadata.clone(),
        attributes: joiner.attributes.clone().into_iter().collect(),
        permission: Some(given.clone()),
        ..Default::default()
    };
    let token = issuer.refresh(&participant).expect("the key is known");
    let again = keys.verify(&token, std::time::SystemTime::now()).expect("a token that was just signed");
    assert_eq!((again.identity(), &again.video.room), (joiner.identity.as_str(), &request.room.name));
    assert_eq!((&again.metadata, &again.attributes), (&joiner.metadata, &joiner.attributes));
}

#[cfg(test)]
mod tests {
    use super::corpus;

    #[test]
    fn the_corpus_passes() {
        corpus::each("join", super::join);
        corpus::each("frame", super::frame);
    }
}
