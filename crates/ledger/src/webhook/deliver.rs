//! One endpoint's task: takes the next events from the outbox, sends them, and writes down what became of them.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tutti_store::{Delivery, DeliveryState, OutboxEvent, Store, StoreError};
use tutti_token::{Keys, body_signature};

use super::round::{Answer, Refusal, Round, Verdict, again, overdue};
use super::{Counts, Endpoint, Format, body, schedule};

/// Events of one batch: what may come twice when the process is killed.
const BATCH: u32 = 64;
/// Sessions that are served side by side.
const SIDE_BY_SIDE: usize = 16;
/// Sessions of which the first event is tried while the receiver is down.
const PROBES: usize = 8;
/// The longest wait for a receiver that is down: so soon it goes on when it is back.
const DOWN_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often new events are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long an endpoint is held without renewal: when its node is killed, another one goes on after that.
const HOLD: Duration = Duration::from_secs(30);
/// How often it is renewed.
const RENEW_INTERVAL: Duration = Duration::from_secs(10);
/// How much of an answer is kept, bytes.
const ANSWER_BYTES_MAX: usize = 512;

pub(super) struct Deliverer {
    store: Store,
    node: String,
    endpoint: Arc<Endpoint>,
    row: tutti_store::Endpoint,
    http: reqwest::Client,
    counts: Arc<Counts>,
    stopping: watch::Receiver<bool>,
    /// Batches in a row of which nothing was taken, and since when.
    down: Option<(u32, i64)>,
    /// When this process began: a new endpoint is sent what happens from then on.
    since_ms: i64,
}

/// Where the deliverer is while it holds its endpoint.
struct Held {
    position: i64,
    waiting: HashSet<String>,
    renewed: Instant,
}

impl Deliverer {
    pub(super) fn new(
        store: Store,
        node: &str,
        endpoint: Endpoint,
        http: reqwest::Client,
        counts: Arc<Counts>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let row = endpoint.row();
        let (node, endpoint, since_ms) = (node.to_owned(), Arc::new(endpoint), now_ms());
        Self { store, node, endpoint, row, http, counts, stopping, down: None, since_ms }
    }

