//! Batches and what follows from their answers.

use super::*;

const NOW: i64 = 1_760_000_000_000;
const DAY: i64 = 86_400_000;

fn event(id: i64, session: &str) -> OutboxEvent {
    OutboxEvent {
        id,
        app: "default".into(),
        room: "r".into(),
        session: session.into(),
        sequence: id,
        kind: "room_started".into(),
        at_ms: NOW - 1_000,
        node: "ND_1".into(),
        body: "{}".into(),
    }
}

fn round(events: &[(i64, &str)], waiting: &[&str]) -> Round {
    let events = events.iter().map(|(id, session)| event(*id, session)).collect();
    Round::new(events, waiting.iter().map(|session| (*session).to_owned()).collect())
}

fn ids(groups: &[Vec<OutboxEvent>]) -> Vec<Vec<i64>> {
    groups.iter().map(|group| group.iter().map(|event| event.id).collect()).collect()
}

fn refusal(status: i64) -> Refusal {
    Refusal { status: Some(status), answer: "no".into(), took_ms: 3 }
}

fn rest(verdict: &Verdict) -> Vec<(i64, DeliveryState, i64, i64)> {
    match verdict {
        Verdict::Advance { rest, .. } => {
            rest.iter().map(|one| (one.event, one.state, one.attempts, one.next_ms)).collect()
        }
        Verdict::Down(_) => panic!("down"),
    }
}

#[test]
fn sessions_go_side_by_side_and_each_in_order() {
    let round = round(&[(1, "a"), (2, "b"), (3, "a"), (5, "c"), (6, "a")], &["c"]);
    assert_eq!(ids(&round.groups(16, 64)), [vec![1, 3, 6], vec![2]], "of c, something waits");
    assert_eq!(ids(&round.groups(16, 1)), [vec![1], vec![2]]);
    assert_eq!(ids(&round.groups(1, 2)), [vec![1, 3]]);
}

#[test]
fn what_was_taken_leaves_no_row() {
    let mut round = round(&[(1, "a"), (4, "b")], &[]);
    round.answer(1, Answer::Taken);
    round.answer(4, Answer::Taken);
    assert!(round.groups(16, 64).is_empty());
    let (verdict, waiting) = round.settle(NOW, 1.0);
    assert_eq!(verdict, Verdict::Advance { position: 4, rest: vec![] });
    assert!(waiting.is_empty());
}

#[test]
fn a_session_waits_behind_what_was_refused_and_the_others_go_on() {
    let mut round = round(&[(1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "c")], &["c"]);
    round.answer(1, Answer::Refused(refusal(400)));
    assert_eq!(ids(&round.groups(16, 64)), [vec![2, 4]]);
    round.answer(2, Answer::Taken);
    round.answer(4, Answer::Taken);
    let (verdict, waiting) = round.settle(NOW, 1.0);
    let next = NOW + 1_000;
    let pending = DeliveryState::Pending;
    assert_eq!(rest(&verdict), [(1, pending, 1, next), (3, pending, 0, next), (5, pending, 0, next)]);
    assert!(matches!(verdict, Verdict::Advance { position: 5, .. }));
    assert_eq!(waiting, HashSet::from(["a".to_owned(), "c".to_owned()]));
}

#[test]
fn a_receiver_that_takes_nothing_is_down_and_nothing_is_written() {
    let mut round = round(&[(1, "a"), (2, "b"), (3, "b")], &[]);
    round.answer(1, Answer::Refused(refusal(503)));
    round.answer(2, Answer::Refused(refusal(503)));
    assert!(!round.is_up());
    assert_eq!(round.settle(NOW, 1.0).0, Verdict::Down(refusal(503)));
}

#[test]
fn what_cannot_be_sent_is_given_up_and_holds_nobody_up() {
    let mut round = round(&[(1, "a"), (2, "a")], &[]);
    round.answer(1, Answer::Unsendable("damaged".into()));
    assert_eq!(ids(&round.groups(16, 64)), [vec![2]]);
    round.answer(2, Answer::Taken);
    assert_eq!(rest(&round.settle(NOW, 1.0).0), [(1, DeliveryState::Dead, 0, NOW + 1_000)]);

    let mut alone = self::round(&[(1, "a")], &[]);
    alone.answer(1, Answer::Unsendable("damaged".into()));
    assert_eq!(rest(&alone.settle(NOW, 1.0).0), [(1, DeliveryState::Dead, 0, NOW + 1_000)]);
}

#[test]
fn events_of_no_session_do_not_wait_for_each_other() {
    let mut round = round(&[(1, ""), (2, ""), (3, "a")], &[]);
    round.answer(1, Answer::Refused(refusal(400)));
    assert_eq!(ids(&round.groups(16, 64)), [vec![2], vec![3]]);
}

#[test]
fn retries_go_on_for_a_day() {
    let first = Delivery {
        event: 1,
        state: DeliveryState::Pending,
        attempts: 1,
        first_ms: NOW,
        next_ms: NOW,
        status: None,
        answer: String::new(),
        took_ms: None,
    };
    let mut delivery = first.clone();
    let mut now = NOW + 1_000;
    let mut waits = Vec::new();
    while delivery.state == DeliveryState::Pending {
        delivery = again(delivery, Answer::Refused(refusal(500)), now, 1.0);
        waits.push((delivery.next_ms - now) / 1_000);
        now = delivery.next_ms.max(now + 1);
    }
    assert_eq!(waits[..10], [2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
    assert_eq!((delivery.state, delivery.status), (DeliveryState::Dead, Some(500)));
    assert!((DAY..DAY + 700_000).contains(&(now - NOW)), "after {} s", (now - NOW) / 1_000);
    assert_eq!(again(first.clone(), Answer::Taken, NOW, 0.0).state, DeliveryState::Delivered);
    assert_eq!(again(first, Answer::Taken, NOW + 2 * DAY, 0.0).state, DeliveryState::Delivered);
}

#[test]
fn a_receiver_down_for_a_day_loses_what_is_a_day_old() {
    let mut events = vec![event(1, "a"), event(2, "b"), event(3, "a")];
    events[0].at_ms = NOW - DAY - 5;
    events[1].at_ms = NOW - DAY;
    let dead = |down_ms| overdue(&events, down_ms, NOW, &refusal(502)).iter().map(|one| one.event).collect::<Vec<_>>();
    assert_eq!(dead(NOW - DAY), [1, 2]);
    assert!(dead(NOW - DAY + 1).is_empty(), "down for less than a day");
}
