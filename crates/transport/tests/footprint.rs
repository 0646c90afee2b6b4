//! What an idle transport holds and does: the memory of a connected one, allocations on the media path.
#![expect(unsafe_code, reason = "a counting allocator is an unsafe trait")]

mod network;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::time::Duration;

use network::{Network, Ours, OursBuilder};
use tutti_transport::*;

struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as isize, Ordering::Relaxed);
        CALLS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size as isize - layout.size() as isize, Ordering::Relaxed);
        CALLS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes of Rust's heap that a connected, idle transport with data channels may hold. The cipher contexts, about 4 KiB
/// on the C heap, come on top.
const IDLE_BYTES_MAX: usize = 20 << 10;

fn connect() -> (Network, Ours, Ours) {
    let mut network = Network::new(1);
    let client = OursBuilder::new("198.51.100.7:40000", "clnt").full().opening(&[Channel::Reliable]);
    let mut client = client.build(network.now);
    let mut server = OursBuilder::new("192.0.2.1:7882", "serv").build(network.now);
    let (client_ice, server_ice) = (client.ice.clone(), server.ice.clone());
    server.set_remote(network.now, &client_ice, Ours::fingerprint(), DtlsRole::Server);
    client.set_remote(network.now, &server_ice, Ours::fingerprint(), DtlsRole::Client);
    client.add_candidate(network.now, "candidate:1 1 udp 2113937151 192.0.2.1 7882 typ host".into());
    network.pass(&mut client, &mut server, Duration::from_secs(30));
    assert_eq!((client.connected(), server.connected(), server.open().len()), (1, 1, 1));
    (network, client, server)
}

#[test]
fn idle_memory_and_media_without_allocation() {
    let (_, mut client, server) = connect();

    let mut header = [0x80, 111, 0, 0, 0, 0, 0, 1, 0, 0, 0, 42];
    let report = [0x80, 201, 0, 1, 0, 0, 0, 42];
    let mut packet = [0; 1500];
    let mut calls = 0;
    for index in 0..2000_u64 {
        if index == 1 {
            calls = CALLS.load(Ordering::Relaxed);
        }
        header[2..4].copy_from_slice(&(index as u16).to_be_bytes());
        let len = server.transport.seal_rtp(&header, &[7; 1100], index, &mut packet).unwrap();
        assert_eq!(client.transport.open_rtp(&mut packet[..len]), Ok(1112));
        let len = client.transport.seal_rtcp(&report, &mut packet).unwrap();
        assert!(len > report.len());
    }
    assert_eq!(CALLS.load(Ordering::Relaxed), calls, "allocations after the first packet");

    let before = HELD.load(Ordering::Relaxed);
    drop(server.transport);
    let held = (before - HELD.load(Ordering::Relaxed)) as usize + size_of::<Transport>();
    assert!(held <= IDLE_BYTES_MAX, "{held} bytes");
}
