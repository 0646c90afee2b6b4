//! A track's way from the request over its section to its end, and its changes between (docs/protocol.md#publishing).

use std::time::Instant;

use livekit_protocol as proto;
use proto::request_response::{Reason, Request as Asked};
use proto::signal_response::Message;

use crate::agenda::Duty;
use crate::dynacast::Demand;
use crate::pending::Urgency;
use crate::permission::may_publish;
use crate::room::Room;
use crate::score::Scorer;
use crate::track::{Track, Voice};
use crate::track_request::{add_codecs, default_layer_mode, kind_of, track_info, without_repeats};
use crate::{MemberKey, Negotiated, Notice, RoomEventKind, TrackNumber};

impl Room {
    pub(crate) fn on_add_track(&mut self, now: Instant, key: MemberKey, request: proto::AddTrackRequest) {
        if let Err((reason, message)) = self.try_add_track(now, key, &request) {
            self.respond(key, reason, message, Asked::AddTrack(request));
        }
    }

    fn try_add_track(
        &mut self,
        now: Instant,
        key: MemberKey,
        request: &proto::AddTrackRequest,
    ) -> Result<(), (Reason, &'static str)> {
        let Some(member) = self.members.get(&key) else { return Ok(()) };
        let source = proto::TrackSource::try_from(request.source).unwrap_or(proto::TrackSource::Unknown);
        if !may_publish(&member.permission, source) {
            return Err((Reason::NotAllowed, "no permission to publish this source"));
        }
        if kind_of(request).is_none() {
            return Err((Reason::UnsupportedType, "neither audio nor video"));
        }
        let bytes_max = self.settings.limits.track_text_bytes;
        if [&request.cid, &request.name, &request.stream].iter().any(|text| text.len() > bytes_max) {
            return Err((Reason::LimitExceeded, "client id, name or stream too long"));
        }
        if !request.sid.is_empty() {
            return self.add_codec(now, key, request);
        }
        let tracks = member.tracks.iter().filter_map(|number| self.tracks.get(number));
        if let Some(track) = tracks.clone().find(|track| !track.visible && track.request.cid == request.cid) {
            let number = track.number;
            self.accept(number, request);
            return Ok(());
        }
        let limits = &self.settings.limits;
        let pending = tracks.clone().filter(|track| !track.visible).count() + member.queued_len();
        if pending >= limits.pending_tracks {
            return Err((Reason::LimitExceeded, "too many pending tracks"));
        }
        if member.tracks.len() >= limits.tracks {
            return Err((Reason::LimitExceeded, "too many tracks"));
        }
        if tracks.clone().any(|track| track.has_cid(&request.cid)) {
            return self.queue(key, request);
        }
        self.create_track(now, key, request)
    }

    /// The client id is in use by a track that is still being torn down: the request is answered after that.
    fn queue(&mut self, key: MemberKey, request: &proto::AddTrackRequest) -> Result<(), (Reason, &'static str)> {
        let Some(member) = self.members.get_mut(&key) else { return Ok(()) };
        let queue = member.queued.entry(request.cid.clone()).or_default();
        if queue.len() >= self.settings.limits.queued_tracks_per_cid {
            return Err((Reason::LimitExceeded, "too many requests with this client id"));
        }
        queue.push_back(request.clone());
        Err((Reason::Queued, "the track with this client id has not ended yet"))
    }

    fn create_track(
        &mut self,
        now: Instant,
        key: MemberKey,
        request: &proto::AddTrackRequest,
    ) -> Result<(), (Reason, &'static str)> {
        let kind = kind_of(request).unwrap_or(proto::TrackType::Data);
        let source = proto::TrackSource::try_from(request.source).unwrap_or(proto::TrackSource::Unknown);
        let mut sid = self.sids.track(kind, source);
        while self.by_track_sid.contains_key(&sid) {
            sid = self.sids.track(kind, source);
        }
        let version = self.next_version(now);
        let Some(info) = track_info(request, sid.clone(), &self.settings.codecs, version) else {
            return Err((Reason::UnsupportedType, "no codec of this kind is enabled"));
        };
        let number = self.numbers.track();
        self.by_track_sid.insert(sid, number);
        let track = Track {
            number,
            publisher: key,
            info,
            request: request.clone(),
            visible: false,
            announced: false,
            subscribers: Default::default(),
            told_subscribed: false,
            demand: Demand::default(),
            voice: Voice::default(),
            upstream: Scorer::default(),
        };
        self.tracks.insert(number, track);
        if let Some(member) = self.members.get_mut(&key) {
            member.tracks.push(number);
        }
        self.accept(number, request);
        Ok(())
    }

