//! Data tracks: streams of small packets with a handle instead of a name (docs/protocol.md#data-tracks). The server
//! rewrites the handle and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use livekit_protocol as proto;
use proto::request_response::{Reason, Request as Asked};
use proto::signal_response::Message;

use crate::data_track::{DataTrack, DataTrackNumber};
use crate::member::Member;
use crate::pending::Urgency;
use crate::room::Room;
use crate::settings::Limits;
use crate::sid::SID_BYTES_MAX;
use crate::{MemberKey, Output};

/// Length of the fixed part of a data-track packet.
const HEADER_BYTES: usize = 12;

/// Where the handle stands in it, big-endian.
const HANDLE_AT: std::ops::Range<usize> = 2..4;

impl Room {
    pub(crate) fn on_publish_data_track(
        &mut self,
        now: Instant,
        key: MemberKey,
        request: proto::PublishDataTrackRequest,
    ) {
        let Some(member) = self.members.get(&key) else { return };
        let handle = match self.check_data_track(member, &request) {
            Ok(handle) => handle,
            Err((reason, message)) => {
                return self.respond(key, reason, message, Asked::PublishDataTrack(request));
            }
        };
        let number = self.numbers.data_track();
        let info = proto::DataTrackInfo {
            pub_handle: request.pub_handle,
            sid: self.sids.data_track(),
            name: request.name,
            encryption: request.encryption,
            frame_encoding: request.frame_encoding,
            schema: request.schema,
        };
        self.by_data_track_sid.insert(info.sid.clone(), number);
        let track = DataTrack { publisher: key, info: info.clone(), subscribers: BTreeMap::new() };
        self.data_tracks.insert(number, track);
        if let Some(member) = self.members.get_mut(&key) {
            member.data_tracks.insert(handle, number);
            member.touch();
        }
        self.send(key, Message::PublishDataTrackResponse(proto::PublishDataTrackResponse { info: Some(info) }));
        self.announce(now, key, Urgency::Now);
        for subscriber in self.members.keys().copied().collect::<Vec<_>>() {
            if self.reconcile_data(subscriber, number) {
                self.send_data_handles(subscriber);
            }
        }
    }

    fn check_data_track(
        &self,
        member: &Member,
        request: &proto::PublishDataTrackRequest,
    ) -> Result<u16, (Reason, &'static str)> {
        let limits = &self.settings.limits;
        if !member.permission.can_publish_data {
            return Err((Reason::NotAllowed, "no permission to publish data"));
        }
        let handle = u16::try_from(request.pub_handle).ok().filter(|handle| *handle > 0);
        let Some(handle) = handle else { return Err((Reason::InvalidHandle, "the handle is not in 1 to 65535")) };
        if request.name.is_empty() || request.name.len() > limits.data_track_name_bytes {
            return Err((Reason::InvalidName, "the name is empty or too long"));
        }
        if !has_valid_types(request, limits) {
            return Err((Reason::InvalidRequest, "the frame encoding or schema is empty or too long"));
        }
        if member.data_tracks.contains_key(&handle) {
            return Err((Reason::DuplicateHandle, "the handle is in use"));
        }
        let mut own = member.data_tracks.values().filter_map(|number| self.data_tracks.get(number));
        if own.any(|track| track.info.name == request.name) {
            return Err((Reason::DuplicateName, "the name is in use"));
        }
        if member.data_tracks.len() >= limits.data_tracks {
            return Err((Reason::LimitExceeded, "too many data tracks"));
        }
        Ok(handle)
    }

    pub(crate) fn on_unpublish_data_track(
        &mut self,
        now: Instant,
        key: MemberKey,
        request: proto::UnpublishDataTrackRequest,
    ) {
        let handle = u16::try_from(request.pub_handle).ok();
        let known =
            self.members.get(&key).zip(handle).is_some_and(|(member, handle)| member.data_tracks.contains_key(&handle));
        match handle.filter(|_| known) {
            Some(handle) => self.unpublish_data_tracks(now, key, &[handle]),
            None => self.respond(key, Reason::InvalidHandle, "no such handle", Asked::UnpublishDataTrack(request)),
        }
    }

    /// The member may no longer publish data.
    pub(crate) fn revoke_data_tracks(&mut self, now: Instant, key: MemberKey) {
        let handles: Vec<_> =
            self.members.get(&key).map(|member| member.data_tracks.keys().copied().collect()).unwrap_or_default();
        self.unpublish_data_tracks(now, key, &handles);
    }

