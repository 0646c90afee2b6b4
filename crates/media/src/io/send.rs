//! Many runs of datagrams in one system call: `sendmmsg`, each message with its source address and, where the kernel
//! can, a whole run of equal datagrams (UDP_SEGMENT).

use std::io;
use std::mem::{size_of, zeroed};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

use tutti_transport::Proto;

use super::address::RawAddress;
use super::udp::{UdpSocket, wait_writable};
use crate::batch::{Run, SendBatch};
use crate::metrics::SendCounters;

/// Messages given to the kernel in one call.
const MESSAGES: usize = 64;
/// Words of control data for one message: packet information of IPv6 and a segment size.
const CONTROL_WORDS: usize = 10;
/// How long a full send buffer is waited for, and how often in one batch: the shard never stands still for longer.
const FULL_WAIT: Duration = Duration::from_millis(2);
const FULL_WAITS_MAX: usize = 4;

/// One message for the kernel: a run, or one datagram of it.
#[derive(Debug, Clone, Copy)]
struct Message {
    socket: usize,
    remote: SocketAddr,
    local: SocketAddr,
    start: usize,
    length: usize,
    /// Datagrams it holds.
    count: usize,
    /// Length of each but the last, where `count` is above 1.
    segment: u16,
}

/// Sends batches over a shard's sockets; keeps its tables between calls.
pub struct Sender {
    segments: bool,
    /// Sockets (bit = index) whose device refused runs.
    refused: u64,
    messages: Vec<Message>,
    headers: Box<[libc::mmsghdr; MESSAGES]>,
    names: Box<[RawAddress; MESSAGES]>,
    controls: Box<[[u64; CONTROL_WORDS]; MESSAGES]>,
}

impl Sender {
    /// `segments`: the kernel can send runs, see [`probe_segmentation`](super::probe_segmentation).
    pub fn new(segments: bool) -> Self {
        Self {
            segments,
            refused: 0,
            messages: Vec::new(),
            // SAFETY: a C structure of integers and pointers for which zero is a value.
            headers: Box::new([unsafe { zeroed() }; MESSAGES]),
            names: Box::new([RawAddress::zeroed(); MESSAGES]),
            controls: Box::new([[0; CONTROL_WORDS]; MESSAGES]),
        }
    }

    /// Sends the UDP runs of `batch`, in order. What cannot be sent is counted and dropped. Runs over TCP are left to
    /// the caller.
    pub fn send(&mut self, sockets: &[UdpSocket], batch: &SendBatch, counters: &mut SendCounters) {
        self.messages.clear();
        for run in batch.runs() {
            if run.path.proto == Proto::Udp {
                match sockets.iter().position(|socket| socket.serves(run.path.local)) {
                    Some(socket) => self.plan(socket, run),
                    None => counters.dropped_no_socket += run.count() as u64,
                }
            }
        }
        let messages = std::mem::take(&mut self.messages);
        let mut rest = messages.as_slice();
        let mut waits = 0;
        while let Some(first) = rest.first() {
            let same = rest.iter().take(MESSAGES).take_while(|message| message.socket == first.socket).count();
            match self.send_some(&sockets[first.socket], &rest[..same], batch.bytes()) {
                Ok(sent) => {
                    counters.calls += 1;
                    for message in &rest[..sent] {
                        counters.datagrams += message.count as u64;
                        counters.bytes += message.length as u64;
                        counters.segmented += if message.count > 1 { message.count as u64 } else { 0 };
                    }
                    rest = &rest[sent..];
                }
                Err(error) => {
                    counters.calls += 1;
                    match Refusal::of(&error, first) {
                        Refusal::Again => {}
                        Refusal::Full if waits < FULL_WAITS_MAX => {
                            waits += 1;
                            wait_writable(sockets[first.socket].as_raw_fd(), FULL_WAIT);
                        }
                        Refusal::Full => {
                            counters.dropped_full += rest.iter().map(|message| message.count as u64).sum::<u64>();
                            rest = &[];
                        }
                        Refusal::Segmentation => {
                            counters.segmentation_refused += 1;
                            // Only a device without checksum offload answers EIO: it will do so every time.
                            if error.raw_os_error() == Some(libc::EIO) {
                                self.refused |= 1 << (first.socket & 63);
                            }
                            self.send_singly(&sockets[first.socket], first, batch.bytes(), counters);
                            rest = &rest[1..];
                        }
                        Refusal::Datagram => {
                            counters.dropped_refused += first.count as u64;
                            rest = &rest[1..];
                        }
                    }
                }
            }
        }
        self.messages = messages;
    }

    fn plan(&mut self, socket: usize, run: &Run) {
        let whole = Message {
            socket,
            remote: run.path.remote,
            local: run.path.local,
            start: run.start,
            length: run.length,
            count: run.count(),
            segment: run.segment,
        };
        if whole.count == 1 || (self.segments && self.refused & (1 << (socket & 63)) == 0) {
            self.messages.push(whole);
        } else {
            self.messages.extend(singles(&whole));
        }
    }