    /// Tells the publisher that the request is granted.
    fn accept(&mut self, number: TrackNumber, request: &proto::AddTrackRequest) {
        let Some(track) = self.tracks.get(&number) else { return };
        let notice = Notice::TrackAccepted {
            track: number,
            cid: request.cid.clone(),
            info: Box::new(track.info.clone()),
            request: Box::new(request.clone()),
        };
        self.notify(track.publisher, notice);
    }

    /// A further codec of an existing track.
    fn add_codec(
        &mut self,
        now: Instant,
        key: MemberKey,
        request: &proto::AddTrackRequest,
    ) -> Result<(), (Reason, &'static str)> {
        let version = self.next_version(now);
        let number = self.by_track_sid.get(&request.sid).copied();
        let track = number.and_then(|number| self.tracks.get_mut(&number)).filter(|track| track.publisher == key);
        let Some(track) = track else { return Err((Reason::NotFound, "no such track")) };
        if track.info.codecs.len() >= self.settings.codecs.len() {
            return Err((Reason::LimitExceeded, "too many codecs"));
        }
        if !add_codecs(&mut track.info, request, &self.settings.codecs) {
            return Err((Reason::UnsupportedType, "no codec named, or none enabled"));
        }
        track.info.version = Some(version);
        let number = track.number;
        self.accept(number, request);
        Ok(())
    }

    /// A section of a track is agreed on: the first makes it visible, a further one adds its codec.
    pub(crate) fn on_negotiated(&mut self, now: Instant, key: MemberKey, negotiated: Negotiated) {
        let version = self.next_version(now);
        let Some(track) = self.tracks.get_mut(&negotiated.track).filter(|track| track.publisher == key) else { return };
        let before = track.info.clone();
        let codec = note_section(&mut track.info, track.visible, &negotiated);
        if track.visible && track.info == before {
            return;
        }
        track.info.version = Some(version);
        let first = !std::mem::replace(&mut track.visible, true);
        track.demand.reserve(track.info.codecs.len());
        let Some(member) = self.members.get_mut(&key) else { return };
        let first_track = !std::mem::replace(&mut member.is_publisher, true);
        member.touch();
        self.announce(now, key, Urgency::Now);
        if first_track {
            self.room_changed(now);
        }
        if first {
            self.track_event(negotiated.track, |participant, track| RoomEventKind::TrackPublished {
                participant,
                track,
            });
            self.reconcile_demand(now, negotiated.track);
        } else {
            self.offer_codec(now, negotiated.track, codec);
        }
    }

    /// The client took a section away.
    pub(crate) fn on_unpublish(&mut self, now: Instant, key: MemberKey, number: TrackNumber) {
        let Some(track) = self.tracks.get(&number).filter(|track| track.publisher == key) else { return };
        let cid = track.request.cid.clone();
        self.unpublish(now, key, number);
        self.answer_queued(now, key, &cid);
    }

    /// A client id is free again.
    fn answer_queued(&mut self, now: Instant, key: MemberKey, cid: &str) {
        let next = self.members.get_mut(&key).and_then(|member| {
            let queue = member.queued.get_mut(cid)?;
            let next = queue.pop_front();
            if queue.is_empty() {
                member.queued.remove(cid);
            }
            next
        });
        if let Some(request) = next {
            self.on_add_track(now, key, request);
        }
    }

