//! Hints to the caches: lines that will be read, and lines that will be written. Nothing is read or written by them.

#![expect(
    unsafe_code,
    reason = "no safe function asks for a cache line; measured in docs/decisions/0001-order-book.md"
)]

/// Asks for the cache line of a value.
#[inline(always)]
#[expect(clippy::inline_always, reason = "one instruction")]
pub(crate) fn touch<T>(value: &T) {
    touch_at(std::ptr::from_ref(value).cast());
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for all cache lines of a value that begins a line.
#[inline(always)]
#[expect(clippy::inline_always, reason = "an instruction per line")]
pub(crate) fn touch_all<T>(value: &T) {
    let first: *const u8 = std::ptr::from_ref(value).cast();
    for line in 0..size_of::<T>().div_ceil(LINE) {
        touch_at(first.wrapping_add(line * LINE));
    }
}

/// Asks for the cache line of an address.
#[inline(always)]
#[expect(clippy::inline_always, reason = "one instruction")]
pub(crate) fn touch_at(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults on no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Asks for the cache line of an address for writing: no other cpu has it when it is written, so the write does not wait.
#[inline(always)]
#[expect(clippy::inline_always, reason = "one instruction")]
pub(crate) fn own_at(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: PREFETCHW reads and writes nothing and faults on no address; processors that do not know it do nothing.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