    fn send_singly(&mut self, socket: &UdpSocket, whole: &Message, bytes: &[u8], counters: &mut SendCounters) {
        for single in singles(whole) {
            counters.calls += 1;
            match self.send_some(socket, &[single], bytes) {
                Ok(_) => {
                    counters.datagrams += 1;
                    counters.bytes += single.length as u64;
                }
                Err(_) => counters.dropped_refused += 1,
            }
        }
    }

    /// One system call for at most `MESSAGES` messages of one socket; how many of them were taken.
    fn send_some(&mut self, socket: &UdpSocket, messages: &[Message], bytes: &[u8]) -> io::Result<usize> {
        let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; MESSAGES];
        let mut count = 0;
        for (index, message) in messages.iter().take(MESSAGES).enumerate() {
            let Some(contents) = bytes.get(message.start..message.start + message.length) else { break };
            vectors[index] = libc::iovec { iov_base: contents.as_ptr().cast_mut().cast(), iov_len: contents.len() };
            let (name, length) = RawAddress::new(message.remote);
            self.names[index] = name;
            let header = &mut self.headers[index].msg_hdr;
            header.msg_name = self.names[index].as_mut_ptr().cast();
            header.msg_namelen = length;
            header.msg_iov = ptr::from_mut(&mut vectors[index]);
            header.msg_iovlen = 1;
            header.msg_control = self.controls[index].as_mut_ptr().cast();
            header.msg_controllen = size_of::<[u64; CONTROL_WORDS]>();
            header.msg_flags = 0;
            write_control(header, message, socket.address().ip().is_unspecified());
            count += 1;
        }
        // SAFETY: the first `count` headers point at their own names, vectors, contents and control data, which live
        // through the call; the kernel only reads the contents.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        match usize::try_from(sent) {
            Ok(0) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
            Ok(sent) => Ok(sent.min(messages.len())),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }
}

/// Writes source address (when the socket is bound to every address) and segment size, and shortens
/// `msg_controllen` to what was written.
fn write_control(header: &mut libc::msghdr, message: &Message, choose_source: bool) {
    let mut written = 0;
    // SAFETY: `msg_control` points at zero-initialised or formerly written words of `msg_controllen` bytes, enough
    // for both messages; CMSG_FIRSTHDR and CMSG_NXTHDR stay inside and answer null when there is no room. CMSG_NXTHDR
    // may look at the length field of the next header, which lies in those words.
    unsafe {
        ptr::write_bytes(header.msg_control.cast::<u8>(), 0, header.msg_controllen);
        let mut control = libc::CMSG_FIRSTHDR(header);
        if choose_source && !control.is_null() {
            match message.local {
                SocketAddr::V4(local) => {
                    let mut info: libc::in_pktinfo = zeroed();
                    info.ipi_spec_dst.s_addr = u32::from_ne_bytes(local.ip().octets());
                    put(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
                    written += libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as libc::c_uint) as usize;
                }
                SocketAddr::V6(local) => {
                    let mut info: libc::in6_pktinfo = zeroed();
                    info.ipi6_addr.s6_addr = local.ip().octets();
                    info.ipi6_ifindex = local.scope_id();
                    put(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
                    written += libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as libc::c_uint) as usize;
                }
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
        if message.count > 1 && !control.is_null() {
            put(control, libc::SOL_UDP, libc::UDP_SEGMENT, message.segment);
            written += libc::CMSG_SPACE(size_of::<u16>() as libc::c_uint) as usize;
        }
    }
    header.msg_controllen = written;
    if written == 0 {
        header.msg_control = ptr::null_mut();
    }
}

/// # Safety
/// `control` points at a header with room for `T` behind it.
unsafe fn put<T>(control: *mut libc::cmsghdr, level: libc::c_int, kind: libc::c_int, value: T) {
    // SAFETY: by the caller's promise.
    unsafe {
        (*control).cmsg_level = level;
        (*control).cmsg_type = kind;
        (*control).cmsg_len = libc::CMSG_LEN(size_of::<T>() as libc::c_uint) as usize;
        libc::CMSG_DATA(control).cast::<T>().write_unaligned(value);
    }
}

fn singles(whole: &Message) -> impl Iterator<Item = Message> + use<> {
    let whole = *whole;
    let segment = usize::from(whole.segment);
    (0..whole.count).map(move |index| {
        let start = index * segment;
        Message { start: whole.start + start, length: segment.min(whole.length - start), count: 1, ..whole }
    })
}

/// What a failed send means for the message at the front.
enum Refusal {
    /// Nothing: try once more.
    Again,
    /// The socket's buffer or the device's queue is full.
    Full,
    /// The run cannot be sent as one.
    Segmentation,
    /// This datagram cannot be sent.
    Datagram,
}

impl Refusal {
    fn of(error: &io::Error, message: &Message) -> Self {
        match error.raw_os_error() {
            Some(libc::EINTR) => Self::Again,
            Some(libc::EAGAIN | libc::ENOBUFS) => Self::Full,
            // EIO: no checksum offload. EINVAL, EMSGSIZE: a segment is larger than the path carries.
            Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE) if message.count > 1 => Self::Segmentation,
            // ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPERM (a packet filter), EMSGSIZE and the rest.
            _ => Self::Datagram,
        }
    }
}
