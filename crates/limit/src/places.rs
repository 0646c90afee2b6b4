//! Places for those who have connected and not shown yet who they are.
//!
//! When all are taken, a new holder takes the place of the longest-waiting one of the source that holds most. So a source
//! that takes every place loses its own, and honest clients, which need a place for a moment only, keep theirs.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// The places, and who holds them.
#[derive(Debug)]
pub struct Places {
    max: usize,
    taken: usize,
    /// Holders of each source, the longest-waiting first.
    sources: BTreeMap<IpAddr, VecDeque<u64>>,
}

impl Places {
    /// `max` places; at least one.
    pub fn new(max: usize) -> Self {
        Self { max: max.max(1), taken: 0, sources: BTreeMap::new() }
    }

    /// Places that are taken.
    pub const fn taken(&self) -> usize {
        self.taken
    }

    /// Gives a place to `holder`, whose number is above those of all earlier ones. Returns the holder that lost its place
    /// for it, if any.
    pub fn enter(&mut self, address: IpAddr, holder: u64) -> Option<u64> {
        self.sources.entry(source(address)).or_default().push_back(holder);
        self.taken += 1;
        if self.taken <= self.max {
            return None;
        }
        // Among sources with equally many holders, the one whose first holder waits longest.
        let greediest =
            self.sources.iter().max_by_key(|(_, holders)| (holders.len(), std::cmp::Reverse(holders.front().copied())));
        let source = *greediest?.0;
        let first = self.sources.get_mut(&source)?.pop_front()?;
        self.freed(source);
        Some(first)
    }

    /// `holder` needs its place no more; without effect if it has none.
    pub fn leave(&mut self, address: IpAddr, holder: u64) {
        let source = source(address);
        let Some(holders) = self.sources.get_mut(&source) else { return };
        let Ok(at) = holders.binary_search(&holder) else { return };
        holders.remove(at);
        self.freed(source);
    }

    fn freed(&mut self, source: IpAddr) {
        self.taken -= 1;
        if self.sources.get(&source).is_some_and(VecDeque::is_empty) {
            self.sources.remove(&source);
        }
    }
}

/// What counts as one source: an IPv4 address, or the /64 that one IPv6 subscriber gets whole (RFC 6177).
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_greediest_source_gives_way() {
        let mut places = Places::new(4);
        assert_eq!(places.enter(v4(1), 1), None);
        for holder in 2..=4 {
            assert_eq!(places.enter(v4(9), holder), None);
        }
        // Its own longest-waiting one goes, however often it comes; the other source stays.
        assert_eq!(places.enter(v4(9), 5), Some(2));
        assert_eq!(places.enter(v4(9), 6), Some(3));
        // Whoever else comes gets a place as well.
        assert_eq!(places.enter(v4(2), 7), Some(4));
        assert_eq!(places.taken(), 4);
        places.leave(v4(1), 1);
        places.leave(v4(1), 1);
        places.leave(v4(9), 2);
        assert_eq!(places.taken(), 3);
        assert_eq!(places.enter(v4(3), 8), None);
    }

    #[test]
    fn of_many_sources_the_longest_waiting_goes() {
        let mut places = Places::new(3);
        for (holder, last) in (1u64..=3).zip([7, 5, 6]) {
            assert_eq!(places.enter(v4(last), holder), None);
        }
        assert_eq!(places.enter(v4(4), 4), Some(1));
        assert_eq!(places.enter(v4(8), 5), Some(2));
    }

    #[test]
    fn one_ipv6_subscriber_is_one_source() {
        let v6 = |network: u16, host: u16| IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host]);
        let mut places = Places::new(3);
        assert_eq!(places.enter(v6(1, 1), 1), None);
        assert_eq!(places.enter(v6(2, 1), 2), None);
        assert_eq!(places.enter(v6(2, 2), 3), None);
        assert_eq!(places.enter(v6(2, 3), 4), Some(2));
        places.leave(v6(2, 77), 3);
        assert_eq!(places.taken(), 2);
        // An IPv4 address is the same one however it is written.
        let mapped = IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201]);
        assert_eq!(places.enter(mapped, 5), None);
        places.leave(v4(1), 5);
        assert_eq!(places.taken(), 2);
    }

    #[test]
    fn holders_may_leave_in_any_order() {
        let mut places = Places::new(100);
        for holder in 0..100 {
            assert_eq!(places.enter(v4((holder % 7) as u8), holder), None);
        }
        for holder in (0..100).rev().step_by(3).chain(0..100) {
            places.leave(v4((holder % 7) as u8), holder);
        }
        assert_eq!(places.taken(), 0);
        assert!(places.sources.is_empty());
    }
}
