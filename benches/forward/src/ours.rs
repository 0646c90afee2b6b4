//! The shard's core as a server, driven as its thread drives it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tutti_forward::{ForwardCommand, SubscriptionKey, TrackKey};
use tutti_id::{RoomKey, ShardNumber};
use tutti_media::batch::SendBatch;
use tutti_media::shard::{Flushed, ShardCommand, ShardConfig, ShardCore};
use tutti_transport::{
    DtlsRole, Fingerprint, IceCredentials, LocalAddresses, OpenTransport, Path, Proto, RemoteParameters,
    TransportCommand, TransportId,
};

use crate::peer::CONFIG;
use crate::server::{Newcomer, Server};
use crate::stream::Stream;

const ROOM: RoomKey = RoomKey(1);

/// One shard.
pub(crate) struct Ours {
    core: ShardCore,
    address: SocketAddr,
    subscriptions: u32,
}

impl Ours {
    pub(crate) fn new(now: Instant, address: SocketAddr) -> Self {
        let config = ShardConfig {
            shard: ShardNumber(0),
            transport: Arc::clone(&CONFIG),
            local: LocalAddresses { udp: vec![address], tcp: Vec::new() },
            seed: [1; 32],
        };
        Self { core: ShardCore::new(config, now), address, subscriptions: 0 }
    }

    fn transport(&mut self, now: Instant, id: TransportId, command: TransportCommand) {
        self.core.handle_command(now, ShardCommand::Transport { id, command });
    }

    fn forward(&mut self, now: Instant, number: usize, command: ForwardCommand) {
        self.core.handle_command(now, ShardCommand::Forward { transport: id(number), command });
    }
}

fn id(number: usize) -> TransportId {
    TransportId::new(ROOM, number as u32)
}

impl Server for Ours {
    fn join(&mut self, now: Instant, newcomer: &Newcomer) -> (IceCredentials, Fingerprint) {
        let number = newcomer.number;
        let ice =
            IceCredentials { ufrag: format!("0000server{number:06}"), pwd: format!("password-for-client-{number:06}") };
        let open = OpenTransport { ice: ice.clone(), ice_lite: true, open_channels: Vec::new() };
        self.transport(now, id(number), TransportCommand::Open(Box::new(open)));
        let remote = RemoteParameters {
            ice: newcomer.ice.clone(),
            fingerprints: newcomer.fingerprint.into(),
            dtls_role: DtlsRole::Server,
            data_channels: true,
            sctp_port: tutti_transport::SCTP_PORT,
            max_message_size: Some(65_536),
        };
        self.transport(now, id(number), TransportCommand::SetRemote(Box::new(remote)));
        (ice, CONFIG.fingerprint())
    }

    fn publish(&mut self, now: Instant, number: usize, stream: &Stream) {
        let section = stream.publish(TrackKey::new(ROOM, stream.number));
        self.forward(now, number, ForwardCommand::Publish(Box::new(section)));
    }

    fn subscribe(&mut self, now: Instant, number: usize, stream: &Stream) {
        self.subscriptions += 1;
        let key = SubscriptionKey::new(ROOM, self.subscriptions);
        let section = stream.subscribe(key, TrackKey::new(ROOM, stream.number));
        self.forward(now, number, ForwardCommand::Subscribe(Box::new(section)));
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &mut [u8]) {
        let path = Path { proto: Proto::Udp, remote: from, local: self.address };
        self.core.handle_datagram(now, path, bytes);
    }

    fn wants_flush(&self) -> bool {
        self.core.wants_flush()
    }

    fn deadline(&self) -> Option<Instant> {
        self.core.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.core.handle_timeout(now);
    }

    fn flush(&mut self, now: Instant, batch: &mut SendBatch) -> Flushed {
        let flushed = self.core.flush(now, batch);
        while self.core.poll_event().is_some() {}
        flushed
    }

    fn forwarded(&self) -> u64 {
        self.core.metrics().rtp_out
    }
}
