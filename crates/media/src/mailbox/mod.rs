//! Commands into a shard: many senders, one receiver, bounded and lossless.
//!
//! A full mailbox makes the sender wait ([`Mailbox::send`] is a future that any executor can drive) or tells it so
//! ([`Mailbox::try_send`]); nothing is ever dropped. Commands of one sender that awaits each send arrive in its order.
//! The receiver looks at one atomic while there is nothing to do, so the lock is never taken on the packet path.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Why a command was not taken. It is given back.
#[derive(Debug, PartialEq, Eq)]
pub enum SendError<T> {
    /// No room; only from [`Mailbox::try_send`].
    Full(T),
    /// The receiver is gone.
    Closed(T),
}

/// The queue itself; share it in an `Arc`.
pub struct Mailbox<T> {
    state: Mutex<State<T>>,
    filled: AtomicBool,
    commands_max: usize,
    bell: Box<dyn Fn() + Send + Sync>,
}

struct State<T> {
    queue: VecDeque<T>,
    waiting: Vec<Waker>,
    closed: bool,
}

impl<T> Mailbox<T> {
    /// A mailbox of `commands_max` places that calls `bell` after each delivery, to wake the receiver.
    pub fn new(commands_max: usize, bell: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            state: Mutex::new(State { queue: VecDeque::new(), waiting: Vec::new(), closed: false }),
            filled: AtomicBool::new(false),
            commands_max: commands_max.max(1),
            bell: Box::new(bell),
        }
    }

    /// Delivers, waiting for room as long as it takes.
    ///
    /// # Errors
    /// [`SendError::Closed`] once the receiver is gone.
    pub const fn send(&self, command: T) -> Sending<'_, T> {
        Sending { mailbox: self, command: Some(command) }
    }

    /// Delivers if there is room now.
    ///
    /// # Errors
    /// [`SendError::Full`] or [`SendError::Closed`], with the command.
    pub fn try_send(&self, command: T) -> Result<(), SendError<T>> {
        self.deliver(command, None)
    }

    /// The receiver's side: moves at most `commands_max` commands to the end of `into`; `true` when more remain.
    pub fn receive(&self, into: &mut Vec<T>, commands_max: usize) -> bool {
        if !self.filled.load(Ordering::Acquire) {
            return false;
        }
        let mut state = self.lock();
        let count = state.queue.len().min(commands_max);
        into.extend(state.queue.drain(..count));
        let more = !state.queue.is_empty();
        self.filled.store(more, Ordering::Release);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        more
    }

    /// The receiver is gone: later and waiting sends fail. Commands not yet received are dropped.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.queue.clear();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn deliver(&self, command: T, waker: Option<&Waker>) -> Result<(), SendError<T>> {
        let mut state = self.lock();
        if state.closed {
            return Err(SendError::Closed(command));
        }
        if state.queue.len() >= self.commands_max {
            if let Some(waker) = waker
                && !state.waiting.iter().any(|known| known.will_wake(waker))
            {
                state.waiting.push(waker.clone());
            }
            return Err(SendError::Full(command));
        }
        state.queue.push_back(command);
        self.filled.store(true, Ordering::Release);
        drop(state);
        (self.bell)();
        Ok(())
    }

    /// No code that can panic runs under the lock, so a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("commands_max", &self.commands_max).finish_non_exhaustive()
    }
}

/// A delivery in progress. Dropping it before it is ready means the command was not delivered.
#[must_use = "a delivery happens only when awaited"]
#[derive(Debug)]
pub struct Sending<'a, T> {
    mailbox: &'a Mailbox<T>,
    command: Option<T>,
}

impl<T: Unpin> Sending<'_, T> {
    /// Blocks the thread until delivered.
    ///
    /// # Errors
    /// As [`Mailbox::send`].
    pub fn wait(self) -> Result<(), SendError<T>> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut sending = std::pin::pin!(self);
        loop {
            if let Poll::Ready(result) = sending.as_mut().poll(&mut context) {
                return result;
            }
            std::thread::park();
        }
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T: Unpin> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(command) = self.command.take() else {
            // Polled again after it was ready: there is nothing left to deliver.
            return Poll::Ready(Ok(()));
        };
        match self.mailbox.deliver(command, Some(context.waker())) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(SendError::Closed(command)) => Poll::Ready(Err(SendError::Closed(command))),
            Err(SendError::Full(command)) => {
                self.command = Some(command);
                Poll::Pending
            }
        }
    }
}
