//! The addresses of this machine's interfaces.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

/// The unicast addresses of all interfaces that are up, loopback and link-local ones included, in the system's order
/// and without repeats.
///
/// # Errors
/// What the system answers.
pub fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: on success the call stores a list that stays valid until `freeifaddrs`.
    if unsafe { libc::getifaddrs(&mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = Vec::new();
    let mut entry = first;
    // SAFETY: `entry` walks the list from above until its null end; an entry's address is null or points to a
    // structure of the kind its family names, which may be less aligned than ours, hence the unaligned reads.
    unsafe {
        while let Some(interface) = entry.as_ref() {
            entry = interface.ifa_next;
            if interface.ifa_flags & libc::IFF_UP as u32 == 0 || interface.ifa_addr.is_null() {
                continue;
            }
            let family = i32::from(ptr::addr_of!((*interface.ifa_addr).sa_family).read_unaligned());
            let address = match family {
                libc::AF_INET => {
                    let raw = interface.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned();
                    IpAddr::V4(Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes()))
                }
                libc::AF_INET6 => {
                    let raw = interface.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                    IpAddr::V6(Ipv6Addr::from(raw.sin6_addr.s6_addr))
                }
                _ => continue,
            };
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        libc::freeifaddrs(first);
    }
    Ok(addresses)
}
