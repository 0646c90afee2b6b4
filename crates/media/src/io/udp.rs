//! One bound UDP socket and its options.

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use super::address::RawAddress;

/// A non-blocking UDP socket that tells and chooses local addresses, never fragments, and joins arriving datagrams.
#[derive(Debug)]
pub struct UdpSocket {
    fd: OwnedFd,
    address: SocketAddr,
    joins: bool,
}

impl UdpSocket {
    /// Binds `address`; port 0 lets the system choose. `buffer_bytes` is asked for each direction, as far as the
    /// system grants it.
    ///
    /// # Errors
    /// What the system answers to opening or binding. Options that it refuses are left out.
    pub fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<Self> {
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        // SAFETY: no pointers; a non-negative result is a fresh descriptor that nobody else owns.
        let fd = unsafe {
            let fd = libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let raw = fd.as_raw_fd();
        let bytes = libc::c_int::try_from(buffer_bytes).unwrap_or(libc::c_int::MAX);
        for (forced, asked) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
            if set_option(raw, libc::SOL_SOCKET, forced, bytes).is_err() {
                let _ = set_option(raw, libc::SOL_SOCKET, asked, bytes);
            }
        }
        // Path MTU discovery without acting on it: "don't fragment" is set, too large a datagram is an error.
        if address.is_ipv4() {
            let _ = set_option(raw, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE);
            set_option(raw, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        } else {
            set_option(raw, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
            let _ = set_option(raw, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE);
            set_option(raw, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        }
        // Without it a datagram counts as arrived when it is taken.
        let _ = set_option(raw, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
        let joins = set_option(raw, libc::SOL_UDP, libc::UDP_GRO, 1).is_ok();

        let (name, length) = RawAddress::new(address);
        // SAFETY: `name` lives through the call and `length` is the length of the variant it holds.
        if unsafe { libc::bind(raw, name.as_ptr(), length) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut name = RawAddress::zeroed();
        let mut length = RawAddress::LEN;
        // SAFETY: the kernel writes at most `length` bytes, which is the size of `name`.
        if unsafe { libc::getsockname(raw, name.as_mut_ptr(), &mut length) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let address = name.get().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        Ok(Self { fd, address, joins })
    }

    /// The bound address, with the real port.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the kernel joins arriving datagrams (UDP_GRO), so that large buffers are needed.
    pub const fn joins(&self) -> bool {
        self.joins
    }

    /// Datagrams that the kernel dropped because its buffer was full, since the socket was opened; 0 where it does not
    /// tell.
    pub fn dropped_by_kernel(&self) -> u64 {
        // The ninth word of `SO_MEMINFO` (SK_MEMINFO_DROPS, linux/sock_diag.h).
        const DROPS: usize = 8;
        let mut words = [0u32; DROPS + 1];
        let mut length = size_of_val(&words) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes, which is the size of `words`.
        let result = unsafe {
            let value = words.as_mut_ptr().cast();
            libc::getsockopt(self.fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, value, &mut length)
        };
        if result == 0 { u64::from(words[DROPS]) } else { 0 }
    }

    /// Whether datagrams that leave from `local` belong on this socket.
    pub fn serves(&self, local: SocketAddr) -> bool {
        local.port() == self.address.port()
            && match (local.ip(), self.address.ip()) {
                (IpAddr::V4(local), IpAddr::V4(bound)) => bound == Ipv4Addr::UNSPECIFIED || bound == local,
                (IpAddr::V6(local), IpAddr::V6(bound)) => bound == Ipv6Addr::UNSPECIFIED || bound == local,
                _ => false,
            }
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Waits until something can be received, at most `timeout`.
pub(super) fn wait_readable(socket: &UdpSocket, timeout: Duration) -> bool {
    wait(socket.as_raw_fd(), libc::POLLIN, timeout)
}

/// Waits until more can be sent, at most `timeout`.
pub(super) fn wait_writable(fd: RawFd, timeout: Duration) -> bool {
    wait(fd, libc::POLLOUT, timeout)
}

fn wait(fd: RawFd, events: libc::c_short, timeout: Duration) -> bool {
    let mut poll = libc::pollfd { fd, events, revents: 0 };
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one entry, which lives through the call.
    unsafe { libc::poll(ptr::from_mut(&mut poll), 1, millis) == 1 }
}

pub(super) fn set_option(fd: RawFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value lives through the call and has the stated length.
    match unsafe { libc::setsockopt(fd, level, option, ptr::from_ref(&value).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
