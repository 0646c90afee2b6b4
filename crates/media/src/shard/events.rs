//! What the control plane is to hear, in order.

use std::collections::VecDeque;

use tutti_forward::ForwardEvent;
use tutti_transport::{TransportEvent, TransportId};

use crate::command::MediaEvent;

/// Events that wait; the owner takes them after every turn.
#[derive(Debug, Default)]
pub(super) struct Events(VecDeque<MediaEvent>);

impl Events {
    pub(super) fn transport(&mut self, id: TransportId, event: TransportEvent) {
        self.0.push_back(MediaEvent::Transport { id, event });
    }

    /// All that a track or a subscription has to tell.
    pub(super) fn forward(&mut self, poll: impl FnMut() -> Option<ForwardEvent>) {
        self.0.extend(std::iter::from_fn(poll).map(MediaEvent::Forward));
    }

    pub(super) fn pop(&mut self) -> Option<MediaEvent> {
        self.0.pop_front()
    }
}
