//! What a shard holds many of: found by its place on the packet path, by its name when the control plane speaks of it.

use std::collections::HashMap;
use std::hash::Hash;

use slab::Slab;

use super::ids::Place;

/// Something with a name and a place.
pub(super) trait Entry {
    /// What the control plane calls it.
    type Key: Copy + Eq + Hash;
    /// Where it is.
    type Place: Place;

    fn key(&self) -> Self::Key;
}

/// The table.
pub(super) struct Table<T: Entry> {
    entries: Slab<T>,
    places: HashMap<T::Key, T::Place>,
}

impl<T: Entry> Default for Table<T> {
    fn default() -> Self {
        Self { entries: Slab::new(), places: HashMap::new() }
    }
}

impl<T: Entry> Table<T> {
    pub(super) fn get(&self, place: T::Place) -> Option<&T> {
        self.entries.get(place.slot())
    }

    pub(super) fn get_mut(&mut self, place: T::Place) -> Option<&mut T> {
        self.entries.get_mut(place.slot())
    }

    /// The place of what is called so.
    pub(super) fn find(&self, key: T::Key) -> Option<T::Place> {
        self.places.get(&key).copied()
    }

    pub(super) fn contains(&self, key: T::Key) -> bool {
        self.places.contains_key(&key)
    }

    /// Adds what is not there yet.
    pub(super) fn insert(&mut self, entry: T) -> T::Place {
        let key = entry.key();
        let place = T::Place::at(self.entries.insert(entry));
        self.places.insert(key, place);
        place
    }

    pub(super) fn remove(&mut self, place: T::Place) -> Option<T> {
        let entry = self.entries.try_remove(place.slot())?;
        self.places.remove(&entry.key());
        Some(entry)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|(_, entry)| entry)
    }
}
