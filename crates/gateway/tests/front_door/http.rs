//! What the front door answers over plain HTTP.
use crate::server::{start, start_with, token};
use tutti_token::Claims;

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

#[tokio::test]
async fn machines_hear_ok_and_browsers_get_the_page() {
    let server = start();
    for target in ["/", "//"] {
        let answer = server.get(target).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "OK"), "{target}");
    }
    let head = server.ask("HEAD", "/", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let page = server.ask("GET", "/?room=x", &[BROWSER], "").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert!(page.body.to_lowercase().contains("<!doctype html>"));
    assert_eq!(server.get("/healthz").await.body, "OK");
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there() {
    let server = start_with(true, None);
    let join = format!("/rtc?access_token={}", token(&Claims::join("stage", "ada")));
    let cases = [
        ("GET", "/rtc"),
        ("GET", "/rtc/v1"),
        ("HEAD", "/rtc"),
        ("POST", "/rtc"),
        ("GET", join.as_str()),
        ("GET", "/rtc/v2"),
        ("GET", "/settings/regions"),
        ("GET", "/assets/none.js"),
        ("GET", "/../Cargo.toml"),
        ("GET", "/index.htm"),
        ("POST", "/index.html"),
        ("POST", "/twirp/livekit.RoomService/ListRooms"),
        // Only in development mode.
        ("GET", "/dev/token"),
        ("POST", "/dev/token"),
    ];
    for (method, target) in cases {
        assert_eq!(server.ask(method, target, &[], "").await.status, 404, "{method} {target}");
    }
    server.stop().await;
}

#[tokio::test]
async fn validation_tells_what_a_join_would_meet() {
    let server = start_with(false, None);
    let stranger = format!("access_token={}", token(&Claims::join("stage", "ada")));
    let mut maker = Claims::join("stage", "ada");
    maker.video.room_create = true;
    let maker = format!("access_token={}", token(&maker));
    let cases = [
        (format!("/rtc/validate?{maker}"), 200, "success"),
        (format!("//rtc/validate?{maker}"), 200, "success"),
        (format!("/some/prefix/rtc/validate?{maker}"), 200, "success"),
        (format!("/rtc/validate?{stranger}"), 404, "requested room does not exist"),
        ("/rtc/validate".to_owned(), 401, "no permissions to access the room"),
        ("/rtc/v1/validate".to_owned(), 401, "no permissions to access the room"),
        (format!("/rtc/v1/validate?{maker}"), 400, "join_request is required"),
        (format!("/rtc/validate?{maker}&attributes=!"), 400, "cannot decode attributes"),
    ];
    for (target, status, body) in cases {
        let origin = ("origin", "https://example.org");
        let answer = server.ask("GET", &target, &[origin], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{target:.60}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin.1), "{target:.60}");
    }
    server.stop().await;
}

#[tokio::test]
async fn long_request_lines_are_read() {
    let server = start();
    let query = format!("access_token={}", token(&Claims::join("stage", "ada")));
    for length in [16 * 1024, 60 * 1024] {
        let answer = server.get(&format!("/rtc/validate?{query}&ignored={}", "x".repeat(length))).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "success"), "{length}");
    }
    server.stop().await;
}

