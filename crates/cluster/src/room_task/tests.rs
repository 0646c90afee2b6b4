//! However a room's task ends, nothing of the room is left.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use tutti_media::{MediaEvent, MediaPlane};
use tutti_room::{RoomEventKind, Settings};
use tutti_transport::{TransportEvent, TransportId, data_weight};

use super::*;
use crate::input::Question;
use crate::shared::{Counters, Directory, EventSink};

const KEY: RoomKey = RoomKey(1);

fn shared(events: EventSink) -> Arc<Shared> {
    let directory = Arc::new(Directory::default());
    let sink = directory.clone();
    let media = MediaPlane::start(tutti_harness::media(), Arc::new(move |event| sink.report(event)))
        .expect("media ports on loopback");
    let facts = Arc::new(tutti_harness::facts());
    Arc::new(Shared { media, facts, ice_servers: Vec::new(), directory, counters: Counters::default(), events })
}

/// A room in the tables of `shared`, and its task, not running yet.
fn opened(shared: &Arc<Shared>, state_max: u64) -> (Arc<Lanes>, RoomTask, Ends) {
    let name = RoomName::of_default_app("r");
    let mut made = None;
    let lanes = shared.directory.find_or_open(&name, |_| {
        let room = Room::new(Settings { name: "r".into(), ..Settings::default() }, 1, Instant::now(), unix_ms());
        let (lanes, ends) = Lanes::new(16, state_max);
        let lanes = Arc::new(lanes);
        let task = RoomTask::new(KEY, name.clone(), room, shared.clone(), lanes.clone());
        made = Some((task, ends));
        Ok((KEY, lanes))
    });
    let (task, ends) = made.expect("there was none");
    (lanes.expect("opened"), task, ends)
}

fn finished(events: &[RoomEventKind]) -> bool {
    matches!(events.last(), Some(RoomEventKind::RoomFinished(_)))
}

#[tokio::test]
async fn a_panic_while_effects_are_carried_out_leaves_no_room_behind() {
    let (told, struck) = (Arc::new(Mutex::new(Vec::new())), AtomicBool::new(false));
    let heard = told.clone();
    let shared = shared(Arc::new(move |_, event| {
        heard.lock().expect("no panic while it is held").push(event.kind.clone());
        assert!(struck.swap(true, Ordering::Relaxed), "a fault while the first event is told");
    }));
    let (lanes, task, ends) = opened(&shared, 1 << 20);
    let (reply, answer) = oneshot::channel();
    lanes.post(RoomInput::Ask { ticket: Ticket(1), question: Question::Room }, WayBack::Ask(reply)).await;
    task.run(ends).await;
    assert!(answer.await.is_err(), "another room may answer");
    assert_eq!((shared.directory.len(), shared.counters.rooms_panicked.load(Ordering::Relaxed)), (0, 1));
    assert!(shared.directory.by_key(KEY).is_none());
    assert!(finished(&told.lock().expect("no panic while it is held")));
}

#[tokio::test]
async fn a_room_whose_every_word_panics_is_gone_all_the_same() {
    let words = Arc::new(AtomicU64::new(0));
    let counted = words.clone();
    let shared = shared(Arc::new(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("a fault in every word");
    }));
    let (_, task, ends) = opened(&shared, 1 << 20);
    task.run(ends).await;
    assert_eq!((shared.directory.len(), words.load(Ordering::Relaxed)), (0, 2));
}

#[tokio::test]
async fn a_room_that_lost_what_it_must_not_lose_is_abandoned() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let shared = shared(Arc::new(move |_, event| heard.lock().expect("no panic").push(event.kind.clone())));
    let (_, task, ends) = opened(&shared, data_weight(0));
    let connected = |index| MediaEvent::Transport {
        id: TransportId::new(KEY, index),
        event: TransportEvent::Connected { tcp: false },
    };
    shared.directory.report(connected(1));
    assert_eq!(shared.directory.reports_lost(), (0, 0));
    shared.directory.report(connected(2));
    assert_eq!(shared.directory.reports_lost(), (0, 1));
    task.run(ends).await;
    let Counters { rooms_panicked, rooms_overrun, .. } = &shared.counters;
    assert_eq!((rooms_panicked.load(Ordering::Relaxed), rooms_overrun.load(Ordering::Relaxed)), (0, 1));
    assert_eq!(shared.directory.len(), 0);
    assert!(finished(&told.lock().expect("no panic")));
}

#[tokio::test]
async fn a_task_that_is_dropped_takes_its_room_out_of_the_tables() {
    let shared = shared(Arc::new(|_, _| {}));
    let (_, task, ends) = opened(&shared, 1 << 20);
    assert_eq!(shared.directory.len(), 1);
    drop((task, ends));
    assert_eq!(shared.directory.len(), 0);
}