    fn unpublish_data_tracks(&mut self, now: Instant, key: MemberKey, handles: &[u16]) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let numbers: Vec<_> = handles.iter().filter_map(|handle| member.data_tracks.remove(handle)).collect();
        if numbers.is_empty() {
            return;
        }
        member.touch();
        let infos: Vec<_> =
            numbers.iter().filter_map(|number| Some(self.data_tracks.get(number)?.info.clone())).collect();
        for info in infos {
            let response = proto::UnpublishDataTrackResponse { info: Some(info) };
            self.send_or_owe(key, Message::UnpublishDataTrackResponse(response));
        }
        self.announce(now, key, Urgency::Now);
        self.end_data_tracks(&numbers);
    }

    /// Strikes data tracks from the books; subscribers get their new handles once.
    fn end_data_tracks(&mut self, numbers: &[DataTrackNumber]) {
        let mut affected = BTreeSet::new();
        for number in numbers {
            let Some(track) = self.data_tracks.remove(number) else { continue };
            self.by_data_track_sid.remove(&track.info.sid);
            for (subscriber, handle) in track.subscribers {
                if let Some(member) = self.members.get_mut(&subscriber) {
                    member.data_handles.remove(&handle);
                    affected.insert(subscriber);
                }
            }
            for member in self.members.values_mut() {
                member.data_wishes.remove(&track.info.sid);
            }
        }
        for subscriber in affected {
            self.send_data_handles(subscriber);
        }
    }

    /// A member that is no longer in the books leaves no data behind.
    pub(crate) fn forget_data_of(&mut self, departed: &mut Member) {
        for number in std::mem::take(&mut departed.data_handles).into_values() {
            if let Some(track) = self.data_tracks.get_mut(&number) {
                track.subscribers.remove(&departed.key);
            }
        }
        let numbers: Vec<_> = std::mem::take(&mut departed.data_tracks).into_values().collect();
        self.end_data_tracks(&numbers);
    }

    pub(crate) fn on_data_subscription(&mut self, key: MemberKey, update: proto::UpdateDataSubscription) {
        let mut changed = false;
        for entry in update.updates {
            let limit = self.settings.limits.wishes;
            let Some(member) = self.members.get_mut(&key) else { return };
            let full = member.data_wishes.len() >= limit && !member.data_wishes.contains_key(&entry.track_sid);
            if full || entry.track_sid.len() > SID_BYTES_MAX {
                continue;
            }
            let number = self.by_data_track_sid.get(&entry.track_sid).copied();
            member.data_wishes.insert(entry.track_sid, entry.subscribe);
            if let Some(number) = number {
                changed |= self.reconcile_data(key, number);
            }
        }
        if changed {
            self.send_data_handles(key);
        }
    }

    /// Gives a member every data track that it is to have.
    pub(crate) fn subscribe_to_existing_data_tracks(&mut self, key: MemberKey) {
        let mut changed = false;
        for number in self.data_tracks.keys().copied().collect::<Vec<_>>() {
            changed |= self.reconcile_data(key, number);
        }
        if changed {
            self.send_data_handles(key);
        }
    }

    /// Something changed about who may have this member's data tracks.
    pub(crate) fn reconcile_data_publisher(&mut self, key: MemberKey) {
        let numbers: Vec<_> =
            self.members.get(&key).map(|member| member.data_tracks.values().copied().collect()).unwrap_or_default();
        for subscriber in self.members.keys().copied().collect::<Vec<_>>() {
            let mut changed = false;
            for number in &numbers {
                changed |= self.reconcile_data(subscriber, *number);
            }
            if changed {
                self.send_data_handles(subscriber);
            }
        }
    }

    /// Makes a member have a data track or not, as its wishes and rights say. `true` = its handles changed.
    fn reconcile_data(&mut self, key: MemberKey, number: DataTrackNumber) -> bool {
        let Some(track) = self.data_tracks.get_mut(&number) else { return false };
        let Some(publisher) =
            self.members.get(&track.publisher).map(|publisher| (publisher.key, publisher.is_hidden()))
        else {
            return false;
        };
        let Some(member) = self.members.get_mut(&key) else { return false };
        let wish = member.data_wishes.get(&track.info.sid).copied().unwrap_or(member.auto_subscribe_data_track);
        let due = wish && publisher.0 != key && !publisher.1 && member.permission.can_subscribe;
        match (due, track.subscribers.get(&key).copied()) {
            (true, None) => {
                let Some(handle) = member.free_data_handle() else { return false };
                member.data_handles.insert(handle, number);
                track.subscribers.insert(key, handle);
                true
            }
            (false, Some(handle)) => {
                member.data_handles.remove(&handle);
                track.subscribers.remove(&key);
                true
            }
            _ => false,
        }
    }

    /// Sends a member the whole map of its handles (row 41 of docs/compatibility.md#the-45-rows).
    pub(crate) fn send_data_handles(&mut self, key: MemberKey) {
        let Some(member) = self.members.get(&key) else { return };
        if member.data_handles.is_empty() && !member.had_data_handles {
            return;
        }
        let entry = |(handle, number): (&u16, &DataTrackNumber)| {
            let track = self.data_tracks.get(number)?;
            let publisher = self.members.get(&track.publisher)?;
            let published = proto::data_track_subscriber_handles::PublishedDataTrack {
                publisher_identity: publisher.identity.clone(),
                publisher_sid: publisher.sid.clone(),
                track_sid: track.info.sid.clone(),
            };
            Some((u32::from(*handle), published))
        };
        let sub_handles = member.data_handles.iter().filter_map(entry).collect();
        if let Some(member) = self.members.get_mut(&key) {
            member.had_data_handles = true;
        }
        self.send(key, Message::DataTrackSubscriberHandles(proto::DataTrackSubscriberHandles { sub_handles }));
    }

    /// A packet of one of the member's data tracks: a copy for each subscriber, with its handle.
    pub(crate) fn on_data_track_packet(&mut self, now: Instant, key: MemberKey, packet: &Bytes) {
        if packet.len() < HEADER_BYTES {
            return;
        }
        let Some(Ok(handle)) = packet.get(HANDLE_AT).map(<[u8; 2]>::try_from) else { return };
        let handle = u16::from_be_bytes(handle);
        let number = self.members.get(&key).and_then(|member| member.data_tracks.get(&handle));
        let Some(track) = number.and_then(|number| self.data_tracks.get(number)) else { return };
        let active = |key: &MemberKey| self.members.get(key).is_some_and(Member::is_active);
        let to: Vec<_> =
            track.subscribers.iter().filter(|(key, _)| active(key)).map(|(key, handle)| (*key, *handle)).collect();
        if !self.may_send(now, key, to.len(), packet.len()) {
            return;
        }
        for (to, handle) in to {
            let mut copy = BytesMut::from(packet.as_ref());
            if let Some(place) = copy.get_mut(HANDLE_AT) {
                place.copy_from_slice(&handle.to_be_bytes());
            }
            self.put_out(Output::DataTrackPacket { to, payload: copy.freeze() });
        }
    }
}

