//! Remote procedure calls that the server API makes to members (docs/server-api/data.md#rpc): version 1 of the clients' own
//! calls, in the name of nobody who is there. Requests go out as data packets; what comes back with the id of a call that
//! waits is taken out of the stream of data, and is passed on to nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use proto::data_packet::Value;
use proto::rpc_response::Value as Returned;

use crate::agenda::Duty;
use crate::packet::field;
use crate::room::Room;
use crate::{Delivery, MemberKey, Output};

/// Longest payload of a request, bytes: what clients take from each other.
const PAYLOAD_BYTES_MAX: usize = 15 * 1024;
/// Longest name of a method, bytes.
const METHOD_BYTES_MAX: usize = 256;
/// A client acknowledges a request within this time, or is out of reach: what clients allow each other.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(7);
/// How long an answer is waited for where the request does not say.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// And at most.
const ANSWERED_WITHIN_MAX: Duration = Duration::from_secs(600);
/// Calls of one room that may wait.
const CALLS_MAX: usize = 1024;
/// The version of the calls that all clients take.
const VERSION: u32 = 1;

/// Codes of the published clients.
mod code {
    pub(super) const REQUEST_TOO_LARGE: u32 = 1402;
    pub(super) const NOT_ACKNOWLEDGED: u32 = 1501;
    pub(super) const NOT_ANSWERED: u32 = 1502;
    pub(super) const DISCONNECTED: u32 = 1503;
    pub(super) const SEND_FAILED: u32 = 1505;
}

/// Names one call of the server API until it is answered. Whoever makes the call chooses it; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallNumber(pub u64);

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nobody with this identity is in the room.
    #[error("participant does not exist: {identity}")]
    NoSuchMember {
        /// Identity asked for.
        identity: String,
    },
    /// Too many calls wait already.
    #[error("more than {max} calls wait in this room")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The name of the method is empty or too long.
    #[error("the name of a method has 1 to {bytes_max} bytes")]
    Method {
        /// The limit, bytes.
        bytes_max: usize,
    },
    /// It failed on its way, or the participant answered with an error. Codes below 1400 and above 1599 are the
    /// application's own.
    #[error("RpcError {}: {}{}{}", .0.code, .0.message, if .0.data.is_empty() { "" } else { ": " }, .0.data)]
    Failed(proto::RpcError),
}

/// A call that waits.
#[derive(Debug)]
struct Call {
    id: String,
    to: MemberKey,
    acknowledged: bool,
    /// When the answer is given up.
    answer_due: Instant,
}

/// The calls of a room that wait.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    waiting: BTreeMap<CallNumber, Call>,
    by_id: BTreeMap<String, CallNumber>,
}

impl Calls {
    fn remove(&mut self, number: CallNumber) -> Option<Call> {
        let call = self.waiting.remove(&number)?;
        self.by_id.remove(&call.id);
        Some(call)
    }

    /// The call of this id, if it was made to this member.
    fn of(&mut self, id: &str, from: MemberKey) -> Option<(CallNumber, &mut Call)> {
        let number = *self.by_id.get(id)?;
        self.waiting.get_mut(&number).filter(|call| call.to == from).map(|call| (number, call))
    }
}

impl Room {
    /// Calls a method of a participant. Answered by [`Output::Called`], at once if it cannot be made.
    pub fn perform_rpc(&mut self, now: Instant, number: CallNumber, request: proto::PerformRpcRequest) {
        if let Err(error) = self.call(now, number, request) {
            self.put_out(Output::Called { call: number, outcome: Err(error) });
        }
    }

