//! Runs a load: everyone joins, media flows for a while, everyone leaves.

use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinSet;
use tutti_token::{Claims, Keys, Secret, TTL_DEFAULT};

use super::flood::Flood;
use super::plan::Plan;
use super::processor::cpu_time;
use super::report::{Measured, Report};
use crate::client::Client;
use crate::error::ClientError;
use crate::figures::Figures;
use crate::options::JoinOptions;
use crate::peer::Endpoint;

/// Before the first frame is there, everybody waits at most this long beyond the duration.
const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(10);

/// What a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Publisher,
    Subscriber,
}

/// Runs `plan` and reports. Publishers join first, so that subscribers find everything there.
///
/// # Errors
/// The tokens cannot be signed, or the server's name is unknown. That clients could not join stands in the report.
pub async fn run(plan: &Plan) -> Result<Report, ClientError> {
    let endpoint = Endpoint::new()?;
    let (api_key, secret) = &plan.key;
    let keys = Keys::one(api_key.clone(), Secret::new(secret.clone()));
    let mut joins = Vec::new();
    for part in [Part::Publisher, Part::Subscriber] {
        for room in 0..plan.rooms {
            let count = if part == Part::Publisher { plan.publishers } else { plan.subscribers };
            for number in 0..count {
                let name = if part == Part::Publisher { "publisher" } else { "subscriber" };
                let claims = Claims::join(format!("load-{room}"), format!("{name}-{number}"));
                let token = keys.sign(api_key, &claims, SystemTime::now(), TTL_DEFAULT)?;
                joins.push((part, options(plan, part, token)));
            }
        }
    }

    let began = Instant::now();
    let mut clients = Vec::new();
    let mut failures = Vec::new();
    let (publishers, subscribers): (Vec<_>, Vec<_>) = joins.into_iter().partition(|(part, _)| *part == Part::Publisher);
    for group in [publishers, subscribers] {
        for joined in join_all(&endpoint, plan, group).await {
            match joined {
                Ok(client) => clients.push(client),
                Err(error) => failures.push(error),
            }
        }
    }
    let join_time = began.elapsed();

    let target = clients.first().and_then(|(_, client): &(Part, Client)| client.look(|figures| figures.media_address));
    let flood = match target {
        Some(target) if plan.flood_pps > 0 => Some(Flood::start(target, plan.flood_pps).map_err(ClientError::Socket)?),
        _ => None,
    };
    if plan.publishers > 0 {
        first_frames(&clients).await;
    }
    let before: Vec<Figures> = clients.iter().map(|(_, client)| client.figures()).collect();
    let (own, server) = (cpu_time(None), plan.server_pid.and_then(|pid| cpu_time(Some(pid))));
    let started = Instant::now();
    tokio::time::sleep(plan.duration).await;
    let span = started.elapsed();
    let after: Vec<Figures> = clients.iter().map(|(_, client)| client.figures()).collect();
    let cpu_own = since(cpu_time(None), own);
    let cpu_server = since(plan.server_pid.and_then(|pid| cpu_time(Some(pid))), server);
    let flood_packets = flood.as_ref().map(Flood::sent);
    drop(flood);

    let mut leaves = JoinSet::new();
    for (part, client) in clients {
        leaves.spawn(async move { (part, client.leave().await) });
    }
    let mut ended = Vec::new();
    while let Some(Ok((part, (figures, outcome)))) = leaves.join_next().await {
        if let Err(error) = outcome {
            failures.push(error);
        }
        ended.push((part == Part::Subscriber || plan.conversation, figures));
    }
    let measured = Measured { join_time, span, before, after, ended, failures, cpu_own, cpu_server, flood_packets };
    Ok(Report::new(plan, &measured))
}

fn options(plan: &Plan, part: Part, token: String) -> JoinOptions {
    let publishes = part == Part::Publisher;
    let receives = !publishes || plan.conversation;
    JoinOptions {
        mode: plan.mode,
        publish: if publishes { plan.tracks() } else { Vec::new() },
        auto_subscribe: receives,
        ..JoinOptions::new(plan.url.clone(), token)
    }
}

/// Joins at the pace of the plan; all of them have joined or failed when it ends.
async fn join_all(
    endpoint: &Endpoint,
    plan: &Plan,
    joins: Vec<(Part, JoinOptions)>,
) -> Vec<Result<(Part, Client), ClientError>> {
    let interval = plan.join_rate.filter(|rate| *rate > 0).map(|rate| Duration::from_secs(1) / rate);
    let began = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for (number, (part, options)) in (0u32..).zip(joins) {
        let endpoint = endpoint.clone();
        tasks.spawn(async move {
            if let Some(interval) = interval {
                tokio::time::sleep_until(began + interval * number).await;
            }
            Client::join(&endpoint, options).await.map(|client| (part, client))
        });
    }
    let mut joined = Vec::new();
    while let Some(outcome) = tasks.join_next().await {
        joined.push(outcome.unwrap_or(Err(ClientError::Over)));
    }
    joined
}

/// Waits until every subscriber has a first frame, within reason.
async fn first_frames(clients: &[(Part, Client)]) {
    let all = async {
        for (_, client) in clients.iter().filter(|(part, _)| *part == Part::Subscriber) {
            // A client that left the call shows in the report.
            let _ = client.until(|figures| figures.first_frame.is_some()).await;
        }
    };
    let _ = tokio::time::timeout(FIRST_FRAME_WITHIN, all).await;
}

fn since(after: Option<Duration>, before: Option<Duration>) -> Option<Duration> {
    Some(after?.saturating_sub(before?))
}
