//! The door of agent workers.

use livekit_protocol as proto;
use prost::Message as _;
use proto::server_message::Message as Told;
use proto::worker_message::Message as Said;
use tokio_tungstenite::tungstenite::Message;
use tutti_token::{Claims, VideoGrants};

use tutti_harness::Socket;

use crate::server::{Server, start, token};

async fn worker(server: &Server) -> Socket {
    let video = VideoGrants { agent: true, ..VideoGrants::default() };
    let token = token(&Claims { video, ..Claims::default() });
    server.connect(&format!("/agent?access_token={token}&protocol=1")).await.expect("is let in")
}

fn said(message: Said) -> proto::WorkerMessage {
    proto::WorkerMessage { message: Some(message) }
}

async fn told(client: &mut Socket) -> Told {
    loop {
        if let Message::Binary(bytes) = client.next_frame().await {
            return proto::ServerMessage::decode(bytes).expect("protobuf").message.expect("a message we know");
        }
    }
}

#[tokio::test]
async fn a_worker_registers_and_is_asked_for_the_next_room() {
    let server = start();
    let mut worker = worker(&server).await;
    let register = said(Said::Register(proto::RegisterWorkerRequest::default()));
    worker.send_frame(Message::binary(register.encode_to_vec())).await;
    let Told::Register(registered) = told(&mut worker).await else { panic!("not registered") };
    assert!(registered.worker_id.starts_with("AW_"));
    let (ada, _) = server.join("stage", "ada").await;
    let Told::Availability(asked) = told(&mut worker).await else { panic!("not asked") };
    let job = asked.job.expect("a job");
    assert_eq!(job.room.map(|room| room.name).as_deref(), Some("stage"));
    let answer = proto::AvailabilityResponse { job_id: job.id.clone(), available: true, ..Default::default() };
    worker.send_frame(Message::binary(said(Said::Availability(answer)).encode_to_vec())).await;
    let Told::Assignment(assignment) = told(&mut worker).await else { panic!("not assigned") };
    // The token is good for joining.
    let mut agent = server.connect(&format!("/rtc?access_token={}", assignment.token)).await.expect("is let in");
    let proto::signal_response::Message::Join(join) = agent.next().await else { panic!("not a join") };
    let info = join.participant.unwrap_or_default();
    assert_eq!((info.identity, info.kind), (format!("agent-{}", job.id), proto::participant_info::Kind::Agent as i32));
    drop((ada, agent));
    server.stop().await;
}

#[tokio::test]
async fn a_worker_may_speak_json() {
    let server = start();
    let mut worker = worker(&server).await;
    for (text, answer) in
        [(r#"{"ping":{"timestamp":"7"}}"#, r#""lastTimestamp":"7""#), (r#"{"register":{"type":"JT_ROOM"}}"#, "AW_")]
    {
        worker.send_frame(Message::text(text)).await;
        let Message::Text(told) = worker.next_frame().await else { panic!("not as it speaks") };
        assert!(told.contains(answer), "{told}");
    }
    drop(worker);
    server.stop().await;
}

#[tokio::test]
async fn who_may_not_or_does_not_behave_is_told_so() {
    let server = start();
    let joiner = token(&Claims::join("stage", "ada"));
    for (target, status) in [
        ("/agent".to_owned(), 401),
        (format!("/agent?access_token={joiner}"), 401),
        ("/agent?access_token=x".into(), 401),
    ] {
        assert_eq!(server.connect(&target).await.err().map(|refused| refused.status), Some(status), "{target}");
    }
    assert_eq!(server.get("/agent").await.status, 404, "no WebSocket");
    for (frame, code) in [
        (Message::text("{"), 1007),
        (Message::binary(vec![0xff; 3]), 1007),
        (Message::binary(vec![0; (2 << 20) + 1]), 1009),
        (Message::text(r#"{"updateWorker":{}}"#), 1008),
        (Message::text(r#"{"register":{"deployment":"a b"}}"#), 1008),
    ] {
        let mut worker = worker(&server).await;
        worker.send_frame(frame).await;
        assert_eq!(worker.closed().await.0, code);
    }
    server.stop().await;
}
