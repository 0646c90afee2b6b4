//! Whole calls on loopback: a server in this process, headless clients over WebSocket and UDP.

use std::time::Duration;

use tokio::time::timeout;
use tutti_client::{Client, Endpoint, Figures, JoinOptions, Mode, TrackPlan, VideoQuality};
use tutti_harness::{Server, ServerConfig};
use tutti_media::MediaConfig;

/// Nothing takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

const VIDEO: TrackPlan = TrackPlan::Video { kbps: 300, simulcast: false };

/// Two shards, so that media crosses between them.
fn server() -> Server {
    let mut config = ServerConfig::default();
    config.node.media = MediaConfig { shards: 2, ..config.node.media };
    Server::start(config)
}

async fn until(client: &Client, what: &str, wanted: impl FnMut(&Figures) -> bool) {
    let outcome = timeout(PATIENCE, client.until(wanted)).await;
    let figures = client.figures();
    outcome
        .unwrap_or_else(|_| panic!("{what} never came: {figures:?}"))
        .unwrap_or_else(|error| panic!("{what}: {error}"));
}

async fn one_publisher_and_three_subscribers(mode: Mode) {
    let server = server();
    let endpoint = Endpoint::new().unwrap();
    let publish = vec![TrackPlan::Audio, VIDEO];
    let options = JoinOptions { mode, publish, ..server.options("stage", "ada") };
    let publisher = Client::join(&endpoint, options).await.unwrap();
    until(&publisher, "media", |figures| figures.sent.packets > 20).await;
    let mut subscribers = Vec::new();
    for name in ["bea", "cyd", "dot"] {
        let options = JoinOptions { mode, ..server.options("stage", name) };
        subscribers.push(Client::join(&endpoint, options).await.unwrap());
    }
    for client in &subscribers {
        until(client, "both tracks", |figures| {
            figures.tracks.len() == 2 && figures.tracks.values().all(|track| track.packets >= 60)
        })
        .await;
        until(client, "frames", |figures| figures.received.frames >= 30).await;
        until(client, "reports of both tracks", |figures| figures.received.reports >= 2).await;
    }
    assert!(publisher.is_in_call());
    for client in subscribers {
        let (figures, outcome) = client.leave().await;
        outcome.unwrap();
        assert_eq!(figures.received.lost, 0, "{figures:?}");
        assert_eq!(figures.received.unknown, 0, "{figures:?}");
        assert_eq!(figures.received.names, figures.received.reports, "every report names its clock: {figures:?}");
        let first = figures.first_frame.expect("a key frame came");
        assert!(first > figures.signalled.unwrap(), "{figures:?}");
        assert!(figures.delay.percentile(50.0).is_some_and(|delay| delay < Duration::from_secs(1)));
    }
    let (figures, outcome) = publisher.leave().await;
    outcome.unwrap();
    assert!(figures.sent.feedback > 0, "the server reports");
    assert_eq!(figures.received.packets, 0, "nobody else published");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_on_one_connection() {
    one_publisher_and_three_subscribers(Mode::Single).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_on_two_connections() {
    one_publisher_and_three_subscribers(Mode::Dual).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_moves_between_simulcast_layers() {
    let server = server();
    let endpoint = Endpoint::new().unwrap();
    let publish = vec![TrackPlan::Video { kbps: 900, simulcast: true }];
    let publisher = Client::join(&endpoint, JoinOptions { publish, ..server.options("stage", "ada") }).await.unwrap();
    let subscriber = Client::join(&endpoint, server.options("stage", "bea")).await.unwrap();
    let layer = |figures: &Figures| figures.tracks.values().find_map(|track| track.layer);
    until(&subscriber, "a picture", |figures| layer(figures).is_some()).await;
    let sid = subscriber.look(|figures| figures.tracks.keys().next().cloned()).unwrap();
    for (quality, wanted) in [(VideoQuality::Low, 0), (VideoQuality::High, 2), (VideoQuality::Medium, 1)] {
        subscriber.prefer(&sid, quality);
        until(&subscriber, "the layer", |figures| layer(figures) == Some(wanted)).await;
        let frames = subscriber.look(|figures| figures.received.frames);
        until(&subscriber, "its frames", |figures| figures.received.frames > frames + 10).await;
        assert_eq!(subscriber.look(layer), Some(wanted), "it stays");
    }
    let (figures, outcome) = subscriber.leave().await;
    outcome.unwrap();
    assert_eq!((figures.received.lost, figures.received.unknown), (0, 0), "{figures:?}");
    publisher.leave().await.1.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_joins_loses_nobody() {
    let server = server();
    let endpoint = Endpoint::new().unwrap();
    let joins: Vec<_> = (0..100)
        .map(|number| {
            let mode = if number % 2 == 0 { Mode::Single } else { Mode::Dual };
            let options = JoinOptions { mode, ..server.options("hall", &format!("guest-{number}")) };
            let endpoint = endpoint.clone();
            tokio::spawn(async move { Client::join(&endpoint, options).await })
        })
        .collect();
    let mut clients = Vec::new();
    for join in joins {
        clients.push(timeout(PATIENCE, join).await.expect("in time").unwrap().expect("connected"));
    }
    assert!(clients.iter().all(Client::is_in_call));
    // What is said to one hundred comes to one hundred: the room is whole.
    let publish = vec![TrackPlan::Audio];
    let speaker = Client::join(&endpoint, JoinOptions { publish, ..server.options("hall", "ada") }).await.unwrap();
    for client in &clients {
        until(client, "sound", |figures| figures.received.packets >= 5).await;
    }
    for client in clients {
        client.leave().await.1.unwrap();
    }
    speaker.leave().await.1.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_told() {
    let server = server();
    let endpoint = Endpoint::new().unwrap();
    let options = JoinOptions { token: "nonsense".to_owned(), ..server.options("stage", "ada") };
    let refused = Client::join(&endpoint, options).await.err().expect("no such token");
    assert!(matches!(refused, tutti_client::ClientError::Refused { status: 401, .. }), "{refused:?}");

    let first = Client::join(&endpoint, server.options("stage", "ada")).await.unwrap();
    let second = Client::join(&endpoint, server.options("stage", "ada")).await.unwrap();
    timeout(PATIENCE, first.until(|_| false)).await.expect("in time").expect_err("its place is taken");
    let (_, outcome) = first.leave().await;
    assert!(matches!(outcome, Err(tutti_client::ClientError::Left { reason: "DUPLICATE_IDENTITY" })), "{outcome:?}");
    second.leave().await.1.unwrap();
    server.stop().await;
}
