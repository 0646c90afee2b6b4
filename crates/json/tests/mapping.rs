//! The proto3 JSON mapping as it meets generated readers, as a table.

use livekit_protocol as proto;
use serde::de::DeserializeOwned;

fn read<T: DeserializeOwned>(text: &str) -> T {
    tutti_json::from_slice(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn null_is_the_default_of_every_type() {
    for field in [
        "name",
        "roomPreset",
        "emptyTimeout",
        "empty_timeout",
        "maxParticipants",
        "metadata",
        "tags",
        "egress",
        "minPlayoutDelay",
        "syncStreams",
        "agents",
        "unknown",
    ] {
        let read: proto::CreateRoomRequest = read(&format!(r#"{{"{field}": null}}"#));
        assert_eq!(read, proto::CreateRoomRequest::default(), "{field}");
    }
    let with = |member: &str| -> proto::UpdateParticipantRequest { read(&format!(r#"{{"room":"r",{member}}}"#)) };
    let plain = with(r#""identity":"""#);
    for member in [r#""permission":null"#, r#""attributes":null"#, r#""name":null,"identity":null"#] {
        assert_eq!(with(member), plain, "{member}");
    }
    let permission = with(r#""permission":{"canPublish":true,"hidden":null,"canPublishSources":null}"#).permission;
    assert_eq!(permission, Some(proto::ParticipantPermission { can_publish: true, ..Default::default() }));
    let data: proto::SendDataRequest =
        read(r#"{"data":null,"kind":null,"destinationIdentities":null,"topic":null,"nonce":null}"#);
    assert_eq!(data, proto::SendDataRequest::default());
    // A field with presence stays absent; so does a choice between several.
    let add: proto::AddTrackRequest = read(r#"{"cid":"c","type":null,"source":null,"layers":null,"encryption":null}"#);
    assert_eq!(add, proto::AddTrackRequest { cid: "c".into(), ..Default::default() });
    for message in ["ping", "offer", "mute", "leave", "syncState"] {
        let request: proto::SignalRequest = read(&format!(r#"{{"{message}": null}}"#));
        assert_eq!(request.message, None, "{message}");
    }
    // In lists as well: a name that is not there is no name.
    assert_eq!(read::<proto::ListRoomsRequest>(r#"{"names":["a",null]}"#).names, ["a", ""]);
}

#[test]
fn whole_numbers_in_every_form() {
    for number in ["10", "10.0", "1e1", "1.0E+1", r#""10""#, r#""10.0""#, r#""1e1""#, "100e-1"] {
        let read: proto::CreateRoomRequest = read(&format!(r#"{{"emptyTimeout": {number}}}"#));
        assert_eq!(read.empty_timeout, 10, "{number}");
    }
    let ping = |number: &str| -> Option<proto::signal_request::Message> {
        read::<proto::SignalRequest>(&format!(r#"{{"ping": {number}}}"#)).message
    };
    for (number, value) in [
        ("9007199254740993", 9_007_199_254_740_993),
        (r#""9223372036854775807""#, i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("-2.0", -2),
        (r#""-2e0""#, -2),
        ("0e0", 0),
    ] {
        assert_eq!(ping(number), Some(proto::signal_request::Message::Ping(value)), "{number}");
    }
    for number in ["1.5", "1e40", "-1", "4294967296", r#""x""#, r#""""#, r#""1.5""#, "true", "[]", "{}", r#"" 1""#] {
        let read =
            tutti_json::from_slice::<proto::CreateRoomRequest>(format!(r#"{{"emptyTimeout": {number}}}"#).as_bytes());
        assert!(read.is_err(), "{number}");
    }
    for (number, value) in
        [("0.5", 0.5), ("1", 1.0), ("1.0", 1.0), (r#""0.5""#, 0.5), (r#""1e1""#, 10.0), ("null", 0.0)]
    {
        let read: proto::SpeakerInfo = read(&format!(r#"{{"level": {number}}}"#));
        assert_eq!(read.level, value, "{number}");
    }
}

#[test]
fn enums_by_name_or_number() {
    use proto::TrackSource::{Camera, ScreenShare, Unknown};
    for (text, source) in [
        (r#""CAMERA""#, Camera),
        ("1", Camera),
        ("1.0", Camera),
        (r#""SCREEN_SHARE""#, ScreenShare),
        ("null", Unknown),
        ("0", Unknown),
        // Names that nobody knows: of a newer client, in another case, or a part of one that is known.
        (r#""HOLOGRAM""#, Unknown),
        (r#""camera""#, Unknown),
        (r#""SCREEN""#, Unknown),
        (r#""""#, Unknown),
        (r#""\", \"""#, Unknown),
    ] {
        let read: proto::AddTrackRequest = read(&format!(r#"{{"source": {text}}}"#));
        assert_eq!(read.source(), source, "{text}");
    }
    let permission: proto::ParticipantPermission = read(r#"{"canPublishSources": ["CAMERA", 3, "HOLOGRAM"]}"#);
    assert_eq!(permission.can_publish_sources, [1, 3, 0], "a source that nobody knows does not become all of them");
    assert!(tutti_json::from_slice::<proto::AddTrackRequest>(br#"{"source": 99}"#).is_err());
}

#[test]
fn both_spellings_and_what_is_new() {
    let wanted = proto::AddTrackRequest { cid: "c".into(), disable_red: true, ..Default::default() };
    for text in [r#"{"cid":"c","disableRed":true}"#, r#"{"cid":"c","disable_red":true,"later":[{"x":null}],"9":1.5}"#] {
        assert_eq!(read::<proto::AddTrackRequest>(text), wanted, "{text}");
    }
    // The mapping knows no third spelling.
    assert!(!read::<proto::AddTrackRequest>(r#"{"DisableRED":true}"#).disable_red);
}

#[test]
fn bytes_in_both_alphabets() {
    for text in ["+/+/", "-_-_", "+_-/"] {
        let read = tutti_json::from_slice::<proto::SendDataRequest>(format!(r#"{{"data":"{text}"}}"#).as_bytes());
        // The two alphabets mixed in one text are neither.
        assert_eq!(read.is_ok(), text != "+_-/", "{text}");
    }
    for text in ["aGk=", "aGk"] {
        assert_eq!(read::<proto::SendDataRequest>(&format!(r#"{{"data":"{text}"}}"#)).data, b"hi");
    }
}

#[test]
fn durations_and_times() {
    let participant: proto::CreateSipParticipantRequest =
        read(r#"{"ringingTimeout": "1.500s", "maxCallDuration": null}"#);
    let timeout = participant.ringing_timeout.expect("it is there");
    assert_eq!((timeout.seconds, timeout.nanos), (1, 500_000_000));
    assert_eq!(participant.max_call_duration, None);
}

#[test]
fn what_is_no_message_is_refused() {
    for text in ["", "{", "[]", "7", "\"x\"", "{}{}", r#"{"names":"x"}"#, r#"{"names":{"a":"b"}}"#] {
        assert!(tutti_json::from_slice::<proto::ListRoomsRequest>(text.as_bytes()).is_err(), "{text}");
    }
    assert!(tutti_json::from_slice::<proto::CreateRoomRequest>(br#"{"name":7}"#).is_err());
    assert!(tutti_json::from_slice::<proto::CreateRoomRequest>(br#"{"name":"a","name":"b"}"#).is_err());
    let deep = format!("{}{}", r#"{"x":"#.repeat(200), "}".repeat(200));
    assert!(tutti_json::from_slice::<proto::CreateRoomRequest>(deep.as_bytes()).is_err());
}

#[test]
fn parts_of_something_larger() {
    let value = serde_json::json!({"emptyTimeout": 10.0, "metadata": null, "agents": null, "name": "n"});
    let config: proto::RoomConfiguration = tutti_json::from_value(value).expect("it is one");
    let wanted = proto::RoomConfiguration { name: "n".into(), empty_timeout: 10, ..Default::default() };
    assert_eq!(config, wanted);
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Claims {
    sub: String,
    video: Grants,
    attributes: std::collections::BTreeMap<String, String>,
    room_config: Option<serde_json::Value>,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Grants {
    can_publish: Option<bool>,
    room_join: bool,
    sources: Vec<String>,
}

#[test]
fn claims_in_any_case() {
    let read = |text: &str| tutti_json::claims_from_slice::<Claims>(text.as_bytes());
    let claims = read(
        r#"{"SUB":"ada","Video":{"CanPublish":false,"roomjoin":true,"sources":null},"attributes":{"Sub":"x","e":null},
            "roomConfig":{"metadata":null,"emptyTimeout":1.5}}"#,
    );
    let wanted = Claims {
        sub: "ada".into(),
        video: Grants { can_publish: Some(false), room_join: true, sources: vec![] },
        attributes: [("Sub".to_owned(), "x".to_owned()), ("e".to_owned(), String::new())].into(),
        room_config: Some(serde_json::json!({"metadata": null, "emptyTimeout": 1.5})),
    };
    assert_eq!(claims.expect("they are good"), wanted);
    for text in [r#"{"sub":"a","Sub":"b"}"#, r#"{"video":{"canPublish":"no"}}"#, r#"{"video":{"can_publish":7}}"#] {
        let refused = read(text).is_err();
        assert_eq!(refused, !text.contains("can_publish"), "{text}: another name is another claim");
    }
}
