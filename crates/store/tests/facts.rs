//! From facts to history and events, over both databases: order, once each, what a killed node left open.

mod databases;

use std::time::Duration;

use databases::{Database, Story, databases};
use tutti_store::{BYTES_MAX_DEFAULT, Fact, Facts, HistoryQuery, Journal, JournalError, NODE_LOST, OutboxEvent, Store};

fn start(database: &Database, store: &Store, node: &str) -> Facts {
    let journal = Journal::open(&database.folder.path().join("journal"), BYTES_MAX_DEFAULT).expect("the journal opens");
    Facts::start(store.clone(), node, journal)
}

async fn stop(facts: Facts) {
    facts.stop(Duration::from_secs(60)).await;
}

fn take(facts: &Facts, told: &[Fact]) {
    for fact in told {
        facts.take(fact).expect("the journal takes it");
    }
}

async fn events(store: &Store, app: &str) -> Vec<OutboxEvent> {
    store.events(Some(app), 0, 10_000).await.expect("events are read")
}

fn short(events: &[OutboxEvent]) -> Vec<String> {
    events.iter().map(|event| format!("{} {} {}", event.session, event.sequence, event.kind)).collect()
}

fn of_app(app: &str) -> HistoryQuery {
    HistoryQuery { app: app.to_owned(), limit: 100, ..HistoryQuery::default() }
}

#[tokio::test]
async fn a_call_becomes_history_and_events() {
    for database in databases().await {
        let store = database.open().await;
        let facts = start(&database, &store, "ND_1");
        let mut story = Story::begin("acme", "lobby", "RM_1", "ND_1", 1_000_000);
        story.join("PA_a");
        story.publish("PA_a", "TR_1");
        story.join("PA_b");
        story.abort("PA_x");
        story.unpublish("PA_a", "TR_1");
        story.leave("PA_b");
        take(&facts, &story.facts);
        facts.written().await;

        let sessions = store.sessions(&of_app("acme")).await.expect("history").entries;
        let [session] = &sessions[..] else { panic!("{sessions:?}") };
        assert_eq!((session.sid.as_str(), session.room.as_str(), session.node.as_str()), ("RM_1", "lobby", "ND_1"));
        assert_eq!((session.joined, session.present, session.peak, session.published), (2, 1, 2, 1));
        assert_eq!((session.started_ms, session.finished_ms), (1_000_000, None));
        // The rest comes in a second batch.
        let told = story.facts.len();
        story.finish();
        take(&facts, &story.facts[told..]);
        facts.written().await;
        let session = store.sessions(&of_app("acme")).await.expect("history").entries.remove(0);
        assert_eq!((session.finished_ms, session.present, session.reason), (Some(1_007_000), 0, None));

        let stays = store.participations(&of_app("acme")).await.expect("history").entries;
        let stays: Vec<_> = stays
            .iter()
            .map(|stay| (stay.sid.as_str(), stay.active, stay.joined_ms, stay.left_ms, stay.reason.as_deref()))
            .collect();
        let must = [
            ("PA_x", false, 1_003_000, Some(1_004_000), Some("unknown_reason")),
            ("PA_b", true, 1_003_000, Some(1_006_000), Some("client_initiated")),
            ("PA_a", true, 1_001_000, Some(1_007_000), Some("room_closed")),
        ];
        assert_eq!(stays, must, "{}", database.kind);
        let tracks = store.tracks(&of_app("acme")).await.expect("history").entries;
        let [track] = &tracks[..] else { panic!("{tracks:?}") };
        assert_eq!((track.participation.as_str(), track.identity.as_str()), ("PA_a", "id-PA_a"));
        assert_eq!((track.kind.as_str(), track.source.as_str(), track.mime.as_str()), ("video", "camera", "video/VP8"));
        assert_eq!((track.published_ms, track.unpublished_ms), (1_002_000, Some(1_005_000)));

        let told = events(&store, "acme").await;
        let must = [
            "RM_1 1 room_started",
            "RM_1 2 participant_joined",
            "RM_1 3 track_published",
            "RM_1 4 participant_joined",
            "RM_1 5 participant_connection_aborted",
            "RM_1 6 track_unpublished",
            "RM_1 7 participant_left",
            "RM_1 8 participant_left",
            "RM_1 9 room_finished",
        ];
        assert_eq!(short(&told), must, "{}", database.kind);
        assert!(told.is_sorted_by_key(|event| event.id));
        let body: Fact = serde_json::from_str(&told[1].body).expect("a fact");
        assert_eq!(body, story.facts[1]);
        let some = store.session_events("RM_1", 8, 10).await.expect("events");
        assert_eq!(short(&some), must[7..]);
        assert!(store.sessions(&of_app("other")).await.expect("history").entries.is_empty());
        stop(facts).await;
    }
}

