//! Many datagrams in one system call: `recvmmsg`, with joined ones (UDP_GRO) cut apart again.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::address::RawAddress;
use super::udp::UdpSocket;

/// Messages taken in one call.
const MESSAGES: usize = 64;
/// Room for one message: the kernel joins up to 64 KB.
const MESSAGE_BYTES: usize = 65_536;
/// Words of control data for one message: packet information, arrival and segment size, with room to spare.
const CONTROL_WORDS: usize = 16;

/// Longest wait that is believed; more means that the clock was set in between.
const WAITED_MAX: Duration = Duration::from_millis(500);

/// One arrived datagram.
#[derive(Debug)]
pub struct Received<'a> {
    /// The sender.
    pub source: SocketAddr,
    /// Our address that it was sent to.
    pub destination: SocketAddr,
    /// How long ago the kernel had it. Senders measure their path by arrivals, so those of one call must not become one.
    pub waited: Duration,
    /// The bytes; may be changed in place.
    pub bytes: &'a mut [u8],
}

/// Room for one call's messages; kept and used again. Memory is touched only as far as datagrams reach.
pub struct ReceiveBatch {
    headers: Box<[libc::mmsghdr; MESSAGES]>,
    names: Box<[RawAddress; MESSAGES]>,
    controls: Box<[[u64; CONTROL_WORDS]; MESSAGES]>,
    bytes: Box<[u8]>,
    filled: usize,
    /// Messages larger than any buffer, or from no internet address, since the start.
    pub unreadable: u64,
}

impl ReceiveBatch {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            // SAFETY: a C structure of integers and pointers for which zero is a value.
            headers: Box::new([unsafe { zeroed() }; MESSAGES]),
            names: Box::new([RawAddress::zeroed(); MESSAGES]),
            controls: Box::new([[0; CONTROL_WORDS]; MESSAGES]),
            bytes: vec![0; MESSAGES * MESSAGE_BYTES].into_boxed_slice(),
            filled: 0,
            unreadable: 0,
        }
    }

    /// Takes what `socket` holds, at most 64 messages; returns how many. 0 = nothing there.
    ///
    /// # Errors
    /// What the system answers, without `WouldBlock` and `Interrupted`.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.filled = 0;
        let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; MESSAGES];
        for (index, header) in self.headers.iter_mut().enumerate() {
            let buffer = &mut self.bytes[index * MESSAGE_BYTES..(index + 1) * MESSAGE_BYTES];
            vectors[index] = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            header.msg_len = 0;
            header.msg_hdr.msg_name = self.names[index].as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = RawAddress::LEN;
            header.msg_hdr.msg_iov = ptr::from_mut(&mut vectors[index]);
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = self.controls[index].as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<[u64; CONTROL_WORDS]>();
            header.msg_hdr.msg_flags = 0;
        }
        // SAFETY: every header points at its own name, vector, buffer and control words, all of which live through
        // the call and are not otherwise borrowed, with their true lengths.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                MESSAGES as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            };
        };
        self.filled = count.min(MESSAGES);
        Ok(self.filled)
    }

    /// Calls `each` for each datagram taken, in order. `bound` is the address of the socket they were taken from.
    pub fn for_each(&mut self, bound: SocketAddr, mut each: impl FnMut(Received<'_>)) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for index in 0..std::mem::take(&mut self.filled) {
            let header = &self.headers[index];
            let length = header.msg_len as usize;
            let Some(source) = self.names[index].get() else {
                self.unreadable += 1;
                continue;
            };
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 || length > MESSAGE_BYTES {
                self.unreadable += 1;
                continue;
            }
            let control = Control::read(&header.msg_hdr, bound);
            let message = &mut self.bytes[index * MESSAGE_BYTES..][..length];
            let segment = control.segment.unwrap_or(length).max(1);
            let waited = control.arrived.map_or(Duration::ZERO, |arrived| now.saturating_sub(arrived).min(WAITED_MAX));
            for bytes in message.chunks_mut(segment) {
                each(Received { source, destination: control.destination, waited, bytes });
            }
        }
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self::new()
    }
}

/// What the kernel said beside one message.
struct Control {
    destination: SocketAddr,
    segment: Option<usize>,
    /// Since the Unix epoch.
    arrived: Option<Duration>,
}

impl Control {
    fn read(header: &libc::msghdr, bound: SocketAddr) -> Self {
        let mut read = Self { destination: bound, segment: None, arrived: None };
        // SAFETY: the kernel filled `msg_control` and set `msg_controllen` to what it wrote, so the CMSG walk stays
        // inside; each value is read by its documented type, unaligned.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(header);
            while let Some(control) = message.as_ref() {
                let data = libc::CMSG_DATA(message);
                match (control.cmsg_level, control.cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                        let ip = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes());
                        read.destination = SocketAddr::new(IpAddr::V4(ip), bound.port());
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                        let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                        let scope = if ip.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                        read.destination = SocketAddr::V6(SocketAddrV6::new(ip, bound.port(), 0, scope));
                    }
                    (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                        let time = data.cast::<libc::timespec>().read_unaligned();
                        let seconds = u64::try_from(time.tv_sec).ok();
                        let nanos = u32::try_from(time.tv_nsec).ok();
                        read.arrived = seconds.zip(nanos).map(|(seconds, nanos)| Duration::new(seconds, nanos));
                    }
                    (libc::SOL_UDP, libc::UDP_GRO) => {
                        let segment = data.cast::<libc::c_int>().read_unaligned();
                        read.segment = usize::try_from(segment).ok().filter(|&segment| segment > 0);
                    }
                    _ => {}
                }
                message = libc::CMSG_NXTHDR(header, message);
            }
        }
        read
    }
}
