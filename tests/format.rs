//! What a reader makes of a file after all that can happen to one: it never panics, it gives what
//! is readable, in order, and it says what is missing.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use tidline::format::{Error, Header, Writer, read_trace};
use tidline::model::{Damage, Ending, Event, EventBody, Task, TaskRecord, Time, Trace};

mod format_files;
use format_files::{
    CHUNK_HEADER, Claim, boundaries, file_of, header_bytes, hostile, parts, read, small,
};

/// Whether `some` are among `all`, in the same order.
fn is_subset_in_order(some: &[Event], all: &[Event]) -> bool {
    let mut all = all.iter();
    some.iter().all(|event| all.any(|other| other == event))
}

/// Whether a trace says of itself that something is missing.
fn says_so(trace: &Trace) -> bool {
    !trace.is_complete() || trace.integrity().trailing_bytes > 0
}

fn ends_well(trace: &Trace) -> bool {
    trace.integrity().ending == Ending::Finished("target ended".into())
}

/// Looks at everything that a trace offers.
fn walk(trace: &Trace) -> usize {
    let subjects = (0..trace.events().len()).filter_map(|index| trace.subject(index));
    let seen: Vec<&TaskRecord> = subjects.collect();
    let lives = trace.tasks().iter().map(|task| {
        let (name, parent) = (
            task.name_at(task.born),
            task.parent.map(|id| trace.task(id)),
        );
        let older = parent.is_none_or(|parent| parent.born <= task.born);
        assert!(older && name.as_bytes().len() <= task.name().as_bytes().len() + (64 << 10));
        assert!(
            task.ended
                .is_none_or(|ended| ended >= task.born && ended <= trace.end())
        );
        task.lifetime_ns(trace.end()).min(1) as usize + trace.children(task.id).len()
    });
    seen.len() + lives.sum::<usize>() + trace.peak_alive()
}

#[test]
fn a_file_cut_anywhere_gives_the_chunks_before_the_cut() {
    let (file, events) = small();
    let ends = boundaries(&file);
    for cut in 0..=file.len() {
        let opened = read_trace(Cursor::new(&file[..cut]));
        if cut < ends[0] {
            match (cut, opened) {
                (0, Err(Error::Empty)) => {}
                (1.., Err(Error::Header { offset, .. })) => assert_eq!(offset, cut as u64),
                (_, other) => panic!("cut at {cut}: {other:?}"),
            }
            continue;
        }
        let trace = opened.unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let expected = events.len().min(whole * 5);
        assert_eq!(trace.events(), &events[..expected], "cut at {cut}");
        let integrity = trace.integrity();
        assert_eq!(integrity.chunks, whole as u64);
        assert_eq!(integrity.trailing_bytes, (cut - ends[whole]) as u64);
        assert_eq!(integrity.file_bytes, cut as u64);
        assert_eq!(integrity.damage, []);
        assert_eq!(ends_well(&trace), cut == file.len());
    }
}

#[test]
fn a_changed_byte_costs_its_chunk_and_is_noticed() {
    let (file, events) = small();
    let ends = boundaries(&file);
    for at in 0..file.len() {
        for change in [0x01, 0x20, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[at] ^= change;
            let trace = match read_trace(Cursor::new(&changed)) {
                Ok(trace) => trace,
                Err(_) if at < ends[0] => continue,
                Err(error) => panic!("byte {at}: {error}"),
            };
            walk(&trace);
            if at < ends[0] {
                // The two reserved bytes, and nothing else, may be anything.
                assert!((10..12).contains(&at), "byte {at} of the header");
                assert_eq!(trace.events(), events);
                continue;
            }
            let chunk = ends.iter().filter(|end| **end <= at).count() - 1;
            let mut left = events.clone();
            left.drain((chunk * 5).min(events.len())..(chunk * 5 + 5).min(events.len()));
            assert_eq!(trace.events(), left, "byte {at}");
            assert!(says_so(&trace), "byte {at}");
            let is_last = ends[chunk + 1] == file.len();
            assert_eq!(ends_well(&trace), !is_last, "byte {at}");
        }
    }
}

