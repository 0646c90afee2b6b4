//! Sockets and threads as the kernel has them. The only place with system calls.
//!
//! Owns file descriptors, batches of datagrams on their way in and out, and what the kernel can do (segmentation
//! offload). Must not look into a datagram beyond the length in front of a TCP frame, and decides nothing about peers.

// The system calls that matter here (recvmmsg, sendmmsg with control messages, epoll, eventfd, getifaddrs) have no
// safe wrapper. Every block states why it is sound; no unsafe function is visible outside this folder.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

mod address;
mod affinity;
mod interfaces;
mod poll;
mod probe;
mod receive;
mod send;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use affinity::{cores, pin_to_core, prefer_this_thread};
pub use interfaces::interface_addresses;
pub use poll::{Doorbell, Poll, Ready, Token};
pub use probe::probe_segmentation;
pub use receive::{ReceiveBatch, Received};
pub use send::Sender;
pub use tcp::{TcpFront, TcpLink, TcpLinkState};
pub use udp::UdpSocket;
