//! What a file claims costs no memory: a counting allocator watches the reader.
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tidline::format::read_trace;

mod format_files;
use format_files::{Claim, file_of, header_bytes, hostile, hostile_and_packed, small};

/// Counts the bytes in use, and the most there were.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes that reading a file took beside the file itself.
fn peak_of(file: &[u8]) -> usize {
    let before = IN_USE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let _ = read_trace(std::io::Cursor::new(file));
    PEAK.load(Relaxed) - before
}

/// One test, since another at the same time would be counted too.
#[test]
fn memory_is_bounded_by_what_the_file_holds() {
    let with_header_length = |length: u32| {
        let mut file = header_bytes();
        file[12..16].copy_from_slice(&length.to_le_bytes());
        file
    };
    let chunk =
        |claim: Claim, payload: &[u8]| [header_bytes(), claim.followed_by(payload)].concat();
    let most = 16 << 20;
    let lengths = |stored, raw, codec, payload: &[u8]| Claim {
        stored,
        raw,
        codec,
        ..Claim::of(payload, u32::MAX)
    };
    let huge_name = [24, 1, 10, 253, 255, 255, 255, 255, 255, 255, 255, 0, 1];
    let header_of_vecs = {
        // A body that claims 2^24 options, with its right checksum.
        let body = [0, 0, 0, 0, 0, 0, 0, 0, 252, 0, 0, 0, 1];
        let mut file = b"\x89TID\r\n\x1a\n\x01\0\0\0".to_vec();
        file.extend((body.len() as u32).to_le_bytes());
        file.extend(crc32fast::hash(&body).to_le_bytes());
        file.extend(body);
        file
    };
    let tiny = [
        ("a header of a megabyte", with_header_length(1 << 20)),
        ("a header of four gigabytes", with_header_length(u32::MAX)),
        ("a header with millions of options", header_of_vecs),
        ("a chunk of 16 MiB", chunk(lengths(most, most, 0, b""), b"")),
        (
            "a chunk that unpacks to 16 MiB",
            chunk(lengths(5, most, 1, b"hello"), b"hello"),
        ),
        (
            "a chunk of 4 G records",
            chunk(lengths(5, 5, 0, b"hello"), b"hello"),
        ),
        (
            "a name of 2^56 bytes",
            chunk(Claim::of(&huge_name, 1), &huge_name),
        ),
        ("a small file", small().0),
    ];
    for (what, file) in &tiny {
        let peak = peak_of(file);
        assert!(peak < 64 << 10, "{what}: {peak} bytes");
    }

    for (what, file) in hostile(4 << 20) {
        let (peak, length) = (peak_of(&file), file.len());
        assert!(peak < length * 32, "{what}: {peak} bytes for {length}");
    }

    // What may be unpacked of a file takes at most twenty times that in memory.
    for (what, file) in hostile_and_packed(128 << 10) {
        let (peak, length) = (peak_of(&file), file.len());
        let most = ((32 << 20) + 32 * length) * 20;
        println!("{what}: {} MiB for {} KiB", peak >> 20, length >> 10);
        assert!(peak < most, "{what}: {peak} bytes for {length}");
    }

    let plan = tidline::synth::Plan {
        events: 200_000,
        width: 100,
        seed: 3,
    };
    let events = tidline::synth::events(plan);
    let file = file_of(&tidline::synth::header(), &events, 10_000);
    let each = peak_of(&file) / events.len();
    println!("{each} bytes of memory per event, at the peak");
    assert!(each < 300, "{each} bytes of memory per event");
}
