//! Selectors: each alone, and each with each other, against a plain reading of the events.

use std::collections::BTreeSet;

use tidline::model::{Birth, End, Event, EventBody, Task, Time, Via, What};

use crate::made::{at, everything, existing, exit, header, rename};
use crate::support::{File, Run, prints, tidview};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const END: u64 = 400 * MS;

/// A task as the events tell of it.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) task: Task,
    pub(crate) parent: Option<usize>,
    pub(crate) what: &'static str,
    pub(crate) kind: &'static str,
    names: Vec<(u64, String)>,
    pub(crate) born: u64,
    pub(crate) ended: Option<u64>,
    code: Option<u8>,
    pub(crate) signal: bool,
}

impl Life {
    fn name(&self) -> &str {
        &self.names[self.names.len() - 1].1
    }

    fn alive_at(&self, ms: u64) -> bool {
        self.born <= ms * MS && self.ended.is_none_or(|ended| ended > ms * MS)
    }

    fn life(&self) -> u64 {
        self.ended.unwrap_or(END) - self.born
    }
}

/// A tree of tasks that is made by a simple generator, and what must be known of it.
pub(crate) struct World {
    pub(crate) events: Vec<Event>,
    pub(crate) lives: Vec<Life>,
    /// For each event the task that it is about, and the task that caused it if that is another.
    about: Vec<(Option<usize>, Option<usize>)>,
}

impl World {
    pub(crate) fn new() -> World {
        let main = Task::new(100, 100);
        let mut world = World {
            events: vec![existing(0, main, b"server")],
            about: vec![(Some(0), None)],
            lives: vec![Life {
                task: main,
                parent: None,
                what: "process",
                kind: "existing",
                names: vec![(0, "server".into())],
                born: 0,
                ended: None,
                code: None,
                signal: false,
            }],
        };
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            (state >> 33) % below
        };
        for step in 1..200_u64 {
            let ms = step * 2;
            let alive: Vec<usize> = (0..world.lives.len())
                .filter(|life| world.lives[*life].ended.is_none())
                .collect();
            let chosen = alive[random(alive.len() as u64) as usize];
            match random(10) {
                0..5 => world.born(ms, chosen, random(5) == 0),
                5 | 6 if chosen > 0 => {
                    let names = ["worker-1", "worker-22", "io", "server"];
                    let name = names[random(4) as usize];
                    let task = world.lives[chosen].task;
                    world.push(rename(ms, task, name.as_bytes()), Some(chosen), None);
                    world.lives[chosen].names.push((ms * MS, name.into()));
                }
                7..9 if chosen > 0 => world.ends(ms, chosen, random(4)),
                9 => {
                    let text = format!("deploy {}", step / 50).into_bytes();
                    let text = EventBody::Mark {
                        text: text[..].into(),
                    };
                    world.push(at(ms, text), None, None);
                }
                _ => {}
            }
        }
        world
    }

    fn push(&mut self, event: Event, subject: Option<usize>, other: Option<usize>) {
        self.events.push(event);
        self.about.push((subject, other));
    }

    fn born(&mut self, ms: u64, parent: usize, process: bool) {
        let tid = 1_000 + self.lives.len() as u32;
        let creator = self.lives[parent].task;
        let (via, what, kind, child) = match process {
            true => (Via::Fork, What::Process, "fork", Task::new(tid, tid)),
            false => (
                Via::Clone,
                What::Thread,
                "clone",
                Task::new(creator.pid.0, tid),
            ),
        };
        let birth = EventBody::Birth(Birth {
            via,
            what,
            parent: Some(creator),
            child,
            flags: Some(if process { 17 } else { 0x3d_0f00 }),
            pc: None,
            inner: None,
            stack: None,
            start: None,
        });
        let number = self.lives.len();
        self.push(at(ms, birth), Some(number), Some(parent));
        let name = self.lives[parent].name().to_string();
        self.lives.push(Life {
            task: child,
            parent: Some(parent),
            what: if process { "process" } else { "thread" },
            kind,
            names: vec![(ms * MS, name)],
            born: ms * MS,
            ended: None,
            code: None,
            signal: false,
        });
    }

    fn ends(&mut self, ms: u64, number: usize, how: u64) {
        let task = self.lives[number].task;
        let event = match how {
            0 => at(
                ms,
                EventBody::Exit {
                    task,
                    end: End::Signal {
                        number: 9,
                        core: false,
                    },
                },
            ),
            code => exit(ms, task, code as u8 - 1),
        };
        self.push(event, Some(number), None);
        let life = &mut self.lives[number];
        life.ended = Some(ms * MS);
        (life.code, life.signal) = match how {
            0 => (None, true),
            code => (Some(code as u8 - 1), false),
        };
    }

    fn is_under(&self, tid: u32, number: usize) -> bool {
        let mut next = Some(number);
        while let Some(number) = next {
            if self.lives[number].task.tid.0 == tid {
                return true;
            }
            next = self.lives[number].parent;
        }
        false
    }
}

