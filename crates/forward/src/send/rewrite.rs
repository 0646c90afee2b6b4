//! What changes inside a packet on its way to one subscriber: the payload's descriptor and the dependency descriptor.
//!
//! Free of state: the same packet and the same [`Rewrite`] always give the same bytes.

use tutti_rtp::payload::dependency::{set_frame_number, write_active_targets};
use tutti_rtp::red;

use super::Source;
use super::packet::Prefix;
use super::routes::Route;
use super::runs::Rewrite;

/// Room for a dependency descriptor with a mask: one element of the two-byte form, and five bytes more.
pub(super) const DESCRIPTOR_LEN_MAX: usize = 255 + 5;

/// Writes what replaces the start of the payload, and returns how many bytes it replaces.
pub(super) fn rewrite_payload(
    source: Source<'_>,
    rewrite: &Rewrite,
    route: &Route,
    prefix: &mut Prefix,
) -> Option<usize> {
    let Source { layers, layer, slot } = source;
    if route.unpack {
        let payload = layers.payload(layer, slot);
        return Some(payload.len() - red::primary(payload).ok()?.data.len());
    }
    match &slot.frame.vp8 {
        Some((descriptor, len)) if !rewrite.vp8.is_none() => {
            prefix.append(|room| rewrite.vp8.apply(descriptor).write(room))?;
            Some(usize::from(*len))
        }
        _ => Some(0),
    }
}

/// Writes a dependency descriptor for this subscriber and returns its length; `None` if it stays as it is.
pub(super) fn rewrite_descriptor(
    source: Source<'_>,
    rewrite: &Rewrite,
    masked: bool,
    descriptor: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let Source { layers, layer, slot } = source;
    let set = slot.targets?;
    let mask = if masked { rewrite.selection.active_targets(layers.decode_targets(layer), set.active) } else { None };
    if mask.is_none() && rewrite.frame_number == 0 {
        return None;
    }
    let written = mask.and_then(|mask| write_active_targets(descriptor, layers.structure(layer), mask, out).ok());
    let len = match written {
        Some(len) => len,
        None => {
            out.get_mut(..descriptor.len())?.copy_from_slice(descriptor);
            descriptor.len()
        }
    };
    set_frame_number(out.get_mut(..len)?, set.frame_number.wrapping_add(rewrite.frame_number));
    Some(len)
}
