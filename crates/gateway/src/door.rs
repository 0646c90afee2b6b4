//! Connections: those that stand at the door, and those of clients that are in.
//!
//! Whoever connects stands at the door until it has joined. Places there are few and given fairly: who takes all of them
//! and says nothing loses its own to whoever comes. Clients that are in keep their places, and new ones are refused in
//! words when there is none.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tutti_limit::Places;

/// Places at the door: more than joins at once anywhere, and at some 16 KB each not much memory.
const AT_THE_DOOR_MAX: usize = 8192;

/// The door of one gateway. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    step: Arc<Mutex<Step>>,
    inside: Arc<Semaphore>,
}

/// Who stands before the door.
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
        let mut step = lock(&self.step);
        let number = step.came;
        step.came += 1;
        step.visitors.insert(number, shown_out);
        if let Some(gone) = step.places.enter(address, number) {
            step.shown_out += 1;
            if let Some(gone) = step.visitors.remove(&gone) {
                // Its connection may have ended by itself.
                let _ = gone.send(());
            }
        }
        drop(step);
        (Visitor { step: self.step.clone(), inside: self.inside.clone(), address, number }, must_go)
    }

    /// Connections at the door, and how many had to go so far.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let step = lock(&self.step);
        (step.places.taken(), step.shown_out)
    }
}

impl Visitor {
    /// Where it comes from.
    pub(crate) const fn address(&self) -> IpAddr {
        self.address
    }

    /// A place inside; `None` if all are taken.
    pub(crate) fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        self.inside.clone().try_acquire_owned().ok()
    }

    /// It is in, or gone: its place at the door is free, and nobody sends it away any more.
    pub(crate) fn leave(&self) {
        let mut step = lock(&self.step);
        step.places.leave(self.address, self.number);
        step.visitors.remove(&self.number);
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Nothing that can panic runs under this lock.
fn lock(step: &Mutex<Step>) -> MutexGuard<'_, Step> {
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
}
