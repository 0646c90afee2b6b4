//! Events from the store to receivers: all of them, in order, signed; whatever the receiver, the process or another node
//! does.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use livekit_protocol as proto;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tutti_ledger::{Endpoint, Format, Webhooks};
use tutti_store::{BYTES_MAX_DEFAULT, Event, Fact, Facts, Journal, Store, StoreUrl};
use tutti_token::{Keys, Secret, body_signature};

/// Nothing here takes long; a machine that is busy with other things does.
const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "key";

fn secret() -> Secret {
    Secret::new("a secret of some length")
}

/// A store in a folder that goes with the test.
struct World {
    folder: PathBuf,
    store: Store,
    facts: Facts,
}

impl World {
    async fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tutti-ledger-{}-{:x}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir_all(&folder).expect("a folder");
        let store = Store::open(StoreUrl::in_folder(&folder)).await.expect("the store opens");
        let journal = Journal::open(&folder.join("journal"), BYTES_MAX_DEFAULT).expect("the journal opens");
        let facts = Facts::start(store.clone(), "ND_1", journal);
        Self { folder, store, facts }
    }

    /// Tells `count` events of a session, numbered from `from`.
    fn tell(&self, session: &str, from: i64, count: i64) {
        for sequence in from..from + count {
            let room = Box::new(proto::Room { sid: session.into(), name: "r".into(), ..Default::default() });
            let event = Event::RoomStarted { room };
            let (app, room, node) = ("default".to_owned(), "r".to_owned(), "ND_1".to_owned());
            let fact = Fact { app, room, session: session.into(), sequence, at_ms: 1_000 + sequence, node, event };
            self.facts.take(&fact).expect("the journal takes it");
        }
    }

    fn deliver(&self, node: &str, endpoints: Vec<Endpoint>) -> Webhooks {
        Webhooks::start(&self.store, node, endpoints, true).expect("a client")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

type Judge = Box<dyn Fn(&str, u64) -> StatusCode + Send + Sync>;

struct Shared {
    judge: Judge,
    /// (session, sequence) of every call that was taken, in order.
    taken: Mutex<Vec<(String, i64)>>,
    calls: Mutex<HashMap<String, u64>>,
    changed: watch::Sender<usize>,
    last: Mutex<(HeaderMap, Bytes)>,
}

/// Somebody's server. `judge` is asked with an event's id and how often it came before.
struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Receiver {
    async fn new(judge: impl Fn(&str, u64) -> StatusCode + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), judge).await
    }

    async fn at(address: SocketAddr, judge: impl Fn(&str, u64) -> StatusCode + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            judge: Box::new(judge),
            taken: Mutex::default(),
            calls: Mutex::default(),
            changed: watch::channel(0).0,
            last: Mutex::default(),
        });
        let router = Router::new().route("/hook", post(receive)).with_state(shared.clone());
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, shared, task }
    }

    fn endpoint(&self, format: Format) -> Endpoint {
        endpoint(self.address, format)
    }

    /// Comes back when `count` calls were taken.
    async fn taken(&self, count: usize) -> Vec<(String, i64)> {
        let mut changed = self.shared.changed.subscribe();
        let there = timeout(PATIENCE, changed.wait_for(|taken| *taken >= count)).await;
        let taken = self.shared.taken.lock().expect("no panic").clone();
        assert!(matches!(there, Ok(Ok(_))), "{count} wanted, {} came: {taken:?}", taken.len());
        taken
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn endpoint(address: SocketAddr, format: Format) -> Endpoint {
    Endpoint::new("default", &format!("http://{address}/hook"), format, (KEY, &secret()), true).expect("an endpoint")
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    let told: Value = serde_json::from_slice(&body).expect("JSON");
    let id = told["id"].as_str().expect("an id").to_owned();
    let (session, sequence) = id["EV_".len()..].rsplit_once('_').expect("a session and a number");
    let before = {
        let mut calls = shared.calls.lock().expect("no panic");
        let before = calls.entry(id.clone()).or_default();
        *before += 1;
        *before - 1
    };
    let status = (shared.judge)(&id, before);
    if status.is_success() {
        let mut taken = shared.taken.lock().expect("no panic");
        taken.push((format!("RM_{session}"), sequence.parse().expect("a number")));
        *shared.last.lock().expect("no panic") = (headers, body);
        shared.changed.send_replace(taken.len());
    }
    (status, "no, thank you")
}

fn ok(_: &str, _: u64) -> StatusCode {
    StatusCode::OK
}

fn of(taken: &[(String, i64)], session: &str) -> Vec<i64> {
    taken.iter().filter(|(of, _)| of == session).map(|(_, sequence)| *sequence).collect()
}

#[tokio::test]
async fn everything_arrives_once_in_order_and_signed() {
    let world = World::new().await;
    let (protocols, ours) = (Receiver::new(ok).await, Receiver::new(ok).await);
    world.tell("RM_before", 1, 1);
    world.facts.written().await;
    let endpoints = vec![protocols.endpoint(Format::Livekit), ours.endpoint(Format::Tutti)];
    let ids: Vec<String> = endpoints.iter().map(|endpoint| endpoint.id().to_owned()).collect();
    let webhooks = world.deliver("ND_1", endpoints);
    // An endpoint begins with what happens after it was made.
    known(&world.store, &ids).await;
    for round in 0..4 {
        for session in ["RM_a", "RM_b", "RM_c"] {
            world.tell(session, 1 + round * 50, 50);
        }
    }
    for receiver in [&protocols, &ours] {
        let taken = receiver.taken(600).await;
        assert_eq!(taken.len(), 600);
        for session in ["RM_a", "RM_b", "RM_c"] {
            assert_eq!(of(&taken, session), (1..=200).collect::<Vec<_>>(), "{session}");
        }
    }

    let (headers, body) = protocols.shared.last.lock().expect("no panic").clone();
    let token = headers["authorization"].to_str().expect("text");
    let claims = Keys::one(KEY, secret()).verify(token, SystemTime::now()).expect("signed by the key");
    let again = Keys::one(KEY, secret()).sign_body(KEY, &body, SystemTime::now()).expect("a known key");
    let same = Keys::one(KEY, secret()).verify(&again, SystemTime::now()).expect("ours").sha256;
    assert_eq!((headers["content-type"].as_bytes(), claims.sha256), (&b"application/webhook+json"[..], same));

    let (headers, body) = ours.shared.last.lock().expect("no panic").clone();
    let signature = headers["tutti-signature"].to_str().expect("text");
    let seconds = signature.strip_prefix("t=").and_then(|rest| rest.split(',').next()).expect("a time");
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.parse().expect("seconds"));
    assert_eq!(signature, body_signature(&secret(), &body, at));
    let counter = webhooks.counter();
    webhooks.stop(PATIENCE).await;
    assert_eq!(counter.read().delivered, 1_200);
}

