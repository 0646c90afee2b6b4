//! Waiting for sockets with a deadline, and being woken by other threads.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Most events taken from the kernel at once.
const EVENTS_MAX: usize = 128;

/// What a registered descriptor is; comes back with its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(pub u64);

/// One descriptor that wants attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// As registered.
    pub token: Token,
    /// There is something to read, or the other side closed.
    pub readable: bool,
    /// Writing may go on.
    pub writable: bool,
}

/// An epoll instance. Level triggered unless registered otherwise.
#[derive(Debug)]
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Poll {
    /// A new, empty one.
    ///
    /// # Errors
    /// What the system answers.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a non-negative result is a fresh descriptor that nobody else owns.
        let epoll = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self { epoll, events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX] })
    }

    /// Reports `fd` as readable from now on. It leaves by itself when it is closed.
    ///
    /// # Errors
    /// What the system answers.
    pub fn add(&self, fd: &impl AsRawFd, token: Token) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), libc::EPOLLIN as u32, token)
    }

    /// As [`add`](Self::add), but reports only new arrivals, for readers that leave bytes in place.
    ///
    /// # Errors
    /// What the system answers.
    pub fn add_edge(&self, fd: &impl AsRawFd, token: Token) -> io::Result<()> {
        let interest = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), interest, token)
    }

    /// Whether to report `fd`, which was added, as writable too.
    ///
    /// # Errors
    /// What the system answers.
    pub fn want_writable(&self, fd: &impl AsRawFd, token: Token, wanted: bool) -> io::Result<()> {
        let interest = if wanted { libc::EPOLLIN | libc::EPOLLOUT } else { libc::EPOLLIN };
        self.control(libc::EPOLL_CTL_MOD, fd.as_raw_fd(), interest as u32, token)
    }

    /// Takes `fd` out.
    ///
    /// # Errors
    /// What the system answers.
    pub fn remove(&self, fd: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd.as_raw_fd(), 0, Token(0))
    }

    /// Waits until something is ready or `timeout` is over (`None` = no limit), and puts what is ready into `ready`.
    /// A signal ends the wait early with nothing.
    ///
    /// # Errors
    /// What the system answers; never for a time-out.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        // Rounded up, so that a deadline has passed when the wait is over.
        let millis = match timeout {
            None => -1,
            Some(timeout) => {
                let rounded = timeout.as_millis() + u128::from(!timeout.subsec_nanos().is_multiple_of(1_000_000));
                i32::try_from(rounded).unwrap_or(i32::MAX)
            }
        };
        // SAFETY: the kernel writes at most `EVENTS_MAX` events, and the vector holds that many.
        let count = unsafe {
            libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), EVENTS_MAX as libc::c_int, millis)
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        };
        let gone = libc::EPOLLERR | libc::EPOLLHUP | libc::EPOLLRDHUP;
        ready.extend(self.events.iter().take(count).map(|event| {
            let flags = event.events as i32;
            Ready {
                token: Token(event.u64),
                readable: flags & (libc::EPOLLIN | gone) != 0,
                writable: flags & libc::EPOLLOUT != 0,
            }
        }));
        Ok(())
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, interest: u32, token: Token) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest, u64: token.0 };
        // SAFETY: the event lives through the call; a stale descriptor is answered with an error.
        match unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Wakes a waiting thread: an eventfd that is written at most once between two answers.
#[derive(Debug)]
pub struct Doorbell {
    event: OwnedFd,
    rung: AtomicBool,
}

impl Doorbell {
    /// A new one, not rung.
    ///
    /// # Errors
    /// What the system answers.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a non-negative result is a fresh descriptor that nobody else owns.
        let event = unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self { event, rung: AtomicBool::new(false) })
    }

    /// Wakes the other side, now or at its next wait. Costs a system call only when it was not rung yet.
    pub fn ring(&self) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let one = 1u64;
        // SAFETY: writes eight bytes from a live value. It can fail only when the counter is full: then it is rung.
        unsafe { libc::write(self.event.as_raw_fd(), ptr::from_ref(&one).cast(), 8) };
    }

    /// The woken side: call before looking at what may have arrived, so that what arrives later rings again.
    pub fn answer(&self) {
        let mut count = 0u64;
        // SAFETY: reads eight bytes into a live value; with nothing to read it fails, which changes nothing.
        unsafe { libc::read(self.event.as_raw_fd(), ptr::from_mut(&mut count).cast(), 8) };
        // A swap, not a store: it orders what a ringer that found the bell rung had pushed before what we read next.
        self.rung.swap(false, Ordering::AcqRel);
    }
}

impl AsRawFd for Doorbell {
    fn as_raw_fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}