impl Member {
    /// A handle that no track has, as long unused as possible: packets of an ended track may still be on their way.
    fn free_data_handle(&mut self) -> Option<u16> {
        for _ in 0..u16::MAX {
            let handle = self.next_data_handle;
            self.next_data_handle = handle.checked_add(1).unwrap_or(1);
            if !self.data_handles.contains_key(&handle) {
                return Some(handle);
            }
        }
        None
    }
}

fn has_valid_types(request: &proto::PublishDataTrackRequest, limits: &Limits) -> bool {
    use proto::data_track_frame_encoding;
    let named = |name: &str| !name.is_empty() && name.len() <= limits.data_track_encoding_bytes;
    let frame = request.frame_encoding.as_ref().and_then(|encoding| encoding.value.as_ref());
    let frame_is_valid = match frame {
        Some(data_track_frame_encoding::Value::Custom(name)) => named(name),
        _ => true,
    };
    frame_is_valid && request.schema.as_ref().is_none_or(|schema| is_valid_schema(schema, limits))
}

/// Whether the name and the encoding of a schema can be taken.
pub(crate) fn is_valid_schema(schema: &proto::DataTrackSchemaId, limits: &Limits) -> bool {
    let encoding = schema.encoding.as_ref().and_then(|encoding| encoding.value.as_ref());
    let encoding_is_valid = match encoding {
        Some(proto::data_track_schema_encoding::Value::Custom(name)) => {
            !name.is_empty() && name.len() <= limits.data_track_encoding_bytes
        }
        _ => true,
    };
    !schema.name.is_empty() && schema.name.len() <= limits.data_track_name_bytes && encoding_is_valid
}