#[test]
fn a_chunk_taken_out_is_missed_with_its_time_range() {
    let (file, events) = small();
    let whole = parts(&file);
    for gone in 1..whole.len() - 1 {
        let trace = read([&whole[..gone], &whole[gone + 1..]].concat().concat());
        let first = (gone - 1) * 5;
        let last = (first + 5).min(events.len());
        let after = events[..first].last().map_or(Time(0), |event| event.time);
        let before = match events.get(last) {
            Some(event) => event.time,
            None => Time(events[last - 1].time.0 + 10), // the END chunk
        };
        let damage = Damage {
            segment: 0,
            offset: boundaries(&file)[gone - 1] as u64,
            bytes: 0,
            after,
            before: Some(before),
            problem: format!("chunk {gone} follows where chunk {} should", gone - 1),
        };
        assert_eq!(trace.integrity().damage, [damage]);
        assert_eq!(trace.events(), [&events[..first], &events[last..]].concat());
        assert!(ends_well(&trace));
    }
}

#[test]
fn a_chunk_that_is_there_twice_is_read_once() {
    let (file, events) = small();
    let whole = parts(&file);
    for twice in 1..whole.len() {
        let trace = read([&whole[..=twice], &whole[twice..]].concat().concat());
        assert_eq!(trace.events(), events);
        assert!(ends_well(&trace) && says_so(&trace), "chunk {}", twice - 1);
        let (damage, is_end) = (&trace.integrity().damage, twice == whole.len() - 1);
        assert_eq!(damage.len(), usize::from(!is_end));
        assert!(
            damage
                .iter()
                .all(|damage| damage.problem == format!("chunk {} again", twice - 1))
        );
    }
}

#[test]
fn chunks_of_two_traces_do_not_mix() {
    let (file, events) = small();
    let other = file_of(&format_files::header(), &events[..20], 2);
    let cut_at = boundaries(&file)[3];
    let other_begins = |offset: usize, length: usize| Damage {
        segment: 0,
        offset: offset as u64,
        bytes: (length - offset) as u64,
        after: Time(0),
        before: None,
        problem: "another trace begins here; it is not read".into(),
    };
    for (kept, count) in [(file.len(), events.len()), (cut_at, 15), (cut_at + 70, 15)] {
        let joined = [&file[..kept], &other].concat();
        let trace = read(&joined);
        assert_eq!(trace.events(), &events[..count]);
        let damage = trace.integrity().damage.last().unwrap();
        let expected = Damage {
            segment: 0,
            after: damage.after,
            ..other_begins(kept, joined.len())
        };
        assert_eq!(*damage, expected);
        assert_eq!(damage.after, trace.end());
    }
}

#[test]
fn garbage_between_chunks_costs_no_chunk() {
    let (file, events) = small();
    let whole = parts(&file);
    let garbage: [&[u8]; 6] = [
        b"x",
        &[0; 4096],
        b"\xf5TDC",
        b"\xf5\xf5TDC\x89TID\r\n\x1a\n\x01\0\0\0\x05\0\0\0",
        &whole[2][..CHUNK_HEADER],
        &whole[2][..whole[2].len() - 1],
    ];
    for at in 1..whole.len() {
        for garbage in garbage {
            let parts = [&whole[..at], &[garbage.to_vec()], &whole[at..]].concat();
            let trace = read(parts.concat());
            assert_eq!(
                trace.events(),
                events,
                "{garbage:?} before chunk {}",
                at - 1
            );
            assert!(ends_well(&trace));
            let (damage, after) = (&trace.integrity().damage, at.saturating_sub(1) * 5);
            let after = events[..after.min(events.len())].last();
            assert_eq!(damage.len(), 1);
            assert_eq!(damage[0].bytes, garbage.len() as u64);
            assert_eq!(damage[0].after, after.map_or(Time(0), |event| event.time));
            assert!(damage[0].before.is_some());
        }
    }
}

