//! What is fuzzed, as functions of any bytes: each builds from them what its part of the format
//! reads, and checks what must hold of every result.
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run segments fuzz/corpus/segments fuzz/seeds/segments -- -max_total_time=300
//! ```
//!
//! Without a nightly compiler: `RUSTC_BOOTSTRAP=1 cargo fuzz run …`. Without either,
//! `cargo test --manifest-path fuzz/Cargo.toml --no-default-features --lib` runs every target on its
//! seeds, and on some thousand changes of them (`ROUNDS=100000`: on more).
//!
//! Checksums stop a fuzzer at the door, so they are mended: changed payloads get through to the
//! records.

#[cfg(test)]
mod seeds;

use std::io::Cursor;

use tidline::format::{
    Defined, Error, Header, Segment, Skim, Stretch, Writer, extract, read_segments,
    read_trace as read,
};
use tidline::model::{Ending, Event, EventBody, Name, Time, Trace};

/// What is run on any bytes, and fails by a panic.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 5] = [
    ("header", header),
    ("chunk", chunk),
    ("record", record),
    ("read_trace", read_trace),
    ("segments", segments),
];

/// The body of a file's header.
pub fn header(body: &[u8]) {
    let mut file = b"\x89TID\r\n\x1a\n\x01\0\0\0".to_vec();
    file.extend((body.len() as u32).to_le_bytes());
    file.extend(crc32fast::hash(body).to_le_bytes());
    file.extend(body);
    let Ok(segment) = Segment::open(Cursor::new(file)) else {
        return;
    };
    // What can be read can be written, and is the same again.
    let header = segment.header().clone();
    match Writer::start(Vec::new(), &header) {
        Ok(mut writer) => {
            let again = Segment::open(Cursor::new(std::mem::take(writer.get_mut())));
            let again = again.expect("the writer's own header");
            let commands = header.targets.iter().flat_map(|target| &target.command);
            if commands.map(|argument| argument.len() + 32).sum::<usize>() < 256 << 10 {
                assert_eq!(*again.header(), header);
            }
        }
        Err(error) => assert!(matches!(error, Error::TooLarge { .. }), "{error}"),
    }
}

/// The fields of a chunk's header that a checksum does not cover twice, then its payload.
pub fn chunk(bytes: &[u8]) {
    let mut file = start(&Header::default());
    let before = file.len();
    file.extend(b"\xf5TDC");
    file.extend(bytes.iter().take(36));
    file.resize(before + 48, 0);
    file.extend(bytes.iter().skip(36));
    // A length that reaches to the end of the file is what a fuzzer would have to guess.
    if bytes.first().is_some_and(|kind| kind & 0x80 == 0) {
        let stored = (file.len() - before - 48) as u32;
        file[before + 12..before + 16].copy_from_slice(&stored.to_le_bytes());
    }
    mend(&mut file);
    look(&file);
}

/// A payload: by the first byte's last two bits of events (0), a checkpoint (1), a last chunk (2) or
/// definitions (3); the other bits are the number of records.
pub fn record(bytes: &[u8]) {
    let Some((&first, payload)) = bytes.split_first() else {
        return;
    };
    let mut file = start(&Header::default());
    let before = file.len();
    file.extend(b"\xf5TDC");
    file.extend([KINDS[usize::from(first & 3)], 0, 0, 0]);
    file.extend(0u32.to_le_bytes());
    file.extend([(payload.len() as u32).to_le_bytes(); 2].concat());
    file.extend(u32::from(first >> 2).to_le_bytes());
    file.resize(before + 48, 0);
    file.extend(payload);
    if first & 3 == 3 {
        file.extend(refused());
    }
    mend(&mut file);
    look(&file);
    let Ok(trace) = read(Cursor::new(&file)) else {
        return;
    };
    // What was read can be written, and is the same again. (Texts are cut when written.)
    if payload.len() < 60_000 {
        let mut writer = Writer::start(Vec::new(), trace.header()).expect("an empty header");
        let (mut defined, mut needed) = (Defined::default(), Vec::new());
        for event in trace.events() {
            defined.for_event(event, trace.stacks(), &mut needed);
            for definition in needed.drain(..) {
                writer.define(&definition).expect("a vector takes it");
            }
            writer.push(event).expect("a vector takes it");
        }
        let again = writer
            .finish(trace.end(), "done", &[])
            .expect("a vector takes it");
        let again = read(Cursor::new(again)).expect("the writer's own");
        assert_eq!(again.events(), trace.events());
        assert!(again.is_complete());
        assert_eq!(stacks(&again), stacks(&trace));
    }
}

/// The kinds of chunks that have records.
const KINDS: [u8; 4] = [1, 3, 2, 5];

/// A chunk of failed creations, with the stacks 0 to 7.
fn refused() -> Vec<u8> {
    let payload = (1..9).flat_map(|plus_1| [25, 0, 7, 1, 1, 11, 0, 0, 0, plus_1]);
    let payload: Vec<u8> = payload.collect();
    let mut chunk = b"\xf5TDC\x01\0\0\0".to_vec();
    chunk.extend(1u32.to_le_bytes());
    chunk.extend([(payload.len() as u32).to_le_bytes(); 2].concat());
    chunk.extend(8u32.to_le_bytes());
    chunk.resize(48, 0);
    chunk.extend(payload);
    chunk
}