    /// The room takes a track away from its publisher.
    pub(crate) fn revoke_track(&mut self, now: Instant, key: MemberKey, number: TrackNumber) {
        let Some(track) = self.tracks.get(&number) else { return };
        let (sid, cid) = (track.info.sid.clone(), track.request.cid.clone());
        self.send_or_owe(key, Message::TrackUnpublished(proto::TrackUnpublishedResponse { track_sid: sid.clone() }));
        self.notify(key, Notice::TrackRemoved { track: number, sid });
        self.unpublish(now, key, number);
        self.answer_queued(now, key, &cid);
    }

    fn unpublish(&mut self, now: Instant, key: MemberKey, number: TrackNumber) {
        let Some(visible) = self.tracks.get(&number).map(|track| track.visible) else { return };
        let Some(member) = self.members.get_mut(&key) else { return };
        member.tracks.retain(|track| *track != number);
        member.touch();
        if visible {
            self.announce(now, key, Urgency::Now);
        }
        if let Some(info) = self.member_info(key) {
            self.end_track(number, &info);
        }
        self.reconcile_voice(key);
    }

    /// Ends a track that its publisher no longer lists.
    pub(crate) fn end_track(&mut self, number: TrackNumber, publisher: &proto::ParticipantInfo) {
        let Some(subscribers) = self.tracks.get_mut(&number).map(|track| std::mem::take(&mut track.subscribers)) else {
            return;
        };
        for (subscriber, subscription) in subscribers {
            self.notify(subscriber, Notice::Unsubscribe(subscription));
            self.hush_for(subscriber, number);
            self.subscriptions.remove(&subscription);
            if let Some(member) = self.members.get_mut(&subscriber) {
                member.subscriptions.remove(&number);
            }
        }
        self.agenda.cancel(Duty::Dynacast(number));
        let Some(track) = self.tracks.remove(&number) else { return };
        self.by_track_sid.remove(&track.info.sid);
        for member in self.members.values_mut() {
            member.wishes.remove(&track.info.sid);
            member.undecodable.remove(&number);
            member.denied.remove(&number);
        }
        if track.visible {
            let (participant, track) = (Box::new(publisher.clone()), Box::new(track.info));
            self.event(RoomEventKind::TrackUnpublished { participant, track });
        }
    }

    fn track_event(
        &mut self,
        number: TrackNumber,
        event: fn(Box<proto::ParticipantInfo>, Box<proto::TrackInfo>) -> RoomEventKind,
    ) {
        let Some(track) = self.tracks.get(&number) else { return };
        if let Some(participant) = self.member_info(track.publisher) {
            let event = event(Box::new(participant), Box::new(track.info.clone()));
            self.event(event);
        }
    }

    /// The client says that it mutes or unmutes its own track.
    pub(crate) fn on_mute(&mut self, now: Instant, key: MemberKey, request: proto::MuteTrackRequest) {
        match self.own_track(key, &request.sid) {
            Some(track) => self.set_muted(now, track, request.muted),
            None => self.respond(key, Reason::NotFound, "no such track", Asked::Mute(request)),
        }
    }

    /// Mutes or unmutes; others hear of it.
    pub(crate) fn set_muted(&mut self, now: Instant, number: TrackNumber, muted: bool) {
        let version = self.next_version(now);
        let Some(track) = self.tracks.get_mut(&number).filter(|track| track.info.muted != muted) else { return };
        track.info.muted = muted;
        track.info.version = Some(version);
        track.upstream.reset();
        let publisher = track.publisher;
        self.notify(publisher, Notice::TrackMuted { track: number, muted });
        self.track_changed(now, number);
        if muted {
            self.silence(number);
        }
    }

    pub(crate) fn on_update_audio_track(&mut self, now: Instant, key: MemberKey, update: proto::UpdateLocalAudioTrack) {
        let version = self.next_version(now);
        let number = self.own_track(key, &update.track_sid);
        let track = number.and_then(|number| self.tracks.get_mut(&number)).filter(|track| track.is_audio());
        let Some(track) = track else {
            return self.respond(key, Reason::NotFound, "no such audio track", Asked::UpdateAudioTrack(update));
        };
        let has = |feature: proto::AudioTrackFeature| update.features.contains(&(feature as i32));
        #[expect(deprecated, reason = "older clients read the fields that the features replaced")]
        {
            track.info.stereo = has(proto::AudioTrackFeature::TfStereo);
            track.info.disable_dtx = has(proto::AudioTrackFeature::TfNoDtx);
        }
        track.info.audio_features = without_repeats(&update.features);
        track.info.version = Some(version);
        let number = track.number;
        self.track_changed(now, number);
    }

