//! Name, metadata and attributes, changed by their member.

use livekit_protocol as proto;
use proto::request_response::Reason;
use proto::signal_response::Message;
use tutti_room::{Notice, Request};

use crate::stage::Stage;

fn update(name: &str, metadata: &str, attributes: &[(&str, &str)]) -> proto::UpdateParticipantMetadata {
    proto::UpdateParticipantMetadata {
        name: name.into(),
        metadata: metadata.into(),
        attributes: attributes.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        request_id: 77,
    }
}

#[test]
fn both_replies_and_a_fresh_token() {
    let mut stage = Stage::new();
    let ada = stage.enter_as("ada", |joiner| {
        joiner.permission.can_update_metadata = true;
        joiner.metadata = "old".into();
        joiner.attributes.insert("keep".into(), "1".into());
        joiner.attributes.insert("drop".into(), "1".into());
    });
    let bea = stage.enter("bea");
    stage.clear();
    let before = stage.info(ada).version;
    stage.handle(ada, Request::UpdateMetadata(update("Ada", "", &[("drop", ""), ("new", "2")])));
    let told = stage.take(ada);
    let [Notice::Send(own), Notice::Send(response), Notice::IdentityChanged(identity)] = told.as_slice() else {
        panic!("{told:?}")
    };
    let Message::Update(own) = own.as_ref() else { panic!("{own:?}") };
    let info = &own.participants[0];
    assert_eq!((info.name.as_str(), info.metadata.as_str()), ("Ada", "old"), "empty changes nothing");
    let mut attributes: Vec<_> = info.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    attributes.sort_unstable();
    assert_eq!(attributes, [("keep", "1"), ("new", "2")]);
    assert!(info.version > before);
    assert_eq!(identity.as_ref(), info);
    let Message::RequestResponse(response) = response.as_ref() else { panic!("{response:?}") };
    assert_eq!((response.reason(), response.request_id), (Reason::Ok, 77));
    assert_eq!(stage.updates(bea), own.participants, "others at once");
}

#[test]
fn refusals() {
    let mut stage = Stage::with(|settings| {
        settings.limits.metadata_bytes = 4;
        settings.limits.attributes_bytes = 4;
    });
    let ada = stage.enter("ada");
    let bea = stage.enter_as("bea", |joiner| joiner.permission.can_update_metadata = true);
    stage.clear();
    for (member, update, reason) in [
        (ada, update("Ada", "", &[]), Reason::NotAllowed),
        (bea, update("", "12345", &[]), Reason::LimitExceeded),
        (bea, update("", "", &[("123", "45")]), Reason::LimitExceeded),
        (bea, update(&"x".repeat(257), "", &[]), Reason::LimitExceeded),
        (bea, update("B\nERROR", "", &[]), Reason::InvalidRequest),
        (bea, update("B\u{1b}[31m", "", &[]), Reason::InvalidRequest),
        (bea, update("", "", &[("a\n", "1")]), Reason::InvalidRequest),
    ] {
        let before = stage.info(member);
        stage.handle(member, Request::UpdateMetadata(update.clone()));
        let responses = stage.responses(member);
        let [response] = responses.as_slice() else { panic!("{responses:?}") };
        assert_eq!((response.reason(), response.request_id), (reason, 77));
        assert_eq!(response.request, Some(proto::request_response::Request::UpdateMetadata(update)));
        assert_eq!(stage.info(member), before);
    }
}

#[test]
fn texts_that_name_nobody_may_have_many_lines() {
    let mut stage = Stage::new();
    let ada = stage.enter_as("ada", |joiner| joiner.permission.can_update_metadata = true);
    stage.handle(ada, Request::UpdateMetadata(update("", "{\n\t\"seat\": 3\n}", &[("about", "a\nb")])));
    let info = stage.info(ada);
    assert_eq!(info.metadata, "{\n\t\"seat\": 3\n}");
    assert_eq!(info.attributes.get("about").map(String::as_str), Some("a\nb"));
}

#[test]
fn older_clients_are_not_told_yes() {
    let mut stage = Stage::new();
    let ada = stage.enter_as("ada", |joiner| {
        joiner.permission.can_update_metadata = true;
        joiner.client.protocol = 14;
    });
    let rust = stage.enter_as("rust", |joiner| {
        joiner.client.protocol = 9;
        joiner.client.sdk = proto::client_info::Sdk::Rust as i32;
    });
    stage.clear();
    stage.handle(ada, Request::UpdateMetadata(update("Ada", "", &[])));
    assert!(stage.responses(ada).is_empty());
    stage.clear();
    stage.handle(rust, Request::UpdateMetadata(update("Rust", "", &[])));
    assert!(stage.take(rust).is_empty(), "it could not decode a refusal");
}

#[test]
fn hidden_members_hear_of_themselves() {
    let mut stage = Stage::new();
    let spy = stage.enter_as("spy", |joiner| {
        joiner.permission.hidden = true;
        joiner.permission.can_update_metadata = true;
    });
    let bea = stage.enter("bea");
    stage.clear();
    stage.handle(spy, Request::UpdateMetadata(update("S", "", &[])));
    assert_eq!(stage.updates(spy).len(), 1);
    assert!(stage.updates(bea).is_empty());
}
