//! A client as its owner sees it: joins, waits, asks, leaves.
//!
//! The call itself runs in a task of its own ([`crate::call`]).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use livekit_protocol::VideoQuality;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tutti_transport::Channel;

use crate::call::{self, Order, Shared};
use crate::error::ClientError;
use crate::figures::Figures;
use crate::options::JoinOptions;
use crate::peer::Endpoint;

/// How long a join may take.
const JOIN_WITHIN: Duration = Duration::from_secs(30);
/// How long a goodbye may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// Orders that wait for the call; more are dropped.
const ORDERS_MAX: usize = 64;

/// A client in a call. Dropping it ends the call.
pub struct Client {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Client {
    /// Joins, and returns when media can flow.
    ///
    /// # Errors
    /// The server refused, broke the protocol, or cannot be reached over UDP.
    pub async fn join(endpoint: &Endpoint, options: JoinOptions) -> Result<Self, ClientError> {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(call::run(endpoint.clone(), options, Arc::clone(&shared), inbox));
        let client = Self { shared, orders, task };
        let connected = client.until(|figures| figures.connected.is_some());
        match timeout(JOIN_WITHIN, connected).await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(ended)) => Err(client.shared.state().over.take().and_then(Result::err).unwrap_or(ended)),
            Err(_) => Err(ClientError::Late { what: "the join", within: JOIN_WITHIN }),
        }
    }

    /// What was measured so far.
    pub fn figures(&self) -> Figures {
        self.shared.state().figures.clone()
    }

    /// Looks at what was measured so far.
    pub fn look<T>(&self, read: impl FnOnce(&Figures) -> T) -> T {
        read(&self.shared.state().figures)
    }

    /// Waits until the figures are as wanted.
    ///
    /// # Errors
    /// [`ClientError::Over`]: the call ended before.
    pub async fn until(&self, mut wanted: impl FnMut(&Figures) -> bool) -> Result<(), ClientError> {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            {
                let state = self.shared.state();
                if wanted(&state.figures) {
                    return Ok(());
                }
                if state.over.is_some() {
                    return Err(ClientError::Over);
                }
            }
            changed.await;
        }
    }

    /// Whether the call goes on.
    pub fn is_in_call(&self) -> bool {
        self.shared.state().over.is_none()
    }

    /// Wants a track in this quality from now on.
    pub fn prefer(&self, track_sid: &str, quality: VideoQuality) {
        // A call that is over, or has too many of them, takes no orders.
        let _ = self.orders.try_send(Order::Prefer { sid: track_sid.to_owned(), quality });
    }

    /// Sends one message, as its channel takes them: an encoded `DataPacket`, or a raw data-track packet.
    pub fn send(&self, channel: Channel, payload: Vec<u8>) {
        let _ = self.orders.try_send(Order::Send { channel, payload });
    }

    /// As [`Client::send`], waiting for a place among the orders.
    ///
    /// # Errors
    /// [`ClientError::Over`]: the call is over.
    pub async fn send_when_free(&self, channel: Channel, payload: Vec<u8>) -> Result<(), ClientError> {
        self.orders.send(Order::Send { channel, payload }).await.map_err(|_| ClientError::Over)
    }

    /// Leaves, and gives what was measured.
    ///
    /// # Errors
    /// What ended the call before, if it was not us.
    pub async fn leave(self) -> (Figures, Result<(), ClientError>) {
        let mut task = self.task;
        let _ = timeout(LEAVE_WITHIN, self.orders.send(Order::Leave)).await;
        if timeout(LEAVE_WITHIN, &mut task).await.is_err() {
            task.abort();
        }
        let mut state = self.shared.state();
        let outcome = state.over.take().unwrap_or(Err(ClientError::Late { what: "the leave", within: LEAVE_WITHIN }));
        (std::mem::take(&mut state.figures), outcome)
    }
}
