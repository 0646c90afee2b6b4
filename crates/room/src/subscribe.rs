//! Who gets which track, and how much of it (docs/protocol.md#subscribing).
//!
//! One rule decides whether a member has a track ([`Room::due`]); everything that could change its answer asks
//! [`Room::reconcile`] to make it so.

use std::time::Instant;

use livekit_protocol as proto;
use proto::signal_response::Message;

use crate::agenda::Duty;
use crate::member::Wish;
use crate::permission::TrackPermissions;
use crate::room::Room;
use crate::score::Scorer;
use crate::sid::SID_BYTES_MAX;
use crate::target::TrackSettings;
use crate::track::Subscription;
use crate::{MemberKey, Notice, Subscribe, SubscriptionNumber, TrackNumber};

/// Whether tracks that nobody asked for are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auto {
    /// If the member gets everything and is active.
    WhenActive,
    /// If the member gets everything.
    Always,
}

/// Whether a member is to have a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    No,
    /// It would have it, but its publisher does not let it.
    Denied,
    Yes,
}

impl Room {
    /// Gives a member what it is to have of what exists. `joining`: before it is active, for its first negotiation.
    pub(crate) fn subscribe_to_existing(&mut self, now: Instant, key: MemberKey, joining: bool) {
        let auto = if joining { Auto::Always } else { Auto::WhenActive };
        let tracks: Vec<_> = self.tracks.keys().copied().collect();
        for track in tracks {
            self.reconcile(now, key, track, auto);
        }
        self.subscribe_to_existing_data_tracks(key);
    }

    /// Gives a track to whoever is to have it.
    pub(crate) fn offer_track(&mut self, now: Instant, track: TrackNumber) {
        let members: Vec<_> = self.members.keys().copied().collect();
        for member in members {
            self.reconcile(now, member, track, Auto::WhenActive);
        }
    }

    /// A member's state was told to the others: gives its new tracks to whoever is to have them. Before that a client
    /// would get media of something that it knows nothing of, and drop it (docs/protocol.md#stream-names).
    pub(crate) fn offer_announced(&mut self, now: Instant, publisher: MemberKey) {
        let Some(member) = self.members.get(&publisher).filter(|member| !member.is_hidden()) else { return };
        let mut new = Vec::new();
        for number in &member.tracks {
            let track = self.tracks.get_mut(number).filter(|track| track.visible && !track.announced);
            if let Some(track) = track {
                track.announced = true;
                new.push(*number);
            }
        }
        for track in new {
            self.offer_track(now, track);
        }
    }

    pub(crate) fn due(&self, key: MemberKey, track: TrackNumber, auto: Auto) -> Due {
        let (Some(member), Some(track)) = (self.members.get(&key), self.tracks.get(&track)) else { return Due::No };
        let Some(publisher) = self.members.get(&track.publisher) else { return Due::No };
        if !track.announced || publisher.key == key || publisher.is_hidden() || !member.permission.can_subscribe {
            return Due::No;
        }
        let has = track.subscribers.contains_key(&key);
        let by_itself = member.auto_subscribe && (has || member.is_active() || auto == Auto::Always);
        let wish = member.wishes.get(&track.info.sid).and_then(|wish| wish.subscribe);
        if !wish.unwrap_or(by_itself) || member.undecodable.contains_key(&track.number) {
            return Due::No;
        }
        let allows = |list: &TrackPermissions| list.allows(&member.sid, &member.identity, &track.info.sid);
        let allowed = member.is_recorder() || publisher.track_permissions.as_ref().is_none_or(allows);
        if allowed { Due::Yes } else { Due::Denied }
    }

    /// Makes a member have a track or not, as the rule says.
    fn reconcile(&mut self, now: Instant, key: MemberKey, track: TrackNumber, auto: Auto) {
        let due = self.due(key, track, auto);
        self.tell_denied(key, track, due);
        let Some(entry) = self.tracks.get(&track) else { return };
        match (due, entry.subscribers.get(&key).copied()) {
            (Due::Yes, None) => {
                self.subscribe(key, track, 0);
                self.reconcile_demand(now, track);
            }
            (Due::No | Due::Denied, Some(subscription)) => self.unsubscribe(now, subscription),
            _ => {}
        }
    }

