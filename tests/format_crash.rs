//! Recordings after a crash, a bad disk or a bad copy: read, and mended.
//!
//! Whatever happens to the bytes, three things hold. Nothing is made up: each event that is read is
//! one that was written, in order. What stands in chunks that nothing happened to is all there. And
//! what a mended copy says is the same, with a gap for each damage, and no damage.

use std::io::Cursor;

use tidline::format::{Segment, Stretch, extract, read_segments, read_trace};
use tidline::model::{Ending, Event, EventBody, GapReason, Trace};
use tidline::synth::{self, Plan};

mod format_files;
use format_files::{boundaries, file_of, parts, several, small};

/// Files as one trace; `None` if a header cannot be read. Checks all that must hold whatever was done.
fn survives(files: &[impl AsRef<[u8]>], written: &[Event]) -> Option<Trace> {
    let open = || -> Option<Vec<_>> {
        let opened = files
            .iter()
            .map(|file| Segment::open(Cursor::new(file)).ok());
        opened.collect()
    };
    let trace = read_segments(open()?).unwrap();
    let mut all = written.iter();
    for event in trace.events() {
        assert!(all.any(|other| other == event), "made up: {event:?}");
    }
    let mut header = trace.header().clone();
    header.segment = 0;
    let (mended, extracted) = extract(open()?, Stretch::WHOLE, &header, Vec::new()).unwrap();
    let mended = read_trace(Cursor::new(mended)).unwrap();
    assert!(mended.is_complete(), "{:?}", mended.integrity());
    let (gaps, kept): (Vec<&Event>, Vec<&Event>) = mended.events().iter().partition(is_new_gap);
    assert!(kept.into_iter().eq(trace.events()));
    let integrity = trace.integrity();
    let cut_short = usize::from(integrity.ending == Ending::CutShort);
    assert_eq!(gaps.len(), integrity.damage.len() + cut_short);
    assert_eq!(extracted.integrity, *integrity);
    for damage in &integrity.damage {
        assert!(!damage.problem.is_empty());
    }
    Some(trace)
}

fn is_new_gap(event: &&Event) -> bool {
    let reason = match &event.body {
        EventBody::Gap { reason, .. } => Some(*reason),
        _ => None,
    };
    reason == Some(GapReason::Damaged)
}

fn synthetic(events: usize) -> Vec<Event> {
    let mut all = synth::events(Plan {
        events,
        width: 40,
        seed: 9,
    });
    all.truncate(events);
    all
}

/// Numbers below a bound, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

/// Events by chunk, without those that begin or end in `from..until` of the file.
fn outside(file: &[u8], chunks: &[&[Event]], from: usize, until: usize) -> Vec<Event> {
    let ends = boundaries(file);
    let whole = ends.windows(2).zip(chunks);
    let kept = whole.filter(|(chunk, _)| chunk[1] <= from || chunk[0] >= until);
    kept.flat_map(|(_, events)| events.iter().cloned())
        .collect()
}

#[test]
fn a_small_file_cut_anywhere_can_be_mended() {
    let (file, events) = small();
    for cut in 0..=file.len() {
        survives(&[&file[..cut]], &events);
    }
}

#[test]
fn a_small_file_with_any_bit_changed_can_be_mended() {
    let (file, events) = small();
    for bit in 0..file.len() * 8 {
        let mut changed = file.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        survives(&[changed], &events);
    }
}

#[test]
fn a_large_file_cut_anywhere_keeps_every_whole_chunk() {
    const CHUNK: usize = 64;
    let events = synthetic(10_000);
    let file = file_of(&synth::header(), &events, CHUNK);
    let ends = boundaries(&file);
    let mut random = Random(1);
    for round in 0..1_000 {
        let cut = ends[0] + random.below(file.len() - ends[0]);
        let trace = match round % 10 {
            0 => survives(&[&file[..cut]], &events).unwrap(),
            _ => read_trace(Cursor::new(&file[..cut])).unwrap(),
        };
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let expected = events.len().min(whole * CHUNK);
        assert!(trace.events() == &events[..expected], "cut at {cut}");
        assert_eq!(trace.integrity().trailing_bytes, (cut - ends[whole]) as u64);
        assert_eq!(trace.integrity().damage, []);
    }
}

