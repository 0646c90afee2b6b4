//! A worker's WebSocket: protobuf, or JSON to a worker that speaks it, both ways.

use std::time::SystemTime;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use livekit_protocol as proto;
use prost::Message as _;
use proto::server_message::Message as ToldMessage;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tutti_agent::Goodbye;
use tutti_cluster::{AttachedWorker, ToWorker};
use tutti_limit::Allowance;
use tutti_token::Keys;

use super::token;
use crate::socket::{
    CLOSE_TIMEOUT, MESSAGE_BYTES_MAX, PING_INTERVAL, RATE, SILENCE_MAX, WRITE_TIMEOUT, cost_of_bytes, length,
};

/// Why a worker's socket ends: code (RFC 6455, section 7.4.1) and text of the close frame. `None`: there is no one to
/// tell.
type End = Option<(u16, String)>;

/// Runs a socket until it ends. Dropping `worker` tells the node.
pub(super) async fn run(mut socket: WebSocket, worker: AttachedWorker, keys: &Keys) {
    let end = pump(&mut socket, worker, keys).await;
    let Some((code, reason)) = end else { return };
    tracing::info!(code, %reason, "agent worker sent away");
    let goodbye = async {
        if socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
}

async fn pump(socket: &mut WebSocket, worker: AttachedWorker, keys: &Keys) -> End {
    let AttachedWorker { says, mut told } = worker;
    let mut json = false;
    let mut allowance = Allowance::default();
    let mut heard = Instant::now();
    let mut ping = interval_at(heard + PING_INTERVAL, PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let outgoing = tokio::select! {
            what = told.recv() => match what {
                Some(ToWorker::Close(why)) => {
                    let code = if why == Goodbye::Stopping { 1001 } else { 1008 };
                    return refuse(code, &why.to_string());
                }
                Some(ToWorker::Message(message)) => write(json, &message),
                Some(ToWorker::Assign { job, grant }) => match token::sign(keys, *grant, SystemTime::now()) {
                    Ok(token) => {
                        let assignment = proto::JobAssignment { job: Some(*job), url: None, token };
                        let message = Some(ToldMessage::Assignment(assignment));
                        write(json, &proto::ServerMessage { message })
                    }
                    Err(_) => return refuse(1008, "the API key is gone"),
                },
                None => return refuse(1008, "the worker does not read"),
            },
            incoming = socket.recv() => {
                let Some(Ok(message)) = incoming else { return None };
                heard = Instant::now();
                let bytes = length(&message);
                if bytes > MESSAGE_BYTES_MAX {
                    return refuse(1009, "message over 2 MiB");
                }
                if !allowance.take(heard.into_std(), RATE, cost_of_bytes(bytes)) {
                    return refuse(1008, "message rate limit");
                }
                match message {
                    Message::Close(_) => return None,
                    Message::Ping(_) | Message::Pong(_) => {}
                    message => match read(&message, &mut json) {
                        Some(said) => says.send(said),
                        None => return refuse(1007, "not a message of a worker"),
                    },
                }
                continue;
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE_MAX {
                    return refuse(1001, "nothing heard from the worker");
                }
                Message::Ping(Default::default())
            }
        };
        match timeout(WRITE_TIMEOUT, socket.send(outgoing)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return refuse(1008, "the worker does not read"),
        }
    }
}

fn refuse(code: u16, reason: &str) -> End {
    Some((code, reason.to_owned()))
}

/// A worker is answered as it speaks.
fn read(message: &Message, json: &mut bool) -> Option<proto::WorkerMessage> {
    match message {
        Message::Text(text) => {
            *json = true;
            tutti_json::from_slice(text.as_bytes()).ok()
        }
        Message::Binary(bytes) => {
            *json = false;
            proto::WorkerMessage::decode(bytes.clone()).ok()
        }
        _ => None,
    }
}

fn write(json: bool, message: &proto::ServerMessage) -> Message {
    // A message that cannot be written as JSON does not exist: its parts are numbers and texts.
    match json.then(|| serde_json::to_string(message)) {
        Some(Ok(text)) => Message::Text(text.into()),
        _ => Message::Binary(message.encode_to_vec().into()),
    }
}
