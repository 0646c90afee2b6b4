//! What a member says of itself: name, metadata, attributes (docs/protocol.md#changes-of-participants). Said by itself
//! or by the server API.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use livekit_protocol as proto;
use proto::request_response::{Reason, Request as Asked};
use proto::signal_response::Message;

use crate::error::BadText;
use crate::pending::Urgency;
use crate::room::Room;
use crate::settings::Limits;
use crate::{MemberKey, member::Member};

/// Clients from this protocol version on take a `RequestResponse` that says yes (docs/protocol.md#protocol-versions).
const TAKES_OK: i32 = 15;

/// New texts of a member. Empty ones change nothing; an attribute with an empty value is deleted.
pub(crate) struct IdentityChange<'a> {
    pub(crate) name: &'a str,
    pub(crate) metadata: &'a str,
    pub(crate) attributes: &'a HashMap<String, String>,
}

impl IdentityChange<'_> {
    /// The attributes after the change, if all stays within the limits.
    pub(crate) fn check(&self, member: &Member, limits: &Limits) -> Result<BTreeMap<String, String>, BadText> {
        BadText::check_name("name", self.name, limits.name_bytes)?;
        BadText::check("metadata", self.metadata.len(), limits.metadata_bytes)?;
        let mut attributes = member.attributes.clone();
        #[expect(clippy::iter_over_hash_type, reason = "goes into a map with an order")]
        for (key, value) in self.attributes {
            if value.is_empty() {
                attributes.remove(key);
            } else {
                attributes.insert(key.clone(), value.clone());
            }
        }
        BadText::check_attributes(&attributes, limits.attributes_bytes)?;
        Ok(attributes)
    }

    /// Makes the change, with the attributes that `check` found.
    pub(crate) fn apply(&self, member: &mut Member, attributes: BTreeMap<String, String>) {
        if !self.name.is_empty() {
            self.name.clone_into(&mut member.name);
        }
        if !self.metadata.is_empty() {
            self.metadata.clone_into(&mut member.metadata);
        }
        member.attributes = attributes;
        member.touch();
    }
}

impl Room {
    /// A member changes its own texts. JS clients wait for their own update, Rust clients for the response: both are sent.
    pub(crate) fn on_update_metadata(
        &mut self,
        now: Instant,
        key: MemberKey,
        update: proto::UpdateParticipantMetadata,
    ) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let request_id = update.request_id;
        if !member.permission.can_update_metadata {
            let message = "no permission to update own metadata";
            return self.refuse_update(key, Reason::NotAllowed, message.to_owned(), update);
        }
        let change = IdentityChange { name: &update.name, metadata: &update.metadata, attributes: &update.attributes };
        let attributes = match change.check(member, &self.settings.limits) {
            Ok(attributes) => attributes,
            Err(error) => {
                let reason = match error {
                    BadText::TooLong { .. } => Reason::LimitExceeded,
                    BadText::ControlCharacter { .. } => Reason::InvalidRequest,
                };
                return self.refuse_update(key, reason, error.to_string(), update);
            }
        };
        change.apply(member, attributes);
        let takes_ok = member.protocol() >= TAKES_OK;
        self.announce(now, key, Urgency::NowWithSelf);
        if takes_ok {
            let response = proto::RequestResponse { request_id, reason: Reason::Ok as i32, ..Default::default() };
            self.send(key, Message::RequestResponse(response));
        }
        self.identity_changed(key);
    }

    fn refuse_update(
        &mut self,
        key: MemberKey,
        reason: Reason,
        message: String,
        update: proto::UpdateParticipantMetadata,
    ) {
        self.over_limit.requests += u64::from(reason == Reason::LimitExceeded);
        let response = proto::RequestResponse {
            request_id: update.request_id,
            reason: reason as i32,
            message,
            request: Some(Asked::UpdateMetadata(update)),
        };
        self.send(key, Message::RequestResponse(response));
    }

    /// The member needs a fresh token.
    pub(crate) fn identity_changed(&mut self, key: MemberKey) {
        if let Some(info) = self.member_info(key) {
            self.notify(key, crate::Notice::IdentityChanged(Box::new(info)));
        }
    }
}