type Asks<T> = Box<dyn Fn(&World, T) -> bool>;

/// Options, and what they must mean: of the event, and of the task, of a number.
struct Case {
    args: &'static [&'static str],
    event: Asks<usize>,
    task: Asks<usize>,
}

/// A case that asks an event only what it asks its task.
fn of_task(args: &'static [&'static str], is: fn(&World, usize) -> bool) -> Case {
    Case {
        args,
        event: Box::new(move |world, seq| world.about[seq].0.is_some_and(|task| is(world, task))),
        task: Box::new(is),
    }
}

fn of_both(
    args: &'static [&'static str],
    event: fn(&World, usize) -> bool,
    task: fn(&World, usize) -> bool,
) -> Case {
    Case {
        args,
        event: Box::new(event),
        task: Box::new(task),
    }
}

fn cases() -> Vec<Case> {
    vec![
        of_both(
            &["--since", "100ms"],
            |world, seq| world.events[seq].time.0 >= 100 * MS,
            |world, task| {
                world.lives[task]
                    .ended
                    .is_none_or(|ended| ended >= 100 * MS)
            },
        ),
        of_both(
            &["--until", "16:13:20.200"],
            |world, seq| world.events[seq].time.0 <= 200 * MS,
            |world, task| world.lives[task].born <= 200 * MS,
        ),
        of_both(
            &["--since", "50ms+100ms"],
            |world, seq| (50 * MS..=150 * MS).contains(&world.events[seq].time.0),
            |world, task| {
                let life = &world.lives[task];
                life.born <= 150 * MS && life.ended.is_none_or(|ended| ended >= 50 * MS)
            },
        ),
        of_both(
            &["--pid", "100"],
            |world, seq| {
                let (subject, other) = world.about[seq];
                let mut both = [subject, other].into_iter().flatten();
                both.any(|task| world.lives[task].task.pid.0 == 100)
            },
            |world, task| world.lives[task].task.pid.0 == 100,
        ),
        of_both(
            &["--tid", "1001"],
            |world, seq| {
                let (subject, other) = world.about[seq];
                let mut both = [subject, other].into_iter().flatten();
                both.any(|task| world.lives[task].task.tid.0 == 1001)
            },
            |world, task| {
                let of = |task: usize| world.lives[task].task.tid.0 == 1001;
                of(task) || world.lives[task].parent.is_some_and(of)
            },
        ),
        of_task(&["--name", "worker-[0-9]"], |world, task| {
            world.lives[task].name() == "worker-1"
        }),
        of_task(&["--name", "io", "--name", "wor*"], |world, task| {
            let name = world.lives[task].name();
            name == "io" || name.starts_with("wor")
        }),
        of_both(
            &["--kind", "clone,exit"],
            |world, seq| ["clone", "exit"].contains(&world.events[seq].body.kind()),
            |world, task| world.lives[task].kind == "clone",
        ),
        of_task(&["--what", "process"], |world, task| {
            world.lives[task].what == "process"
        }),
        of_task(&["--parent", "100"], |world, task| {
            world.lives[task].parent == Some(0)
        }),
        of_task(&["--under", "1002"], |world, task| {
            world.is_under(1002, task)
        }),
        of_task(&["--alive-at", "0.25s"], |world, task| {
            world.lives[task].alive_at(250)
        }),
        of_task(&["--host", "web-?"], |_, _| true),
        of_task(&["--where", "host == 'web-3'"], |_, _| true),
        of_task(&["--min-life", "60ms"], |world, task| {
            world.lives[task].life() >= 60 * MS
        }),
        of_task(&["--max-life", "100ms"], |world, task| {
            world.lives[task].life() <= 100 * MS
        }),
        of_both(
            &["--where", "kind == fork || kind == exit && code != 0"],
            |world, seq| {
                let kind = world.events[seq].body.kind();
                let task = world.about[seq].0.map(|task| &world.lives[task]);
                let code = task.and_then(|task| task.code);
                kind == "fork" || kind == "exit" && code.is_some_and(|code| code != 0)
            },
            |world, task| world.lives[task].kind == "fork",
        ),
        of_task(
            &[
                "--where",
                "life > 0.05s && children >= 1 && !(signal == SIGKILL)",
            ],
            |world, task| {
                let children = world
                    .lives
                    .iter()
                    .filter(|it| it.parent == Some(task))
                    .count();
                let life = &world.lives[task];
                life.life() > 50 * MS && children >= 1 && !life.signal
            },
        ),
        of_both(
            &["--where", "name =~ '^worker' && time < 300ms"],
            |world, seq| {
                let time = world.events[seq].time.0;
                let name = world.about[seq].0.map(|task| {
                    let names = &world.lives[task].names;
                    let known = names.iter().rev().find(|(since, _)| *since <= time);
                    known.unwrap_or(&names[0]).1.clone()
                });
                name.is_some_and(|name| name.starts_with("worker")) && time < 300 * MS
            },
            |world, task| {
                let life = &world.lives[task];
                life.name().starts_with("worker") && life.born < 300 * MS
            },
        ),
        of_both(
            &["--where", "text =~ deploy || alive && thread"],
            |world, seq| match world.about[seq].0 {
                None => true,
                Some(task) => {
                    let life = &world.lives[task];
                    life.ended.is_none() && life.what == "thread"
                }
            },
            |world, task| {
                let life = &world.lives[task];
                life.ended.is_none() && life.what == "thread"
            },
        ),
    ]
}

