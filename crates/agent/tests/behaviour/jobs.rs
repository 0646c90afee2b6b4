//! Which jobs there are, who gets them, and how they end.

use livekit_protocol as proto;
use proto::worker_message::Message as Said;
use proto::{JobStatus, JobType};

use crate::stage::{Stage, UNIX_NS, agent, named, person, secs};

#[test]
fn a_room_gets_the_agent_without_a_name() {
    let mut stage = Stage::new();
    let worker = stage.worker(JobType::JtRoom, "");
    stage.open("hall", &[]);
    let job = stage.asked_once(worker);
    assert!(job.id.starts_with("AJ_") && job.dispatch_id.starts_with("AD_"), "{job:?}");
    assert_eq!(job.room.as_ref().map(|room| room.sid.as_str()), Some("RM_hall"));
    let answer = proto::AvailabilityResponse {
        job_id: job.id.clone(),
        available: true,
        participant_identity: "echo".into(),
        participant_name: "Echo".into(),
        participant_metadata: "about me".into(),
        participant_attributes: [("mood".to_owned(), "good".to_owned())].into(),
        ..Default::default()
    };
    stage.say(worker, Said::Availability(answer));
    let [(to, assigned, grant)] = stage.assigned.as_slice() else { panic!("{:?}", stage.assigned) };
    assert_eq!((*to, &assigned.id), (worker, &job.id));
    let state = assigned.state.clone().unwrap_or_default();
    assert_eq!((state.status(), state.participant_identity.as_str()), (JobStatus::JsRunning, "echo"));
    assert!(state.worker_id.starts_with("AW_") && state.started_at == UNIX_NS);
    assert_eq!((grant.api_key.as_str(), grant.room.as_str(), grant.identity.as_str()), ("key", "hall", "echo"));
    assert_eq!((grant.name.as_str(), grant.metadata.as_str()), ("Echo", "about me"));
    let attributes: Vec<_> = grant.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(attributes, [("lk.agent_name", ""), ("mood", "good")]);
    let permission = &grant.permission;
    assert!(permission.can_publish && permission.can_subscribe && permission.can_publish_data);
    assert!(permission.can_update_metadata && !permission.hidden);
    assert_eq!(stage.started, std::slice::from_ref(&job.id));
    // The worker says how it ends.
    stage.update(worker, &job.id, JobStatus::JsRunning);
    assert_eq!(stage.statuses("hall"), [JobStatus::JsRunning]);
    stage.update(worker, &job.id, JobStatus::JsSuccess);
    assert_eq!(stage.statuses("hall"), [JobStatus::JsSuccess]);
    assert_eq!(stage.ended.len(), 1);
    assert_eq!(stage.dispatcher.census().jobs, 0);
}

#[test]
fn participants_and_publishers_get_one_each() {
    let mut stage = Stage::new();
    let (for_each, for_publishers) = (stage.worker(JobType::JtParticipant, ""), stage.worker(JobType::JtPublisher, ""));
    stage.open("hall", &[]);
    let (ada, bea) = (person("ada", 1), person("bea", 1));
    stage.joined("hall", &ada);
    stage.joined("hall", &bea);
    stage.joined("hall", &agent("robot", 1));
    let whom = |asked: Vec<proto::AvailabilityRequest>| -> Vec<String> {
        asked.into_iter().filter_map(|asked| Some(asked.job?.participant?.identity)).collect()
    };
    assert_eq!(whom(stage.asked(for_each)), ["ada", "bea"]);
    for _ in 0..3 {
        stage.published("hall", &ada);
        stage.published("hall", &agent("robot", 1));
    }
    assert_eq!(whom(stage.asked(for_publishers)), ["ada"]);
    // Who comes again is somebody else.
    stage.left("hall", &bea);
    stage.joined("hall", &person("bea", 2));
    assert_eq!(whom(stage.asked(for_each)), ["bea"]);
}

#[test]
fn namespaces_have_jobs_of_their_own() {
    let mut stage = Stage::new();
    let in_namespace = |stage: &mut Stage, name: &str| {
        stage.worker_with(JobType::JtRoom, "", |register| register.namespace = Some(name.into()))
    };
    let workers = ["", "blue", "green"].map(|name| in_namespace(&mut stage, name));
    let deployed = stage.worker_with(JobType::JtRoom, "", |register| register.deployment = "beta".into());
    stage.open("hall", &[]);
    let jobs = workers.map(|worker| stage.asked_once(worker));
    #[expect(deprecated, reason = "older workers read it")]
    let names = jobs.each_ref().map(|job| job.namespace.as_str());
    assert_eq!(names, ["", "blue", "green"]);
    assert!(stage.asked(deployed).is_empty(), "another deployment");
    stage.open("lab", &[proto::RoomAgentDispatch { deployment: "beta".into(), ..Default::default() }]);
    assert_eq!(stage.asked_once(deployed).deployment, "beta");
}

#[test]
fn without_workers_a_dispatch_without_a_name_is_nobodys() {
    let mut stage = Stage::new();
    stage.open("hall", &[]);
    stage.joined("hall", &person("ada", 1));
    let worker = stage.worker(JobType::JtRoom, "");
    assert!(stage.asked(worker).is_empty());
    assert_eq!(stage.dispatcher.census().jobs, 0);
}

