//! What each identity has used of what a member may do to the others in its room. Outlives sessions, so that leaving and
//! joining again does not make anyone rich.
//!
//! These bounds are about the others: one request or message becomes one for everybody in the room. How fast a client
//! may speak at all is its socket's and its shard's matter.

use std::collections::BTreeMap;
use std::time::Instant;

use tutti_limit::{Allowance, Rate};

/// Sessions begun or taken up: a client in a bad network tries a few times in a row.
pub(crate) const JOINS: Rate = Rate::new(1, 20);
/// Announcements of a member to everyone, in pieces of [`UPDATE_BYTES`]: publishing dozens of tracks in one go, then ten
/// changes a second. What comes faster is collected.
pub(crate) const UPDATES: Rate = Rate::new(10, 400);
/// Bytes of an announcement that count as one.
pub(crate) const UPDATE_BYTES: usize = 4096;
/// Lossy data messages, in datagrams to be sent: 480 Mbit/s of them, and twenty seconds' worth at once. What comes faster
/// is dropped.
pub(crate) const DATA: Rate = Rate::new(50_000, 1_000_000);
/// Reliable ones, which their receivers slow besides. Whoever sends faster waits.
pub(crate) const RELIABLE: Rate = Rate::new(200_000, 1_000_000);
/// Bytes of a data message that count as one datagram.
pub(crate) const DATA_BYTES: usize = 1200;

/// Identities remembered before those that owe nothing are forgotten.
const SWEEP_MIN: usize = 1024;

/// What one identity has used.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) joins: Allowance,
    pub(crate) updates: Allowance,
    pub(crate) data: Allowance,
    pub(crate) reliable: Allowance,
}

impl Used {
    /// As good as no account.
    fn is_settled(&self, now: Instant) -> bool {
        [self.joins, self.updates, self.data, self.reliable].iter().all(|allowance| allowance.is_full(now))
    }
}

/// What a room dropped, put off or refused because somebody was over a limit. Totals since its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OverLimit {
    /// Joins and resumes refused, because the identity comes too often.
    pub joins: u64,
    /// Requests refused: too many or too large tracks, wishes, permissions, attributes.
    pub requests: u64,
    /// Announcements put off, to be made as one with what follows.
    pub updates: u64,
    /// Lossy data messages dropped.
    pub data: u64,
    /// Reliable data messages whose sender had to wait.
    pub data_slowed: u64,
}

/// The accounts of a room's identities, those that left included as long as they owe something.
#[derive(Debug)]
pub(crate) struct Ledger {
    accounts: BTreeMap<String, Used>,
    /// Number of accounts at which the settled ones go.
    sweep_at: usize,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { accounts: BTreeMap::new(), sweep_at: SWEEP_MIN }
    }
}

impl Ledger {
    /// The account of an identity.
    pub(crate) fn of(&mut self, now: Instant, identity: &str) -> &mut Used {
        if self.accounts.len() >= self.sweep_at && !self.accounts.contains_key(identity) {
            // A settled account is as good as none. Doubling keeps the walk rare, whatever the room's size.
            self.accounts.retain(|_, used| !used.is_settled(now));
            self.sweep_at = (2 * self.accounts.len()).max(SWEEP_MIN);
        }
        self.accounts.entry(identity.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn accounts_outlive_sessions_and_settled_ones_go() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        let debtor = ledger.of(start, "debtor");
        assert!((0..20).all(|_| debtor.joins.take(start, JOINS, 1)));
        for number in 0..10 * SWEEP_MIN {
            ledger.of(start, &number.to_string());
            assert!(ledger.accounts.len() <= SWEEP_MIN);
        }
        assert!(!ledger.of(start, "debtor").joins.take(start, JOINS, 1));
        // Those that owe are kept, however many they are.
        for number in 0..10 * SWEEP_MIN {
            assert!(ledger.of(start, &number.to_string()).joins.take(start, JOINS, 1));
        }
        assert_eq!(ledger.accounts.len(), 10 * SWEEP_MIN + 1);
        let later = start + Duration::from_secs(60);
        for number in 0..20 * SWEEP_MIN {
            ledger.of(later, &format!("later-{number}"));
        }
        assert!(ledger.accounts.len() <= 20 * SWEEP_MIN);
        assert!(!ledger.accounts.contains_key("debtor"));
    }
}