#[tokio::test]
async fn facts_that_come_again_change_nothing() {
    for database in databases().await {
        let store = database.open().await;
        let mut story = Story::begin("acme", "lobby", "RM_1", "ND_1", 1_000_000);
        story.join("PA_a");
        story.publish("PA_a", "TR_1");
        story.finish();
        let facts = start(&database, &store, "ND_1");
        take(&facts, &story.facts[..3]);
        facts.written().await;
        let before = events(&store, "acme").await;
        // The same and the rest, as a start after a kill reads them.
        take(&facts, &story.facts);
        facts.written().await;
        let after = events(&store, "acme").await;
        assert_eq!(after[..3], before, "{}", database.kind);
        assert_eq!(after.len(), 6);
        let (_, counts) = facts.counts();
        assert_eq!((counts.written, counts.known, counts.missing, counts.refused), (6, 3, 0, 0));
        stop(facts).await;
        // All of it is read once more by another start, also if its session was over.
        let facts = start(&database, &store, "ND_1");
        facts.written().await;
        assert_eq!(events(&store, "acme").await, after);
        let sessions = store.sessions(&of_app("acme")).await.expect("history").entries;
        assert_eq!((sessions[0].joined, sessions[0].peak), (1, 1));
        stop(facts).await;
    }
}

#[tokio::test]
async fn what_a_lost_node_left_open_is_told_to_its_end() {
    for database in databases().await {
        let store = database.open().await;
        let facts = start(&database, &store, "ND_1");
        let mut lost = Story::begin("acme", "lost", "RM_1", "ND_1", 1_000_000);
        lost.join("PA_a");
        lost.publish("PA_a", "TR_1");
        lost.join("PA_b");
        let other = Story::begin("acme", "of another node", "RM_2", "ND_2", 1_000_000);
        let mut over = Story::begin("acme", "over", "RM_3", "ND_1", 1_000_000);
        over.finish();
        for story in [&lost, &other, &over] {
            take(&facts, &story.facts);
        }
        facts.written().await;
        // Killed: nobody stops it. Its last facts are in the journal only.
        facts.stop(Duration::ZERO).await;
        let journal =
            Journal::open(&database.folder.path().join("journal"), BYTES_MAX_DEFAULT).expect("the journal opens");
        lost.leave("PA_b");
        journal.0.append(&serde_json::to_vec(lost.facts.last().expect("it left")).expect("JSON")).expect("appended");
        drop(journal);

        let facts = start(&database, &store, "ND_1");
        // A new session begins at once, and is not closed.
        let fresh = Story::begin("acme", "fresh", "RM_4", "ND_1", 2_000_000);
        take(&facts, &fresh.facts);
        facts.written().await;
        let told = short(&events(&store, "acme").await);
        let must = [
            "RM_1 5 participant_left",
            "RM_1 6 track_unpublished",
            "RM_1 7 participant_left",
            "RM_1 8 room_finished",
            "RM_4 1 room_started",
        ];
        assert_eq!(told[told.len() - 5..], must, "{}", database.kind);
        let end: Fact = serde_json::from_str(&events(&store, "acme").await[told.len() - 3].body).expect("a fact");
        let tutti_store::Event::ParticipantLeft { participant, reason, stay_ms } = end.event else { panic!("{end:?}") };
        assert_eq!((participant.sid.as_str(), reason.as_str()), ("PA_a", NODE_LOST));
        assert_eq!(stay_ms, end.at_ms - 1_001_000);
        let sessions = store.sessions(&of_app("acme")).await.expect("history").entries;
        let ends: Vec<_> =
            sessions.iter().map(|row| (row.sid.as_str(), row.finished_ms.is_some(), row.reason.as_deref())).collect();
        let must =
            [("RM_4", false, None), ("RM_3", true, None), ("RM_2", false, None), ("RM_1", true, Some(NODE_LOST))];
        assert_eq!(ends, must, "{}", database.kind);
        assert_eq!(facts.counts().1.closed_sessions, 1);
        let open = HistoryQuery { open: Some(true), ..of_app("acme") };
        assert!(store.participations(&open).await.expect("history").entries.is_empty());
        assert!(store.tracks(&open).await.expect("history").entries.is_empty());
        stop(facts).await;
    }
}

