//! Telling the processor what will be needed in a moment.

#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "a prefetch takes a raw pointer"))]

/// Bytes of a cache line.
const LINE: usize = 64;
/// Lines asked for at most: as many misses as a core can have under way.
const LINES_MAX: usize = 20;

/// Asks for a value's own bytes, not for what it points to. Costs a few cycles and changes nothing else.
pub(crate) fn prefetch<T>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<i8>();
    for offset in (0..size_of::<T>()).step_by(LINE).take(LINES_MAX) {
        // SAFETY: the address is inside of `value`, and a prefetch neither reads nor faults as far as the program sees.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(start.add(offset));
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (start, offset);
    }
}
