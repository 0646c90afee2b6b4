//! Endpoints of web-hooks over both databases: who holds one, where it is, what waits for it.

mod databases;

use std::time::Duration;

use databases::{Story, databases};
use tutti_store::{BYTES_MAX_DEFAULT, Delivery, DeliveryState, Endpoint, Facts, Journal, OutboxEvent};

const FAR: i64 = i64::MAX;

fn endpoint() -> Endpoint {
    let (id, app, url) = ("WH_1".to_owned(), "acme".to_owned(), "https://example.com/".to_owned());
    Endpoint { id, app, url, format: "livekit".to_owned() }
}

fn delivery(event: &OutboxEvent, state: DeliveryState, next_ms: i64) -> Delivery {
    let (attempts, status, answer, took_ms) = (1, Some(500), "no \"ü\"".to_owned(), Some(7));
    Delivery { event: event.id, state, attempts, first_ms: 5, next_ms, status, answer, took_ms }
}

#[tokio::test]
async fn an_endpoint_goes_on_where_it_was_and_what_it_refused_waits() {
    for database in databases().await {
        let store = database.open().await;
        let journal = Journal::open(&database.folder.path().join("journal"), BYTES_MAX_DEFAULT).expect("it opens");
        let facts = Facts::start(store.clone(), "ND_1", journal);
        for session in ["RM_1", "RM_2"] {
            let mut story = Story::begin("acme", "lobby", session, "ND_1", 1_000_000);
            story.join("PA_a");
            story.finish();
            for fact in &story.facts {
                facts.take(fact).expect("the journal takes it");
            }
        }
        facts.written().await;
        let events = store.events(Some("acme"), 0, 100).await.expect("read");
        let [a1, a2, .., b3] = &events[..] else { panic!("{events:?}") };

        // A new one begins with what happens from a time on.
        store.put_endpoint(&endpoint(), 1_000_000).await.expect("written");
        store.put_endpoint(&endpoint(), FAR).await.expect("it is there already");
        assert_eq!(store.endpoints().await.expect("read"), [(endpoint(), 0)], "{}", database.kind);

        // One node at a time holds it.
        assert_eq!(store.hold_endpoint("WH_1", "ND_1", FAR).await.expect("held"), Some(0));
        assert_eq!(store.hold_endpoint("WH_1", "ND_2", FAR).await.expect("refused"), None);
        assert!(!store.advance_endpoint(&endpoint(), "ND_2", b3.id, &[]).await.expect("refused"));
        assert_eq!(store.hold_endpoint("WH_1", "ND_1", 0).await.expect("let go"), Some(0));
        assert_eq!(store.hold_endpoint("WH_1", "ND_2", FAR).await.expect("taken over"), Some(0));
        assert_eq!(store.hold_endpoint("WH_no", "ND_2", FAR).await.expect("asked"), None);

        // What was refused waits, and what is behind it in its session.
        let rest = [delivery(a1, DeliveryState::Pending, 0), delivery(a2, DeliveryState::Pending, 0)];
        assert!(store.advance_endpoint(&endpoint(), "ND_2", b3.id, &rest).await.expect("written"));
        assert_eq!(store.endpoints().await.expect("read"), [(endpoint(), b3.id)]);
        assert_eq!(store.waiting_sessions("WH_1").await.expect("read"), ["RM_1"]);
        let due = store.due_deliveries("WH_1", 10).await.expect("read");
        let must: Vec<_> = [a1, a2].into_iter().cloned().zip(rest).collect();
        assert_eq!(due, must, "{}", database.kind);
        store.settle_deliveries(&endpoint(), &[delivery(a1, DeliveryState::Pending, FAR)]).await.expect("written");
        assert!(store.due_deliveries("WH_1", 10).await.expect("read").is_empty(), "both wait");
        store.settle_deliveries(&endpoint(), &[delivery(a1, DeliveryState::Dead, FAR)]).await.expect("written");
        store.settle_deliveries(&endpoint(), &[delivery(a2, DeliveryState::Delivered, 0)]).await.expect("written");
        assert!(store.waiting_sessions("WH_1").await.expect("read").is_empty());

        // Dead letters come again when asked for, and everything from a place on.
        let dead = store.dead_letters("WH_1", 0, 10).await.expect("read");
        assert_eq!(dead, [(a1.clone(), delivery(a1, DeliveryState::Dead, FAR))]);
        assert!(store.dead_letters("WH_1", a1.id, 10).await.expect("read").is_empty());
        assert_eq!(store.replay_dead("WH_1").await.expect("written"), 1);
        let due = store.due_deliveries("WH_1", 10).await.expect("read");
        assert_eq!(due.iter().map(|(event, delivery)| (event.id, delivery.attempts)).collect::<Vec<_>>(), [(a1.id, 0)]);
        assert!(store.replay_after("WH_1", a1.id).await.expect("written"));
        assert!(!store.replay_after("WH_no", 0).await.expect("asked"));
        assert_eq!(store.hold_endpoint("WH_1", "ND_1", FAR).await.expect("held"), Some(a1.id));
        facts.stop(Duration::from_secs(60)).await;
    }
}
