//! Which cores this process may use, pinning the current thread to one, and how urgent it is.

use std::io;
use std::mem::{size_of, zeroed};

/// The cores this process may run on, in ascending order. Never empty: core 0 where the system does not tell.
pub fn cores() -> Vec<usize> {
    // SAFETY: `cpu_set_t` is a plain bit array; the kernel writes at most the given size.
    let (set, result) = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        let result = libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set);
        (set, result)
    };
    if result != 0 {
        return vec![0];
    }
    let bits = 8 * size_of::<libc::cpu_set_t>();
    // SAFETY: every index is below the number of bits in the set.
    let cores: Vec<usize> = (0..bits).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect();
    if cores.is_empty() { vec![0] } else { cores }
}

/// Nice value of threads that move media: what waits for a core while everything else is busy piles up in the kernel's
/// buffers and is late.
const MEDIA_NICE: libc::c_int = -10;

/// Makes the calling thread more urgent than the rest of the process.
///
/// # Errors
/// What the system answers: it takes `CAP_SYS_NICE` or a limit (`RLIMIT_NICE`) that allows it.
pub fn prefer_this_thread() -> io::Result<()> {
    // SAFETY: no pointers. 0 means the calling thread on Linux.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, MEDIA_NICE) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Pins the calling thread to `core`.
///
/// # Errors
/// What the system answers, for example where a container forbids it.
pub fn pin_to_core(core: usize) -> io::Result<()> {
    if core >= 8 * size_of::<libc::cpu_set_t>() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: `core` is within the set (checked above); the kernel only reads the set.
    let result = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
