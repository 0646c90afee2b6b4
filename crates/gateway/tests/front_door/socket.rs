//! Signalling sockets: how they open, what limits they keep, how they end.

use crate::server::{single_join_query, start, token};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio_tungstenite::tungstenite::Message;
use tutti_token::Claims;

fn pong(message: &Response) -> Option<i64> {
    match message {
        Response::PongResp(pong) => Some(pong.last_ping_timestamp),
        _ => None,
    }
}

fn ping(timestamp: i64) -> Request {
    Request::PingReq(proto::Ping { timestamp, rtt: 1 })
}

#[tokio::test]
async fn both_versions_begin_with_the_join() {
    let server = start();
    let (mut client, join) = server.join("stage", "ada").await;
    assert_eq!(join.room.map(|room| room.name).as_deref(), Some("stage"));
    assert_eq!(join.participant.map(|participant| participant.identity).as_deref(), Some("ada"));
    client.send(ping(42)).await;
    assert_eq!(client.find(pong).await, 42);
    drop(client);

    for path in ["/rtc/v1", "//rtc/v1", "/rtc", "/behind/a/proxy/rtc/v1"] {
        let token = token(&Claims::join("stage", path));
        let target = format!("{path}?access_token={token}&{}", single_join_query());
        let mut client = server.connect(&target).await.expect("join is let in");
        let Response::Join(join) = client.next().await else { panic!("{path}: not a join") };
        assert!(!join.subscriber_primary, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn answers_follow_the_client_into_json_and_back() {
    let server = start();
    let (mut client, _) = server.join("stage", "ada").await;
    client.send_frame(Message::text(r#"{"pingReq":{"timestamp":"7"}}"#)).await;
    loop {
        // What was under way before the text arrived is still binary.
        if let Message::Text(text) = client.next_frame().await
            && text.contains("pongResp")
        {
            assert!(text.contains(r#""lastPingTimestamp":"7""#), "{text}");
            break;
        }
    }
    client.send(ping(8)).await;
    loop {
        if let Message::Binary(bytes) = client.next_frame().await
            && let Some(message) = proto::SignalResponse::decode(bytes).expect("protobuf").message
            && let Some(timestamp) = pong(&message)
        {
            assert_eq!(timestamp, 8);
            break;
        }
    }
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn limits_have_names() {
    let server = start();
    let (mut client, _) = server.join("stage", "big").await;
    client.send_frame(Message::binary(vec![0; (2 << 20) + 1])).await;
    assert_eq!(client.closed().await, (1009, "message over 2 MiB".to_owned()));

    for frame in [Message::text("{"), Message::binary(vec![0xff; 3])] {
        let (mut client, _) = server.join("stage", "garbage").await;
        client.send_frame(frame).await;
        assert_eq!(client.closed().await, (1007, "not a signalling message".to_owned()));
    }

    let (mut client, _) = server.join("stage", "flood").await;
    let nothing = proto::SignalRequest { message: Some(Request::Ping(0)) }.encode_to_vec();
    for _ in 0..10_000 {
        client.send_frame(Message::binary(nothing.clone())).await;
    }
    assert_eq!(client.closed().await, (1008, "message rate limit".to_owned()));

    // The others in the room noticed nothing.
    let (mut client, _) = server.join("stage", "calm").await;
    client.send(ping(1)).await;
    assert_eq!(client.find(pong).await, 1);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_is_closed_cleanly() {
    let server = start();
    let (mut client, _) = server.join("stage", "ada").await;
    client.send(Request::Leave(proto::LeaveRequest::default())).await;
    assert_eq!(client.closed().await.0, 1000);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn the_same_identity_again_takes_the_place() {
    let server = start();
    let (mut first, _) = server.join("stage", "ada").await;
    let (second, _) = server.join("stage", "ada").await;
    let reason = first.find(|message| match message {
        Response::Leave(leave) => Some(leave.reason()),
        _ => None,
    });
    assert_eq!(reason.await, proto::DisconnectReason::DuplicateIdentity);
    assert_eq!(first.closed().await.0, 1000);
    drop((first, second));
    server.stop().await;
}

#[tokio::test]
async fn a_resume_of_nothing_is_told_to_begin_anew() {
    let server = start();
    let target =
        format!("/rtc?protocol=15&reconnect=1&sid=PA_gone&access_token={}", token(&Claims::join("stage", "ada")));
    let mut client = server.connect(&target).await.expect("resumes are upgraded");
    let Response::Leave(leave) = client.next().await else { panic!("not a leave") };
    assert_eq!(leave.action(), proto::leave_request::Action::Reconnect);
    assert_eq!(client.closed().await.0, 1000);
    drop(client);
    server.stop().await;
}

/// Clients that no suite runs on a server's machine: only how they join is tried.
#[tokio::test]
async fn clients_of_phones_and_engines_are_let_in_as_they_ask() {
    let server = start();
    let forms = [
        "protocol=13&auto_subscribe=1&adaptive_stream=1&sdk=android&version=2.20.0&device_model=Pixel%208%20Pro&os=android\
         &os_version=15&network=wifi",
        "auto_subscribe=1&adaptive_stream=0&protocol=16&sdk=flutter&version=2.5.0&network=wifi&os=android&os_version=15\
         &device_model=Pixel+8",
        "protocol=15&sdk=swift&version=2.9.0&os=iOS&os_version=18.3.1&device_model=iPhone16,1&network=cellular\
         &auto_subscribe=1&adaptive_stream=1",
        "sdk=unity&protocol=16&auto_subscribe=1&adaptive_stream=0&version=1.3.2",
        "sdk=cpp&protocol=16&auto_subscribe=1&adaptive_stream=0&version=0.1.0",
        "sdk=esp32&protocol=16&version=0.3.0",
        "sdk=reactnative&protocol=16&version=2.9.0&os=ios&auto_subscribe=1",
        "sdk=of_tomorrow&protocol=99&version=x&unknown=1",
        "",
    ];
    for (number, form) in forms.into_iter().enumerate() {
        let identity = format!("client {number}");
        let target = format!("/rtc?access_token={}&{form}", token(&Claims::join("stage", &identity)));
        let mut client = server.connect(&target).await.expect("join is let in");
        let Response::Join(join) = client.next().await else { panic!("{form}: not a join") };
        assert_eq!(join.subscriber_primary, !form.is_empty(), "{form}");
        assert_eq!(join.server_version, "1.9.0", "Android reads this one");
        let kind = |message: &Response| matches!(message, Response::Offer(_)).then_some(());
        if join.subscriber_primary {
            client.find(kind).await;
        }
        // Flutter does not say whose session it resumes: its token does.
        let mut again = server.connect(&format!("{target}&reconnect=1")).await.expect("resume is let in");
        assert!(matches!(again.next().await, Response::Reconnect(_)), "{form}");
        drop((client, again));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stop_says_goodbye() {
    let server = start();
    let (mut client, _) = server.join("stage", "ada").await;
    let goodbye = tokio::spawn(async move {
        let reason = client.find(|message| match message {
            Response::Leave(leave) => Some(leave.reason()),
            _ => None,
        });
        (reason.await, client.closed().await.0)
    });
    server.stop().await;
    let heard = goodbye.await.expect("client does not panic");
    assert_eq!(heard, (proto::DisconnectReason::ServerShutdown, 1000));
}
