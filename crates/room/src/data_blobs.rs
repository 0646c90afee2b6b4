//! Data blobs (docs/protocol.md#data-blobs): a few bytes that a member keeps in the room under a name, such as the schema
//! of a data track, and that others ask for. They go with their member.

use livekit_protocol as proto;
use prost::Message as _;
use proto::data_blob_key::Key;
use proto::request_response::Reason;
use proto::signal_response::Message;

use crate::room::Room;
use crate::{MemberKey, data_tracks};

/// Longest key, encoded bytes.
const KEY_BYTES_MAX: usize = 256;
/// Blobs of one member.
const BLOBS_MAX: usize = 256;

impl Room {
    pub(crate) fn on_store_data_blob(&mut self, key: MemberKey, request: proto::StoreDataBlobRequest) {
        let proto::StoreDataBlobRequest { request_id, blob } = request;
        let answer = match self.store_data_blob(key, blob.unwrap_or_default()) {
            Ok(key) => Message::StoreDataBlobResponse(proto::StoreDataBlobResponse { request_id, key: Some(key) }),
            Err(refusal) => refused(request_id, refusal),
        };
        self.send_or_owe(key, answer);
    }

    /// The same key again takes the place of what it held.
    fn store_data_blob(
        &mut self,
        key: MemberKey,
        blob: proto::DataBlob,
    ) -> Result<proto::DataBlobKey, (Reason, &'static str)> {
        let limits = self.settings.limits;
        let Some(member) = self.members.get_mut(&key) else { return Err((Reason::NotAllowed, "not in the room")) };
        if !member.permission.can_publish_data {
            return Err((Reason::NotAllowed, "no permission to publish data"));
        }
        let encoded = blob.key.as_ref().filter(|key| is_valid(key, &limits)).map(prost::Message::encode_to_vec);
        let (Some(name), Some(encoded)) = (blob.key.clone(), encoded) else {
            return Err((Reason::InvalidRequest, "the key is empty or too long"));
        };
        if blob.contents.is_empty() {
            return Err((Reason::InvalidRequest, "the data blob is empty"));
        }
        let others = member.data_blobs.iter().filter(|(known, _)| **known != encoded);
        let others: usize = others.map(|(key, blob)| key.len() + blob.contents.len()).sum();
        let is_one_more = !member.data_blobs.contains_key(&encoded) && member.data_blobs.len() >= BLOBS_MAX;
        if is_one_more || others + encoded.len() + blob.contents.len() > limits.data_blobs_bytes {
            self.over_limit.requests += 1;
            return Err((Reason::LimitExceeded, "the participant has too many data blobs"));
        }
        member.data_blobs.insert(encoded, blob);
        Ok(name)
    }

    pub(crate) fn on_get_data_blob(&mut self, key: MemberKey, request: proto::GetDataBlobRequest) {
        let proto::GetDataBlobRequest { request_id, participant_identity, key: name } = request;
        let owner = self.find(&participant_identity).and_then(|owner| self.members.get(&owner));
        // Nobody sees what is hidden.
        let owner = owner.filter(|owner| owner.key == key || !owner.is_hidden());
        let answer = match (owner, name.map(|name| name.encode_to_vec())) {
            (_, None) => refused(request_id, (Reason::InvalidRequest, "the key is required")),
            (None, _) => refused(request_id, (Reason::NotFound, "no such participant")),
            (Some(owner), Some(name)) => match owner.data_blobs.get(&name) {
                Some(blob) => {
                    let blob = Some(blob.clone());
                    Message::GetDataBlobResponse(proto::GetDataBlobResponse { request_id, blob })
                }
                None => refused(request_id, (Reason::NotFound, "no such data blob")),
            },
        };
        self.send_or_owe(key, answer);
    }
}

fn is_valid(key: &proto::DataBlobKey, limits: &crate::Limits) -> bool {
    let named = match &key.key {
        Some(Key::Generic(name)) => !name.is_empty(),
        Some(Key::SchemaId(schema)) => data_tracks::is_valid_schema(schema, limits),
        None => false,
    };
    named && key.encoded_len() <= KEY_BYTES_MAX
}

fn refused(request_id: u32, (reason, message): (Reason, &str)) -> Message {
    let (reason, message) = (reason as i32, message.to_owned());
    Message::RequestResponse(proto::RequestResponse { request_id, reason, message, request: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promised_values() {
        assert_eq!((KEY_BYTES_MAX, BLOBS_MAX), (256, 256), "docs/protocol.md#data-blobs");
    }
}