#[tokio::test]
async fn any_origin_may_ask_what_clients_ask() {
    let server = start();
    let headers = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization,x-anything"),
    ];
    for target in ["/rtc/validate", "/rtc/v1", "/", "/unknown"] {
        let answer = server.ask("OPTIONS", target, &headers, "").await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://example.org"), "{target}");
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")), "{target}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("authorization,x-anything"), "{target}");
        assert_eq!(answer.header("access-control-max-age"), Some("86400"), "{target}");
        let methods = answer.header("access-control-allow-methods").unwrap_or_default();
        for method in ["OPTIONS", "HEAD", "GET", "POST", "PATCH", "DELETE"] {
            assert!(methods.contains(method), "{target}: {methods}");
        }
    }
    // Pages of other origins get no token and no metrics.
    for target in ["/dev/token", "/metrics"] {
        for method in ["OPTIONS", "GET", "POST"] {
            let answer = server.ask(method, target, &headers, "{}").await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {target}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn endpoints_that_are_not_there_yet_say_so() {
    let server = start();
    let answer = server.get("/whip/v1").await;
    assert_eq!((answer.status, answer.body.as_str()), (501, "WHIP: not there yet on this server"));
    server.stop().await;
}

#[tokio::test]
async fn heads_of_a_trusted_proxy_are_read() {
    let server = start();
    let target = format!("/rtc/validate?access_token={}", token(&Claims::join("stage", "ada")));
    let head = |command: u8, ip: [u8; 4]| {
        let mut head = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        head.extend([command, 0x11, 0, 12]);
        head.extend(ip);
        head.extend([127, 0, 0, 1, 0x12, 0x34, 0x1e, 0xc8]);
        head
    };
    let request = format!("GET {target} HTTP/1.1\r\nhost: tutti\r\nconnection: close\r\n\r\n").into_bytes();
    for (head, good) in [
        (head(0x21, [203, 0, 113, 7]), true),
        (head(0x20, [203, 0, 113, 7]), true),
        (Vec::new(), true),
        // Another version of the protocol, and what only begins like it.
        (head(0x11, [203, 0, 113, 7]), false),
        (b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c0123456789ab".to_vec(), false),
    ] {
        let answer = server.exchange(&[head.clone(), request.clone()].concat()).await;
        assert_eq!(answer.starts_with("HTTP/1.1 200 OK"), good, "{head:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn tokens_for_the_asking() {
    let server = start();
    let json = ("content-type", "application/json");
    assert_eq!(server.get("/dev/token").await.status, 204);

    let answer = server.ask("POST", "/dev/token", &[json], r#"{"room":"stage","identity":"ada","name":"Ada"}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let issued: serde_json::Value = serde_json::from_str(&answer.body).expect("an object");
    assert_eq!((&issued["url"], &issued["identity"]), (&"".into(), &"ada".into()));
    let claims = crate::server::keys().verify(issued["token"].as_str().expect("a text"), std::time::SystemTime::now());
    let claims = claims.expect("token is good");
    assert_eq!((claims.name.as_str(), claims.video.room.as_str()), ("Ada", "stage"));

    let answer = server.ask("POST", "/dev/token", &[json], r#"{"room":"stage","identity":null,"name":""}"#).await;
    let issued: serde_json::Value = serde_json::from_str(&answer.body).expect("an object");
    assert!(issued["identity"].as_str().is_some_and(|identity| identity.starts_with("guest-")), "{answer:?}");

    let long = "x".repeat(257);
    let bad = [
        (r#"{"room":""}"#.to_owned(), 400),
        (format!(r#"{{"room":"{long}"}}"#), 400),
        (format!(r#"{{"room":"r","identity":"{long}"}}"#), 400),
        (format!(r#"{{"room":"r","name":"{long}"}}"#), 400),
        ("{".to_owned(), 400),
        ("{}".to_owned(), 422),
        (format!(r#"{{"room":"r","junk":"{}"}}"#, "x".repeat(20_000)), 413),
    ];
    for (body, status) in bad {
        assert_eq!(server.ask("POST", "/dev/token", &[json], &body).await.status, status, "{body:.40}");
    }
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_named() {
    let server = start();
    let (client, _) = server.join("stage", "ada").await;
    assert_eq!(server.get("/rtc/validate").await.status, 401);
    let foreign = tutti_token::Keys::one("devkey", tutti_token::Secret::new("wrong"));
    let now = std::time::SystemTime::now();
    let forged = foreign.sign("devkey", &Claims::join("stage", "eve"), now, tutti_token::TTL_DEFAULT);
    let forged = format!("/rtc?access_token={}", forged.expect("key is known"));
    assert_eq!(server.connect(&forged).await.err().map(|refused| refused.status), Some(401));
    let text = server.get("/metrics").await;
    assert!(text.header("content-type").is_some_and(|value| value.starts_with("application/openmetrics-text")));
    for line in [
        "tutti_rooms 1",
        "tutti_participants 1",
        "tutti_signal_sockets 1",
        "tutti_joins_total{result=\"ok\"} 1",
        "tutti_join_refusals_total{reason=\"token_signature\"} 1",
        "tutti_validations_total{result=\"unauthorized\"} 1",
        "tutti_signal_messages_total{direction=\"out\",kind=\"join\"} 1",
        "tutti_rooms_abandoned_total{reason=\"panic\"} 0",
        "tutti_rooms_abandoned_total{reason=\"overrun\"} 0",
        "tutti_media_transports_failed_total{shard=\"0\",reason=\"no_checks\"} 0",
        "tutti_media_transports_failed_total{shard=\"0\",reason=\"dtls_fingerprint\"} 0",
        "tutti_media_transports{shard=\"0\"} ",
        "tutti_media_rtp_in_total{shard=\"0\"} 0",
        "# EOF",
    ] {
        assert!(text.body.contains(line), "{line} is not in:\n{}", text.body);
    }
    drop(client);
    server.stop().await;
}