    pub(crate) fn on_update_video_track(&mut self, now: Instant, key: MemberKey, update: proto::UpdateLocalVideoTrack) {
        let version = self.next_version(now);
        let number = self.own_track(key, &update.track_sid);
        let track = number.and_then(|number| self.tracks.get_mut(&number)).filter(|track| !track.is_audio());
        let Some(track) = track else {
            return self.respond(key, Reason::NotFound, "no such video track", Asked::UpdateVideoTrack(update));
        };
        resize(&mut track.info, update.width, update.height);
        track.info.version = Some(version);
        let number = track.number;
        self.track_changed(now, number);
        self.retarget_all(now, number);
    }

    /// A track of this member, visible or not.
    pub(crate) fn own_track(&self, key: MemberKey, sid: &str) -> Option<TrackNumber> {
        let number = self.by_track_sid.get(sid)?;
        self.tracks.get(number).filter(|track| track.publisher == key).map(|track| track.number)
    }

    /// Others hear of a changed track, once they see it at all.
    fn track_changed(&mut self, now: Instant, number: TrackNumber) {
        let Some(track) = self.tracks.get(&number) else { return };
        let (publisher, visible) = (track.publisher, track.visible);
        if let Some(member) = self.members.get_mut(&publisher) {
            member.touch();
        }
        if visible {
            self.announce(now, publisher, Urgency::Now);
        }
    }
}

/// Writes what a section turned out to be into the track; returns the index of its codec.
fn note_section(info: &mut proto::TrackInfo, visible: bool, negotiated: &Negotiated) -> usize {
    let by_mime = info.codecs.iter().position(|codec| codec.mime_type.eq_ignore_ascii_case(&negotiated.mime_type));
    let by_mid = info.codecs.iter().position(|codec| !codec.mid.is_empty() && codec.mid == negotiated.mid);
    // The first section carries the primary codec, whichever the descriptions agreed on.
    let index = if visible { by_mid.or(by_mime) } else { Some(0) };
    let index = match index {
        Some(index) if index < info.codecs.len() => index,
        _ => {
            info.codecs.push(proto::SimulcastCodecInfo::default());
            info.codecs.len() - 1
        }
    };
    if index == 0 {
        info.mime_type.clone_from(&negotiated.mime_type);
        info.mid.clone_from(&negotiated.mid);
        // The client may settle on what it named as its backup; then that entry is not another codec any more.
        if let Some(double) = by_mime.filter(|double| *double > 0 && !visible) {
            info.codecs.remove(double);
        }
    }
    if let Some(codec) = info.codecs.get_mut(index) {
        // What the client said of its layers it said of the codec that it did not get.
        if !codec.mime_type.is_empty() && !codec.mime_type.eq_ignore_ascii_case(&negotiated.mime_type) {
            codec.video_layer_mode = default_layer_mode(&negotiated.mime_type) as i32;
        }
        codec.mime_type.clone_from(&negotiated.mime_type);
        codec.mid.clone_from(&negotiated.mid);
        codec.sdp_cid.clone_from(&negotiated.sdp_cid);
    }
    index
}

/// A new source size; the layers keep their share of it.
#[expect(deprecated, reason = "clients without codec lists fill the layers of the track")]
fn resize(info: &mut proto::TrackInfo, width: u32, height: u32) {
    let (old_width, old_height) = (info.width, info.height);
    let scale = |value: u32, old: u32, new: u32| -> u32 {
        if old == 0 {
            value
        } else {
            u32::try_from(u64::from(value) * u64::from(new) / u64::from(old)).unwrap_or(value)
        }
    };
    let layers = info.layers.iter_mut().chain(info.codecs.iter_mut().flat_map(|codec| codec.layers.iter_mut()));
    for layer in layers {
        layer.width = scale(layer.width, old_width, width);
        layer.height = scale(layer.height, old_height, height);
    }
    info.width = width;
    info.height = height;
}