#[test]
fn zeros_behind_a_file_are_its_tail() {
    let (file, events) = small();
    let cut = boundaries(&file)[2];
    for (kept, count) in [(file.len(), events.len()), (cut, 10)] {
        let trace = read([&file[..kept], &[0; 100_000]].concat());
        assert_eq!(trace.events(), &events[..count]);
        assert_eq!(trace.integrity().trailing_bytes, 100_000);
        assert_eq!(trace.integrity().damage, []);
        assert_eq!(ends_well(&trace), kept == file.len());
    }
}

#[test]
fn a_chunk_of_an_unknown_kind_is_passed_over_and_counted() {
    let (file, events) = small();
    let whole = parts(&file);
    for (records, counted) in [(7, 7), (0, 1)] {
        let payload = b"whatever a later version keeps here";
        let unknown = Claim {
            kind: 9,
            number: 2,
            ..Claim::of(payload, records)
        };
        let renumbered = whole[3..].iter().zip(3..).map(|(chunk, number)| {
            let u32_at = |at: usize| u32::from_le_bytes(chunk[at..at + 4].try_into().unwrap());
            let u64_at = |at: usize| u64::from_le_bytes(chunk[at..at + 8].try_into().unwrap());
            let claim = Claim {
                kind: chunk[4],
                codec: chunk[5],
                number,
                stored: u32_at(12),
                raw: u32_at(16),
                records: u32_at(20),
                first: u64_at(24),
                last: u64_at(32),
                crc: u32_at(40),
            };
            claim.followed_by(&chunk[CHUNK_HEADER..])
        });
        let mut file = whole[..3].concat();
        file.extend(unknown.followed_by(payload));
        file.extend(renumbered.flatten());
        let trace = read(file);
        assert_eq!(trace.events(), events);
        assert_eq!(trace.integrity().unknown_records, counted);
        assert!(trace.is_complete(), "{:?}", trace.integrity());
    }
}

/// Claims that the payload does not bear out.
#[test]
fn a_chunk_that_is_not_what_it_says_is_damage() {
    let payload = [24, 1, 2, 1, b'x'];
    let truth = || Claim::of(&payload, 1);
    let lies = [
        Claim {
            records: 2,
            ..truth()
        },
        Claim { raw: 6, ..truth() },
        Claim {
            codec: 1,
            ..truth()
        },
        Claim {
            codec: 9,
            ..truth()
        },
        Claim { crc: 0, ..truth() },
    ];
    for (index, lie) in lies.iter().enumerate() {
        let trace = read([header_bytes(), lie.followed_by(&payload)].concat());
        assert_eq!(trace.integrity().damage.len(), 1, "lie {index}");
        assert_eq!(trace.integrity().damage[0].bytes, 53, "lie {index}");
    }
    let trace = read([header_bytes(), truth().followed_by(&payload)].concat());
    assert_eq!(trace.integrity().damage, []);
    assert_eq!(trace.events().len(), 1);
}

#[test]
fn the_largest_ids_and_times_are_numbers_like_others() {
    let task = Task::new(u32::MAX, u32::MAX);
    let events = [0, u64::MAX - 1, u64::MAX, u64::MAX].map(|time| Event {
        time: Time(time),
        body: EventBody::Rename {
            task,
            name: b"last".into(),
        },
    });
    let mut writer = Writer::start(Vec::new(), &Header::default()).unwrap();
    for event in &events {
        writer.push(event).unwrap();
    }
    let file = writer
        .finish(Time(u64::MAX), "done", &[("most", u64::MAX)])
        .unwrap();
    let trace = read(file);
    assert_eq!(trace.events(), events);
    assert!(trace.is_complete());
    assert_eq!(trace.end(), Time(u64::MAX));
    walk(&trace);
}

