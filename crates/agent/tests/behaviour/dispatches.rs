//! Back ends make, list and delete dispatches.

use livekit_protocol as proto;
use proto::{JobStatus, JobType};
use tutti_agent::DispatchError;

use crate::stage::{Stage, UNIX_NS, agent, named, room, secs};

fn request(agent_name: &str) -> proto::CreateAgentDispatchRequest {
    proto::CreateAgentDispatchRequest {
        agent_name: agent_name.into(),
        metadata: "m".into(),
        attributes: [("a".to_owned(), "b".to_owned())].into(),
        ..Default::default()
    }
}

fn create(
    stage: &mut Stage,
    request: proto::CreateAgentDispatchRequest,
) -> Result<proto::AgentDispatch, DispatchError> {
    stage.act(|dispatcher, now| dispatcher.create_dispatch(now, &room("hall"), request))
}

fn delete(stage: &mut Stage, id: &str) -> Result<proto::AgentDispatch, DispatchError> {
    stage.act(|dispatcher, now| dispatcher.delete_dispatch(now, &room("hall"), id))
}

#[test]
fn a_dispatch_is_made_listed_and_deleted() {
    let mut stage = Stage::new();
    let worker = stage.worker(JobType::JtRoom, "echo");
    stage.open("hall", &[named("other")]);
    stage.advance(secs(1));
    let made = create(&mut stage, request("echo")).expect("is made");
    assert_eq!((made.room.as_str(), made.agent_name.as_str(), made.metadata.as_str()), ("hall", "echo", "m"));
    assert_eq!(
        made.state.as_ref().map(|state| (state.created_at, state.jobs.len())),
        Some((UNIX_NS + 1_000_000_000, 1))
    );
    assert_eq!(stage.surveys, [(room("hall"), made.id.clone())]);
    let asked = stage.asked_once(worker);
    assert_eq!(
        (asked.dispatch_id.as_str(), asked.attributes.get("a").map(String::as_str)),
        (made.id.as_str(), Some("b"))
    );
    stage.answer(worker, &asked.id, true);
    let list = |stage: &Stage, id: &str| stage.dispatcher.list_dispatches(&room("hall"), id);
    let all = list(&stage, "").expect("the room is there");
    assert_eq!(all.iter().map(|it| it.agent_name.as_str()).collect::<Vec<_>>(), ["other", "echo"]);
    assert_eq!(list(&stage, &made.id).map(|it| it.len()), Ok(1));
    assert_eq!(list(&stage, "AD_x").map(|it| it.len()), Ok(0));
    assert_eq!(stage.dispatcher.list_dispatches(&room("cellar"), ""), Err(DispatchError::NoSuchRoom));

    let deleted = delete(&mut stage, &made.id).expect("it is there");
    assert!(deleted.state.is_some_and(|state| state.deleted_at == UNIX_NS + 1_000_000_000));
    assert_eq!(stage.terminated(worker), [asked.id]);
    assert_eq!(stage.ended.last().and_then(|job| job.state.clone()).map(|it| it.status()), Some(JobStatus::JsSuccess));
    assert_eq!(list(&stage, "").map(|it| it.len()), Ok(1));
    assert_eq!(delete(&mut stage, &made.id), Err(DispatchError::NoSuchDispatch));
}

#[test]
fn agents_of_a_deleted_dispatch_go_or_are_taken_out() {
    let mut stage = Stage::new();
    let worker = stage.worker(JobType::JtRoom, "echo");
    stage.open("hall", &[]);
    for goes in [true, false] {
        let made = create(&mut stage, request("echo")).expect("is made");
        let job = stage.accept(worker);
        let robot = agent(&format!("agent-{job}"), 1);
        stage.joined("hall", &robot);
        delete(&mut stage, &made.id).expect("it is there");
        assert_eq!(stage.terminated(worker), [job]);
        if goes {
            stage.left("hall", &robot);
        }
        stage.advance(secs(3));
        assert_eq!(stage.removed.len(), usize::from(!goes));
        assert_eq!((stage.dispatcher.census().jobs, stage.dispatcher.census().deadlines), (0, 0));
    }
    assert_eq!(stage.ended.len(), 2, "each end is told once");
}

#[test]
fn texts_and_numbers_have_limits() {
    let mut stage = Stage::with(|settings| settings.limits.dispatches = 2);
    assert_eq!(create(&mut stage, request("echo")), Err(DispatchError::NoSuchRoom));
    stage.open("hall", &[]);
    let too_long = [
        proto::CreateAgentDispatchRequest { agent_name: "a".repeat(257), ..Default::default() },
        proto::CreateAgentDispatchRequest { deployment: "a".repeat(65), ..Default::default() },
        proto::CreateAgentDispatchRequest { metadata: "a".repeat(512 * 1024 + 1), ..Default::default() },
        proto::CreateAgentDispatchRequest {
            attributes: [("a".to_owned(), "b".repeat(64 * 1024))].into(),
            ..Default::default()
        },
    ];
    for request in too_long {
        assert!(matches!(create(&mut stage, request), Err(DispatchError::TooLong { .. })));
    }
    for request in [
        proto::CreateAgentDispatchRequest { agent_name: "a\u{7}".into(), ..Default::default() },
        proto::CreateAgentDispatchRequest { deployment: "a b".into(), ..Default::default() },
    ] {
        assert!(matches!(create(&mut stage, request), Err(DispatchError::Character { .. })));
    }
    create(&mut stage, request("echo")).expect("the second one");
    assert_eq!(create(&mut stage, request("echo")), Err(DispatchError::TooMany { max: 2 }));
    let three = [named("a"), named("b"), named("c")];
    assert_eq!(stage.dispatcher.check_dispatches(&three), Err(DispatchError::TooMany { max: 2 }));
    assert_eq!(stage.dispatcher.check_dispatches(&three[..2]), Ok(()));
}

#[test]
fn the_list_of_what_ended_is_short() {
    let mut stage = Stage::with(|settings| settings.limits.ended_jobs = 3);
    let worker = stage.worker(JobType::JtParticipant, "");
    stage.open("hall", &[]);
    for session in 0..5 {
        let ada = crate::stage::person("ada", session);
        stage.joined("hall", &ada);
        let job = stage.accept(worker);
        stage.left("hall", &ada);
        stage.update(worker, &job, JobStatus::JsFailed);
    }
    assert_eq!(stage.statuses("hall"), [JobStatus::JsFailed; 3]);
    assert_eq!(stage.jobs("hall")[0].state.clone().unwrap_or_default().error, "e");
}
