//! Data blobs: kept by one member, asked for by others.

use livekit_protocol as proto;
use proto::data_blob_key::Key;
use proto::request_response::Reason;
use proto::signal_response::Message;
use tutti_room::{MemberKey, Request};

use crate::stage::Stage;

fn generic(name: &str) -> proto::DataBlobKey {
    proto::DataBlobKey { key: Some(Key::Generic(name.into())) }
}

fn blob(name: &str, bytes: usize) -> proto::DataBlob {
    proto::DataBlob { key: Some(generic(name)), contents: vec![7; bytes] }
}

/// The only answer to a request.
fn ask(stage: &mut Stage, from: MemberKey, request: Request) -> Message {
    stage.clear();
    stage.handle(from, request);
    let mut told = stage.messages(from);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

fn store(stage: &mut Stage, from: MemberKey, blob: Option<proto::DataBlob>) -> Option<Reason> {
    let request = Request::StoreDataBlob(proto::StoreDataBlobRequest { request_id: 7, blob: blob.clone() });
    match ask(stage, from, request) {
        Message::StoreDataBlobResponse(stored) => {
            assert_eq!((stored.request_id, stored.key), (7, blob.and_then(|blob| blob.key)));
            None
        }
        other => Some(reason(other)),
    }
}

fn get(stage: &mut Stage, from: MemberKey, whose: &str, key: Option<proto::DataBlobKey>) -> Result<usize, Reason> {
    let request = proto::GetDataBlobRequest { request_id: 7, participant_identity: whose.into(), key: key.clone() };
    match ask(stage, from, Request::GetDataBlob(request)) {
        Message::GetDataBlobResponse(got) => {
            assert_eq!(got.request_id, 7);
            let blob = got.blob.unwrap();
            assert_eq!(blob.key, key);
            Ok(blob.contents.len())
        }
        other => Err(reason(other)),
    }
}

fn reason(message: Message) -> Reason {
    let Message::RequestResponse(refusal) = message else { panic!("{message:?}") };
    assert_eq!(refusal.request_id, 7);
    refusal.reason()
}

#[test]
fn a_blob_is_kept_as_long_as_its_member() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    assert_eq!(get(&mut stage, bea, "ada", Some(generic("a"))), Err(Reason::NotFound));
    assert_eq!(store(&mut stage, ada, Some(blob("a", 10))), None);
    assert_eq!(store(&mut stage, ada, Some(blob("a", 20))), None);
    assert_eq!(get(&mut stage, bea, "ada", Some(generic("a"))), Ok(20), "the last one counts");
    assert_eq!(get(&mut stage, ada, "ada", Some(generic("a"))), Ok(20));
    assert_eq!(get(&mut stage, bea, "bea", Some(generic("a"))), Err(Reason::NotFound));
    assert_eq!(get(&mut stage, bea, "ada", None), Err(Reason::InvalidRequest));
    stage.handle(ada, Request::Leave(proto::DisconnectReason::ClientInitiated));
    assert_eq!(get(&mut stage, bea, "ada", Some(generic("a"))), Err(Reason::NotFound));
}

#[test]
fn what_is_wrong_is_named() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let schema = |name: &str| proto::DataTrackSchemaId { name: name.into(), ..Default::default() };
    let key = |key: Option<Key>| Some(proto::DataBlob { key: Some(proto::DataBlobKey { key }), contents: vec![1] });
    let bad = [
        None,
        key(None),
        key(Some(Key::Generic(String::new()))),
        key(Some(Key::Generic("k".repeat(254)))),
        key(Some(Key::SchemaId(schema("")))),
        Some(proto::DataBlob { key: None, contents: vec![1] }),
        Some(blob("a", 0)),
    ];
    for blob in bad {
        assert_eq!(store(&mut stage, ada, blob.clone()), Some(Reason::InvalidRequest), "{blob:?}");
    }
    assert_eq!(store(&mut stage, ada, key(Some(Key::Generic("k".repeat(253))))), None);
    assert_eq!(store(&mut stage, ada, key(Some(Key::SchemaId(schema("pose"))))), None);
    let mute = stage.enter_as("mute", |joiner| joiner.permission.can_publish_data = false);
    assert_eq!(store(&mut stage, mute, Some(blob("a", 1))), Some(Reason::NotAllowed));
    let spy = stage.enter_as("spy", |joiner| joiner.permission.hidden = true);
    assert_eq!(store(&mut stage, spy, Some(blob("a", 1))), None);
    assert_eq!(get(&mut stage, ada, "spy", Some(generic("a"))), Err(Reason::NotFound));
    assert_eq!(get(&mut stage, spy, "spy", Some(generic("a"))), Ok(1));
}

#[test]
fn they_have_limits() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    // A key of one letter has three bytes.
    assert_eq!(store(&mut stage, ada, Some(blob("a", 63_998))), Some(Reason::LimitExceeded));
    assert_eq!(store(&mut stage, ada, Some(blob("a", 63_997))), None);
    assert_eq!(store(&mut stage, ada, Some(blob("b", 1))), Some(Reason::LimitExceeded));
    assert_eq!(store(&mut stage, ada, Some(blob("a", 60_000))), None);
    assert_eq!(store(&mut stage, ada, Some(blob("b", 1))), None);
    for number in 0..256 {
        assert_eq!(store(&mut stage, bea, Some(blob(&number.to_string(), 1))), None);
    }
    assert_eq!(store(&mut stage, bea, Some(blob("one more", 1))), Some(Reason::LimitExceeded));
    let mut off = Stage::with(|settings| settings.limits.data_blobs_bytes = 0);
    let cai = off.enter("cai");
    assert_eq!(store(&mut off, cai, Some(blob("a", 1))), Some(Reason::LimitExceeded));
}
