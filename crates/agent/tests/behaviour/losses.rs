//! Workers go, and their jobs go on.

use livekit_protocol as proto;
use proto::worker_message::Message as Said;
use proto::{JobStatus, JobType, WorkerStatus};

use crate::stage::{Stage, agent, named, secs};

#[test]
fn another_worker_gets_the_jobs_of_one_that_is_gone() {
    let mut stage = Stage::new();
    let first = stage.worker(JobType::JtRoom, "");
    stage.open("hall", &[]);
    let job = stage.accept(first);
    let robot = agent(&format!("agent-{job}"), 1);
    stage.joined("hall", &robot);
    let second = stage.worker(JobType::JtRoom, "");
    stage.gone(first);
    stage.advance(secs(4));
    assert!(stage.asked(second).is_empty(), "it may come again");
    stage.advance(secs(1));
    let mut asked = stage.asked(second);
    let request = asked.pop().expect("it is asked");
    assert!(request.resuming && request.job.as_ref().is_some_and(|it| it.id == job));
    stage.answer(second, &job, true);
    assert_eq!(stage.assigned.len(), 2);
    // The first one's participant is thrown out by the second one's; that is nobody's leaving.
    stage.left("hall", &robot);
    stage.joined("hall", &agent(&robot.identity, 2));
    stage.advance(secs(60));
    assert_eq!(stage.statuses("hall"), [JobStatus::JsRunning]);
}

#[test]
fn an_agent_that_dies_with_its_worker_is_replaced_at_once() {
    let mut stage = Stage::new();
    let first = stage.worker(JobType::JtRoom, "");
    stage.open("hall", &[]);
    let job = stage.accept(first);
    let robot = agent(&format!("agent-{job}"), 1);
    stage.joined("hall", &robot);
    stage.gone(first);
    stage.left("hall", &robot);
    // Nobody is there to take it: it waits for whoever comes.
    stage.advance(secs(600));
    assert_eq!(stage.statuses("hall"), [JobStatus::JsPending]);
    assert_eq!(stage.dispatcher.census().waiting, 1);
    let second = stage.worker(JobType::JtRoom, "");
    assert_eq!(stage.accept(second), job);
    // The same the other way around.
    let robot = agent(&robot.identity, 2);
    stage.joined("hall", &robot);
    stage.left("hall", &robot);
    let third = stage.worker(JobType::JtRoom, "");
    stage.gone(second);
    assert_eq!(stage.accept(third), job);
}

#[test]
fn a_worker_that_comes_again_keeps_its_jobs() {
    let mut stage = Stage::new();
    let first = stage.worker(JobType::JtRoom, "");
    let other = stage.worker_with(JobType::JtRoom, "", |register| register.namespace = Some("n".into()));
    stage.open("hall", &[]);
    let job = stage.accept(first);
    let _ = stage.take(other);
    let claim = |job: &str| Said::MigrateJob(proto::MigrateJobRequest { job_ids: vec![job.into(), "AJ_x".into()] });
    for late in [false, true] {
        let holder = if late { stage_worker(&mut stage, &job) } else { first };
        stage.gone(holder);
        // Late, it waits again, and is offered to the very worker that does it.
        stage.advance(secs(if late { 6 } else { 3 }));
        let again = stage.worker(JobType::JtRoom, "");
        stage.say(again, claim(&job));
        let asked = stage.asked(again);
        assert_eq!(asked.len(), usize::from(late));
        stage.answer(again, &job, true);
        stage.advance(secs(60));
        assert_eq!(stage.assigned.len(), 1, "it does it already");
        // Claiming what one has changes nothing.
        stage.say(again, claim(&job));
        assert!(stage.terminated(again).is_empty());
        stage.say(other, claim(&job));
        assert_eq!(stage.terminated(other), std::slice::from_ref(&job), "who has lost it is told");
        if late {
            stage.update(again, &job, JobStatus::JsSuccess);
            assert_eq!(stage.ended.last().map(|job| job.id.clone()), Some(job.clone()));
        }
    }
}

/// The worker that has a job now: the last one that came.
fn stage_worker(stage: &mut Stage, job: &str) -> tutti_agent::WorkerNumber {
    assert!(stage.dispatcher.census().jobs > 0, "{job}");
    tutti_agent::WorkerNumber(3)
}

#[test]
fn a_question_to_a_worker_that_goes_is_put_to_the_next() {
    let mut stage = Stage::new();
    let workers = [(); 2].map(|()| stage.worker(JobType::JtRoom, ""));
    stage.open("hall", &[]);
    let first = workers.into_iter().find(|worker| !stage.asked(*worker).is_empty()).expect("one is asked");
    let second = workers.into_iter().find(|worker| *worker != first).expect("there are two");
    stage.gone(first);
    stage.accept(second);
    assert_eq!(stage.statuses("hall"), [JobStatus::JsRunning]);
}

#[test]
fn who_drains_keeps_what_it_has() {
    let mut stage = Stage::new();
    let old = stage.worker(JobType::JtRoom, "");
    stage.open("one", &[]);
    let job = stage.accept(old);
    stage.status(old, WorkerStatus::WsFull, 0.0);
    let new = stage.worker(JobType::JtRoom, "");
    stage.open("two", &[]);
    stage.accept(new);
    assert!(stage.asked(old).is_empty());
    stage.update(old, &job, JobStatus::JsSuccess);
    stage.gone(old);
    assert_eq!(
        (stage.statuses("one"), stage.statuses("two")),
        (vec![JobStatus::JsSuccess], vec![JobStatus::JsRunning])
    );
}

#[test]
fn what_shall_not_be_restarted_ends_with_its_worker() {
    let mut stage = Stage::new();
    let worker = stage.worker(JobType::JtRoom, "echo");
    let never = proto::JobRestartPolicy::JrpNever as i32;
    stage.open("hall", &[proto::RoomAgentDispatch { restart_policy: never, ..named("echo") }]);
    stage.accept(worker);
    stage.gone(worker);
    stage.advance(secs(5));
    assert_eq!(stage.statuses("hall"), [JobStatus::JsFailed]);
    let next = stage.worker(JobType::JtRoom, "echo");
    assert!(stage.asked(next).is_empty());
}