/// Sums beyond what numbers hold: ids are damage, times stop at the last.
#[test]
fn sums_that_overflow_do_no_harm() {
    let most = [253, 255, 255, 255, 255, 255, 255, 255, 255];
    let mark = |time: &[u8]| [&[24], time, &[1, 0]].concat();
    let payload = [mark(&most), mark(&most)].concat();
    let trace = read([header_bytes(), Claim::of(&payload, 2).followed_by(&payload)].concat());
    let times: Vec<u64> = trace.events().iter().map(|event| event.time.0).collect();
    assert_eq!(times, [u64::MAX, u64::MAX]);

    for difference in [most, [253, 254, 255, 255, 255, 255, 255, 255, 255]] {
        let exit = [&[19, 0, 11][..], &difference, &[0, 0]].concat();
        let payload = [mark(&[5]), exit].concat();
        let trace = read([header_bytes(), Claim::of(&payload, 2).followed_by(&payload)].concat());
        assert_eq!(trace.events().len(), 1);
        assert_eq!(trace.integrity().damage.len(), 1);
    }
}

#[test]
fn times_that_go_back_are_raised() {
    let events = [9, 4, 10].map(|time| Event {
        time: Time(time),
        body: EventBody::Mark { text: b"m".into() },
    });
    for per_chunk in [1, 3] {
        let trace = read(file_of(&Header::default(), &events, per_chunk));
        let times: Vec<u64> = trace.events().iter().map(|event| event.time.0).collect();
        assert_eq!(times, [9, 9, 10]);
    }
}

/// A file that changes between the moment when its length was asked for and the reads.
struct Changing {
    file: Cursor<Vec<u8>>,
    length_was: u64,
}

impl Read for Changing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let few = out.len().min(100); // and reads come in small portions
        self.file.read(&mut out[..few])
    }
}

impl Seek for Changing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::End(0) => self.file.seek(SeekFrom::Start(self.length_was)),
            other => self.file.seek(other),
        }
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_is_read_as_it_was() {
    let (file, events) = small();
    let ends = boundaries(&file);
    for (was, count) in [(ends[2], 10), (ends[2] + 30, 10), (ends[3] - 1, 10)] {
        let trace = read_trace(Changing {
            file: Cursor::new(file.clone()),
            length_was: was as u64,
        });
        let trace = trace.unwrap();
        assert_eq!(trace.events(), &events[..count]);
        assert_eq!(trace.integrity().damage, []);
        assert_eq!(trace.integrity().trailing_bytes, (was - ends[2]) as u64);
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_read_as_far_as_it_goes() {
    let (file, events) = small();
    let ends = boundaries(&file);
    for left in ends[0]..file.len() {
        let trace = read_trace(Changing {
            file: Cursor::new(file[..left].to_vec()),
            length_was: file.len() as u64,
        });
        let trace = trace.unwrap();
        let whole = ends.iter().filter(|end| **end <= left).count() - 1;
        assert_eq!(trace.events(), &events[..events.len().min(whole * 5)]);
        assert!(!trace.is_complete());
    }
}

/// A write that stopped in the middle, with nobody to cut the file back, and others behind it.
#[test]
fn a_torn_write_costs_only_itself() {
    let (file, events) = small();
    let whole = parts(&file);
    for torn in 1..whole.len() - 1 {
        for kept in [1, CHUNK_HEADER - 1, CHUNK_HEADER, whole[torn].len() - 1] {
            let mut broken = whole.clone();
            broken[torn].truncate(kept);
            let trace = read(broken.concat());
            let mut left = events.clone();
            left.drain((torn - 1) * 5..(torn * 5).min(events.len()));
            assert_eq!(trace.events(), left, "{kept} bytes of chunk {}", torn - 1);
            assert_eq!(trace.integrity().damage.len(), 1);
            assert_eq!(trace.integrity().damage[0].bytes, kept as u64);
            assert!(ends_well(&trace));
        }
    }
}

/// Counts what a reader reads.
struct Counted {
    file: Cursor<Vec<u8>>,
    bytes: u64,
}

impl Read for &mut Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(out)?;
        self.bytes += got as u64;
        Ok(got)
    }
}