#[tokio::test]
async fn a_hole_in_a_session_is_counted_and_the_rest_is_kept() {
    for database in databases().await {
        let store = database.open().await;
        let facts = start(&database, &store, "ND_1");
        let mut story = Story::begin("acme", "lobby", "RM_1", "ND_1", 1_000_000);
        story.join("PA_a");
        story.publish("PA_a", "TR_1");
        story.unpublish("PA_a", "TR_1");
        story.leave("PA_a");
        story.finish();
        // The first three are lost.
        take(&facts, &story.facts[3..]);
        facts.written().await;
        assert_eq!(facts.counts().1.missing, 3);
        let stays = store.participations(&of_app("acme")).await.expect("history").entries;
        assert_eq!((stays[0].sid.as_str(), stays[0].left_ms), ("PA_a", Some(1_004_000)));
        assert_eq!(store.tracks(&of_app("acme")).await.expect("history").entries.len(), 1);
        assert_eq!(events(&store, "acme").await.len(), 3);
        stop(facts).await;
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_double() {
    for database in databases().await {
        let store = database.open().await;
        let facts = start(&database, &store, "ND_1");
        for number in 0..25 {
            // Several of one moment: the sid decides.
            let story = Story::begin("acme", "lobby", &format!("RM_{number:02}"), "ND_1", 1_000_000 + number / 3);
            take(&facts, &story.facts);
        }
        facts.written().await;
        let (mut query, mut sids) = (HistoryQuery { limit: 4, ..of_app("acme") }, Vec::new());
        loop {
            let page = store.sessions(&query).await.expect("history");
            assert!(page.entries.len() <= 4);
            sids.extend(page.entries.into_iter().map(|session| session.sid));
            let Some(next) = page.next else { break };
            query.after = tutti_store::Cursor::parse(&next.to_string());
            assert_eq!(query.after, Some(next));
        }
        let must: Vec<_> = (0..25).rev().map(|number| format!("RM_{number:02}")).collect();
        assert_eq!(sids, must, "{}", database.kind);
        let some = HistoryQuery { from_ms: Some(1_000_002), to_ms: Some(1_000_004), ..of_app("acme") };
        assert_eq!(store.sessions(&some).await.expect("history").entries.len(), 6);
        stop(facts).await;
    }
}

#[tokio::test]
async fn a_fact_that_cannot_be_read_is_put_aside_and_the_others_go_on() {
    for database in databases().await {
        let store = database.open().await;
        let (journal, reader, recovered) =
            Journal::open(&database.folder.path().join("journal"), BYTES_MAX_DEFAULT).expect("the journal opens");
        journal.append(b"{\"no\": \"fact\"}").expect("appended");
        let facts = Facts::start(store.clone(), "ND_1", (journal, reader, recovered));
        take(&facts, &Story::begin("acme", "lobby", "RM_1", "ND_1", 1_000_000).facts);
        facts.written().await;
        assert_eq!((facts.counts().1.refused, facts.counts().1.written), (1, 1));
        let aside = std::fs::read_to_string(database.folder.path().join("journal/refused.jsonl")).expect("the file");
        assert_eq!(aside, "{\"no\": \"fact\"}\n");
        stop(facts).await;
    }
}

#[tokio::test]
async fn a_full_journal_says_so() {
    for database in databases().await {
        let store = database.open().await;
        let journal = Journal::open(&database.folder.path().join("journal"), 100).expect("the journal opens");
        let facts = Facts::start(store.clone(), "ND_1", journal);
        let story = Story::begin("acme", "lobby", "RM_1", "ND_1", 1_000_000);
        assert!(matches!(facts.take(&story.facts[0]), Err(JournalError::Full { bytes_max: 100 })));
        assert_eq!(facts.counts().0.refused, 1);
        stop(facts).await;
    }
}
