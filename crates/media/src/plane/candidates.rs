//! Which addresses peers are told, and the candidate texts for them.
//!
//! Pure: the interfaces' addresses come in as a list.

use std::net::{IpAddr, SocketAddr};

/// Type preference of host candidates over UDP (RFC 8445, section 5.1.2.2).
const UDP_TYPE_PREFERENCE: u32 = 126;
/// And over TCP: below all of UDP (RFC 6544, section 4.2).
const TCP_TYPE_PREFERENCE: u32 = 90;
/// RTP and, multiplexed with it, everything else.
const COMPONENT: u32 = 1;

/// The addresses that datagrams to a socket bound to `bound` can arrive on, given those of the interfaces: itself, or
/// all of its family if it is unspecified. Loopback ones are left out where there are others, unless `loopback`;
/// link-local ones always are, for want of a zone that means anything to a peer.
pub(super) fn reachable(bound: IpAddr, interfaces: &[IpAddr], loopback: bool) -> Vec<IpAddr> {
    if !bound.is_unspecified() {
        return vec![bound];
    }
    let usable: Vec<IpAddr> = interfaces
        .iter()
        .copied()
        .filter(|address| address.is_ipv4() == bound.is_ipv4() && !is_link_local(*address))
        .collect();
    let elsewhere = interfaces.iter().any(|address| !address.is_loopback() && !is_link_local(*address));
    usable.into_iter().filter(|address| loopback || !elsewhere || !address.is_loopback()).collect()
}

/// Candidate texts for a shard, best first. `udp` and `tcp` are reachable addresses with ports. `advertised` addresses,
/// where there are any, stand in the place of all reachable ones of both lists, with the port of their family.
pub(super) fn candidates(udp: &[SocketAddr], tcp: &[SocketAddr], advertised: &[IpAddr]) -> Vec<String> {
    let udp = seen_by_peers(udp, advertised);
    let tcp = seen_by_peers(tcp, advertised);
    let mut texts = Vec::with_capacity(udp.len() + tcp.len());
    for (order, address) in udp.iter().enumerate() {
        let priority = priority(UDP_TYPE_PREFERENCE, 65_535 - (order as u32 & 0xff));
        let (ip, port) = (address.ip(), address.port());
        texts.push(format!("candidate:{} {COMPONENT} udp {priority} {ip} {port} typ host", 1 + order));
    }
    for (order, address) in tcp.iter().enumerate() {
        // RFC 6544, section 4.2: direction preference of passive host candidates is 4 of 7, in the upper three bits.
        let priority = priority(TCP_TYPE_PREFERENCE, (4 << 13) | (8191 - (order as u32 & 0xff)));
        let (ip, port) = (address.ip(), address.port());
        let foundation = 1 + udp.len() + order;
        texts.push(format!("candidate:{foundation} {COMPONENT} tcp {priority} {ip} {port} typ host tcptype passive"));
    }
    texts
}

fn seen_by_peers(own: &[SocketAddr], advertised: &[IpAddr]) -> Vec<SocketAddr> {
    if advertised.is_empty() {
        return own.to_vec();
    }
    let mut seen: Vec<SocketAddr> = Vec::new();
    for ip in advertised {
        for port in own.iter().filter(|own| own.is_ipv4() == ip.is_ipv4()).map(SocketAddr::port) {
            let address = SocketAddr::new(*ip, port);
            if !seen.contains(&address) {
                seen.push(address);
            }
        }
    }
    seen
}

const fn priority(type_preference: u32, local_preference: u32) -> u32 {
    (type_preference << 24) | (local_preference << 8) | (256 - COMPONENT)
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
