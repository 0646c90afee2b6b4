//! How many sockets are open, and when none is.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts the sockets of one gateway. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct OpenSockets(Arc<watch::Sender<usize>>);

/// Counts as one socket while it lives.
#[derive(Debug)]
pub(crate) struct OpenSocket(Arc<watch::Sender<usize>>);

impl Default for OpenSockets {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl OpenSockets {
    /// One more.
    pub(crate) fn open(&self) -> OpenSocket {
        self.0.send_modify(|count| *count += 1);
        OpenSocket(self.0.clone())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until there is none.
    pub(crate) async fn none_left(&self) {
        // The sender is ours and lives: waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