    fn call(&mut self, now: Instant, number: CallNumber, request: proto::PerformRpcRequest) -> Result<(), CallError> {
        let identity = request.destination_identity;
        let to = self.find(&identity).ok_or(CallError::NoSuchMember { identity })?;
        if request.method.is_empty() || request.method.len() > METHOD_BYTES_MAX {
            return Err(CallError::Method { bytes_max: METHOD_BYTES_MAX });
        }
        if request.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(failed(code::REQUEST_TOO_LARGE, "Request payload too large"));
        }
        if self.calls.waiting.len() >= CALLS_MAX {
            return Err(CallError::TooMany { max: CALLS_MAX });
        }
        let within = match request.response_timeout_ms {
            0 => ANSWERED_WITHIN,
            ms => Duration::from_millis(ms.into()).min(ANSWERED_WITHIN_MAX),
        };
        let id = self.sids.call();
        let packet = proto::DataPacket {
            // Clients answer whoever is named here, and take no request from nobody.
            participant_identity: id.clone(),
            value: Some(Value::RpcRequest(proto::RpcRequest {
                id: id.clone(),
                method: request.method,
                payload: request.payload,
                response_timeout_ms: u32::try_from(within.as_millis()).unwrap_or(u32::MAX),
                version: VERSION,
                ..Default::default()
            })),
            ..Default::default()
        };
        let answer_due = now + within;
        self.calls.by_id.insert(id.clone(), number);
        self.calls.waiting.insert(number, Call { id, to, acknowledged: false, answer_due });
        self.agenda.set(Duty::Call(number), answer_due.min(now + ACKNOWLEDGED_WITHIN));
        self.deliver(now, vec![to], Delivery::Reliable, Bytes::from(packet.encode_to_vec()));
        Ok(())
    }

    /// Takes a member's word on a call that waits. `false`: it is none, and goes where the member wants it.
    pub(crate) fn takes_rpc(&mut self, from: MemberKey, value: u32, packet: &[u8]) -> bool {
        if self.calls.waiting.is_empty() || !matches!(value, field::RPC_ACK | field::RPC_RESPONSE) {
            return false;
        }
        match proto::DataPacket::decode(packet).ok().and_then(|packet| packet.value) {
            Some(Value::RpcAck(ack)) => {
                let Some((number, call)) = self.calls.of(&ack.request_id, from) else { return false };
                call.acknowledged = true;
                let due = call.answer_due;
                self.agenda.set(Duty::Call(number), due);
                true
            }
            Some(Value::RpcResponse(response)) => {
                let Some((number, _)) = self.calls.of(&response.request_id, from) else { return false };
                let outcome = match response.value {
                    Some(Returned::Payload(payload)) => Ok(payload),
                    Some(Returned::Error(error)) => Err(CallError::Failed(error)),
                    // Nobody compresses an answer to a call of version 1.
                    Some(Returned::CompressedPayload(_)) => Err(failed(code::SEND_FAILED, "Compressed answer")),
                    None => Ok(String::new()),
                };
                self.answer_call(number, outcome);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn on_call_due(&mut self, number: CallNumber) {
        let acknowledged = self.calls.waiting.get(&number).is_some_and(|call| call.acknowledged);
        let (code, message) = match acknowledged {
            true => (code::NOT_ANSWERED, "Response timeout"),
            false => (code::NOT_ACKNOWLEDGED, "Connection timeout"),
        };
        self.answer_call(number, Err(failed(code, message)));
    }

    /// A member is gone: nobody waits for it any more.
    pub(crate) fn fail_calls_to(&mut self, member: MemberKey) {
        let calls = self.calls.waiting.iter().filter(|(_, call)| call.to == member);
        for number in calls.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.answer_call(number, Err(failed(code::DISCONNECTED, "Recipient disconnected")));
        }
    }

    fn answer_call(&mut self, number: CallNumber, outcome: Result<String, CallError>) {
        if self.calls.remove(number).is_some() {
            self.agenda.cancel(Duty::Call(number));
            self.put_out(Output::Called { call: number, outcome });
        }
    }
}

fn failed(code: u32, message: &str) -> CallError {
    CallError::Failed(proto::RpcError { code, message: message.to_owned(), data: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promised_values() {
        let docs = "docs/server-api/data.md";
        assert_eq!(PAYLOAD_BYTES_MAX, 15_360, "{docs}");
        assert_eq!(METHOD_BYTES_MAX, 256, "{docs}");
        assert_eq!(ACKNOWLEDGED_WITHIN, Duration::from_secs(7), "{docs}");
        assert_eq!(ANSWERED_WITHIN, Duration::from_secs(10), "{docs}");
        assert_eq!(ANSWERED_WITHIN_MAX, Duration::from_secs(600), "{docs}");
        assert_eq!(CALLS_MAX, 1024, "{docs}");
    }
}