#[test]
fn a_hole_of_zeros_costs_the_chunks_that_it_touches() {
    const CHUNK: usize = 1_000;
    const HOLE: usize = 64 << 10;
    let events = synthetic(50_000);
    let file = file_of(&synth::header(), &events, CHUNK);
    assert!(file.len() > 4 * HOLE, "{}", file.len());
    let chunks: Vec<&[Event]> = events.chunks(CHUNK).collect();
    let first = boundaries(&file)[0];
    let mut random = Random(2);
    for _ in 0..40 {
        let from = first + random.below(file.len() - first - HOLE);
        let mut holed = file.clone();
        holed[from..from + HOLE].fill(0);
        let trace = survives(&[&holed], &events).unwrap();
        let kept = outside(&file, &chunks, from, from + HOLE);
        assert!(trace.events() == kept, "a hole at {from}");
        let damage = &trace.integrity().damage;
        let covers = |at: usize| {
            let mut damage = damage.iter();
            damage.any(|d| (d.offset..d.offset + d.bytes).contains(&(at as u64)))
        };
        let middle = from + HOLE / 2;
        assert!(
            covers(from) && covers(middle) && covers(from + HOLE - 1),
            "{damage:?}"
        );
        assert!(
            damage
                .iter()
                .all(|damage| damage.after <= damage.before.unwrap())
        );
    }
}

#[test]
fn chunks_that_were_swapped_or_doubled_are_not_read_twice_or_out_of_order() {
    let events = synthetic(600);
    let file = file_of(&synth::header(), &events, 20);
    let whole = parts(&file);
    let mut random = Random(3);
    for _ in 0..300 {
        let mut mixed = whole.clone();
        let (one, other) = (
            1 + random.below(whole.len() - 2),
            1 + random.below(whole.len() - 2),
        );
        let doubled = random.below(2) == 0;
        if doubled {
            mixed.insert(other, whole[one].clone());
        } else {
            mixed.swap(one, other);
        }
        let trace = survives(&[mixed.concat()], &events).unwrap();
        let same = mixed.concat() == file;
        assert_eq!(trace.integrity().damage.is_empty(), same, "{one} {other}");
        // A copy of an earlier chunk costs nothing: all is there once.
        if same || doubled && other > one {
            assert!(trace.events() == events, "{one} {other}");
        }
    }
}

#[test]
fn a_recording_of_several_files_survives_the_loss_of_any_part() {
    let events = synthetic(180);
    let files = several(&events, 60, 20);
    for (index, file) in files.iter().enumerate() {
        let begin = boundaries(file)[0];
        for at in begin..file.len() {
            let mut broken = files.clone();
            broken[index].truncate(at);
            let trace = survives(&broken, &events).unwrap();
            let others = events.len() - 60;
            assert!(trace.events().len() >= others, "file {index} cut at {at}");
            let named = trace.integrity().damage.iter();
            let named = named.map(|damage| damage.segment).collect::<Vec<_>>();
            let expected = if index < 2 {
                vec![index as u32]
            } else {
                vec![]
            };
            assert_eq!(named, expected, "file {index} cut at {at}");

            let mut broken = files.clone();
            broken[index][at] ^= 0x10;
            let trace = survives(&broken, &events).unwrap();
            assert!(trace.events().len() >= events.len() - 20, "byte {at}");
            let damage = &trace.integrity().damage;
            assert!(damage.iter().all(|damage| damage.segment == index as u32));
        }
    }
}

/// Files of which only some are there, in any state: no panic, and nothing is made up.
#[test]
fn any_mixture_of_files_and_damage_can_be_read() {
    let events = synthetic(400);
    let files = several(&events, 50, 10);
    let mut random = Random(4);
    for _ in 0..500 {
        let mut broken: Vec<Vec<u8>> = Vec::new();
        for file in &files {
            let mut file = file.clone();
            match random.below(6) {
                0 => continue,
                1 => file.truncate(random.below(file.len())),
                2 => {
                    let (from, length) = (random.below(file.len()), random.below(400));
                    let until = (from + length).min(file.len());
                    file[from..until].fill(0);
                }
                3 => {
                    let at = random.below(file.len());
                    file[at] ^= 1 << random.below(8);
                }
                _ => {}
            }
            broken.push(file);
        }
        if !broken.is_empty() {
            survives(&broken, &events);
        }
    }
}