    /// Tells a member whose wish for a track is refused, and again when it no longer is.
    fn tell_denied(&mut self, key: MemberKey, track: TrackNumber, due: Due) {
        let Some(entry) = self.tracks.get(&track) else { return };
        let (Some(publisher), Some(member)) = (self.members.get(&entry.publisher), self.members.get(&key)) else {
            return;
        };
        if (due == Due::Denied) == member.denied.contains(&track) {
            return;
        }
        if due == Due::No {
            // It does not ask any more; when it does again it is told again.
            if let Some(member) = self.members.get_mut(&key) {
                member.denied.remove(&track);
            }
            return;
        }
        let update = proto::SubscriptionPermissionUpdate {
            participant_sid: publisher.sid.clone(),
            track_sid: entry.info.sid.clone(),
            allowed: due != Due::Denied,
        };
        let Some(member) = self.members.get_mut(&key) else { return };
        if due == Due::Denied {
            member.denied.insert(track);
        } else {
            member.denied.remove(&track);
        }
        self.send_or_owe(key, Message::SubscriptionPermissionUpdate(update));
    }

    pub(crate) fn subscribe(&mut self, key: MemberKey, number: TrackNumber, codec: usize) {
        let Some(track) = self.tracks.get(&number) else { return };
        let Some(publisher_sid) = self.sid_of(track.publisher).map(str::to_owned) else { return };
        let Some(member) = self.members.get_mut(&key) else { return };
        let start = match member.adaptive_stream && !member.is_recorder() {
            true => self.settings.start_quality_adaptive,
            false => self.settings.start_quality,
        };
        let remembered = member.wishes.get_mut(&track.info.sid).and_then(|wish| wish.settings.as_mut());
        let mut settings = TrackSettings::start(start);
        if let Some(remembered) = remembered {
            // What an adaptive client hid long ago it will not show again by itself.
            remembered.disabled &= !member.adaptive_stream;
            settings = *remembered;
        }
        let subscription = self.numbers.subscription();
        let target = settings.target(&track.info, codec);
        let notice = Subscribe {
            subscription,
            track: number,
            publisher: track.publisher,
            publisher_sid,
            info: track.info.clone(),
            target,
            sync_stream: self.settings.sync_streams,
        };
        let entry = Subscription {
            track: number,
            subscriber: key,
            codec,
            settings,
            target,
            wanted: settings.wanted(&track.info, codec),
            downstream: Scorer::default(),
        };
        let wanted = entry.wanted;
        member.subscriptions.insert(number, subscription);
        self.subscriptions.insert(subscription, entry);
        if let Some(track) = self.tracks.get_mut(&number) {
            track.subscribers.insert(key, subscription);
            track.demand.shift(codec, None, wanted);
        }
        self.notify(key, Notice::Subscribe(Box::new(notice)));
        self.send_snapshots(key, number);
    }

    /// Ends a subscription and tells the subscriber.
    pub(crate) fn unsubscribe(&mut self, now: Instant, number: SubscriptionNumber) {
        let Some(subscription) = self.subscriptions.get(&number) else { return };
        let (subscriber, track) = (subscription.subscriber, subscription.track);
        self.notify(subscriber, Notice::Unsubscribe(number));
        if let Some(member) = self.members.get_mut(&subscriber) {
            member.subscriptions.remove(&track);
        }
        self.hush_for(subscriber, track);
        self.forget_subscription(now, number);
    }