/// Any bytes at all, read as a trace and walked as a view would: as they are, and mended.
pub fn read_trace(bytes: &[u8]) {
    look(bytes);
    let mut mended = bytes.to_vec();
    mend(&mut mended);
    look(&mended);
}

/// Files, each behind its length (`u16`), read as one recording, and taken out of it whole and in
/// part.
pub fn segments(bytes: &[u8]) {
    let mut files: Vec<Vec<u8>> = Vec::new();
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (file, behind) = behind.split_at(length);
        let mut file = file.to_vec();
        mend(&mut file);
        files.push(file);
        rest = behind;
    }
    let open = || {
        let opened = files
            .iter()
            .map(|file| Segment::open(Cursor::new(file)).ok());
        opened.flatten().collect::<Vec<_>>()
    };
    let Ok(trace) = read_segments(open()) else {
        return;
    };
    walk(&trace);
    let header = Header {
        segment: 0,
        ..trace.header().clone()
    };
    let (file, extracted) =
        extract(open(), Stretch::WHOLE, &header, Vec::new()).expect("what can be read");
    assert_eq!(extracted.integrity, *trace.integrity());
    let mended = sound(&file);
    let told = |trace: &Trace| -> Vec<EventBody> {
        let events = trace
            .events()
            .iter()
            .map(|event: &Event| event.body.clone());
        events
            .filter(|body| !matches!(body, EventBody::Gap { .. }))
            .collect()
    };
    assert_eq!(told(&mended), told(&trace));
    assert_eq!(stacks(&mended), stacks(&trace));

    let middle = Time(trace.begin().0 / 2 + trace.end().0 / 2);
    let stretch = Stretch {
        from: middle,
        to: Time(middle.0.saturating_add(1 << 20)),
    };
    let (file, _) = extract(open(), stretch, &header, Vec::new()).expect("what can be read");
    let part = sound(&file);
    assert!(part.begin() >= middle || part.begin() == Time(0));
}

/// Each event's stack, as far as it is defined: of each frame the module, the place and the names;
/// and why it ends.
fn stacks(trace: &Trace) -> Vec<String> {
    let known = trace.stacks();
    let frame = |id| {
        let frame = known.frame(id);
        let module = frame.and_then(|frame| known.module(frame.module?));
        // Long names are cut when written, and of many functions some are left out.
        let symbol = known.symbol(id).filter(|_| frame.is_some()).map(|symbol| {
            let functions = symbol.functions.iter().take(200).map(|function| {
                let cut = |name: &Name| name.as_bytes()[..name.as_bytes().len().min(4096)].to_vec();
                (cut(&function.name), cut(&function.file), function.line)
            });
            (symbol.source, functions.collect::<Vec<_>>())
        });
        format!("{module:?} {frame:?} {symbol:?}")
    };
    let told = trace.events().iter().filter_map(|event| match &event.body {
        EventBody::Birth(birth) => Some((birth.stack, birth.start)),
        EventBody::CreateFailed { stack, .. } => Some((*stack, None)),
        _ => None,
    });
    let told = told.map(|(stack, start)| {
        let nodes = stack.into_iter().flat_map(|id| known.walk(id));
        let frames: Vec<String> = nodes.map(|(_, node)| frame(node.frame)).collect();
        let end = stack.and_then(|id| known.end(id));
        format!("{frames:?} {end:?} {:?}", start.map(frame))
    });
    told.collect()
}

/// A file that must be without any damage.
fn sound(file: &[u8]) -> Trace {
    let trace = read(Cursor::new(file)).expect("the writer's own");
    assert!(trace.is_complete(), "{:?}", trace.integrity());
    walk(&trace);
    trace
}

fn start(header: &Header) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new(), header).expect("a header that fits");
    std::mem::take(writer.get_mut())
}

fn look(bytes: &[u8]) {
    if let Ok(trace) = read(Cursor::new(bytes)) {
        assert_eq!(trace.integrity().file_bytes, bytes.len() as u64);
        walk(&trace);
    }
    let segment = Segment::open(Cursor::new(bytes));
    if let Ok(Some(skim)) = segment.and_then(Skim::of) {
        let end = skim.extent().end();
        let middle = Time(end.0 / 2);
        if let Ok(Some(part)) = skim.stretch(middle, end) {
            let events = part.events();
            assert!(
                events
                    .iter()
                    .all(|event| (middle..=end).contains(&event.time))
            );
        }
    }
    let segment = Segment::open(Cursor::new(bytes));
    if let Ok(Some(skim)) = segment.and_then(Skim::of) {
        let middle = Time(skim.extent().end().0 / 2);
        if let Ok(Some(part)) = skim.moment(middle) {
            walk(&part);
        }
    }
}

/// Calls everything that a trace offers, and checks what must hold of every trace.
fn walk(trace: &Trace) {
    let length = trace.integrity().file_bytes;
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
    assert!(stacks(trace).len() <= trace.events().len());
    for (id, module) in trace.stacks().modules() {
        assert_eq!(trace.stacks().module(id), Some(module));
    }
    for (id, frame) in trace.stacks().frames() {
        assert_eq!(trace.stacks().frame(id), Some(frame));
    }
    assert!(trace.peak_alive() <= trace.tasks().len());
    let integrity = trace.integrity();
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