    pub(super) async fn run(mut self) {
        let mut failures = 0;
        while !self.is_stopping() {
            match self.deliver().await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::error!(endpoint = ?self.endpoint, error = &error as &dyn Error, "web-hook waits for the store");
                    }
                }
            }
            self.pause(schedule::wait(failures.max(1), fastrand::f64()).min(DOWN_WAIT_MAX)).await;
        }
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    async fn pause(&mut self, wait: Duration) {
        tokio::select! {
            () = sleep(wait) => {}
            _ = self.stopping.wait_for(|stop| *stop) => {}
        }
    }

    /// Delivers for as long as this node holds the endpoint. Comes back when another one does.
    async fn deliver(&mut self) -> Result<(), StoreError> {
        self.store.put_endpoint(&self.row, self.since_ms).await?;
        let Some(position) = self.hold().await? else { return Ok(()) };
        let waiting = self.store.waiting_sessions(&self.row.id).await?.into_iter().collect();
        let mut held = Held { position, waiting, renewed: Instant::now() };
        while !self.is_stopping() {
            if held.renewed.elapsed() >= RENEW_INTERVAL {
                match self.hold().await? {
                    // Somebody else may have set it back.
                    Some(position) => held.position = position,
                    None => return Ok(()),
                }
                held.renewed = Instant::now();
            }
            let retried = self.retry(&mut held).await?;
            match self.batch(&mut held).await? {
                Some(true) => {}
                Some(false) if retried => {}
                Some(false) => self.pause(LOOK_INTERVAL).await,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    async fn hold(&self) -> Result<Option<i64>, StoreError> {
        let until_ms = now_ms() + i64::try_from(HOLD.as_millis()).unwrap_or(i64::MAX);
        self.store.hold_endpoint(&self.row.id, &self.node, until_ms).await
    }

    /// The next events: whether there were any. `None`: another node holds the endpoint.
    async fn batch(&mut self, held: &mut Held) -> Result<Option<bool>, StoreError> {
        let events = self.store.events(Some(&self.row.app), held.position, BATCH).await?;
        if events.is_empty() {
            return Ok(Some(false));
        }
        let mut round = Round::new(events.clone(), held.waiting.clone());
        if self.down.is_some() {
            self.send(round.groups(PROBES, 1), &mut round).await?;
        }
        if self.down.is_none() || round.is_up() {
            while self.send(round.groups(SIDE_BY_SIDE, usize::MAX), &mut round).await? && round.is_up() {}
        }
        let is_up = round.is_up();
        let (verdict, waiting) = round.settle(now_ms(), fastrand::f64());
        match verdict {
            Verdict::Down(refusal) => self.went_down(held, &events, &refusal).await,
            Verdict::Advance { position, rest } => {
                if is_up {
                    self.came_up();
                }
                self.advance(held, position, &rest).await.map(|holds| {
                    held.waiting = waiting;
                    holds.then_some(true)
                })
            }
        }
    }

    async fn advance(&self, held: &mut Held, position: i64, rest: &[Delivery]) -> Result<bool, StoreError> {
        let dead = rest.iter().filter(|delivery| delivery.state == DeliveryState::Dead).count();
        self.counts.dead.fetch_add(dead as u64, Ordering::Relaxed);
        let holds = self.store.advance_endpoint(&self.row, &self.node, position, rest).await?;
        held.position = position;
        Ok(holds)
    }

    /// Nothing of a batch was taken: waits, and gives up what is too old.
    async fn went_down(
        &mut self,
        held: &mut Held,
        events: &[OutboxEvent],
        refusal: &Refusal,
    ) -> Result<Option<bool>, StoreError> {
        let now = now_ms();
        let (failures, since) = self.down.map_or((1, now), |(failures, since)| (failures + 1, since));
        self.down = Some((failures, since));
        if failures == 1 {
            self.counts.down.fetch_add(1, Ordering::Relaxed);
            let Refusal { status, answer, .. } = refusal;
            tracing::warn!(endpoint = ?self.endpoint, status, answer, "web-hook takes nothing; events wait for it");
        }
        let dead = overdue(events, since, now, refusal);
        if let Some(last) = dead.last() {
            let position = last.event;
            return self.advance(held, position, &dead).await.map(|holds| holds.then_some(true));
        }
        self.pause(schedule::wait(failures, fastrand::f64()).min(DOWN_WAIT_MAX)).await;
        Ok(Some(true))
    }

    fn came_up(&mut self) {
        if self.down.take().is_some() {
            self.counts.down.fetch_sub(1, Ordering::Relaxed);
            tracing::info!(endpoint = ?self.endpoint, "web-hook takes events again");
        }
    }

    /// What waited and is due: whether there was any.
    async fn retry(&mut self, held: &mut Held) -> Result<bool, StoreError> {
        if held.waiting.is_empty() && self.down.is_some() {
            return Ok(false);
        }
        let due = self.store.due_deliveries(&self.row.id, BATCH).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let mut deliveries: BTreeMap<i64, Delivery> = BTreeMap::new();
        let mut events = Vec::with_capacity(due.len());
        for (event, delivery) in due {
            deliveries.insert(event.id, delivery);
            events.push(event);
        }
        // Nothing else of these sessions was sent: they wait for what is sent now.
        let round = Round::new(events, HashSet::new());
        let mut settled = Vec::new();
        let now = now_ms();
        for (event, answer) in self.ask(round.groups(SIDE_BY_SIDE, usize::MAX)).await? {
            if let Some(delivery) = deliveries.remove(&event) {
                settled.push(again(delivery, answer, now, fastrand::f64()));
            }
        }
        let dead = settled.iter().filter(|delivery| delivery.state == DeliveryState::Dead).count();
        self.counts.dead.fetch_add(dead as u64, Ordering::Relaxed);
        self.store.settle_deliveries(&self.row, &settled).await?;
        held.waiting = self.store.waiting_sessions(&self.row.id).await?.into_iter().collect();
        Ok(true)
    }

    /// Whether anything was sent.
    async fn send(&self, groups: Vec<Vec<OutboxEvent>>, round: &mut Round) -> Result<bool, StoreError> {
        let answers = self.ask(groups).await?;
        let any = !answers.is_empty();
        for (event, answer) in answers {
            round.answer(event, answer);
        }
        Ok(any)
    }

    /// Sends groups side by side, each in order until something is not taken. Goes on holding the endpoint meanwhile.
    async fn ask(&self, groups: Vec<Vec<OutboxEvent>>) -> Result<Vec<(i64, Answer)>, StoreError> {
        let mut tasks = JoinSet::new();
        for group in groups {
            let (http, endpoint) = (self.http.clone(), self.endpoint.clone());
            tasks.spawn(async move { post_in_order(&http, &endpoint, group).await });
        }
        let mut renewals = interval(RENEW_INTERVAL);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewals.reset();
        let mut answers = Vec::new();
        loop {
            tokio::select! {
                joined = tasks.join_next() => match joined {
                    // A group that panicked has no answers: it is not sent again before the next batch.
                    Some(group) => answers.extend(group.unwrap_or_default()),
                    None => break,
                },
                _ = renewals.tick() => drop(self.hold().await?),
            }
        }
        let taken = answers.iter().filter(|(_, answer)| *answer == Answer::Taken).count();
        self.counts.delivered.fetch_add(taken as u64, Ordering::Relaxed);
        self.counts.failed.fetch_add((answers.len() - taken) as u64, Ordering::Relaxed);
        Ok(answers)
    }
}

async fn post_in_order(http: &reqwest::Client, endpoint: &Endpoint, group: Vec<OutboxEvent>) -> Vec<(i64, Answer)> {
    let mut answers = Vec::with_capacity(group.len());
    for event in group {
        let answer = post(http, endpoint, &event).await;
        let goes_on = !matches!(answer, Answer::Refused(_));
        answers.push((event.id, answer));
        if !goes_on {
            break;
        }
    }
    answers
}

/// One attempt.
async fn post(http: &reqwest::Client, endpoint: &Endpoint, event: &OutboxEvent) -> Answer {
    let body = match endpoint.format {
        Format::Livekit => body::livekit(event),
        Format::Tutti => body::tutti(event).map(Some),
    };
    let body = match body {
        Ok(Some(body)) => body,
        // Not for this endpoint.
        Ok(None) => return Answer::Taken,
        Err(error) => return Answer::Unsendable(error.to_string()),
    };
    let now = SystemTime::now();
    let request = http.post(endpoint.url.clone());
    let request = match endpoint.format {
        Format::Livekit => {
            let keys = Keys::one(&endpoint.api_key, endpoint.secret.clone());
            match keys.sign_body(&endpoint.api_key, &body, now) {
                Ok(token) => request.header(CONTENT_TYPE, body::LIVEKIT_TYPE).header(AUTHORIZATION, token),
                Err(error) => return Answer::Unsendable(error.to_string()),
            }
        }
        Format::Tutti => request
            .header(CONTENT_TYPE, body::TUTTI_TYPE)
            .header("Tutti-Event-Id", body::id(event))
            .header("Tutti-Signature", body_signature(&endpoint.secret, &body, now)),
    };
    let started = Instant::now();
    let outcome = request.body(body).send().await;
    let refused = |status, answer: String| {
        let took_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Answer::Refused(Refusal { status, answer, took_ms })
    };
    match outcome {
        Ok(answer) if answer.status().is_success() => Answer::Taken,
        Ok(answer) => {
            let status = i64::from(answer.status().as_u16());
            refused(Some(status), beginning(answer).await)
        }
        Err(error) => refused(None, reason(&error)),
    }
}

/// The first bytes of an answer, as far as it is text.
async fn beginning(mut answer: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(ANSWER_BYTES_MAX);
    String::from_utf8_lossy(&bytes).replace(char::is_control, " ")
}

/// The last cause: the ones before it repeat the address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if std::ptr::eq(cause, error as &dyn Error) { "not reached".to_owned() } else { cause.to_string() }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
