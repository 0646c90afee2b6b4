//! Starting: addresses, sockets, threads.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tutti_id::ShardNumber;
use tutti_transport::{Certificate, LocalAddresses, TransportConfig};

use super::candidates::{candidates, reachable};
use super::routing::Routing;
use super::thread::{ShardOrder, ShardThread};
use super::{Inner, Shard, lock, shard_of_ufrag};
use crate::command::EventSink;
use crate::config::{MediaConfig, MediaError};
use crate::io::{Doorbell, TcpFront, UdpSocket, cores, interface_addresses, probe_segmentation};
use crate::mailbox::Mailbox;
use crate::metrics::{ShardMetrics, TcpFrontMetrics};
use crate::shard::ShardConfig;

/// The most shards whose number fits the four digits in a user name fragment.
const SHARDS_MAX: usize = 1 << 16;

pub(super) fn start(config: &MediaConfig, events: &EventSink) -> Result<Inner, MediaError> {
    let cores = cores();
    let count = if config.shards == 0 { cores.len() } else { config.shards };
    let highest = usize::from(config.udp_port_base) + count - 1;
    if count > SHARDS_MAX || (config.udp_port_base != 0 && highest > usize::from(u16::MAX)) {
        return Err(MediaError::Ports { shards: count, base: config.udp_port_base });
    }
    let refused = |what| move |source| MediaError::Start { what, source };
    let interfaces = interface_addresses().map_err(refused("list of interfaces"))?;
    let certificate = Certificate::generate().map_err(|error| MediaError::Certificate(error.to_string()))?;
    let transport = TransportConfig::new(certificate);
    let fingerprint = transport.fingerprint();
    let transport = Arc::new(transport);
    let segments = probe_segmentation();
    tracing::info!(shards = count, segments, "starting the media plane");

    let bound = bindable(&config.bind)?;
    let front = config.tcp_port.map(|port| bind_front(config, &bound, port)).transpose()?;
    let tcp = front.as_ref().map(TcpFront::addresses).unwrap_or_default();
    let tcp = reachable_all(&tcp, &interfaces, config.loopback);

    let mut plans = Vec::with_capacity(count);
    for shard in 0..count {
        let port = if config.udp_port_base == 0 { 0 } else { config.udp_port_base + shard as u16 };
        let sockets = bind_sockets(config, &bound, port)?;
        let addresses: Vec<SocketAddr> = sockets.iter().map(UdpSocket::address).collect();
        let udp = reachable_all(&addresses, &interfaces, config.loopback);
        plans.push((sockets, udp, Arc::new(Doorbell::new().map_err(refused("doorbell"))?)));
    }

    let bells: Vec<Arc<Doorbell>> = plans.iter().map(|(_, _, bell)| Arc::clone(bell)).collect();
    let mut inner = Inner {
        fingerprint,
        routing: Mutex::new(Routing::new(count, config.shard_subscribers_max)),
        shards: Vec::with_capacity(count),
        tcp: Arc::new(Mutex::new(TcpFrontMetrics::default())),
        stop: Arc::new(AtomicBool::new(false)),
        bells: bells.clone(),
        threads: Mutex::new(Vec::new()),
    };
    // From here on an early return drops `inner`, which stops the threads that run already.
    for (number, (sockets, udp, bell)) in plans.into_iter().enumerate() {
        let rung = Arc::clone(&bell);
        let mailbox = Arc::new(Mailbox::new(config.mailbox_commands_max, move || rung.ring()));
        let metrics = Arc::new(Mutex::new(ShardMetrics::default()));
        inner.shards.push(Shard {
            mailbox: Arc::clone(&mailbox),
            candidates: candidates(&udp, &tcp, &config.advertised),
            metrics: Arc::clone(&metrics),
        });
        let thread = ShardThread {
            shard: ShardConfig {
                shard: ShardNumber::at(number),
                transport: Arc::clone(&transport),
                local: LocalAddresses { udp, tcp: tcp.clone() },
                seed: rand::random(),
            },
            sockets,
            segments,
            core: config.pin.then(|| cores[number % cores.len()]),
            bell,
            bells: bells.clone(),
            mailbox,
            metrics,
            events: Arc::clone(events),
            stop: Arc::clone(&inner.stop),
        };
        let handle = spawn(format!("media-{number}"), move || thread.run())?;
        lock(&inner.threads).push(handle);
    }
    if let Some(front) = front {
        let bell = Arc::new(Doorbell::new().map_err(refused("doorbell"))?);
        inner.bells.push(Arc::clone(&bell));
        let handle = spawn_front(front, bell, &inner)?;
        lock(&inner.threads).push(handle);
    }
    Ok(inner)
}

