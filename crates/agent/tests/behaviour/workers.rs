//! Workers come, say who they are and how they are, and go.

use livekit_protocol as proto;
use proto::server_message::Message as Told;
use proto::worker_message::Message as Said;
use proto::{JobType, WorkerStatus};
use tutti_agent::{Crowded, Goodbye, WorkerNumber};
use tutti_id::AppId;

use crate::stage::{Stage, UNIX_NS, named, secs};

#[test]
fn a_worker_registers() {
    let mut stage = Stage::with(|settings| settings.server_info.region = "eu".into());
    let worker = stage.connect();
    stage.say(worker, Said::Ping(proto::WorkerPing { timestamp: 5 }));
    let register = proto::RegisterWorkerRequest { r#type: JobType::JtRoom as i32, ..Default::default() };
    stage.say(worker, Said::Register(register));
    let told = stage.take(worker);
    let [Told::Pong(pong), Told::Register(registered)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((pong.last_timestamp, pong.timestamp), (5, UNIX_NS / 1_000_000));
    assert!(registered.worker_id.starts_with("AW_"), "{registered:?}");
    assert_eq!(registered.server_info.as_ref().map(|info| info.region.as_str()), Some("eu"));
    stage.advance(secs(60));
    assert!(stage.closed.is_empty());
    assert_eq!((stage.dispatcher.census().workers, stage.dispatcher.census().deadlines), (1, 0));
    stage.gone(worker);
    assert_eq!(stage.dispatcher.census().workers, 0);
}

#[test]
fn who_does_not_is_sent_away() {
    let mut stage = Stage::new();
    let silent = stage.connect();
    stage.advance(secs(9));
    assert!(stage.closed.is_empty());
    stage.advance(secs(1));
    assert_eq!(stage.closed, [(silent, Goodbye::NotRegistered)]);
    stage.gone(silent);

    let hasty = stage.connect();
    stage.status(hasty, WorkerStatus::WsAvailable, 0.0);
    let twice = stage.worker(JobType::JtRoom, "");
    stage.say(twice, Said::Register(proto::RegisterWorkerRequest::default()));
    let bad = [
        proto::RegisterWorkerRequest { r#type: 17, ..Default::default() },
        proto::RegisterWorkerRequest { agent_name: "a".repeat(257), ..Default::default() },
        proto::RegisterWorkerRequest { agent_name: "a\nb".into(), ..Default::default() },
        proto::RegisterWorkerRequest { namespace: Some("n".repeat(257)), ..Default::default() },
        proto::RegisterWorkerRequest { deployment: "blue_green".into(), ..Default::default() },
        proto::RegisterWorkerRequest { deployment: "d".repeat(65), ..Default::default() },
    ];
    for register in bad {
        let worker = stage.connect();
        stage.say(worker, Said::Register(register));
    }
    let reasons: Vec<_> = stage.closed.drain(..).map(|(_, why)| why).skip(1).collect();
    assert_eq!(reasons[..2], [Goodbye::OutOfOrder; 2]);
    assert_eq!(reasons[2..], [Goodbye::BadRegistration; 6]);
}

#[test]
fn all_are_sent_away_when_the_server_stops() {
    let mut stage = Stage::new();
    let workers = [stage.worker(JobType::JtRoom, ""), stage.connect()];
    stage.act(|dispatcher, _| dispatcher.stop());
    assert_eq!(stage.closed, workers.map(|worker| (worker, Goodbye::Stopping)));
}

#[test]
fn no_more_than_so_many() {
    let mut stage = Stage::with(|settings| settings.limits.workers = 2);
    stage.connect();
    let second = stage.connect();
    let third = |stage: &mut Stage| {
        let (number, app) = (WorkerNumber(99), AppId::default());
        stage.act(|dispatcher, now| dispatcher.worker_connected(now, number, app, String::new()))
    };
    assert_eq!(third(&mut stage), Err(Crowded { max: 2 }));
    stage.gone(second);
    assert_eq!(third(&mut stage), Ok(()));
}

#[test]
fn the_less_a_worker_does_the_likelier_it_is_asked() {
    let mut stage = Stage::new();
    let workers = [0.6, 0.1].map(|load| {
        let worker = stage.worker(JobType::JtRoom, "");
        stage.status(worker, WorkerStatus::WsAvailable, load);
        worker
    });
    for number in 0..700 {
        stage.open(&format!("room-{number}"), &[]);
    }
    let [busy, idle] = workers.map(|worker| stage.asked(worker).len());
    assert_eq!(busy + idle, 700);
    assert!((50..150).contains(&busy), "a seventh of the room left: {busy}");
}

#[test]
fn a_worker_that_is_full_gets_nothing_until_it_is_not() {
    let mut stage = Stage::new();
    let worker = stage.worker(JobType::JtRoom, "");
    for (status, load) in
        [(WorkerStatus::WsFull, 0.0), (WorkerStatus::WsAvailable, 0.7), (WorkerStatus::WsAvailable, f32::NAN)]
    {
        stage.status(worker, status, load);
        stage.open("hall", &[]);
        assert_eq!(stage.asked(worker).len(), 0, "{status:?} {load}");
        assert_eq!(stage.dispatcher.census().waiting, 1);
        stage.over("hall");
        assert_eq!(stage.dispatcher.census().waiting, 0);
    }
    for name in ["one", "two", "three"] {
        stage.open(name, &[]);
    }
    let draining = proto::UpdateWorkerStatus { draining: true, ..Default::default() };
    stage.say(worker, Said::UpdateWorker(draining));
    assert!(stage.asked(worker).is_empty());
    stage.status(worker, WorkerStatus::WsAvailable, 0.69);
    let rooms: Vec<_> = stage.asked(worker).into_iter().filter_map(|asked| Some(asked.job?.room?.name)).collect();
    assert_eq!(rooms, ["one", "two", "three"], "who waited longest comes first");
    assert_eq!(stage.dispatcher.census().waiting, 0);
}

#[test]
fn a_worker_tries_itself() {
    let mut stage = Stage::new();
    let (worker, other) = (stage.worker(JobType::JtRoom, ""), stage.worker(JobType::JtRoom, ""));
    let info = proto::Room { name: "trial".into(), ..Default::default() };
    let simulate = proto::SimulateJobRequest { room: Some(info), ..Default::default() };
    for says in [false, true] {
        stage.say(worker, Said::SimulateJob(simulate.clone()));
        let job = stage.asked_once(worker);
        assert_eq!((job.r#type(), job.dispatch_id.as_str()), (JobType::JtRoom, ""));
        stage.answer(worker, &job.id, says);
        assert!(stage.asked(other).is_empty(), "it is for nobody else");
    }
    assert_eq!((stage.assigned.len(), stage.ended.len()), (1, 1));
    assert_eq!(stage.assigned[0].2.room, "trial");
    stage.say(worker, Said::SimulateJob(simulate));
    stage.advance(secs(10));
    assert_eq!(stage.ended.len(), 2, "it said nothing");
    stage.gone(worker);
    stage.advance(secs(10));
    assert_eq!(stage.dispatcher.census().jobs, 0);
}

#[test]
fn workers_serve_their_own_app() {
    let mut stage = Stage::new();
    let foreign = stage.connect_of("other");
    stage.say(foreign, Said::Register(proto::RegisterWorkerRequest::default()));
    stage.open("hall", &[]);
    stage.open("den", &[named("")]);
    assert!(stage.asked(foreign).is_empty());
    // Nor can it claim a job of this one.
    let own = stage.worker(JobType::JtRoom, "");
    stage.open("attic", &[]);
    let job = stage.accept(own);
    stage.gone(own);
    stage.say(foreign, Said::MigrateJob(proto::MigrateJobRequest { job_ids: vec![job.clone()] }));
    stage.update(foreign, &job, proto::JobStatus::JsSuccess);
    assert!(stage.ended.is_empty());
    assert!(stage.take(foreign).iter().all(|told| matches!(told, Told::Register(_))));
}
