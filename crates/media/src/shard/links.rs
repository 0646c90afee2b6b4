//! The rings between this shard and the others, and whom to wake because of them.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use tutti_forward::{LayerIndex, TrackKey};
use tutti_id::ShardNumber;

use super::ids::TrackIndex;
use super::relay::{LinkReceiver, LinkSender, Wish};

/// All links of one shard.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Shards that follow tracks of this one.
    to: BTreeMap<ShardNumber, LinkSender>,
    /// Shards that this one follows tracks of.
    from: BTreeMap<ShardNumber, LinkReceiver>,
    /// Wishes wait for room in a ring.
    waits: bool,
    /// Key frames asked of other shards since the last flush.
    asked: Vec<(TrackIndex, LayerIndex)>,
    /// Shards that have something to take, each once.
    wakes: Vec<ShardNumber>,
}

impl Links {
    pub(super) fn add_to(&mut self, shard: ShardNumber, end: LinkSender) {
        self.to.insert(shard, end);
    }

    pub(super) fn add_from(&mut self, shard: ShardNumber, end: LinkReceiver) {
        self.from.insert(shard, end);
    }

    /// Gives something to a shard that follows, and wakes it; `Some(false)`: its ring is full. `None`: no such link.
    pub(super) fn send(&mut self, shard: ShardNumber, give: impl FnOnce(&mut LinkSender) -> bool) -> Option<bool> {
        let given = give(self.to.get_mut(&shard)?);
        if given {
            self.wake(shard);
        }
        Some(given)
    }

    /// Asks something of the home of a track.
    pub(super) fn wish(&mut self, home: ShardNumber, track: TrackKey, wish: Wish) {
        if let Some(link) = self.from.get_mut(&home) {
            link.wish(track, wish);
            self.wake(home);
        }
    }

    /// Asks for a key frame. Many subscribers lose the same packet: home hears of it once for each batch.
    pub(super) fn wish_key_frame(&mut self, home: ShardNumber, track: TrackKey, index: TrackIndex, layer: LayerIndex) {
        if !self.asked.contains(&(index, layer)) {
            self.asked.push((index, layer));
            self.wish(home, track, Wish::KeyFrame(layer));
        }
    }

    /// A batch is through.
    pub(super) fn forget_asked(&mut self) {
        self.asked.clear();
    }

    /// Sends wishes that found no room; from then on [`waits`](Self::waits) says whether some still do not.
    pub(super) fn flush_wishes(&mut self) {
        self.waits = false;
        for link in self.from.values_mut() {
            self.waits |= !link.flush();
        }
    }

    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    /// The shards that follow, with their links.
    pub(super) fn followers(&mut self) -> impl Iterator<Item = (ShardNumber, &mut LinkSender)> {
        self.to.iter_mut().map(|(&shard, link)| (shard, link))
    }

    /// The home after `home`, or the first one.
    pub(super) fn next_home(&self, home: Option<ShardNumber>) -> Option<ShardNumber> {
        let after = home.map_or(Unbounded, Excluded);
        self.from.range((after, Unbounded)).next().map(|(home, _)| *home)
    }

    /// The link that packets of a home come down by.
    pub(super) fn from(&mut self, home: ShardNumber) -> Option<&mut LinkReceiver> {
        self.from.get_mut(&home)
    }

    pub(super) fn next_wake(&mut self) -> Option<ShardNumber> {
        self.wakes.pop()
    }

    fn wake(&mut self, shard: ShardNumber) {
        if !self.wakes.contains(&shard) {
            self.wakes.push(shard);
        }
    }
}