fn run(command: &[&str], path: &str, args: &[&str]) -> Run {
    let mut all = vec![command[0], path];
    all.extend(&command[1..]);
    all.extend(args);
    let run = tidview(&all);
    assert_eq!(run.code, Some(0), "{all:?}: {run:?}");
    run
}

/// The numbers in a field of the objects that are printed.
fn numbers(json: &str, field: &str) -> Vec<u64> {
    let objects = json.lines().filter(|line| line.starts_with('{'));
    objects
        .map(|line| {
            let object: serde_json::Value =
                serde_json::from_str(line.trim_end_matches(',')).unwrap();
            object[field].as_u64().unwrap()
        })
        .collect()
}

fn shown(number: usize, all: usize, noun: &str) -> String {
    format!("tidview: {number} of {all} {noun}")
}

#[test]
fn each_selector_and_each_pair_select_what_the_events_say() {
    let world = World::new();
    let file = File::trace(&header(), &world.events, END);
    let path = file.path();
    let cases = cases();
    let mut pairs: Vec<Vec<&Case>> = cases.iter().map(|case| vec![case]).collect();
    for (index, one) in cases.iter().enumerate() {
        let others = cases[index + 1..].iter();
        // Options that can be there once, and the two forms of a stretch, do not go together.
        let fit = others.filter(|other| {
            let twice = |option| one.args.contains(&option) && other.args.contains(&option);
            let lengths = |case: &&Case| case.args[1].contains("ms+");
            let both = one.args.contains(&"--until") && lengths(other);
            !twice("--since") && !both
        });
        pairs.extend(fit.map(|other| vec![one, other]));
    }
    assert!(pairs.len() > 150, "{}", pairs.len());
    let (mut partly_events, mut partly_tasks) = (0, 0);
    for (number, pair) in pairs.iter().enumerate() {
        // Names of two options are one list.
        if pair.len() == 2 && pair.iter().all(|case| case.args[0] == "--name") {
            continue;
        }
        let args: Vec<&str> = pair.iter().flat_map(|case| case.args).copied().collect();
        let events: Vec<u64> = (0..world.events.len())
            .filter(|seq| pair.iter().all(|case| (case.event)(&world, *seq)))
            .map(|seq| seq as u64)
            .collect();
        let run_events = run(&["timeline", "--format", "ndjson"], &path, &args);
        assert_eq!(numbers(&run_events.out, "seq"), events, "{args:?}");
        let told = shown(events.len(), world.events.len(), "event");
        assert!(
            run_events.err.starts_with(&told),
            "{args:?}: {}",
            run_events.err
        );
        partly_events += usize::from(!events.is_empty() && events.len() < world.events.len());

        let tasks: BTreeSet<u64> = (0..world.lives.len())
            .filter(|task| pair.iter().all(|case| (case.task)(&world, *task)))
            .map(|task| u64::from(world.lives[task].task.tid.0))
            .collect();
        let run_tasks = run(&["threads", "--all", "--format", "json"], &path, &args);
        let found: BTreeSet<u64> = numbers(&run_tasks.out, "tid").into_iter().collect();
        assert_eq!(found, tasks, "{args:?}");
        let told = shown(tasks.len(), world.lives.len(), "task");
        assert!(
            run_tasks.err.starts_with(&told),
            "{args:?}: {}",
            run_tasks.err
        );
        partly_tasks += usize::from(!tasks.is_empty() && tasks.len() < world.lives.len());

        if number % 7 == 0 {
            let by = run(&["sites", "--by", "pc", "--format", "json"], &path, &args);
            let created: u64 = numbers(&by.out, "created").iter().sum();
            let born = world.lives.iter().filter(|life| {
                life.kind != "existing" && tasks.contains(&u64::from(life.task.tid.0))
            });
            assert_eq!(created, born.count() as u64, "{args:?}");
        }
    }
    assert!(
        partly_events > 120 && partly_tasks > 120,
        "{partly_events} {partly_tasks}"
    );
}

