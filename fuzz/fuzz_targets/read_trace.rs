//! Any bytes at all, read as a trace and walked as a view would.
//!
//! ```text
//! cargo install cargo-fuzz
//! mkdir -p fuzz/corpus/read_trace && cp testdata/corrupt/*.tid fuzz/corpus/read_trace/
//! cargo +nightly fuzz run read_trace -- -max_total_time=300
//! ```
//!
//! Without a nightly compiler: `RUSTC_BOOTSTRAP=1 cargo fuzz run read_trace`.
//!
//! Checksums stop a fuzzer at the door, so each input is read twice: as it is, and with every
//! checksum mended, which lets changed payloads through to the records.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tidline::format::read_trace;
use tidline::model::{Ending, Trace};

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    let mut mended = bytes.to_vec();
    mend(&mut mended);
    look(&mended);
});

fn look(bytes: &[u8]) {
    if let Ok(trace) = read_trace(Cursor::new(bytes)) {
        walk(&trace, bytes.len() as u64);
    }
}

/// Calls everything that a trace offers, and checks what must hold of every trace.
fn walk(trace: &Trace, length: u64) {
    let end = trace.end();
    assert!(trace.events().is_sorted_by_key(|event| event.time));
    for (index, event) in trace.events().iter().enumerate() {
        assert!(event.time <= end);
        assert!(!event.body.kind().is_empty());
        let subject = trace.subject(index).map(|record| record.task);
        assert_eq!(subject, event.body.task());
    }
    for (index, record) in trace.tasks().iter().enumerate() {
        assert_eq!(record.id.0 as usize, index);
        assert!(record.born <= record.ended.unwrap_or(end));
        assert!(record.names.is_sorted_by_key(|(time, _)| *time));
        let _ = (record.name_at(record.born).to_string(), record.name());
        let _ = (record.alive_at(end), record.lifetime_ns(end));
        for &child in trace.children(record.id) {
            assert_eq!(trace.task(child).parent, Some(record.id));
        }
        if let Some(parent) = record.parent {
            assert!(trace.task(parent).born <= record.born);
            assert!(parent != record.id);
        }
    }
    assert!(trace.peak_alive() <= trace.tasks().len());
    let integrity = trace.integrity();
    assert_eq!(integrity.file_bytes, length);
    assert!(integrity.trailing_bytes <= length);
    for damage in &integrity.damage {
        assert!(damage.offset + damage.bytes <= length);
        assert!(damage.before.is_none_or(|before| damage.after <= before));
    }
    let finished = matches!(integrity.ending, Ending::Finished(_));
    assert_eq!(trace.is_complete(), finished && integrity.damage.is_empty());
}

/// Puts the right checksums into the header and into everything that looks like a chunk.
fn mend(bytes: &mut [u8]) {
    let length_at = |bytes: &[u8], at: usize| {
        let length = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(length.try_into().ok()?) as usize)
    };
    if let Some(length) = length_at(bytes, 12)
        && let Some(body) = bytes.get(20..20usize.saturating_add(length))
    {
        let crc = crc32fast::hash(body);
        bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    }
    let mut at = 0;
    while at + 48 <= bytes.len() {
        if bytes[at..at + 4] != *b"\xf5TDC" {
            at += 1;
            continue;
        }
        let end = length_at(bytes, at + 12).and_then(|length| (at + 48).checked_add(length));
        let payload = end.and_then(|end| bytes.get(at + 48..end)).unwrap_or(&[]);
        let (crc, skip) = (crc32fast::hash(payload), payload.len());
        bytes[at + 40..at + 44].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[at..at + 44]);
        bytes[at + 44..at + 48].copy_from_slice(&crc.to_le_bytes());
        at += 48 + skip;
    }
}
