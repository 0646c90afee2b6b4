//! Clients that mean harm: what they do is bounded and counted, and others do not notice.

use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tutti_token::Claims;

use crate::server::{PATIENCE, Server, start, start_for, token};

/// The value of a metric without labels.
async fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").await.body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_out() {
    const PLACES: usize = 20;
    let server = start_for(true, None, PLACES);
    let (mut early, _) = server.join("stage", "early").await;
    let mut silent = Vec::new();
    for number in 0..3 * PLACES {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        // Some say nothing, some a piece of a request.
        if number % 2 == 0 {
            let _ = stream.write_all(b"GET /rtc HTTP/1.1\r\nhost: ").await;
        }
        silent.push(stream);
    }
    let (mut late, _) = server.join("stage", "late").await;
    assert!(metric(&server, "tutti_http_connections_closed_total").await >= 2 * PLACES as u64);
    assert!(metric(&server, "tutti_http_connections").await <= PLACES as u64);
    // The first of them is closed and not only forgotten.
    let ended = timeout(PATIENCE, silent[0].read(&mut [0; 1])).await.expect("it hears");
    assert!(matches!(ended, Ok(0) | Err(_)));
    // Those that are in stay.
    for client in [&mut early, &mut late] {
        client.send(Request::Ping(1)).await;
        client.find(|message| matches!(message, Response::Pong(_)).then_some(())).await;
    }
    // So that the stop waits for nobody.
    drop((early, late, silent));
    server.stop().await;
}

/// All come through one proxy; whoever takes many places takes them from itself.
#[tokio::test]
async fn fairness_sees_clients_and_not_their_proxy() {
    const PLACES: usize = 4;
    async fn ask(stream: &mut TcpStream, client: &str) -> bool {
        let request =
            format!("GET /healthz HTTP/1.1\r\nhost: tutti\r\nx-forwarded-for: 198.51.100.1, {client}\r\n\r\n");
        let mut answer = Vec::new();
        let asked = async {
            stream.write_all(request.as_bytes()).await?;
            while !answer.ends_with(b"\r\n\r\nOK") {
                if stream.read_buf(&mut answer).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
            Ok::<_, std::io::Error>(())
        };
        timeout(PATIENCE, asked).await.expect("server answers or closes").is_ok()
    }
    let server = start_for(true, None, PLACES);
    let mut honest = TcpStream::connect(server.address).await.expect("connects");
    assert!(ask(&mut honest, "203.0.113.1").await);
    let mut greedy = Vec::new();
    for _ in 0..3 * PLACES {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        assert!(ask(&mut stream, "203.0.113.9").await);
        greedy.push(stream);
    }
    assert!(!ask(&mut greedy[0], "203.0.113.9").await, "its own longest-waiting one had to go");
    assert!(ask(&mut honest, "203.0.113.1").await, "who has one place keeps it");
    drop((honest, greedy));
    server.stop().await;
}

#[tokio::test]
async fn a_full_house_refuses_in_words_and_takes_the_next_one_later() {
    let server = start_for(true, None, 2);
    let (first, _) = server.join("stage", "first").await;
    let (second, _) = server.join("stage", "second").await;
    let target = format!("/rtc?protocol=15&sdk=js&access_token={}", token(&Claims::join("stage", "third")));
    let refused = server.connect(&target).await.expect_err("the house is full");
    assert_eq!((refused.status, refused.body.as_str()), (503, "the server is full: max clients 2"));
    drop(first);
    let later = async {
        while server.connect(&target).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, later).await.expect("there is room again");
    drop(second);
    server.stop().await;
}

#[tokio::test]
async fn a_flood_of_costly_requests_ends_its_socket_only() {
    let server = start();
    let (mut neighbour, _) = server.join("stage", "neighbour").await;
    let (mut hostile, _) = server.join("stage", "hostile").await;
    // A permission costs 16: 250 of them are the whole burst.
    let permission = || {
        let permission = proto::SubscriptionPermission { all_participants: true, track_permissions: Vec::new() };
        Request::SubscriptionPermission(permission)
    };
    for _ in 0..400 {
        hostile.send(permission()).await;
    }
    let closed = async {
        loop {
            if let Message::Close(frame) = hostile.next_frame().await {
                return frame;
            }
        }
    };
    let frame = timeout(PATIENCE, closed).await.expect("it is closed").expect("with a reason");
    assert_eq!(u16::from(frame.code), 1008);
    neighbour.send(Request::Ping(1)).await;
    neighbour.find(|message| matches!(message, Response::Pong(_)).then_some(())).await;
    let text = server.get("/metrics").await.body;
    assert!(text.contains("tutti_signal_closes_total{reason=\"too_many_messages\"} 1"), "{text}");
    drop((neighbour, hostile));
    server.stop().await;
}

#[tokio::test]
async fn a_participant_that_comes_again_and_again_is_told_to_wait() {
    let server = start();
    let (mut neighbour, _) = server.join("stage", "neighbour").await;
    let target = format!("/rtc?protocol=15&sdk=js&access_token={}", token(&Claims::join("stage", "hostile")));
    let mut sockets = Vec::new();
    let refused = loop {
        match server.connect(&target).await {
            Ok(socket) => sockets.push(socket),
            Err(refused) => break refused,
        }
        assert!(sockets.len() < 1000, "never refused");
    };
    assert_eq!(refused.status, 429);
    assert!(sockets.len() >= 20);
    let text = server.get("/metrics").await.body;
    assert!(text.contains("tutti_joins_total{result=\"too_often\"} 1"), "{text}");
    assert!(text.contains("tutti_limit_joins_total 1"), "{text}");
    let honest = server.join("stage", "honest").await;
    neighbour.send(Request::Ping(1)).await;
    neighbour.find(|message| matches!(message, Response::Pong(_)).then_some(())).await;
    drop((neighbour, honest, sockets));
    server.stop().await;
}

#[tokio::test]
async fn absurd_descriptions_end_their_session_and_are_counted() {
    let server = start();
    let (mut neighbour, _) = server.join("stage", "neighbour").await;
    let head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
    let sections =
        (0..1001).map(|mid| format!("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{mid}\r\n")).collect::<String>();
    for (number, sdp) in [format!("{head}{sections}"), "x".repeat(2_000_000), String::new()].into_iter().enumerate() {
        let (mut hostile, _) = server.join("stage", &format!("hostile-{number}")).await;
        let offer = proto::SessionDescription { r#type: "offer".into(), sdp, id: 1, ..Default::default() };
        hostile.send(Request::Offer(offer)).await;
        let leave = |message: &Response| matches!(message, Response::Leave(_)).then_some(());
        timeout(PATIENCE, hostile.find(leave)).await.expect("it is told to begin anew");
        assert_eq!(metric(&server, "tutti_signal_refused_total").await, number as u64 + 1);
    }
    neighbour.send(Request::Ping(1)).await;
    neighbour.find(|message| matches!(message, Response::Pong(_)).then_some(())).await;
    drop(neighbour);
    server.stop().await;
}