fn file() -> File {
    File::trace(&header(), &everything(), 100 * MS)
}

#[test]
fn marks_are_moments() {
    let mut events = everything();
    events.push(at(
        97,
        EventBody::Mark {
            text: b"deploy".into(),
        },
    ));
    let file = File::trace(&header(), &events, 100 * MS);
    let seqs = |since: &str| {
        let run = run(
            &["timeline", "--format", "ndjson"],
            &file.path(),
            &["--since", since],
        );
        numbers(&run.out, "seq")
    };
    // One that is of this text comes before one that has it in it.
    assert_eq!(seqs("mark:deploy"), [25]);
    assert_eq!(seqs("mark:v2"), [23, 24, 25]);
    assert_eq!(seqs("mark:v2+5ms"), [23, 24]);
    let args = [
        "threads",
        &file.path(),
        "--at",
        "mark:v2",
        "--format",
        "json",
    ];
    let at_90 = ["threads", &file.path(), "--at", "90ms", "--format", "json"];
    assert_eq!(prints(&args), prints(&at_90));
}

#[test]
fn parts_are_taken_by_what_selects_a_stretch_elsewhere() {
    let file = file();
    let folder = tempfile::tempdir().expect("a folder");
    let part = |name: &str, asked: &[&str]| {
        let out = folder.path().join(name).display().to_string();
        let run = tidview(&[&["split", &file.path(), "-o", &out], asked].concat());
        assert!(run.code == Some(0) || run.code == Some(1), "{}", run.err);
        prints(&["timeline", &out])
    };
    let whole = part("a", &["--since", "mark:v2", "--until", "95ms"]);
    assert!(whole.contains("v2"), "{whole}");
    assert_eq!(whole, part("b", &["--since", "90ms", "--until", "95ms"]));
    assert_eq!(whole, part("c", &["--since", "90ms+5ms"]));
    assert_eq!(whole, part("d", &["--since", "mark:v2+5ms"]));
    let wrong = tidview(&["split", &file.path(), "-o", "x", "--since", "mark:nope"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.err.contains("no mark is of this text"),
        "{}",
        wrong.err
    );
}

#[test]
fn two_stars_are_any_text() {
    let named = |glob: &str| prints(&["threads", &file().path(), "--all", "--name", glob]);
    let tasks = |text: &str| {
        text.lines()
            .filter(|line| !line.contains("hidden by"))
            .count()
    };
    assert_eq!(tasks(&named("wor**")), tasks(&named("wor*")));
}

#[test]
fn an_ancestor_of_what_is_selected_is_in_parentheses() {
    assert_eq!(
        prints(&["tree", &file().path(), "--name", "worker-[13]"]),
        r#"TASK                 WHAT           BORN    LIVED  END
(server[100])        process      before  >100 ms  alive
└─ (pool[110])       thread   +0.005000s  95.0 ms  alive
   ├─ worker-1[121]  thread   +0.020000s  26.0 ms  exit 0 at +0.046000s
   └─ worker-3[123]  thread   +0.040000s  60.0 ms  alive

2 of 10 tasks; 8 hidden by --name worker-[13]
in parentheses: ancestors of those that are shown
"#
    );
    let json = run(
        &["tree", "--format", "json"],
        &file().path(),
        &["--tid", "121"],
    );
    let nested: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let pool = &nested[0]["children"][0];
    assert_eq!(nested[0]["selected"], false);
    assert_eq!(
        (&pool["name"], &pool["selected"]),
        (&"pool".into(), &false.into())
    );
    assert_eq!(pool["children"][0].get("selected"), None);
    assert_eq!(json.err, "tidview: 1 of 10 tasks; 9 hidden by --tid 121\n");
}

#[test]
fn lanes_are_of_the_stretch() {
    let args = [
        "--lanes",
        "--since",
        "15ms+40ms",
        "--what",
        "thread",
        "--width",
        "60",
    ];
    assert_eq!(
        run(&["timeline"], &file().path(), &args).out,
        r#"                     │20ms                │40ms
  gc[101]       ←──────────────────────────────────────────→
  pool[110]     ←──────────────────────────────────────────→
  worker-0[120] ←───────────────────────────────┤
  worker-1[121]      ├───────────────────────────┤
  worker-2[122]                 ├────────────────────╳
  worker-3[123]                           ├────────────────→

← there before   ├ birth   ┤ exit 0   ╳ killed   → lives on
6 of 10 tasks; 4 hidden by --since 15ms+40ms --what thread
"#
    );
}

#[test]
fn threads_of_a_time_are_not_only_those_alive_at_the_end() {
    assert_eq!(
        prints(&[
            "threads",
            &file().path(),
            "--since",
            "45ms",
            "--until",
            "46ms",
            "--max-life",
            "40ms"
        ]),
        r#"TID  PID  NAME            BORN    LIVED  CREATOR    END
120  100  worker-0  +0.010000s  35.0 ms  pool[110]  exit 0 at +0.045000s
121  100  worker-1  +0.020000s  26.0 ms  pool[110]  exit 0 at +0.046000s
122  100  worker-2  +0.030000s  20.0 ms  pool[110]  killed by SIGSEGV (core) at +0.050000s

3 of 10 tasks; 7 hidden by --since 45ms --until 46ms --max-life 40ms
10 tasks in all
"#
    );
}

/// What a run says that cannot do what was asked.
fn fails(args: &[&str]) -> String {
    let file = file();
    let mut all = vec!["timeline", "FILE"];
    let path = file.path();
    all[1] = &path;
    all.extend(args);
    let run = tidview(&all);
    assert_eq!((run.out.as_str(), run.code), ("", Some(2)), "{args:?}");
    run.err
}

#[test]
fn errors_name_the_option_and_point_at_the_place() {
    assert_eq!(
        fails(&["--where", "name == x && lif > 1"]),
        "tidview: --where: at column 14, \"lif > 1\": invalid field (kind what pid tid parent name site start exe text errno signal code flags time life children alive thread host)\n  name == x && lif > 1\n               ^\n"
    );
    for (args, error) in [
        (
            &["--since", "mark:x\x1b[2J"][..],
            "tidview: --since mark:x\\x1b[2J: no mark is of this text, or has it in it; there are \
             \"deploy, \"v2\"\"\n",
        ),
        (
            &["--since", "10ms+5ms", "--until", "20ms"],
            "tidview: --since says for how long: it does not go with --until\n",
        ),
        (
            &["--since", "20ms", "--until", "10ms"],
            "tidview: --until is before --since\n",
        ),
        (
            &["--min-life", "long"],
            "tidview: --min-life long: it is no length of time: 500ms, 10s or 1h30m are\n",
        ),
        (
            &["--alive-at", "9s"],
            "tidview: --alive-at 9s: it is outside the trace, which runs from 0s to 100ms, that is \
             2026-09-21 16:13:20.000000 to 2026-09-21 16:13:20.100000 (+02:00)\n",
        ),
    ] {
        assert_eq!(fails(args), error, "{args:?}");
    }
    let pattern = fails(&["--name", "worker-["]);
    assert!(
        pattern.starts_with("tidview: --name worker-[: it is no pattern of names: "),
        "{pattern}"
    );
}

#[test]
fn what_can_match_nothing_says_why() {
    let file = file();
    for (args, why) in [
        (
            &["--tid", "999"][..],
            "--tid: no thread 999 is in this recording",
        ),
        (&["--pid", "5"], "--pid: no process 5 is in this recording"),
        (
            &["--under", "7"],
            "--under: no thread 7 is in this recording",
        ),
        (
            &["--parent", "7"],
            "--parent: no thread 7 is in this recording",
        ),
        (
            &["--site", "start_pool"],
            "--site: no stacks are in this recording, so nothing is known to be created anywhere; \
             `tidrec --stacks on` records them",
        ),
        (
            &["--where", "site =~ pool"],
            "--where: site: no stacks are in this recording, so nothing is known to be created \
             anywhere; `tidrec --stacks on` records them",
        ),
        (
            &["--where", "errno == EAGAIN"],
            "no refused creation is in this recording: they were not watched for (--failures)",
        ),
    ] {
        for command in [
            &["timeline"][..],
            &["tree"],
            &["threads"],
            &["sites"],
            &["leaks"],
        ] {
            let run = run(command, &file.path(), args);
            assert!(
                run.out.contains(&format!("! {why}\n")),
                "{command:?}: {}",
                run.out
            );
            assert!(run.out.contains("\n0 of "), "{command:?}: {}", run.out);
        }
        let json = run(&["threads", "--format", "json"], &file.path(), args);
        assert_eq!(json.out, "[]\n");
        assert!(
            json.err.contains(&format!("tidview: {why}\n")),
            "{}",
            json.err
        );
    }
}

#[test]
fn hostile_names_and_patterns_are_no_danger() {
    let main = Task::new(100, 100);
    let long = "a".repeat(50_000);
    let thread = Task::new(100, 101);
    let events = [
        existing(0, main, b"\x1b[2J\xff"),
        crate::made::thread(1, main, thread),
        rename(2, thread, long.as_bytes()),
    ];
    let file = File::trace(&header(), &events, 10 * MS);
    let stars = "*a".repeat(40) + "b";
    let deep = format!("{}alive{}", "(".repeat(190), ")".repeat(190));
    for args in [
        ["--name", &stars],
        ["--name", "\x1b*"],
        ["--where", "name =~ '\x1b'"],
        ["--where", &deep],
        ["--where", "name =~ '(a*)*b$'"],
        ["--site", "\x1b[2J"],
    ] {
        for command in [
            &["timeline"][..],
            &["tree"],
            &["threads"],
            &["timeline", "--lanes"],
        ] {
            let run = run(command, &file.path(), &args);
            assert!(!run.out.contains('\x1b'), "{args:?}: {}", run.out);
        }
    }
    let wrong = tidview(&["tree", &file.path(), "--where", "\x1b[31m == 1"]);
    assert!(
        !wrong.err.contains('\x1b') && wrong.code == Some(2),
        "{}",
        wrong.err
    );
}

#[test]
fn a_time_is_when_it_was_and_not_when_it_is_shown() {
    let task = Task::new(100, 100);
    let mut event = existing(0, task, b"x");
    event.time = Time(5);
    let file = File::trace(&header(), &[event], MS);
    let run = run(
        &["timeline", "--format", "ndjson"],
        &file.path(),
        &["--since", "6ns"],
    );
    assert_eq!(run.out, "");
    assert_eq!(run.err, "tidview: 0 of 1 event; 1 hidden by --since 6ns\n");
}

#[test]
fn what_is_asked_of_births_is_known_of_tasks() {
    let file = file();
    let counted = |args: &[&str]| {
        let stats = tidview(&[&["stats", &file.path(), "--format", "json"], args].concat()).out;
        let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
        ["tasks", "creations", "execs", "failures"].map(|field| stats[field].as_u64().unwrap())
    };
    let all = counted(&[]);
    assert!(all[0] > all[1] && all[1] > 0 && all[2] > 0, "{all:?}");
    let [clone, fork, vfork] = ["clone", "fork", "vfork"].map(|kind| {
        let by_option = counted(&["--kind", kind]);
        let by_where = counted(&["--where", &format!("kind == {kind}")]);
        assert_eq!(by_option[..2], by_where[..2], "{kind}");
        by_option
    });
    assert_eq!(clone[1] + fork[1] + vfork[1], all[1]);
    assert_eq!(counted(&["--kind", "exec"])[2], all[2]);
    let [with, without] = ["flags > 0", "!(flags > 0)"].map(|text| counted(&["--where", text]));
    assert_eq!(with[0] + without[0], all[0]);
    assert!(with[0] > 0, "{with:?}");
}
