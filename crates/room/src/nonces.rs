//! Names of the latest messages (docs/protocol.md#data-packets). Holds; decides nothing.

use std::collections::VecDeque;

/// Names of messages that are remembered (docs/protocol.md#data-packets).
const NONCES_MAX: usize = 100;

/// Longest such name, bytes.
const NONCE_BYTES_MAX: usize = 64;

/// Names of the latest messages, so that one which is sent twice arrives once.
#[derive(Debug, Default)]
pub(crate) struct RecentNonces {
    recent: VecDeque<Vec<u8>>,
}

impl RecentNonces {
    /// Takes note of a name; `false` = it was here before. Unnamed messages are always new.
    pub(crate) fn is_new(&mut self, nonce: &[u8]) -> bool {
        if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX {
            return true;
        }
        if self.recent.iter().any(|known| known == nonce) {
            return false;
        }
        if self.recent.len() >= NONCES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(nonce.to_vec());
        true
    }
}