    /// Strikes a subscription from the books of its track.
    pub(crate) fn forget_subscription(&mut self, now: Instant, number: SubscriptionNumber) {
        let Some(subscription) = self.subscriptions.remove(&number) else { return };
        if let Some(track) = self.tracks.get_mut(&subscription.track) {
            track.subscribers.remove(&subscription.subscriber);
            track.demand.shift(subscription.codec, subscription.wanted, None);
        }
        self.reconcile_demand(now, subscription.track);
    }

    pub(crate) fn on_subscription(&mut self, now: Instant, key: MemberKey, update: &proto::UpdateSubscription) {
        // Clients leave the participant empty: a track is looked up by its sid alone.
        let sids = update.track_sids.iter().chain(update.participant_tracks.iter().flat_map(|entry| &entry.track_sids));
        for sid in sids {
            let known = self.by_track_sid.get(sid).copied();
            if !self.wish(now, key, sid, |wish| wish.subscribe = Some(update.subscribe)) {
                continue;
            }
            match known {
                Some(track) => {
                    if update.subscribe {
                        self.try_again(now, key, track);
                    }
                    self.reconcile(now, key, track, Auto::Always);
                }
                None => self.agenda.set_no_later(Duty::Wishes(key), now + self.settings.wanted_track_timeout),
            }
        }
    }

    /// Changes what a member wishes for a track. `false` = it wishes for too much.
    fn wish(&mut self, now: Instant, key: MemberKey, sid: &str, change: impl FnOnce(&mut Wish)) -> bool {
        let Some(member) = self.members.get_mut(&key) else { return false };
        let full = member.wishes.len() >= self.settings.limits.wishes && !member.wishes.contains_key(sid);
        if full || sid.len() > SID_BYTES_MAX {
            self.over_limit.requests += 1;
            return false;
        }
        let new = Wish { subscribe: None, settings: None, since: now };
        let wish = member.wishes.entry(sid.to_owned()).or_insert(new);
        wish.since = now;
        change(wish);
        true
    }

    /// Wished-for tracks that do not exist after so long never will.
    pub(crate) fn on_wishes_due(&mut self, now: Instant, key: MemberKey) {
        let timeout = self.settings.wanted_track_timeout;
        let Some(member) = self.members.get_mut(&key) else { return };
        let unknown = member.wishes.iter().filter(|(sid, _)| !self.by_track_sid.contains_key(*sid));
        let (due, later): (Vec<_>, Vec<_>) = unknown.partition(|(_, wish)| wish.since + timeout <= now);
        let next = later.iter().map(|(_, wish)| wish.since + timeout).min();
        let due: Vec<_> = due.into_iter().map(|(sid, wish)| (sid.clone(), wish.subscribe == Some(true))).collect();
        if let Some(next) = next {
            self.agenda.set(Duty::Wishes(key), next);
        }
        for (sid, _) in &due {
            member.wishes.remove(sid);
        }
        for (track_sid, _) in due.into_iter().filter(|(_, wanted)| *wanted) {
            let err = proto::SubscriptionError::SeTrackNotfound as i32;
            self.send_or_owe(key, Message::SubscriptionResponse(proto::SubscriptionResponse { track_sid, err }));
        }
    }

    pub(crate) fn on_track_settings(&mut self, now: Instant, key: MemberKey, update: &proto::UpdateTrackSettings) {
        let settings = TrackSettings::read(update);
        for sid in &update.track_sids {
            self.apply_settings(now, key, sid, settings);
        }
    }

    /// A resumed client says which tracks it had switched off.
    pub(crate) fn disable_tracks(&mut self, now: Instant, key: MemberKey, sids: &[String]) {
        for sid in sids {
            let subscription =
                self.by_track_sid.get(sid).and_then(|track| self.members.get(&key)?.subscriptions.get(track));
            let settings = subscription.and_then(|number| self.subscriptions.get(number)).map(|entry| entry.settings);
            let settings = settings.unwrap_or(TrackSettings::start(self.settings.start_quality));
            self.apply_settings(now, key, sid, TrackSettings { disabled: true, ..settings });
        }
    }

