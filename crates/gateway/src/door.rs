//! Connections: those whose client has not joined yet ("at the door"), and those of clients that have.
//!
//! There are few places at the door. When all are taken, a newcomer gets one from the source that holds most of them
//! ([`Places`]). Clients that have joined keep their connections; when there are as many as the configuration allows,
//! further joins are refused with a sentence.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tutti_limit::Places;

/// Places at the door: more than joins at once anywhere, and at some 16 KB each not much memory.
pub(crate) const AT_THE_DOOR_MAX: usize = 8192;

/// The door of one gateway. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    step: Arc<Mutex<Step>>,
    inside: Arc<Semaphore>,
}

/// One connection that has not joined.
#[derive(Debug)]
struct Step {
    places: Places,
    visitors: BTreeMap<u64, oneshot::Sender<()>>,
    came: u64,
    shown_out: u64,
}

/// A connection's place at the door, until it is dropped.
#[derive(Debug)]
pub(crate) struct Visitor {
    step: Arc<Mutex<Step>>,
    inside: Arc<Semaphore>,
    /// Locked before the step where both are.
    place: Mutex<Place>,
}

/// Whose place it is, and which.
#[derive(Debug, Clone, Copy)]
struct Place {
    address: IpAddr,
    number: u64,
}

impl Door {
    /// A door to a house for `inside_max` clients.
    pub(crate) fn new(inside_max: usize) -> Self {
        let inside_max = inside_max.clamp(1, Semaphore::MAX_PERMITS);
        let step = Step {
            places: Places::new(AT_THE_DOOR_MAX.min(inside_max)),
            visitors: BTreeMap::new(),
            came: 0,
            shown_out: 0,
        };
        Self { step: Arc::new(Mutex::new(step)), inside: Arc::new(Semaphore::new(inside_max)) }
    }

    /// A connection from `address` comes; somebody may have to go for it. The receiver hears when this one has to; it is
    /// dropped unheard when it need not fear that any more.
    pub(crate) fn enter(&self, address: IpAddr) -> (Visitor, oneshot::Receiver<()>) {
        let (shown_out, must_go) = oneshot::channel();
        let place = lock(&self.step).enter(address, shown_out);
        (Visitor { step: self.step.clone(), inside: self.inside.clone(), place: Mutex::new(place) }, must_go)
    }

    /// Connections at the door, and how many had to go so far.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let step = lock(&self.step);
        (step.places.taken(), step.shown_out)
    }
}

impl Step {
    /// Gives a place, for which somebody may have to go.
    fn enter(&mut self, address: IpAddr, shown_out: oneshot::Sender<()>) -> Place {
        let number = self.came;
        self.came += 1;
        self.visitors.insert(number, shown_out);
        if let Some(gone) = self.places.enter(address, number) {
            self.shown_out += 1;
            if let Some(gone) = self.visitors.remove(&gone) {
                // Its connection may have ended by itself.
                let _ = gone.send(());
            }
        }
        Place { address, number }
    }

    /// Takes a place back, with the way to tell whose it was.
    fn leave(&mut self, place: Place) -> Option<oneshot::Sender<()>> {
        self.places.leave(place.address, place.number);
        self.visitors.remove(&place.number)
    }
}

impl Visitor {
    /// Where it comes from.
    pub(crate) fn address(&self) -> IpAddr {
        lock(&self.place).address
    }

    /// A proxy says for whom it speaks: the place is that one's from now on. Somebody may have to go for it.
    pub(crate) fn speaks_for(&self, address: IpAddr) {
        let mut place = lock(&self.place);
        if place.address == address {
            return;
        }
        let mut step = lock(&self.step);
        match step.leave(*place) {
            Some(shown_out) => *place = step.enter(address, shown_out),
            // It has no place any more.
            None => place.address = address,
        }
    }

    /// A place inside; `None` if all are taken.
    pub(crate) fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        self.inside.clone().try_acquire_owned().ok()
    }

    /// It is in, or gone: its place at the door is free, and nobody sends it away any more.
    pub(crate) fn leave(&self) {
        let place = lock(&self.place);
        lock(&self.step).leave(*place);
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Nothing that can panic runs under these locks.
fn lock<T>(step: &Mutex<T>) -> MutexGuard<'_, T> {
    step.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silent_go_and_those_inside_stay() {
        let door = Door::new(3);
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let (honest, mut honest_hears) = door.enter(address(1));
        let silent: Vec<_> = (0..5).map(|_| door.enter(address(9))).collect();
        let gone: Vec<bool> = silent.into_iter().map(|(_, mut hears)| hears.try_recv() == Ok(())).collect();
        assert_eq!(gone, [true, true, true, false, false]);
        assert_eq!(door.counts(), (1, 3), "dropped ones have left as well");
        honest.leave();
        assert!(honest_hears.try_recv().is_err());
        assert_eq!(door.counts(), (0, 3));

        let (others, _hears): (Vec<_>, Vec<_>) = (0..3).map(|_| door.enter(address(2))).unzip();
        let taken: Vec<_> = others.iter().filter_map(Visitor::reserve).collect();
        assert_eq!(taken.len(), 3);
        assert!(honest.reserve().is_none());
        drop(taken);
        assert!(honest.reserve().is_some());
    }

    #[test]
    fn those_behind_a_proxy_have_places_of_their_own() {
        let door = Door::new(4);
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let proxy = address(1);
        let (honest, mut honest_hears) = door.enter(proxy);
        honest.speaks_for(address(7));
        let greedy: Vec<_> = (0..4).map(|_| door.enter(proxy)).collect();
        greedy.iter().for_each(|(visitor, _)| visitor.speaks_for(address(9)));
        assert!(honest_hears.try_recv().is_err(), "one of the greedy ones goes");
        assert_eq!((honest.address(), door.counts()), (address(7), (4, 1)));
        // Who is in, or has to go, takes no place by speaking for others.
        honest.leave();
        honest.speaks_for(address(8));
        assert_eq!((honest.address(), door.counts()), (address(8), (3, 1)));
        drop(greedy);
        assert_eq!(door.counts(), (0, 1));
    }

    #[test]
    fn promised_places() {
        assert_eq!(AT_THE_DOOR_MAX, 8192, "docs/operation.md");
    }
}
