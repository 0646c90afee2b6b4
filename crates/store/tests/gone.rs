//! The database is slow, gone, or not there yet: nobody who has a fact waits for it, and no fact is lost.

mod databases;

use std::time::{Duration, Instant};

use databases::{Folder, Postgres, Story};
use tutti_store::{BYTES_MAX_DEFAULT, Facts, HistoryQuery, Journal, Store, StoreUrl};

/// Many sessions, told to their end.
fn stories(from: usize, count: usize) -> Vec<Story> {
    let story = |number| {
        let mut story = Story::begin("acme", "lobby", &format!("RM_{number}"), "ND_1", 1_000_000);
        let sid = format!("PA_{number}");
        story.join(&sid);
        story.publish(&sid, &format!("TR_{number}"));
        story.leave(&sid);
        story.finish();
        story
    };
    (from..from + count).map(story).collect()
}

fn take(facts: &Facts, stories: &[Story]) {
    let began = Instant::now();
    let all: Vec<_> = stories.iter().flat_map(|story| &story.facts).collect();
    for fact in &all {
        facts.take(fact).expect("the journal takes it");
    }
    // Far more than it takes, and far less than anything that waits for a database that is gone.
    assert!(began.elapsed() < Duration::from_secs(20), "{} facts took {:?}", all.len(), began.elapsed());
}

fn start(folder: &Folder, store: &Store) -> Facts {
    let journal = Journal::open(&folder.path().join("journal"), BYTES_MAX_DEFAULT).expect("the journal opens");
    Facts::start(store.clone(), "ND_1", journal)
}

/// All sessions are there, over, and told in full.
async fn whole(store: &Store, sessions: usize) {
    let query = HistoryQuery { app: "acme".into(), limit: 1000, ..HistoryQuery::default() };
    let rows = store.sessions(&query).await.expect("history").entries;
    assert_eq!(rows.len(), sessions);
    assert!(rows.iter().all(|row| row.finished_ms.is_some() && row.sequence == 5 && row.joined == 1), "{rows:?}");
    let events = store.events(Some("acme"), 0, 100_000).await.expect("events");
    assert_eq!(events.len(), sessions * 5);
    for row in &rows {
        let numbers = events.iter().filter(|event| event.session == row.sid).map(|event| event.sequence);
        assert!(numbers.eq(1..=5), "{}", row.sid);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_and_comes_back_misses_nothing() {
    let Some(server) = Postgres::start() else { return };
    let folder = Folder::new();
    let store = Store::open(server.new_database().await).await.expect("the store opens");
    let facts = start(&folder, &store);
    take(&facts, &stories(0, 30));
    server.stop();
    take(&facts, &stories(30, 30));
    // It notices by itself.
    while facts.counts().1.errors == 0 {
        tokio::task::yield_now().await;
    }
    take(&facts, &stories(60, 30));
    assert!(facts.counts().0.depth > 0 && !facts.counts().1.healthy);
    server.restart();
    facts.written().await;
    whole(&store, 90).await;
    assert!(facts.counts().1.healthy);
    facts.stop(Duration::from_secs(60)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_at_the_start_is_waited_for() {
    let Some(server) = Postgres::start() else { return };
    let folder = Folder::new();
    let url = server.new_database().await;
    server.stop();
    let store = Store::open_or_wait(url).await.expect("it waits");
    let facts = start(&folder, &store);
    take(&facts, &stories(0, 10));
    facts.stop(Duration::ZERO).await;
    // Another start, and still nobody there; then it comes.
    let facts = start(&folder, &store);
    take(&facts, &stories(10, 10));
    server.restart();
    facts.written().await;
    whole(&store, 20).await;
    facts.stop(Duration::from_secs(60)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_holds_is_waited_for() {
    let folder = Folder::new();
    let StoreUrl::Sqlite(path) = StoreUrl::in_folder(folder.path()) else { panic!("a file") };
    let store = Store::open(StoreUrl::Sqlite(path.clone())).await.expect("the store opens");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.expect("it opens");
    let holder = pool.begin_with("BEGIN IMMEDIATE").await.expect("it holds the lock");
    let facts = start(&folder, &store);
    take(&facts, &stories(0, 30));
    assert!(facts.counts().0.depth > 0);
    holder.rollback().await.expect("it lets go");
    facts.written().await;
    whole(&store, 30).await;
    facts.stop(Duration::from_secs(60)).await;
}
