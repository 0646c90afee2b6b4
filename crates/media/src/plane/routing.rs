//! Who lives on which shard, and what a command means for each of them.
//!
//! Owns the only table that spans shards. Pure and off the packet path: a command of the control plane goes in, the
//! commands for the shards come out. A subscription whose track lives elsewhere makes its shard import the track, which
//! then follows it over the link between the two shards; the last one to leave undoes that.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use tutti_forward::{ForwardCommand, PublishTrack, SubscriptionKey, TrackKey};
use tutti_id::{RoomKey, ShardNumber};
use tutti_transport::{TransportCommand, TransportId};

use crate::command::MediaCommand;
use crate::config::MediaError;
use crate::shard::{ShardCommand, link};

/// Rooms that were placed but have no transport, before they are forgotten.
const IDLE_ROOMS_MAX: usize = 1024;

/// A command and the shard it goes to.
pub type Routed = (ShardNumber, ShardCommand);

#[derive(Debug, Default)]
struct TransportRoute {
    shard: ShardNumber,
    tracks: Vec<TrackKey>,
    subscriptions: Vec<SubscriptionKey>,
}

#[derive(Debug, Default)]
struct TrackRoute {
    home: Option<Home>,
    /// Subscriptions on each shard, the home shard included.
    subscribers: BTreeMap<ShardNumber, usize>,
}

#[derive(Debug)]
struct Home {
    shard: ShardNumber,
    transport: TransportId,
    /// Sections in the order they were published; the shards that import the track need them.
    sections: Vec<PublishTrack>,
}

#[derive(Debug)]
struct SubscriptionRoute {
    transport: TransportId,
    shard: ShardNumber,
    track: TrackKey,
}

#[derive(Debug)]
struct RoomRoute {
    home: ShardNumber,
    transports: usize,
}

/// How much a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoutingCensus {
    /// Transports.
    pub transports: usize,
    /// Tracks, those that are only waited for included.
    pub tracks: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Load over all shards.
    pub load: usize,
}

/// The table. [`MediaPlane`](crate::MediaPlane) owns one; a simulator that drives shards itself owns its own.
#[derive(Debug)]
pub struct Routing {
    transports: HashMap<TransportId, TransportRoute>,
    tracks: HashMap<TrackKey, TrackRoute>,
    subscriptions: HashMap<SubscriptionKey, SubscriptionRoute>,
    rooms: HashMap<RoomKey, RoomRoute>,
    links: BTreeSet<(ShardNumber, ShardNumber)>,
    /// Transports and subscriptions on each shard.
    load: Vec<usize>,
    shard_subscribers_max: usize,
}

impl Routing {
    /// An empty table for `shards` shards; a room spreads from `shard_subscribers_max` subscribers on.
    pub fn new(shards: usize, shard_subscribers_max: usize) -> Self {
        Self {
            transports: HashMap::new(),
            tracks: HashMap::new(),
            subscriptions: HashMap::new(),
            rooms: HashMap::new(),
            links: BTreeSet::new(),
            load: vec![0; shards.max(1)],
            shard_subscribers_max,
        }
    }

    /// What the table holds, for checks.
    pub fn census(&self) -> RoutingCensus {
        RoutingCensus {
            transports: self.transports.len(),
            tracks: self.tracks.len(),
            subscriptions: self.subscriptions.len(),
            load: self.load.iter().sum(),
        }
    }

    /// The shard for a new participant of `room`: the room's home, until that holds as many of the room's
    /// `subscribers_in_room` as a shard may.
    pub fn place(&mut self, room: RoomKey, subscribers_in_room: usize) -> ShardNumber {
        let least = self.least_loaded();
        if self.rooms.len() >= IDLE_ROOMS_MAX && !self.rooms.contains_key(&room) {
            let in_use = self.rooms.values().filter(|room| room.transports > 0).count();
            if self.rooms.len() - in_use >= IDLE_ROOMS_MAX {
                self.rooms.retain(|_, room| room.transports > 0);
            }
        }
        let home = self.rooms.entry(room).or_insert(RoomRoute { home: least, transports: 0 }).home;
        if subscribers_in_room < self.shard_subscribers_max { home } else { least }
    }