/// The addresses to bind, without an unspecified IPv6 one where there is no IPv6.
fn bindable(bind: &[IpAddr]) -> Result<Vec<IpAddr>, MediaError> {
    let usable: Vec<IpAddr> = bind
        .iter()
        .copied()
        .filter(|address| {
            let there = !(address.is_ipv6() && address.is_unspecified())
                || UdpSocket::bind(SocketAddr::new(*address, 0), 1 << 16).is_ok();
            if !there {
                tracing::warn!(%address, "this system has no IPv6: not listening there");
            }
            there
        })
        .collect();
    if usable.is_empty() { Err(MediaError::NoAddress) } else { Ok(usable) }
}

fn bind_sockets(config: &MediaConfig, addresses: &[IpAddr], port: u16) -> Result<Vec<UdpSocket>, MediaError> {
    let bind = |ip: &IpAddr| {
        let address = SocketAddr::new(*ip, port);
        UdpSocket::bind(address, config.socket_buffer_bytes).map_err(|source| MediaError::Bind {
            proto: "udp",
            address,
            source,
        })
    };
    addresses.iter().map(bind).collect()
}

fn bind_front(config: &MediaConfig, addresses: &[IpAddr], port: u16) -> Result<TcpFront, MediaError> {
    let addresses: Vec<SocketAddr> = addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    TcpFront::bind(&addresses, config.tcp_pending_max).map_err(|(address, source)| MediaError::Bind {
        proto: "tcp",
        address,
        source,
    })
}

fn reachable_all(bound: &[SocketAddr], interfaces: &[IpAddr], loopback: bool) -> Vec<SocketAddr> {
    let each = |address: &SocketAddr| {
        let port = address.port();
        reachable(address.ip(), interfaces, loopback).into_iter().map(move |ip| SocketAddr::new(ip, port))
    };
    bound.iter().flat_map(each).collect()
}

/// The thread that accepts ICE-TCP connections and hands them to the shards.
fn spawn_front(mut front: TcpFront, bell: Arc<Doorbell>, inner: &Inner) -> Result<JoinHandle<()>, MediaError> {
    let stop = Arc::clone(&inner.stop);
    let metrics = Arc::clone(&inner.tcp);
    let mailboxes: Vec<_> = inner.shards.iter().map(|shard| Arc::clone(&shard.mailbox)).collect();
    spawn("media-tcp".into(), move || {
        let publish = Arc::clone(&metrics);
        let hand_over = |ufrag: &str, stream| {
            let mailbox = shard_of_ufrag(ufrag).and_then(|shard| mailboxes.get(shard.index()));
            let taken = mailbox.is_some_and(|mailbox| mailbox.try_send(ShardOrder::Tcp(stream)).is_ok());
            lock(&metrics).accepted += u64::from(taken);
            taken
        };
        let count = |refused, invalid| {
            let mut metrics = lock(&publish);
            (metrics.refused, metrics.invalid) = (refused, invalid);
        };
        if let Err(error) = front.run(&bell, || stop.load(Ordering::Acquire), hand_over, count) {
            tracing::error!(%error, "the ICE-TCP front has ended");
        }
    })
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, MediaError> {
    let builder = std::thread::Builder::new().name(name);
    builder.spawn(work).map_err(|source| MediaError::Start { what: "thread", source })
}
