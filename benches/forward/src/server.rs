//! What is measured, as the call sees it: datagrams and time in, sealed datagrams out.

use std::net::SocketAddr;
use std::time::Instant;

use tutti_media::batch::SendBatch;
use tutti_media::shard::Flushed;
use tutti_transport::{Fingerprint, IceCredentials};

use crate::stream::Stream;

/// A client as it introduces itself.
pub(crate) struct Newcomer {
    pub(crate) number: usize,
    pub(crate) address: SocketAddr,
    pub(crate) ice: IceCredentials,
    pub(crate) fingerprint: Fingerprint,
}

/// A server that forwards one publisher's tracks.
pub(crate) trait Server {
    /// Takes up a client; gives what the client must know.
    fn join(&mut self, now: Instant, newcomer: &Newcomer) -> (IceCredentials, Fingerprint);
    /// Client `number` sends a track.
    fn publish(&mut self, now: Instant, number: usize, stream: &Stream);
    /// Client `number` gets the track of the same number.
    fn subscribe(&mut self, now: Instant, number: usize, stream: &Stream);

    fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &mut [u8]);
    fn wants_flush(&self) -> bool;
    fn deadline(&self) -> Option<Instant>;
    fn handle_timeout(&mut self, now: Instant);
    fn flush(&mut self, now: Instant, batch: &mut SendBatch) -> Flushed;
    /// RTP packets sent to all clients.
    fn forwarded(&self) -> u64;
}
