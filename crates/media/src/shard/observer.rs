//! Where a peer's congestion control will sit: it sees every packet sent to the peer and every piece of
//! transport-wide feedback from it.
//!
//! For now it numbers packets and counts what the feedback says; it decides nothing.

use tutti_rtp::rtcp::TransportFeedback;

use super::limits::STATUSES_MAX;

/// One peer's view of the way to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PathObserver {
    next_sequence: u16,
    /// Packets with a transport-wide number.
    pub(super) sent: u64,
    /// Of those that feedback told about: arrived.
    pub(super) arrived: u64,
    /// And lost.
    pub(super) lost: u64,
    /// Last value of a receiver's own estimate (REMB), bits per second; 0 = none.
    pub(super) receiver_estimate_bps: u64,
}

impl PathObserver {
    /// The transport-wide number of the packet that is about to leave.
    pub(super) const fn on_send(&mut self) -> u16 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        self.sent += 1;
        sequence
    }

    /// What one feedback message says.
    pub(super) fn on_feedback(&mut self, feedback: &TransportFeedback<'_>) {
        for status in feedback.packets().take(STATUSES_MAX) {
            *(if status.arrival_ticks.is_some() { &mut self.arrived } else { &mut self.lost }) += 1;
        }
    }
}
