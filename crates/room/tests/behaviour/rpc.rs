//! Calls that the server API makes to members.

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use proto::data_packet::Value;
use proto::rpc_response::Value as Returned;
use tutti_room::{AdminRequest, CallError, CallNumber, Delivery, MemberKey, Request};

use crate::stage::{Stage, millis, secs};

fn request(to: &str) -> proto::PerformRpcRequest {
    proto::PerformRpcRequest {
        destination_identity: to.into(),
        method: "greet".into(),
        payload: "hello".into(),
        ..Default::default()
    }
}

/// The request that a member was sent.
fn sent(stage: &mut Stage) -> (MemberKey, proto::DataPacket, proto::RpcRequest) {
    let data = std::mem::take(&mut stage.data);
    let [(to, Delivery::Reliable, payload)] = data.as_slice() else { panic!("{data:?}") };
    let packet = proto::DataPacket::decode(payload.clone()).unwrap();
    let Some(Value::RpcRequest(request)) = packet.value.clone() else { panic!("{packet:?}") };
    (to[0], packet, request)
}

fn say(stage: &mut Stage, from: MemberKey, sequence: u32, value: Value) {
    let packet = proto::DataPacket { value: Some(value), sequence, ..Default::default() };
    let payload = Bytes::from(packet.encode_to_vec());
    stage.handle(from, Request::Data { delivery: Delivery::Reliable, payload });
}

fn acknowledge(id: &str) -> Value {
    Value::RpcAck(proto::RpcAck { request_id: id.into() })
}

fn answer(id: &str, value: Returned) -> Value {
    Value::RpcResponse(proto::RpcResponse { request_id: id.into(), value: Some(value) })
}

fn code(outcome: &Result<String, CallError>) -> u32 {
    let Err(CallError::Failed(error)) = outcome else { panic!("{outcome:?}") };
    error.code
}

#[test]
fn a_call_and_its_answer() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.clear();
    stage.call(1, request("ada"));
    let (to, packet, call) = sent(&mut stage);
    assert_eq!((to, call.method.as_str(), call.payload.as_str()), (ada, "greet", "hello"));
    assert_eq!((call.version, call.response_timeout_ms), (1, 10_000));
    assert_eq!((packet.participant_identity.as_str(), packet.sequence), (call.id.as_str(), 0), "clients answer that");
    // Only who is called can answer, and nobody else hears of it.
    say(&mut stage, bea, 1, answer(&call.id, Returned::Payload("no".into())));
    assert!(stage.called.is_empty());
    stage.clear();
    say(&mut stage, ada, 1, acknowledge(&call.id));
    stage.advance(secs(9));
    say(&mut stage, ada, 2, answer(&call.id, Returned::Payload("hi".into())));
    assert_eq!(stage.called, [(CallNumber(1), Ok("hi".into()))]);
    assert!(stage.data.is_empty());
    assert_eq!(stage.room.last_reliable_sequence(ada), 2, "a resume sends none of it again");
    // Once.
    say(&mut stage, ada, 3, answer(&call.id, Returned::Payload("again".into())));
    stage.advance(secs(60));
    assert_eq!(stage.called.len(), 1);
}

#[test]
fn who_may_send_nothing_may_answer() {
    let mut stage = Stage::new();
    let ada = stage.enter_as("ada", |joiner| joiner.permission.can_publish_data = false);
    stage.clear();
    stage.call(1, request("ada"));
    let (_, _, call) = sent(&mut stage);
    let error = proto::RpcError { code: 42, message: "not today".into(), data: "d".into() };
    say(&mut stage, ada, 1, answer(&call.id, Returned::Error(error)));
    let (_, outcome) = &stage.called[0];
    assert_eq!(code(outcome), 42);
    assert_eq!(outcome.clone().unwrap_err().to_string(), "RpcError 42: not today: d");
}

#[test]
fn calls_that_fail() {
    let mut stage = Stage::new();
    stage.enter("ada");
    let bea = stage.enter("bea");
    stage.clear();
    let fails = |stage: &mut Stage, request: proto::PerformRpcRequest| {
        stage.call(9, request);
        stage.called.pop().map(|(_, outcome)| outcome)
    };
    assert!(matches!(fails(&mut stage, request("nobody")), Some(Err(CallError::NoSuchMember { .. }))));
    for method in [String::new(), "m".repeat(257)] {
        let request = proto::PerformRpcRequest { method, ..request("ada") };
        assert!(matches!(fails(&mut stage, request), Some(Err(CallError::Method { .. }))));
    }
    let large = |bytes| proto::PerformRpcRequest { payload: "p".repeat(bytes), ..request("ada") };
    assert_eq!(fails(&mut stage, large(15_360)), None);
    assert_eq!(code(&fails(&mut stage, large(15_361)).unwrap()), 1402);

    // No word at all, then one that is followed by nothing, then a participant that goes, then a room that ends.
    stage.advance(secs(8));
    assert_eq!(stage.called.drain(..).map(|(_, outcome)| code(&outcome)).collect::<Vec<_>>(), [1501]);
    stage.clear();
    stage.call(2, proto::PerformRpcRequest { response_timeout_ms: 1_500, ..request("bea") });
    let (_, _, call) = sent(&mut stage);
    say(&mut stage, bea, 1, acknowledge(&call.id));
    stage.advance(millis(1_499));
    assert!(stage.called.is_empty());
    stage.advance(millis(1));
    assert_eq!(stage.called.drain(..).map(|(_, outcome)| code(&outcome)).collect::<Vec<_>>(), [1502]);
    stage.call(3, request("bea"));
    stage.handle(bea, Request::Leave(proto::DisconnectReason::ClientInitiated));
    assert_eq!(stage.called.drain(..).map(|(_, outcome)| code(&outcome)).collect::<Vec<_>>(), [1503]);
    stage.call(4, request("ada"));
    stage.admin(AdminRequest::Close).unwrap();
    assert_eq!(stage.called.drain(..).map(|(_, outcome)| code(&outcome)).collect::<Vec<_>>(), [1503]);
    assert_eq!(stage.room.census().deadlines, 0);
}

#[test]
fn no_more_than_so_many_wait() {
    let mut stage = Stage::new();
    stage.enter("ada");
    for number in 0..1024 {
        stage.call(number, request("ada"));
    }
    assert!(stage.called.is_empty());
    stage.call(1024, request("ada"));
    assert_eq!(stage.called, [(CallNumber(1024), Err(CallError::TooMany { max: 1024 }))]);
}