    fn apply_settings(&mut self, now: Instant, key: MemberKey, sid: &str, settings: TrackSettings) {
        if !self.wish(now, key, sid, |wish| wish.settings = Some(settings)) {
            return;
        }
        let Some(track) = self.by_track_sid.get(sid).copied() else {
            return self.agenda.set_no_later(Duty::Wishes(key), now + self.settings.wanted_track_timeout);
        };
        let Some(number) = self.members.get(&key).and_then(|member| member.subscriptions.get(&track)).copied() else {
            return;
        };
        if let Some(subscription) = self.subscriptions.get_mut(&number) {
            subscription.settings = settings;
        }
        self.retarget(number);
        self.reconcile_demand(now, track);
    }

    /// The sizes of a track changed: everyone's choice of layer may, too.
    pub(crate) fn retarget_all(&mut self, now: Instant, track: TrackNumber) {
        let Some(entry) = self.tracks.get(&track) else { return };
        for subscription in entry.subscribers.values().copied().collect::<Vec<_>>() {
            self.retarget(subscription);
        }
        self.reconcile_demand(now, track);
    }

    fn retarget(&mut self, number: SubscriptionNumber) {
        let Some(subscription) = self.subscriptions.get_mut(&number) else { return };
        let Some(track) = self.tracks.get_mut(&subscription.track) else { return };
        let wanted = subscription.settings.wanted(&track.info, subscription.codec);
        track.demand.shift(subscription.codec, subscription.wanted, wanted);
        subscription.wanted = wanted;
        let target = subscription.settings.target(&track.info, subscription.codec);
        if subscription.target != target {
            subscription.target = target;
            if target.paused {
                subscription.downstream.reset();
            }
            let subscriber = subscription.subscriber;
            self.notify(subscriber, Notice::SetTarget(number, target));
        }
    }

    /// The subscriber's side is agreed on. The publisher hears it once, and only of somebody it can see.
    pub(crate) fn on_subscribed(&mut self, key: MemberKey, number: SubscriptionNumber) {
        let Some(subscription) = self.subscriptions.get(&number).filter(|entry| entry.subscriber == key) else {
            return;
        };
        let visible = self.members.get(&key).is_some_and(|member| !member.is_hidden());
        let Some(track) = self.tracks.get_mut(&subscription.track) else { return };
        if visible && !std::mem::replace(&mut track.told_subscribed, true) {
            let (publisher, track_sid) = (track.publisher, track.info.sid.clone());
            self.send_or_owe(publisher, Message::TrackSubscribed(proto::TrackSubscribed { track_sid }));
        }
    }

    pub(crate) fn on_subscription_permission(
        &mut self,
        now: Instant,
        key: MemberKey,
        permission: proto::SubscriptionPermission,
    ) {
        let entries = permission.track_permissions.iter().map(|entry| 1 + entry.track_sids.len()).sum::<usize>();
        if entries > self.settings.limits.track_permissions {
            self.over_limit.requests += 1;
            let response = proto::RequestResponse {
                reason: proto::request_response::Reason::LimitExceeded as i32,
                message: "too many track permissions".to_owned(),
                ..Default::default()
            };
            return self.send(key, Message::RequestResponse(response));
        }
        let Some(member) = self.members.get_mut(&key) else { return };
        member.track_permissions = Some(TrackPermissions::read(permission));
        self.reconcile_publisher(now, key);
    }

    /// Something changed about who may have this member's tracks.
    pub(crate) fn reconcile_publisher(&mut self, now: Instant, key: MemberKey) {
        for track in self.members.get(&key).map(|member| member.tracks.clone()).unwrap_or_default() {
            self.offer_track(now, track);
        }
    }

    /// Something changed about what this member may have.
    pub(crate) fn reconcile_subscriber(&mut self, now: Instant, key: MemberKey) {
        for track in self.tracks.keys().copied().collect::<Vec<_>>() {
            self.reconcile(now, key, track, Auto::WhenActive);
        }
    }
}
