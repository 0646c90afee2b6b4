//! What the fuzz targets do with their bytes. Lies in this crate because it reaches for what the crate does not show;
//! compiled for its tests, which replay the corpus, and for cargo-fuzz.
//!
//! * `stun`: demultiplexing, connectivity checks, candidates, and what a stranger may get for an answer.
//! * `dtls`: datagrams of a peer that passed ICE and cannot have the certificate that we expect.
//! * `srtp`: packets of both kinds against a model of the replay window.
//! * `sctp`: packets, chunks and messages of an authenticated peer.
//! * `tcp_frame`: a byte stream, cut anyhow.

mod dtls;
mod sctp;
mod srtp;
mod stun;
mod tcp_frame;

#[expect(unreachable_pub, reason = "shared with the fuzz targets, which are another crate")]
#[path = "../../../../fuzz/src/input.rs"]
mod input;

pub use dtls::dtls;
#[cfg(test)]
pub(crate) use sctp::crc32c;
pub use sctp::{dcep, sctp};
pub use srtp::srtp;
pub use stun::stun;
pub use tcp_frame::tcp_frame;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use aws_lc_rs::hmac;

use crate::command::{DtlsRole, Fingerprint, IceCredentials, OpenTransport, RemoteParameters, TransportCommand};
use crate::path::LocalAddresses;
use crate::{Certificate, Transport, TransportConfig};

#[cfg(test)]
mod tests;

/// One certificate for all runs: making one is slow.
static CONFIG: LazyLock<Arc<TransportConfig>> = LazyLock::new(|| {
    let certificate = Certificate::generate().expect("the system has randomness");
    Arc::new(TransportConfig::new(certificate))
});

const PASSWORD: &str = "the password of our side";

fn ours() -> IceCredentials {
    IceCredentials { ufrag: "ours".to_owned(), pwd: PASSWORD.to_owned() }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn transport(ice_lite: bool, now: Instant) -> Transport {
    let open = OpenTransport { ice: ours(), ice_lite, open_channels: Vec::new() };
    let here = vec![address("192.0.2.1:7882"), address("[2001:db8::1]:7882")];
    Transport::new(open, &LocalAddresses { udp: here.clone(), tcp: here }, &CONFIG, 7, now)
}

/// The peer's description. Nobody has a certificate with this fingerprint.
fn remote() -> TransportCommand {
    TransportCommand::SetRemote(Box::new(RemoteParameters {
        ice: IceCredentials { ufrag: "peer".to_owned(), pwd: "the password of their side".to_owned() },
        fingerprints: Fingerprint([7; 32]).into(),
        dtls_role: DtlsRole::Server,
        data_channels: true,
        sctp_port: crate::SCTP_PORT,
        max_message_size: Some(65_536),
    }))
}

/// A STUN message of type `kind` with these attributes, signed with `password`.
fn signed(kind: u16, transaction: u8, attributes: &[u8], password: &str) -> Vec<u8> {
    let mut message = kind.to_be_bytes().to_vec();
    message.extend(((attributes.len() + 24) as u16).to_be_bytes());
    message.extend(0x2112_a442_u32.to_be_bytes());
    message.extend([transaction; 12]);
    message.extend(attributes);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let tag = hmac::sign(&key, &message);
    message.extend([0, 8, 0, 20]);
    message.extend(tag.as_ref());
    message
}

/// USERNAME and PRIORITY of a connectivity check by the peer.
fn check_attributes() -> Vec<u8> {
    [&[0, 6, 0, 9][..], b"ours:peer\0\0\0", &[0, 0x24, 0, 4, 1, 2, 3, 4]].concat()
}
