//! Whether the TALLY of a checkpoint counts what the events before it say.
//!
//! Who passes events over trusts a tally. Only who takes every event can tell whether it is right, and
//! whoever counts nothing but for that need not.

use crate::model::{Event, Live, Tally, Totals};

/// A number of a tally, and what it is of.
type Number = (&'static str, fn(&Totals) -> u64);

const NUMBERS: [Number; 14] = [
    ("events", |it| it.events),
    ("existing", |it| it.existing),
    ("threads", |it| it.threads),
    ("processes", |it| it.processes),
    ("inferred", |it| it.inferred),
    ("exited", |it| it.exited),
    ("let go", |it| it.let_go),
    ("end missing", |it| it.end_missing),
    ("became leader", |it| it.became_leader),
    ("peak", |it| it.peak_alive),
    ("gaps", |it| it.gaps),
    ("lost", |it| it.lost),
    ("with stack", |it| it.with_stack),
    ("refused with stack", |it| it.refused_with_stack),
];

/// What the events of a file say, counted from its front.
#[derive(Debug, Default)]
pub(super) struct Counts(Live);

impl Counts {
    pub(super) fn event(&mut self, event: &Event) {
        self.0.follow(event);
    }

    /// What a tally says that the events before it do not; `None` if they agree.
    pub(super) fn disagree(&mut self, tally: &Tally) -> Option<String> {
        let mut counted = self.0.tally();
        let numbers = NUMBERS.iter().filter_map(|(name, of)| {
            let (said, found) = (of(&tally.totals), of(&counted.totals));
            (said != found).then(|| format!("{name} {said}, not {found}"))
        });
        let mut wrong: Vec<String> = numbers.collect();
        if tally.totals.refused != counted.totals.refused {
            wrong.push("refused creations".into());
        }
        let mut said = tally.stacks.clone();
        said.sort_unstable();
        counted.stacks.sort_unstable();
        if said != counted.stacks {
            wrong.push("stacks".into());
        }
        let problem = "a checkpoint does not count the events before it as they are";
        (!wrong.is_empty()).then(|| format!("{problem}: {}", wrong.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::format::{Segment, Sink, Writer, scan, scan_counted};
    use crate::model::{
        Anchor, Carried, Damage, Definition, End, EventBody, GapReason, Integrity, StackId, Task,
        Time,
    };
    use crate::synth::{self, Plan};

    /// How a tally is made wrong, and what is said then.
    type Change = (&'static str, fn(&mut Tally));

    /// Takes all, keeps nothing.
    struct Nowhere;

    impl Sink for Nowhere {
        fn event(&mut self, _: Event) {}
        fn checkpoint(&mut self, _: &[Carried], _: Time) {}
        fn define(&mut self, _: Definition) {}
        fn anchor(&mut self, _: Anchor) {}
        fn counter(&mut self, _: String, _: u64) {}
        fn reached(&mut self, _: Time) {}
        fn damaged(&mut self, _: &Damage) {}
    }

    fn segment(file: &[u8]) -> Vec<Segment<Cursor<&[u8]>>> {
        vec![Segment::open(Cursor::new(file)).unwrap()]
    }

    fn counted(file: &[u8]) -> Integrity {
        scan_counted(segment(file), &mut Nowhere).unwrap()
    }

    /// Of tasks that come and go, 604 events, with a bit of everything that is counted.
    fn events() -> Vec<Event> {
        let mut events = synth::events(Plan {
            events: 600,
            width: 20,
            seed: 4,
        });
        let _ = synth::with_stacks(&mut events, 9, 5);
        let (time, task) = (events[300].time, Task::new(4_000_000, 4_000_001));
        let gap = EventBody::Gap {
            reason: GapReason::TraceeLost,
            count: 3,
            since: time,
            detail: b"".into(),
        };
        let lost = EventBody::Lost {
            count: 7,
            since: time,
            reason: b"".into(),
        };
        let end = EventBody::Exit {
            task,
            end: End::Code(0),
        };
        let refused = EventBody::CreateFailed {
            task: Task::new(4_000_000, 4_000_002),
            call: b"clone3".into(),
            errno: 11,
            flags: None,
            pc: None,
            stack: Some(StackId(1)),
        };
        let more = [gap, lost, end, refused].map(|body| Event { time, body });
        events.splice(301..301, more);
        events
    }

    /// A file with a checkpoint behind each 100 events, whose third tally is changed; and where its
    /// event number 150 begins.
    fn file(change: impl Fn(&mut Tally)) -> (Vec<u8>, usize) {
        let mut writer = Writer::start(Vec::new(), &synth::header()).unwrap();
        let (mut live, mut at) = (Live::default(), 0);
        for (number, event) in (1..).zip(events()) {
            if number == 150 {
                writer.flush(live.now()).unwrap();
                at = writer.offset() as usize;
            }
            writer.push(&event).unwrap();
            live.follow(&event);
            if number % 100 == 0 {
                let anchor = Anchor {
                    time: live.now(),
                    wall_ns: 5,
                    utc_offset_s: 0,
                };
                let mut tally = live.tally();
                if number == 400 {
                    change(&mut tally);
                }
                writer
                    .checkpoint_with(&live.checkpoint(), &tally, anchor)
                    .unwrap();
            }
        }
        (writer.finish(live.now(), "done", &[]).unwrap(), at)
    }

    #[test]
    fn what_a_writer_counts_is_what_a_reader_counts() {
        let (file, _) = file(|_| {});
        assert_eq!(
            counted(&file),
            scan(segment(&file), &mut Nowhere).unwrap(),
            "and nothing else differs"
        );
        assert_eq!(counted(&file).damage, []);
    }

    #[test]
    fn each_number_that_is_wrong_is_told_once_and_only_of_its_checkpoint() {
        let (right, _) = file(|_| {});
        let changes: [Change; 16] = [
            ("events ", |it| it.totals.events += 1),
            ("existing ", |it| it.totals.existing += 1),
            ("threads ", |it| it.totals.threads += 1),
            ("processes ", |it| it.totals.processes += 1),
            ("inferred ", |it| it.totals.inferred += 1),
            ("exited ", |it| it.totals.exited += 1),
            ("let go ", |it| it.totals.let_go += 1),
            ("end missing ", |it| it.totals.end_missing += 1),
            ("became leader ", |it| it.totals.became_leader += 1),
            ("peak ", |it| it.totals.peak_alive += 1),
            ("gaps 2, not 1", |it| it.totals.gaps += 1),
            ("lost 8, not 7", |it| it.totals.lost += 1),
            ("with stack ", |it| it.totals.with_stack += 1),
            ("refused with stack ", |it| {
                it.totals.refused_with_stack += 1;
            }),
            ("refused creations", |it| {
                it.totals.refused.insert(12, 1);
            }),
            ("stacks", |it| it.stacks.push(StackId(77))),
        ];
        for (words, change) in changes {
            let (file, _) = file(change);
            let damage = counted(&file).damage;
            let [damage] = &damage[..] else {
                panic!("{words}: {damage:?}");
            };
            let expected =
                format!("a checkpoint does not count the events before it as they are: {words}");
            assert!(damage.problem.starts_with(&expected), "{}", damage.problem);
            assert!(!damage.problem.contains(';'), "{}", damage.problem);
            assert_eq!((damage.bytes, damage.segment), (0, 0));
            assert_eq!(Some(damage.after), damage.before);
            assert_eq!(damage.after, events()[399].time);
            // Who does not count takes it as it is.
            let unread = |file: &[u8]| scan(segment(file), &mut Nowhere).unwrap().damage;
            assert_eq!((unread(&file), unread(&right)), (vec![], vec![]));
        }
    }

    #[test]
    fn behind_damage_nothing_is_compared() {
        let (mut file, at) = file(|tally| tally.totals.events += 1);
        assert_eq!(counted(&file).damage.len(), 1);
        file[at + 50] ^= 1;
        let damage = counted(&file).damage;
        let problems: Vec<&str> = damage.iter().map(|it| it.problem.as_str()).collect();
        assert_eq!(
            problems,
            ["a damaged chunk: its checksum does not match"],
            "of the tallies behind it nothing is known"
        );
    }
}
