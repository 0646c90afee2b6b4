//! Our credentials and candidates, as this client can use them.

use std::net::Ipv6Addr;

use rand::Rng;
use rand::rngs::StdRng;
use tutti_id::ShardNumber;
use tutti_transport::IceCredentials;

use super::Start;
use crate::negotiation::Peer;

/// Fresh ICE credentials; the user name begins with the shard, so that any shard can tell whose packet it got.
pub(super) fn credentials(shard: ShardNumber, rng: &mut StdRng) -> IceCredentials {
    let mut text =
        |length: usize| -> String { (0..length).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect() };
    IceCredentials { ufrag: format!("{:04x}{}", shard.0, text(12)), pwd: text(32) }
}

/// Our candidates that the client can use.
pub(super) fn usable(start: &Start, peer: &Peer, tcp_only: bool) -> Vec<String> {
    // Who cannot dial TCP keeps UDP, whatever it asked for: something is better than nothing.
    let tcp = peer.takes_ice_tcp();
    let dials = |text: &&String| if is_tcp(text) { tcp } else { !(tcp_only && tcp) };
    let dialled: Vec<String> = start.placement.candidates.iter().filter(dials).cloned().collect();
    // Only who came over it has a way to `::1`; others would try in vain, and some stacks take it for their best path.
    let over_loopback = is_ipv6_loopback(&start.client.address);
    let (local, reachable): (Vec<_>, Vec<_>) =
        dialled.into_iter().partition(|text| !over_loopback && is_ipv6_loopback(word(text, ADDRESS)));
    if reachable.is_empty() { local } else { reachable }
}

/// Places of words in a candidate (RFC 8839, section 5.1).
const PROTOCOL: usize = 2;
const ADDRESS: usize = 4;

fn word(candidate: &str, place: usize) -> &str {
    candidate.split_ascii_whitespace().nth(place).unwrap_or_default()
}

fn is_tcp(candidate: &str) -> bool {
    word(candidate, PROTOCOL).eq_ignore_ascii_case("tcp")
}

fn is_ipv6_loopback(address: &str) -> bool {
    address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}
