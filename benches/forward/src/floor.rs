//! The floor: the same packets, sealed under one key for each subscriber and handed to the kernel. No lookup, no
//! state, no feedback; the messages for the kernel are prepared beforehand.

#![expect(unsafe_code, reason = "sendmmsg has no safe wrapper")]

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::meter::Meter;
use crate::stream::{AUDIO_LEN, AUDIO_PACKETS, FRAME_PACKETS, FRAMES, VIDEO_LEN};
use crate::wire::Sending;

/// Bytes of a header with transport-wide number and time of sending, and of one without.
const VIDEO_HEADER_LEN: usize = 24;
const AUDIO_HEADER_LEN: usize = 20;
const TAG_LEN: usize = 16;
/// Sealed before it is sent, bytes.
const ARENA_BYTES: usize = 1 << 20;
/// Messages in one call.
const MESSAGES: usize = 64;

/// The floor for a number of subscribers.
pub(crate) struct Floor {
    socket: UdpSocket,
    /// One for each subscriber.
    keys: Vec<LessSafeKey>,
    names: Vec<libc::sockaddr_in>,
    payloads: Vec<Vec<u8>>,
    arena: Vec<u8>,
    used: usize,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    controls: Vec<[u64; 3]>,
    index: u64,
    meter: Meter,
}

impl Floor {
    pub(crate) fn new(addresses: impl Iterator<Item = SocketAddr>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let size: libc::c_int = 8 << 20;
        // SAFETY: the option is an int that lives through the call.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_SNDBUF,
                (&raw const size).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
        let names: Vec<_> = addresses.map(name).collect();
        let key = |number: usize| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&(number as u64).to_le_bytes());
            LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).expect("a key of its length"))
        };
        Self {
            socket,
            keys: (0..names.len()).map(key).collect(),
            names,
            payloads: (0..FRAME_PACKETS).map(|number| vec![number as u8; VIDEO_LEN]).collect(),
            arena: vec![0; ARENA_BYTES],
            used: 0,
            vectors: Vec::new(),
            headers: Vec::new(),
            controls: Vec::new(),
            index: 0,
            meter: Meter::new(),
        }
    }

    /// One second of media to everybody; CPU time per packet, ns.
    pub(crate) fn run(&mut self, sending: Sending) -> f64 {
        let segment = (VIDEO_HEADER_LEN + VIDEO_LEN + TAG_LEN) as u16;
        self.controls = vec![control(segment); self.names.len() * FRAME_PACKETS];
        for moment in 0..AUDIO_PACKETS {
            self.meter.start();
            self.burst(1, AUDIO_HEADER_LEN, AUDIO_LEN, Sending::Singly);
            if moment < FRAMES {
                self.burst(FRAME_PACKETS, VIDEO_HEADER_LEN, VIDEO_LEN, sending);
            }
            self.meter.stop();
        }
        let packets = self.keys.len() * (FRAMES as usize * FRAME_PACKETS + AUDIO_PACKETS as usize);
        self.meter.take().as_nanos() as f64 / packets as f64
    }

    fn burst(&mut self, count: usize, header_len: usize, payload_len: usize, sending: Sending) {
        let datagram = header_len + payload_len + TAG_LEN;
        self.index += count as u64;
        for subscriber in 0..self.keys.len() {
            if self.used + count * datagram > self.arena.len() {
                self.send();
            }
            let start = self.used;
            for number in 0..count {
                self.seal(subscriber, number, header_len, payload_len);
                if sending == Sending::Singly {
                    self.push(subscriber, self.used - datagram, datagram, false);
                }
            }
            if sending == Sending::Runs {
                self.push(subscriber, start, self.used - start, true);
            }
        }
        self.send();
    }

    fn seal(&mut self, subscriber: usize, number: usize, header_len: usize, payload_len: usize) {
        let index = self.index + number as u64;
        let payload = &self.payloads[number][..payload_len];
        let room = &mut self.arena[self.used..self.used + header_len + payload_len + TAG_LEN];
        let (header, rest) = room.split_at_mut(header_len);
        let (sealed, tag) = rest.split_at_mut(payload_len);
        header.fill(0x90);
        header[2..10].copy_from_slice(&index.to_be_bytes());
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&index.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.keys[subscriber]
            .seal_out_of_place_scatter(nonce, Aad::from(&*header), payload, sealed, &[], tag)
            .expect("lengths that fit");
        self.used += header_len + payload_len + TAG_LEN;
    }

    fn push(&mut self, subscriber: usize, start: usize, length: usize, run: bool) {
        let base = self.arena[start..start + length].as_mut_ptr().cast();
        self.vectors.push(libc::iovec { iov_base: base, iov_len: length });
        // SAFETY: a C structure of integers and pointers for which zero is a value.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        header.msg_hdr.msg_name = (&raw mut self.names[subscriber]).cast();
        header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        header.msg_hdr.msg_iovlen = 1;
        if run {
            header.msg_hdr.msg_control = (&raw mut self.controls[subscriber]).cast();
            header.msg_hdr.msg_controllen = size_of::<[u64; 3]>();
        }
        self.headers.push(header);
    }

    fn send(&mut self) {
        for (header, vector) in self.headers.iter_mut().zip(&mut self.vectors) {
            header.msg_hdr.msg_iov = vector;
        }
        for chunk in self.headers.chunks_mut(MESSAGES) {
            let mut at = 0;
            while at < chunk.len() {
                let rest = &mut chunk[at..];
                // SAFETY: the headers point at names, vectors, contents and control data of this value.
                let sent = unsafe {
                    libc::sendmmsg(self.socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as libc::c_uint, 0)
                };
                at += usize::try_from(sent).expect("sent");
            }
        }
        self.headers.clear();
        self.vectors.clear();
        self.used = 0;
    }
}

fn name(address: SocketAddr) -> libc::sockaddr_in {
    let SocketAddr::V4(address) = address else { panic!("an IPv4 address") };
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    }
}

/// A control message that says how long each datagram of a run is.
fn control(segment: u16) -> [u64; 3] {
    let mut words = [0; 3];
    let header: *mut libc::cmsghdr = words.as_mut_ptr().cast();
    // SAFETY: three words hold the header of 16 bytes and the value behind it.
    unsafe {
        (*header).cmsg_level = libc::SOL_UDP;
        (*header).cmsg_type = libc::UDP_SEGMENT;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as libc::c_uint) as usize;
        libc::CMSG_DATA(header).cast::<u16>().write_unaligned(segment);
    }
    words
}