    /// What each shard is to be told.
    ///
    /// # Errors
    /// [`MediaError::UnknownShard`] and [`MediaError::UnknownTransport`].
    pub fn route(&mut self, command: MediaCommand) -> Result<Vec<Routed>, MediaError> {
        match command {
            MediaCommand::Transport { shard, id, command } => match command {
                TransportCommand::Open(_) => self.open(shard, id, command),
                TransportCommand::Close => self.close(id),
                _ => Ok(vec![(self.shard_of(id)?, ShardCommand::Transport { id, command })]),
            },
            MediaCommand::Forward { transport, command } => {
                let shard = self.shard_of(transport)?;
                let mut routed = Vec::with_capacity(1);
                match &command {
                    ForwardCommand::Publish(section) => self.publish(transport, shard, section, &mut routed),
                    ForwardCommand::Unpublish(track) => self.unpublish(*track, &mut routed),
                    ForwardCommand::Subscribe(subscribe) => {
                        self.subscribe(transport, shard, subscribe.section.subscription, subscribe.track, &mut routed);
                    }
                    ForwardCommand::Unsubscribe(key) => self.unsubscribe(*key, &mut routed),
                    ForwardCommand::SetMuted(..) | ForwardCommand::SetTarget(..) => {}
                }
                // Links and imports come first; what undoes them is harmless before or after.
                routed.push((shard, ShardCommand::Forward { transport, command }));
                Ok(routed)
            }
        }
    }

    fn least_loaded(&self) -> ShardNumber {
        let least = self.load.iter().enumerate().min_by_key(|(_, load)| **load);
        least.map_or(ShardNumber::default(), |(shard, _)| ShardNumber::at(shard))
    }

    fn shard_of(&self, id: TransportId) -> Result<ShardNumber, MediaError> {
        self.transports.get(&id).map(|route| route.shard).ok_or(MediaError::UnknownTransport(id))
    }

    fn open(
        &mut self,
        shard: ShardNumber,
        id: TransportId,
        command: TransportCommand,
    ) -> Result<Vec<Routed>, MediaError> {
        let load = self.load.get_mut(shard.index()).ok_or(MediaError::UnknownShard(shard))?;
        if let Entry::Vacant(vacant) = self.transports.entry(id) {
            vacant.insert(TransportRoute { shard, ..TransportRoute::default() });
            *load += 1;
            self.rooms.entry(id.room()).or_insert(RoomRoute { home: shard, transports: 0 }).transports += 1;
        }
        Ok(vec![(self.shard_of(id)?, ShardCommand::Transport { id, command })])
    }

    fn close(&mut self, id: TransportId) -> Result<Vec<Routed>, MediaError> {
        let route = self.transports.remove(&id).ok_or(MediaError::UnknownTransport(id))?;
        let mut routed = vec![(route.shard, ShardCommand::Transport { id, command: TransportCommand::Close })];
        for track in route.tracks {
            self.forget_track(track, &mut routed);
        }
        for key in route.subscriptions {
            self.forget_subscription(key, &mut routed);
        }
        self.unload(route.shard);
        if let Some(room) = self.rooms.get_mut(&id.room()) {
            room.transports = room.transports.saturating_sub(1);
            if room.transports == 0 {
                self.rooms.remove(&id.room());
            }
        }
        Ok(routed)
    }

    fn publish(
        &mut self,
        transport: TransportId,
        shard: ShardNumber,
        section: &PublishTrack,
        routed: &mut Vec<Routed>,
    ) {
        let track = self.tracks.entry(section.track).or_default();
        let home = track.home.get_or_insert_with(|| Home { shard, transport, sections: Vec::new() });
        if home.transport != transport {
            // The shard refuses it too: a track has one publisher.
            return;
        }
        let first = home.sections.is_empty();
        match home.sections.iter_mut().find(|known| known.mid == section.mid) {
            Some(known) => known.clone_from(section),
            None => home.sections.push(section.clone()),
        }
        let remotes: Vec<ShardNumber> = track.subscribers.keys().copied().filter(|remote| *remote != shard).collect();
        if first && let Some(route) = self.transports.get_mut(&transport) {
            route.tracks.push(section.track);
        }
        for remote in remotes {
            self.link(shard, remote, routed);
            routed.push((remote, ShardCommand::Import { home: shard, section: Box::new(section.clone()) }));
        }
    }

