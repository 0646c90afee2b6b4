//! After warm-up a shard allocates nothing for the packets it forwards, and a transport stays within its memory.
//!
//! Its own binary, because it replaces the allocator. Only what happens inside a shard is counted; the clients and the
//! network around it allocate as they like.

#![expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one only counts and passes on")]

mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use world::{Kind, Source, World, is_watched};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);
/// The tests count for themselves alone.
static ALONE: Mutex<()> = Mutex::new(());

struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_watched() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
            BYTES.fetch_add(layout.size() as i64, Ordering::Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if is_watched() {
            BYTES.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SECOND: Duration = Duration::from_secs(1);
const SUBSCRIBERS: usize = 8;

/// A publisher with a microphone and a camera, and subscribers to both, on one or two shards.
struct Call {
    world: World,
    publisher: usize,
    microphone: Source,
    camera: Source,
}

impl Call {
    fn new(shards: u16) -> Self {
        let mut world = World::new(shards);
        let [publisher] = world.connected([0]);
        let microphone = Source::audio(&mut world, "0");
        let camera = Source::video(&mut world, "1");
        let audio = world.publish(publisher, &microphone);
        let video = world.publish(publisher, &camera);
        for number in 0..SUBSCRIBERS {
            let [subscriber] = world.connected([number as u16 % shards]);
            let hears = world.sink("a", Kind::Audio);
            let sees = world.sink("v", Kind::Video);
            world.subscribe(subscriber, audio, &hears);
            world.subscribe(subscriber, video, &sees);
        }
        Self { world, publisher, microphone, camera }
    }

    /// Both at once: a video frame of five packets and two of audio every 40 ms.
    fn run(&mut self, span: Duration) {
        let end = self.world.now + span;
        let mut first = self.world.elapsed() < SECOND;
        while self.world.now < end {
            let frame = self.camera.frame(0, 5, std::mem::take(&mut first));
            self.world.write(self.publisher, Kind::Video, &frame);
            self.world.talk(self.publisher, &mut self.microphone, Duration::from_millis(40));
        }
        for client in &mut self.world.clients {
            client.arrived.clear();
        }
    }

    fn forwarded(&self) -> u64 {
        self.world.shards.iter().map(|shard| shard.metrics().rtp_out).sum()
    }
}

#[test]
fn forwarding_allocates_nothing() {
    let _alone = ALONE.lock();
    for shards in [1, 2] {
        let mut call = Call::new(shards);
        call.run(12 * SECOND);
        let (packets, allocations) = (call.forwarded(), ALLOCATIONS.load(Ordering::Relaxed));
        call.run(5 * SECOND);
        let packets = call.forwarded() - packets;
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - allocations;
        assert!(packets >= 5000, "{packets}");
        // Connectivity checks come every few seconds from each peer; answering them is on the meter too.
        assert_eq!(allocations, 0, "beside {packets} packets on {shards} shards");
    }
}

#[test]
fn a_transport_stays_small() {
    let _alone = ALONE.lock();
    let mut world = World::new(1);
    let before = BYTES.load(Ordering::Relaxed);
    let clients = world.connected([0; 16]);
    world.run_for(10 * SECOND);
    let idle = (BYTES.load(Ordering::Relaxed) - before) / clients.len() as i64;

    let mut call = Call::new(1);
    let before = BYTES.load(Ordering::Relaxed);
    call.run(12 * SECOND);
    let streaming = idle + (BYTES.load(Ordering::Relaxed) - before) / SUBSCRIBERS as i64;
    println!("{idle} bytes idle, {streaming} streaming");
    assert!(idle < 24 * 1024, "{idle} bytes");
    assert!(streaming < 80 * 1024, "{streaming} bytes");
}
