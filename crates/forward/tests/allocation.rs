//! After warm-up nothing allocates per packet: not receiving, not forwarding, not answering requests.

#[path = "forward/support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use support::camera::{Shot, Vp8Encoder};
use support::{Node, publish_simulcast, subscribe};
use tutti_forward::{LayerTarget, PacketId, SCRATCH_LEN, SendTrack, StreamMatch};
use tutti_rtp::rtcp::Writer;
use tutti_rtp::{Codec, MediaKind, RtpPacket, SequenceNumber, Ssrc};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator is unsafe by its nature; it only counts")]
// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn nothing_allocates_per_packet_after_warm_up() {
    let mut node = Node::new(&publish_simulcast(Codec::Vp8, 3));
    let rids = ["q", "h", "f"];
    let mut cameras: Vec<Vp8Encoder> =
        (0..3).map(|number| Vp8Encoder::new(Some(rids[number as usize]), number)).collect();
    let mut senders: Vec<SendTrack> = (0..8u32)
        .map(|number| {
            let mut subscribe = subscribe(Codec::Vp8, number % 2 == 0);
            subscribe.target = LayerTarget { paused: false, spatial: (number % 3) as u8, temporal: (number % 4) as u8 };
            let mut send = SendTrack::new(node.now, &subscribe, MediaKind::Video, false, u64::from(number) * 77);
            send.refresh(node.now, node.receive.layers());
            send
        })
        .collect();
    let mut version = node.receive.layers().version();
    let (mut forwarded, mut measured) = (0u64, 0u64);
    for frame in 0..1_200u64 {
        let temporal = [0, 2, 1, 2][frame as usize % 4];
        for (number, camera) in cameras.iter_mut().enumerate() {
            let key = frame % 200 == 0;
            let shot = Shot { key, temporal: if key { 0 } else { temporal }, packets: 2 + number };
            let packets = camera.encode(node.elapsed(), shot);
            for (part, bytes) in packets.iter().enumerate() {
                // Some packets are lost, to keep the lists busy.
                if frame % 50 == 7 && part == 1 {
                    continue;
                }
                let before = ALLOCATIONS.with(Cell::get);
                let packet = RtpPacket::parse(bytes).expect("sound");
                let stream = if frame == 0 && part == 0 {
                    let id = PacketId {
                        mid: Some("1"),
                        rid: Some(rids[number]),
                        repaired_rid: None,
                        ssrc: packet.ssrc(),
                        payload_type: 96,
                    };
                    node.receive.match_packet(&id).expect("ours")
                } else {
                    StreamMatch { layer: tutti_forward::LayerIndex(number as u8), repair: false }
                };
                let Some(at) = node.receive.receive(node.now, stream, &packet) else { continue };
                let layers = node.receive.layers();
                if version != layers.version() {
                    version = layers.version();
                    senders.iter_mut().for_each(|send| send.refresh(node.now, layers));
                }
                let slot = layers.slot(at).expect("just stored");
                let mut scratch = [0; SCRATCH_LEN];
                for send in &mut senders {
                    if let Some(packet) = send.forward(node.now, layers, at.layer, slot) {
                        black_box(packet.payload(layers, &mut scratch));
                        forwarded += 1;
                        if frame % 10 == 3 {
                            let lost = SequenceNumber((packet.index as u16).wrapping_sub(20));
                            send.handle_nack(node.now, layers, std::iter::once(lost), |packet| {
                                black_box(&packet);
                            });
                        }
                    }
                    while send.poll_event().is_some() {}
                }
                if frame >= 600 {
                    measured += ALLOCATIONS.with(Cell::get) - before;
                }
            }
        }
        let mut bytes = [0; 1_200];
        node.receive.write_feedback(node.now, Ssrc(1), &mut Writer::new(&mut bytes));
        node.sleep(Duration::from_millis(33));
    }
    assert!(forwarded > 10_000, "{forwarded}");
    assert_eq!(measured, 0);
}