    fn unpublish(&mut self, key: TrackKey, routed: &mut Vec<Routed>) {
        let home = self.tracks.get(&key).and_then(|track| track.home.as_ref());
        if let Some(route) = home.and_then(|home| self.transports.get_mut(&home.transport)) {
            route.tracks.retain(|track| *track != key);
        }
        self.forget_track(key, routed);
    }

    fn forget_track(&mut self, key: TrackKey, routed: &mut Vec<Routed>) {
        let Some(track) = self.tracks.get_mut(&key) else { return };
        let Some(home) = track.home.take() else { return };
        for remote in track.subscribers.keys().filter(|remote| **remote != home.shard) {
            routed.push((*remote, ShardCommand::DropImport(key)));
        }
        if track.subscribers.is_empty() {
            self.tracks.remove(&key);
        }
    }

    fn subscribe(
        &mut self,
        transport: TransportId,
        shard: ShardNumber,
        key: SubscriptionKey,
        track_key: TrackKey,
        routed: &mut Vec<Routed>,
    ) {
        if let Some(known) = self.subscriptions.get(&key) {
            if known.transport == transport && known.track == track_key {
                return;
            }
            self.unsubscribe(key, routed);
        }
        self.subscriptions.insert(key, SubscriptionRoute { transport, shard, track: track_key });
        if let Some(route) = self.transports.get_mut(&transport) {
            route.subscriptions.push(key);
        }
        if let Some(load) = self.load.get_mut(shard.index()) {
            *load += 1;
        }
        let track = self.tracks.entry(track_key).or_default();
        let count = track.subscribers.entry(shard).or_insert(0);
        *count += 1;
        let first = *count == 1;
        let Some(home) = track.home.as_ref().filter(|home| first && home.shard != shard) else { return };
        let (home, sections) = (home.shard, home.sections.clone());
        self.link(home, shard, routed);
        for section in sections {
            routed.push((shard, ShardCommand::Import { home, section: Box::new(section) }));
        }
    }

    fn unsubscribe(&mut self, key: SubscriptionKey, routed: &mut Vec<Routed>) {
        let transport = self.subscriptions.get(&key).map(|route| route.transport);
        if let Some(route) = transport.and_then(|transport| self.transports.get_mut(&transport)) {
            route.subscriptions.retain(|known| *known != key);
        }
        self.forget_subscription(key, routed);
    }

    fn forget_subscription(&mut self, key: SubscriptionKey, routed: &mut Vec<Routed>) {
        let Some(route) = self.subscriptions.remove(&key) else { return };
        self.unload(route.shard);
        let Some(track) = self.tracks.get_mut(&route.track) else { return };
        let Some(count) = track.subscribers.get_mut(&route.shard) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        track.subscribers.remove(&route.shard);
        match &track.home {
            Some(home) if home.shard != route.shard => {
                routed.push((route.shard, ShardCommand::DropImport(route.track)));
            }
            Some(_) => {}
            None if track.subscribers.is_empty() => {
                self.tracks.remove(&route.track);
            }
            None => {}
        }
    }

    /// Joins two shards, once, before the first track goes from `home` to `remote`.
    fn link(&mut self, home: ShardNumber, remote: ShardNumber, routed: &mut Vec<Routed>) {
        if self.links.insert((home, remote)) {
            let (sending, receiving) = link();
            routed.push((home, ShardCommand::LinkTo { shard: remote, end: sending }));
            routed.push((remote, ShardCommand::LinkFrom { shard: home, end: receiving }));
        }
    }

    fn unload(&mut self, shard: ShardNumber) {
        if let Some(load) = self.load.get_mut(shard.index()) {
            *load = load.saturating_sub(1);
        }
    }
}