#[test]
fn a_named_agent_is_waited_for() {
    let mut stage = Stage::new();
    stage.open("hall", &[named("echo")]);
    stage.joined("hall", &person("ada", 1));
    let wrong = stage.worker(JobType::JtRoom, "");
    assert!(stage.asked(wrong).is_empty());
    let worker = stage.worker(JobType::JtRoom, "echo");
    let job = stage.asked_once(worker);
    assert_eq!((job.agent_name.as_str(), job.metadata.as_str()), ("echo", "m"));
    // Workers for participants have the room tell who is there.
    let for_each = stage.worker(JobType::JtParticipant, "echo");
    let (room, dispatch) = stage.surveys.pop().expect("a survey");
    assert!(stage.asked(for_each).is_empty());
    let present = [person("ada", 1), agent("robot", 1)];
    for _ in 0..2 {
        stage.act(|dispatcher, now| dispatcher.present(now, &room, &dispatch, &present));
    }
    assert_eq!(stage.asked_once(for_each).participant.map(|it| it.identity), Some("ada".into()));
    // One more worker begins nothing anew.
    let more = stage.worker(JobType::JtRoom, "echo");
    assert!(stage.asked(more).is_empty() && stage.surveys.is_empty());
}

#[test]
fn who_declines_or_says_nothing_is_passed_over() {
    let mut stage = Stage::new();
    let workers = [(); 3].map(|()| stage.worker(JobType::JtRoom, ""));
    stage.open("hall", &[]);
    let mut asked = Vec::new();
    for step in 0..3 {
        let now: Vec<_> =
            workers.iter().flat_map(|worker| stage.asked(*worker).into_iter().map(|it| (*worker, it))).collect();
        let [(worker, request)] = now.as_slice() else { panic!("one at a time: {now:?}") };
        let job = request.job.clone().unwrap_or_default().id;
        asked.push(*worker);
        match step {
            0 => stage.answer(*worker, &job, false),
            1 => {
                stage.advance(secs(10));
                // Too late.
                stage.answer(*worker, &job, true);
                assert!(stage.assigned.is_empty());
            }
            _ => stage.answer(*worker, &job, false),
        }
    }
    asked.sort();
    assert_eq!(asked, workers);
    assert_eq!(stage.statuses("hall"), [JobStatus::JsFailed]);
    assert_eq!(stage.ended[0].state.clone().unwrap_or_default().error, "no worker took the job");
}

#[test]
fn a_worker_may_know_that_there_is_nothing_to_do() {
    let mut stage = Stage::new();
    let worker = stage.worker(JobType::JtRoom, "");
    stage.open("hall", &[]);
    let job_id = stage.asked_once(worker).id;
    stage
        .say(worker, Said::Availability(proto::AvailabilityResponse { job_id, terminate: true, ..Default::default() }));
    assert_eq!(stage.statuses("hall"), [JobStatus::JsSuccess]);
    assert!(stage.started.is_empty());
}

#[test]
fn an_agent_that_leaves_has_a_moment_to_say_why() {
    let mut stage = Stage::new();
    let worker = stage.worker(JobType::JtRoom, "");
    for (name, says) in [("one", true), ("two", false)] {
        stage.open(name, &[]);
        let job = stage.accept(worker);
        let robot = agent(&format!("agent-{job}"), 1);
        stage.joined(name, &robot);
        stage.left(name, &robot);
        stage.advance(secs(2));
        // It came again by a full reconnect.
        let again = agent(&robot.identity, 2);
        stage.joined(name, &again);
        stage.advance(secs(9));
        assert_eq!(stage.statuses(name), [JobStatus::JsRunning]);
        stage.left(name, &again);
        if says {
            stage.update(worker, &job, JobStatus::JsSuccess);
            assert_eq!(stage.statuses(name), [JobStatus::JsSuccess]);
        } else {
            stage.advance(secs(3));
            assert_eq!(stage.statuses(name), [JobStatus::JsFailed]);
            assert_eq!(stage.terminated(worker), [job]);
        }
    }
}

#[test]
fn the_end_of_a_room_ends_its_jobs() {
    let mut stage = Stage::new();
    let worker = stage.worker(JobType::JtRoom, "");
    stage.open("hall", &[]);
    let running = stage.accept(worker);
    stage.open("attic", &[]);
    let asked = stage.asked_once(worker).id;
    stage.over("hall");
    stage.over("attic");
    assert_eq!(stage.terminated(worker), std::slice::from_ref(&running));
    assert_eq!(stage.ended.iter().map(|job| job.id.clone()).collect::<Vec<_>>(), [running, asked.clone()]);
    stage.answer(worker, &asked, true);
    assert_eq!(stage.assigned.len(), 1, "nobody waits for that answer");
    assert_eq!((stage.dispatcher.census().jobs, stage.dispatcher.census().deadlines), (0, 0));
    // Another room of the name does not hear the end of the first.
    stage.open("hall", &[]);
    let sid = "RM_earlier";
    stage.act(|dispatcher, now| dispatcher.room_closed(now, &crate::stage::room("hall"), sid));
    assert_eq!(stage.statuses("hall").len(), 1);
}

#[test]
fn no_more_jobs_than_so_many() {
    let mut stage = Stage::with(|settings| settings.limits.jobs = 3);
    let worker = stage.worker(JobType::JtRoom, "");
    for number in 0..5 {
        stage.open(&number.to_string(), &[]);
    }
    assert_eq!(stage.asked(worker).len(), 3);
    assert_eq!(stage.dispatcher.census().refused, 2);
}