/// Comes back when endpoints are written down.
async fn known(store: &Store, ids: &[String]) {
    let all = async {
        loop {
            let endpoints = store.endpoints().await.expect("the store answers");
            if ids.iter().all(|id| endpoints.iter().any(|(endpoint, _)| endpoint.id == *id)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, all).await.expect("the endpoints are written down");
}

async fn started(world: &World, node: &str, endpoint: Endpoint) -> Webhooks {
    let id = endpoint.id().to_owned();
    let webhooks = world.deliver(node, vec![endpoint]);
    known(&world.store, &[id]).await;
    webhooks
}

#[tokio::test]
async fn a_session_waits_for_what_was_refused_and_others_do_not() {
    let world = World::new().await;
    let others_done = AtomicBool::new(false);
    let receiver = Receiver::new(move |id, before| {
        if id == "EV_b_5" {
            others_done.store(true, Ordering::SeqCst);
        }
        let refuses = id == "EV_a_2" && (before == 0 || !others_done.load(Ordering::SeqCst));
        if refuses { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
    })
    .await;
    let webhooks = started(&world, "ND_1", receiver.endpoint(Format::Livekit)).await;
    world.tell("RM_a", 1, 5);
    world.tell("RM_b", 1, 5);
    let taken = receiver.taken(10).await;
    assert_eq!((of(&taken, "RM_a"), of(&taken, "RM_b")), ((1..=5).collect(), (1..=5).collect::<Vec<_>>()));
    // And it goes on as before.
    world.tell("RM_a", 6, 1);
    assert_eq!(receiver.taken(11).await.last(), Some(&("RM_a".to_owned(), 6)));
    let counts = webhooks.counts();
    assert!(counts.failed >= 1 && counts.dead == 0, "{counts:?}");
    webhooks.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_everything_in_order() {
    let world = World::new().await;
    // A port where nobody listens yet.
    let address = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address");
    let webhooks = started(&world, "ND_1", endpoint(address, Format::Livekit)).await;
    world.tell("RM_a", 1, 300);
    let down = async {
        while webhooks.counts().down == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, down).await.expect("nobody is there");
    let waiting = world.store.waiting_sessions(endpoint(address, Format::Livekit).id()).await;
    assert!(waiting.expect("read").is_empty(), "events wait in the outbox, not in rows of their own");
    let receiver = Receiver::at(address, ok).await;
    assert_eq!(of(&receiver.taken(300).await, "RM_a"), (1..=300).collect::<Vec<_>>());
    assert_eq!((webhooks.counts().down, webhooks.counts().dead), (0, 0));
    webhooks.stop(PATIENCE).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_deliverer_is_killed() {
    let world = World::new().await;
    let receiver = Receiver::new(ok).await;
    let mut webhooks = started(&world, "ND_1", receiver.endpoint(Format::Livekit)).await;
    for session in 0..40 {
        world.tell(&format!("RM_{session}"), 1, 20);
    }
    for kill in 1..=5 {
        receiver.taken(kill * 100).await;
        // Dropped: every task of it ends where it is.
        drop(webhooks);
        webhooks = world.deliver("ND_1", vec![receiver.endpoint(Format::Livekit)]);
    }
    let distinct = async {
        loop {
            let taken = receiver.shared.taken.lock().expect("no panic").clone();
            if taken.iter().collect::<HashSet<_>>().len() == 800 {
                return taken;
            }
            let mut changed = receiver.shared.changed.subscribe();
            let _ = changed.changed().await;
        }
    };
    let taken = timeout(PATIENCE, distinct).await.expect("all of it arrives");
    for session in 0..40 {
        let mut of = of(&taken, &format!("RM_{session}"));
        of.dedup();
        let first: Vec<i64> =
            of.iter().enumerate().filter(|(at, one)| !of[..*at].contains(one)).map(|(_, one)| *one).collect();
        assert_eq!(first, (1..=20).collect::<Vec<_>>(), "first arrivals are in order");
    }
    assert!(taken.len() - 800 <= 5 * 64, "{} came twice", taken.len() - 800);
    webhooks.stop(PATIENCE).await;
}

#[tokio::test]
async fn one_node_at_a_time_delivers() {
    let world = World::new().await;
    let receiver = Receiver::new(ok).await;
    let first = started(&world, "ND_1", receiver.endpoint(Format::Livekit)).await;
    world.tell("RM_a", 1, 1);
    receiver.taken(1).await;
    let second = world.deliver("ND_2", vec![receiver.endpoint(Format::Livekit)]);
    world.tell("RM_a", 2, 200);
    assert_eq!(receiver.taken(201).await.len(), 201);
    let counters = (first.counter(), second.counter());
    second.stop(PATIENCE).await;
    first.stop(PATIENCE).await;
    assert_eq!((counters.0.read().delivered, counters.1.read().delivered), (201, 0));
}

#[tokio::test]
async fn a_slow_endpoint_holds_up_no_other() {
    let world = World::new().await;
    // It accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let slow = endpoint(silent.local_addr().expect("its address"), Format::Livekit);
    let receiver = Receiver::new(ok).await;
    let ids = [slow.id().to_owned(), receiver.endpoint(Format::Livekit).id().to_owned()];
    let webhooks = world.deliver("ND_1", vec![slow, receiver.endpoint(Format::Livekit)]);
    known(&world.store, &ids).await;
    world.tell("RM_a", 1, 500);
    assert_eq!(receiver.taken(500).await.len(), 500);
    drop(webhooks);
}

#[tokio::test]
async fn dead_letters_are_listed_and_sent_again() {
    use tutti_store::{Delivery, DeliveryState};
    let world = World::new().await;
    let receiver = Receiver::new(ok).await;
    let endpoint = receiver.endpoint(Format::Livekit);
    let id = endpoint.id().to_owned();
    let webhooks = started(&world, "ND_1", endpoint).await;
    world.tell("RM_a", 1, 2);
    receiver.taken(2).await;
    webhooks.stop(PATIENCE).await;
    let (row, position) = world.store.endpoints().await.expect("read").remove(0);
    let event = world.store.events(None, 0, 10).await.expect("read").remove(0);
    assert!(position >= event.id);
    let dead = Delivery {
        event: event.id,
        state: DeliveryState::Dead,
        attempts: 9,
        first_ms: 1,
        next_ms: 1,
        status: Some(410),
        answer: "gone".into(),
        took_ms: Some(2),
    };
    world.store.settle_deliveries(&row, std::slice::from_ref(&dead)).await.expect("written");
    let letters = world.store.dead_letters(&id, 0, 10).await.expect("read");
    assert_eq!(letters, [(event, dead)]);
    assert_eq!(world.store.replay_dead(&id).await.expect("written"), 1);
    let webhooks = world.deliver("ND_1", vec![receiver.endpoint(Format::Livekit)]);
    assert_eq!(receiver.taken(3).await[2], ("RM_a".to_owned(), 1));
    // From a place in the outbox on, everything comes again.
    webhooks.stop(PATIENCE).await;
    assert!(world.store.replay_after(&id, 0).await.expect("written"));
    let webhooks = world.deliver("ND_1", vec![receiver.endpoint(Format::Livekit)]);
    let taken = receiver.taken(5).await;
    assert_eq!(of(&taken[3..], "RM_a"), [1, 2]);
    webhooks.stop(PATIENCE).await;
}