impl Seek for &mut Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[test]
fn no_file_makes_the_reader_read_its_bytes_again_and_again() {
    for (what, file) in hostile(3 << 20) {
        let length = file.len() as u64;
        let mut counted = Counted {
            file: Cursor::new(file),
            bytes: 0,
        };
        let trace = read_trace(&mut counted).unwrap();
        walk(&trace);
        assert!(
            counted.bytes <= length,
            "{what}: {} of {length}",
            counted.bytes
        );
        assert!(says_so(&trace), "{what}");
    }
}

/// A writer whose disk takes a part of each chunk and then fails, and nobody cuts the file back.
#[derive(Default)]
struct Tearing {
    kept: Vec<u8>,
    takes: Option<usize>,
}

impl Write for Tearing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.takes {
            None => {
                self.kept.extend(bytes);
                Ok(bytes.len())
            }
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(takes) => {
                let taken = bytes.len().min(*takes);
                *takes -= taken;
                self.kept.extend(&bytes[..taken]);
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_chunk_loses_what_the_file_says_it_lost() {
    let mark = |time| Event {
        time: Time(time),
        body: EventBody::Mark {
            text: b"mark".into(),
        },
    };
    for takes in [1, 47, 48, 50] {
        let mut writer = Writer::start(Tearing::default(), &Header::default()).unwrap();
        writer.push(&mark(1)).unwrap();
        writer.flush(Time(1)).unwrap();
        writer.push(&mark(2)).unwrap();
        writer.push(&mark(3)).unwrap();
        writer.get_mut().takes = Some(takes);
        assert!(writer.flush(Time(3)).is_err());
        writer.get_mut().takes = None;
        writer.push(&mark(4)).unwrap();
        let disk = writer.finish(Time(5), "target ended", &[]).unwrap();
        let trace = read(disk.kept);
        let kinds: Vec<&str> = trace
            .events()
            .iter()
            .map(|event| event.body.kind())
            .collect();
        assert_eq!(kinds, ["mark", "lost", "mark"]);
        let lost = &trace.events()[1].body;
        assert!(
            matches!(
                lost,
                EventBody::Lost {
                    count: 2,
                    since: Time(2),
                    ..
                }
            ),
            "{lost:?}"
        );
        assert_eq!(trace.integrity().damage[0].bytes, takes as u64);
        assert!(ends_well(&trace));
    }
}

/// Chunks of 66 KB that unpack to 16 MiB, one after the other.
#[test]
fn a_small_file_does_not_unpack_to_gigabytes() {
    let raw = [200, 0, 0].repeat((16 << 20) / 3);
    let packed = lz4_flex::block::compress(&raw);
    let mut file = header_bytes();
    for number in 0..20 {
        let claim = Claim {
            codec: 1,
            number,
            raw: raw.len() as u32,
            records: (raw.len() / 3) as u32,
            ..Claim::of(&packed, 0)
        };
        file.extend(claim.followed_by(&packed));
    }
    let trace = read(&file);
    let unpacked = trace.integrity().unknown_records * 3;
    let most = (32 << 20) + file.len() as u64 * 32;
    assert!((most / 2..=most).contains(&unpacked), "{unpacked} bytes");
    assert_eq!(
        trace.integrity().chunks + trace.integrity().damage.len() as u64,
        20
    );
}

#[test]
fn what_is_left_of_a_broken_file_is_in_order() {
    let (file, events) = small();
    for at in (boundaries(&file)[0]..file.len()).step_by(3) {
        for until in (at..file.len()).step_by(97) {
            let trace = read([&file[..at], &file[until..]].concat());
            assert!(
                is_subset_in_order(trace.events(), &events),
                "without {at}..{until}"
            );
            assert!(says_so(&trace) || at == until, "without {at}..{until}");
        }
    }
}
