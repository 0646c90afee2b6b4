//! Bounds, order and back-pressure of the mailbox.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{Mailbox, SendError};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn mailbox(commands_max: usize) -> (Mailbox<u32>, Arc<AtomicUsize>) {
    let bells = Arc::new(AtomicUsize::new(0));
    let counted = bells.clone();
    let mailbox = Mailbox::new(commands_max, move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    (mailbox, bells)
}

#[test]
fn keeps_order_and_rings() {
    let (mailbox, bells) = mailbox(8);
    for command in 0..5 {
        assert_eq!(mailbox.try_send(command), Ok(()));
    }
    assert_eq!(bells.load(Ordering::SeqCst), 5);
    let mut received = Vec::new();
    assert!(mailbox.receive(&mut received, 3));
    assert!(!mailbox.receive(&mut received, 3));
    assert_eq!(received, [0, 1, 2, 3, 4]);
    assert!(!mailbox.receive(&mut received, 3));
}

#[test]
fn a_full_mailbox_makes_the_sender_wait() {
    let (mailbox, _) = mailbox(1);
    assert_eq!(mailbox.try_send(1), Ok(()));
    assert_eq!(mailbox.try_send(2), Err(SendError::Full(2)));

    let woken = Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    let mut sending = pin!(mailbox.send(3));
    assert_eq!(sending.as_mut().poll(&mut context), Poll::Pending);
    assert_eq!(sending.as_mut().poll(&mut context), Poll::Pending);

    let mut received = Vec::new();
    mailbox.receive(&mut received, 10);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(sending.as_mut().poll(&mut context), Poll::Ready(Ok(())));
    mailbox.receive(&mut received, 10);
    assert_eq!(received, [1, 3]);
}

#[test]
fn closing_fails_waiting_and_later_sends() {
    let (mailbox, _) = mailbox(1);
    assert_eq!(mailbox.try_send(1), Ok(()));
    let woken = Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    let mut sending = pin!(mailbox.send(2));
    assert_eq!(sending.as_mut().poll(&mut context), Poll::Pending);
    mailbox.close();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(sending.as_mut().poll(&mut context), Poll::Ready(Err(SendError::Closed(2))));
    assert_eq!(mailbox.try_send(3), Err(SendError::Closed(3)));
}

#[test]
fn many_threads_lose_nothing() {
    let (mailbox, _) = mailbox(16);
    let mut received = Vec::new();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let mailbox = &mailbox;
            scope.spawn(move || {
                for index in 0..1000 {
                    let mut command = thread << 16 | index;
                    while let Err(SendError::Full(back)) = mailbox.try_send(command) {
                        command = back;
                        std::thread::yield_now();
                    }
                }
            });
        }
        while received.len() < 4000 {
            mailbox.receive(&mut received, 64);
            std::thread::yield_now();
        }
    });
    for thread in 0..4 {
        let order: Vec<u32> = received.iter().filter(|&&c| c >> 16 == thread).map(|c| c & 0xffff).collect();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
