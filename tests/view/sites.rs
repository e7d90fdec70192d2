//! Where tasks were created: what `sites`, `leaks` and `export` print of traces with stacks, and what
//! the other commands show of them.

use tidline::model::{Event, EventBody, StackEnd, Task};
use tidline::synth::Code;

use crate::made::{at, everything, existing, exit, header, rename, thread};
use crate::support::{File, prints, tidview, with_stacks};

const MAIN: Task = Task {
    pid: tidline::model::Pid(100),
    tid: tidline::model::Tid(100),
};
const BIN: &str = "/usr/bin/server";
const MINUTE: u64 = 60_000;

/// A server whose threads have stacks.
struct Server {
    code: Code,
    events: Vec<Event>,
    next: u32,
}

impl Server {
    fn new() -> Self {
        Server {
            code: Code::default(),
            events: vec![existing(0, MAIN, b"server")],
            next: 1_000,
        }
    }

    /// A thread of this name, made at a time by these functions, that begins with one; it ends at a
    /// time, or not. Times are in milliseconds.
    fn thread(
        &mut self,
        name: &str,
        (born, ended): (u64, Option<u64>),
        frames: &[&str],
        start: &str,
    ) {
        let task = Task::new(100, self.next);
        self.next += 1;
        let mut birth = thread(born, MAIN, task);
        if let EventBody::Birth(birth) = &mut birth.body {
            birth.stack = (!frames.is_empty()).then(|| self.code.creator(BIN, frames));
            birth.start = (!start.is_empty()).then(|| self.code.start(BIN, start));
        }
        self.events.push(birth);
        self.events.push(rename(born, task, name.as_bytes()));
        self.events.extend(ended.map(|ms| exit(ms, task, 0)));
    }

    /// The file, of a recording that was so many milliseconds long.
    fn file(mut self, end: u64, counters: &[(&str, u64)]) -> File {
        self.events.sort_by_key(|event| event.time);
        let end = end * 1_000_000;
        File::new(
            "t.tid",
            &with_stacks(&header(), &self.code, &self.events, end, counters),
        )
    }
}

/// Ten minutes of a server that has a pool, handles requests, logs, and leaks.
fn server() -> Server {
    let mut server = Server::new();
    for number in 0..4 {
        let name = format!("pool-{number}");
        let life = (10 + number, None);
        server.thread(
            &name,
            life,
            &["start_pool src/pool.c:12", "serve src/main.c:40"],
            "pool_main src/pool.c:90",
        );
    }
    for number in 0..200 {
        let born = 3_000 * number;
        let life = (born, Some(born + 250));
        server.thread(
            "request",
            life,
            &["accept_one src/net.c:7", "serve src/main.c:44"],
            "handle src/net.c:50",
        );
    }
    for number in 0..12 {
        let life = (MINUTE / 2 + 48_000 * number, None);
        server.thread(
            "session-7",
            life,
            &["Session::open(int) src/session.cc:31"],
            "Session::run() src/session.cc:80",
        );
    }
    server.thread("logger", (5, None), &["start_log src/log.c:3"], "");
    server
}

#[test]
fn sites_are_places_in_the_code() {
    let file = server().file(10 * MINUTE, &[]);
    assert_eq!(
        prints(&["sites", &file.path()]),
        r#"CREATED  ALIVE  PEAK   PER S     P50     P99  SITE                                START                           NAMES
    200      0     1    0.33  250 ms  250 ms  accept_one (net.c:7)                handle (net.c:50)               request
     12     12    12    0.02       -       -  Session::open(int) (session.cc:31)  Session::run() (session.cc:80)  session-#
      4      4     4  0.0067       -       -  start_pool (pool.c:12)              pool_main (pool.c:90)           pool-#
      1      1     1  0.0017       -       -  start_log (log.c:3)                                                 logger

217 creations from 4 sites; lives are of those that ended
not among them: 1 task whose creation is not in this file, as of those that were there before the recording
"#
    );
}

#[test]
fn sites_json_has_all_parts() {
    let file = server().file(10 * MINUTE, &[]);
    let path = file.path();
    let json = prints(&["sites", &path, "--format", "json", "--limit", "0"]);
    assert_eq!(
        json,
        r#"[
{"by":"site","label":"accept_one (net.c:7)","site":{"function":"accept_one","module":"/usr/bin/server","offset":null,"file":"src/net.c","line":7,"layer":"program"},"created":200,"alive":0,"peak":1,"let_go":0,"rate_per_s":0.333333,"life_p50_ns":250000000,"life_p99_ns":250000000,"first_ns":0,"last_ns":597000000000,"start_routines":[{"value":"handle (net.c:50)","count":200}],"names":[{"value":"request","count":200}]},
{"by":"site","label":"Session::open(int) (session.cc:31)","site":{"function":"Session::open(int)","module":"/usr/bin/server","offset":null,"file":"src/session.cc","line":31,"layer":"program"},"created":12,"alive":12,"peak":12,"let_go":0,"rate_per_s":0.02,"life_p50_ns":null,"life_p99_ns":null,"first_ns":30000000000,"last_ns":558000000000,"start_routines":[{"value":"Session::run() (session.cc:80)","count":12}],"names":[{"value":"session-#","count":12}]},
{"by":"site","label":"start_pool (pool.c:12)","site":{"function":"start_pool","module":"/usr/bin/server","offset":null,"file":"src/pool.c","line":12,"layer":"program"},"created":4,"alive":4,"peak":4,"let_go":0,"rate_per_s":0.006667,"life_p50_ns":null,"life_p99_ns":null,"first_ns":10000000,"last_ns":13000000,"start_routines":[{"value":"pool_main (pool.c:90)","count":4}],"names":[{"value":"pool-#","count":4}]},
{"by":"site","label":"start_log (log.c:3)","site":{"function":"start_log","module":"/usr/bin/server","offset":null,"file":"src/log.c","line":3,"layer":"program"},"created":1,"alive":1,"peak":1,"let_go":0,"rate_per_s":0.001667,"life_p50_ns":null,"life_p99_ns":null,"first_ns":5000000,"last_ns":5000000,"start_routines":[],"names":[{"value":"logger","count":1}]}
]
"#
    );
    let json = prints(&["sites", &path, "--by", "stack", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        rows[2]["stack"][2],
        serde_json::json!({
            "function": "start_pool",
            "module": "/usr/bin/server",
            "offset": "0x1020",
            "file": "src/pool.c",
            "line": 12,
            "trust": "cfi",
        })
    );
}

#[test]
fn sites_csv_has_a_column_for_each_field() {
    let file = server().file(10 * MINUTE, &[]);
    let csv = prints(&["sites", &file.path(), "--format", "csv"]).replace("\r\n", "\n");
    assert_eq!(
        csv,
        r#"by,label,function,module,offset,file,line,layer,created,alive,peak,let_go,rate_per_s,life_p50_ns,life_p99_ns,first_ns,last_ns,start_routines,names,stack
site,accept_one (net.c:7),accept_one,/usr/bin/server,,src/net.c,7,program,200,0,1,0,0.333333,250000000,250000000,0,597000000000,handle (net.c:50) x 200,request x 200,
site,Session::open(int) (session.cc:31),Session::open(int),/usr/bin/server,,src/session.cc,31,program,12,12,12,0,0.02,,,30000000000,558000000000,Session::run() (session.cc:80) x 12,session-# x 12,
site,start_pool (pool.c:12),start_pool,/usr/bin/server,,src/pool.c,12,program,4,4,4,0,0.006667,,,10000000,13000000,pool_main (pool.c:90) x 4,pool-# x 4,
site,start_log (log.c:3),start_log,/usr/bin/server,,src/log.c,3,program,1,1,1,0,0.001667,,,5000000,5000000,,logger x 1,
"#
    );
}

#[test]
fn tasks_are_grouped_by_what_is_asked_for() {
    let file = server().file(10 * MINUTE, &[]);
    let by = |by: &str| prints(&["sites", &file.path(), "--by", by]);
    assert_eq!(
        by("stack"),
        r#"CREATED  ALIVE  PEAK   PER S     P50     P99  STACK                                              START                           NAMES
    200      0     1    0.33  250 ms  250 ms  accept_one < serve < main < __libc_start_main < …  handle (net.c:50)               request
     12     12    12    0.02       -       -  Session::open(int) < main < __libc_start_main < …  Session::run() (session.cc:80)  session-#
      4      4     4  0.0067       -       -  start_pool < serve < main < __libc_start_main < …  pool_main (pool.c:90)           pool-#
      1      1     1  0.0017       -       -  start_log < main < __libc_start_main < _start                                      logger

217 creations from 4 stacks; lives are of those that ended
not among them: 1 task whose creation is not in this file, as of those that were there before the recording
"#
    );
    assert_eq!(
        by("routine"),
        r#"CREATED  ALIVE  PEAK   PER S     P50     P99  START                           NAMES
    200      0     1    0.33  250 ms  250 ms  handle (net.c:50)               request
     12     12    12    0.02       -       -  Session::run() (session.cc:80)  session-#
      4      4     4  0.0067       -       -  pool_main (pool.c:90)           pool-#
      1      1     1  0.0017       -       -  (start not known)               logger

217 creations from 4 start routines; lives are of those that ended
not among them: 1 task whose creation is not in this file, as of those that were there before the recording
"#
    );
    assert_eq!(
        by("name"),
        r#"CREATED  ALIVE  PEAK   PER S     P50     P99  NAME       START
    200      0     1    0.33  250 ms  250 ms  request    handle (net.c:50)
     12     12    12    0.02       -       -  session-#  Session::run() (session.cc:80)
      4      4     4  0.0067       -       -  pool-#     pool_main (pool.c:90)
      1      1     1  0.0017       -       -  logger

217 creations from 4 names; lives are of those that ended
not among them: 1 task whose creation is not in this file, as of those that were there before the recording
"#
    );
    assert_eq!(
        by("parent"),
        r#"CREATED  ALIVE  PEAK  PER S     P50     P99  CREATOR  START                            NAMES
    217     17    18   0.36  250 ms  250 ms  server   handle (net.c:50) x 200, 2 more  request x 200, session-# x 12, pool-# x 4, 1 more

217 creations from 1 creator; lives are of those that ended
not among them: 1 task whose creation is not in this file, as of those that were there before the recording
"#
    );
    assert_eq!(
        by("module"),
        r#"CREATED  ALIVE  PEAK  PER S     P50     P99  MODULE  START                            NAMES
    217     17    18   0.36  250 ms  250 ms  server  handle (net.c:50) x 200, 2 more  request x 200, session-# x 12, pool-# x 4, 1 more

217 creations from 1 module; lives are of those that ended
not among them: 1 task whose creation is not in this file, as of those that were there before the recording
"#
    );
    assert_eq!(
        by("lineage"),
        r#"CREATED  ALIVE  PEAK   PER S     P50     P99  LINEAGE             START                           NAMES
    200      0     1    0.33  250 ms  250 ms  server > request    handle (net.c:50)               request
     12     12    12    0.02       -       -  server > session-#  Session::run() (session.cc:80)  session-#
      4      4     4  0.0067       -       -  server > pool-#     pool_main (pool.c:90)           pool-#
      1      1     1  0.0017       -       -  server > logger                                     logger

217 creations from 4 lineages; lives are of those that ended
not among them: 1 task whose creation is not in this file, as of those that were there before the recording
"#
    );
}

/// A server of which the kernel refused some creations.
fn refused() -> Server {
    let mut server = Server::new();
    for (ms, call, errno, frame) in [
        (1, "clone3", 11, "start_pool src/pool.c:12"),
        (2, "clone3", 11, "start_pool src/pool.c:12"),
        (3, "clone3", 12, "start_pool src/pool.c:12"),
        (4, "vfork", 11, "run_tool src/tool.c:9"),
    ] {
        let stack = Some(server.code.creator(BIN, &[frame]));
        let body = EventBody::CreateFailed {
            task: MAIN,
            call: call.into(),
            errno,
            flags: None,
            pc: Some(0x40_1000),
            stack,
        };
        server.events.push(at(ms, body));
    }
    server
}

#[test]
fn refused_creations_are_shown_by_site_with_their_errors() {
    let file = refused().file(1_000, &[]);
    let path = file.path();
    assert_eq!(
        prints(&["sites", &path, "--failed"]),
        r#"FAILED  ERRORS              CALLS   SITE
     3  EAGAIN x 2, ENOMEM  clone3  start_pool (pool.c:12)
     1  EAGAIN              vfork   run_tool (tool.c:9)

4 creations refused, from 2 sites
"#
    );
    assert_eq!(
        prints(&["sites", &path, "--failed", "--format", "json"]),
        r#"[
{"by":"site","label":"start_pool (pool.c:12)","site":{"function":"start_pool","module":"/usr/bin/server","offset":null,"file":"src/pool.c","line":12,"layer":"program"},"failed":3,"rate_per_s":3.0,"first_ns":1000000,"last_ns":3000000,"errors":[{"value":"EAGAIN","count":2},{"value":"ENOMEM","count":1}],"calls":[{"value":"clone3","count":3}]},
{"by":"site","label":"run_tool (tool.c:9)","site":{"function":"run_tool","module":"/usr/bin/server","offset":null,"file":"src/tool.c","line":9,"layer":"program"},"failed":1,"rate_per_s":1.0,"first_ns":4000000,"last_ns":4000000,"errors":[{"value":"EAGAIN","count":1}],"calls":[{"value":"vfork","count":1}]}
]
"#
    );
    let csv = prints(&["sites", &path, "--failed", "--format", "csv"]).replace("\r\n", "\n");
    assert_eq!(
        csv,
        r#"by,label,function,module,offset,file,line,layer,failed,rate_per_s,first_ns,last_ns,errors,calls,stack
site,start_pool (pool.c:12),start_pool,/usr/bin/server,,src/pool.c,12,program,3,3,1000000,3000000,EAGAIN x 2; ENOMEM x 1,clone3 x 3,
site,run_tool (tool.c:9),run_tool,/usr/bin/server,,src/tool.c,9,program,1,1,4000000,4000000,EAGAIN x 1,vfork x 1,
"#
    );
    let run = tidview(&["sites", &path, "--failed", "--by", "routine"]);
    assert_eq!(run.code, Some(2));
    assert_eq!(
        run.err,
        r#"tidview: --failed: a refused creation made no task, which could have a routine
"#
    );
    let whole = server().file(MINUTE, &[]);
    assert_eq!(
        prints(&["sites", &whole.path(), "--failed"]),
        r#"no refused creation is in this trace: they were not watched for (--failures)
"#
    );
}

#[test]
fn a_trace_without_stacks_says_so_and_what_to_do() {
    let file = File::trace(&header(), &everything(), 100_000_000);
    let path = file.path();
    assert_eq!(
        prints(&["sites", &path]),
        r#"! no stacks are in this recording: where tasks were created is not known; `tidrec --stacks on` records them. Grouped by the creator's instruction pointer instead

CREATED  ALIVE  PEAK  PER S      P50      P99  PC                 START  NAMES
      7      2     5   70.0  20.0 ms  35.0 ms  pc 0x7f000010a3b1         worker-# x 4, pool, server, 1 more
      1      0     1   10.0  10.0 ms  10.0 ms  (pc not known)            ls

8 creations from 2 addresses; lives are of those that ended
not among them: 2 tasks whose creation is not in this file, as of those that were there before the recording
"#
    );
    assert_eq!(
        prints(&["leaks", &path]),
        r#"! no stacks are in this recording: where tasks were created is not known; `tidrec --stacks on` records them. Grouped by name instead

VERDICT   ALIVE  CREATED   KEPT       FIRST  PER MIN  OVER TIME   NAME                    EVIDENCE
one-shot      1        1  100 %  +0.005000s        0  ·█████████  pool                    made once: +0.005000s
pool          1        4   25 %  +0.010000s     -925  ·▂▄▆█▂▂▂▂▂  worker-#                had 4 at most, by +0.040000s, and 1 ever since
before        1        0   50 %      before                       (before the recording)  there when the recording began: who created them, and how many had ended by then, is not known

no name grows through the recording
not shown: 3 names of which nothing is alive; `tidview sites` has them
"#
    );
    let run = tidview(&["export", &path, "--to", "folded"]);
    assert_eq!(run.code, Some(2));
    assert_eq!(
        run.err,
        r#"tidview: no stacks are in this recording, so there is nothing to export: `tidrec --stacks on` records them
"#
    );
}

#[test]
fn stacks_that_were_wanted_and_are_not_there_are_not_said_to_be_off() {
    let mut header = header();
    header.options.push(("stacks".into(), "64".into()));
    let all = everything();
    let (there, created) = (
        File::trace(&header, &all[..1], 0),
        File::trace(&header, &all, 0),
    );
    for (file, why) in [
        (&there, "no creation is in it"),
        (&created, "of no creation could one be taken"),
    ] {
        let path = file.path();
        let info = prints(&["info", &path]);
        let said = format!("stacks    on, and none is in this file: {why}\n");
        assert!(info.contains(&said), "{info}");
        let sites = prints(&["sites", &path]);
        let said = format!("where tasks were created is not known; {why}. Grouped by ");
        assert!(sites.contains(&said), "{sites}");
        let selected = prints(&["timeline", &path, "--site", "main"]);
        let said = format!("nothing is known to be created anywhere; {why}\n");
        assert!(selected.contains(&said), "{selected}");
        let exported = tidview(&["export", &path, "--to", "folded"]);
        let said = format!("there is nothing to export: {why}\n");
        assert!(exported.err.ends_with(&said), "{exported:?}");
    }
}

#[test]
fn creations_without_a_stack_are_a_line_and_a_notice() {
    let mut server = server();
    for number in 0..3 {
        server.thread("lost", (100 + number, None), &[], "");
    }
    let file = server.file(10 * MINUTE, &[("stacks_dropped", 3), ("stops", 9)]);
    let text = prints(&["sites", &file.path()]);
    let notice = "! 3 of 220 creations have no stack (stacks dropped 3): they are in the line `(no stack)`\n\n";
    assert!(text.starts_with(notice), "{text}");
    assert!(text.contains("(no stack)"), "{text}");
    let info = prints(&["info", &file.path()]);
    assert!(
        info.contains("stacks    on: of 220 creations 217 have one; 4 stacks, "),
        "{info}"
    );
    assert!(info.contains("(stacks dropped 3)"), "{info}");
}

#[test]
fn leaks_are_what_grows() {
    let file = server().file(10 * MINUTE, &[]);
    let path = file.path();
    assert_eq!(
        prints(&["leaks", &path]),
        r#"VERDICT   ALIVE  CREATED   KEPT        FIRST  PER MIN  OVER TIME   SITE                                NAMES      EVIDENCE
LEAK         12       12  100 %  +30.000000s    +1.24  ·▁▂▃▄▅▆▇██  Session::open(int) (session.cc:31)  session-#  those older than 57.0 s rose to 3, 6, 9, 11 in four equal stretches since +30.000000s, and 100 % of them did not end; none ended
pool          4        4  100 %   +0.010000s    +0.02  ·█████████  start_pool (pool.c:12)              pool-#     had 4 at most, by +0.013000s, and 4 ever since
one-shot      1        1  100 %   +0.005000s        0  ·█████████  start_log (log.c:3)                 logger     made once: +0.005000s
before        1        0  100 %       before                       (before the recording)              server     there when the recording began: who created them, and how many had ended by then, is not known

1 site grows through the recording, and 12 tasks are alive
not shown: 1 site of which nothing is alive; `tidview sites` has them
"#
    );
    assert_eq!(
        prints(&["leaks", &path, "--format", "json"]),
        r#"[
{"verdict":"leak","by":"site","label":"Session::open(int) (session.cc:31)","site":{"function":"Session::open(int)","module":"/usr/bin/server","offset":null,"file":"src/session.cc","line":31,"layer":"program"},"evidence":"those older than 57.0 s rose to 3, 6, 9, 11 in four equal stretches since +30.000000s, and 100 % of them did not end; none ended","alive":12,"created":12,"peak":12,"never_ended":1.0,"per_minute":1.242,"first_ns":30000000000,"last_ns":558000000000,"life_p50_ns":null,"alive_curve":[0,1,1,2,2,3,4,4,5,6,6,7,8,8,9,10,10,11,12,12],"start_routines":[{"value":"Session::run() (session.cc:80)","count":12}],"names":[{"value":"session-#","count":12}]},
{"verdict":"pool","by":"site","label":"start_pool (pool.c:12)","site":{"function":"start_pool","module":"/usr/bin/server","offset":null,"file":"src/pool.c","line":12,"layer":"program"},"evidence":"had 4 at most, by +0.013000s, and 4 ever since","alive":4,"created":4,"peak":4,"never_ended":1.0,"per_minute":0.018,"first_ns":10000000,"last_ns":13000000,"life_p50_ns":null,"alive_curve":[0,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4],"start_routines":[{"value":"pool_main (pool.c:90)","count":4}],"names":[{"value":"pool-#","count":4}]},
{"verdict":"one-shot","by":"site","label":"start_log (log.c:3)","site":{"function":"start_log","module":"/usr/bin/server","offset":null,"file":"src/log.c","line":3,"layer":"program"},"evidence":"made once: +0.005000s","alive":1,"created":1,"peak":1,"never_ended":1.0,"per_minute":0.0,"first_ns":5000000,"last_ns":5000000,"life_p50_ns":null,"alive_curve":[0,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"start_routines":[],"names":[{"value":"logger","count":1}]},
{"verdict":"before","by":"site","label":"(before the recording)","site":null,"evidence":"there when the recording began: who created them, and how many had ended by then, is not known","alive":1,"created":0,"peak":1,"never_ended":1.0,"per_minute":null,"first_ns":0,"last_ns":0,"life_p50_ns":null,"alive_curve":[],"start_routines":[],"names":[{"value":"server","count":1}]}
]
"#
    );
    let csv = prints(&["leaks", &path, "--format", "csv"]).replace("\r\n", "\n");
    assert_eq!(csv.lines().count(), 5, "{csv}");
    let columns = csv.lines().next().unwrap();
    assert!(
        columns.starts_with("verdict,by,label,function,module,offset,file,line,layer,evidence,")
    );
}

#[test]
fn what_lived_until_all_was_shut_down_counts_as_alive() {
    let mut server = server();
    let last = server.next;
    let end = 10 * MINUTE - 20;
    for (tid, ms) in (1_000..last).zip(end..) {
        let task = Task::new(100, tid);
        let ended =
            |event: &Event| matches!(event.body, EventBody::Exit { task: it, .. } if it == task);
        if !server.events.iter().any(ended) {
            server.events.push(exit(ms.min(end + 5), task, 0));
        }
    }
    server.events.push(exit(end + 6, MAIN, 0));
    let file = server.file(10 * MINUTE, &[]);
    let text = prints(&["leaks", &file.path()]);
    assert!(
        text.starts_with("! everything ended within 6.00 ms from +599.980000s on: what lived until then counts as alive\n"),
        "{text}"
    );
    assert!(text.contains("LEAK         12       12  100 %"), "{text}");
    assert!(text.contains("pool          4        4  100 %"), "{text}");
    let words =
        "1 site grows through the recording, and 12 tasks were alive until everything ended\n";
    assert!(text.contains(words), "{text}");
}

#[test]
fn leaks_of_a_recording_with_losses_may_be_losses() {
    let mut server = server();
    let lost = EventBody::Lost {
        count: 7,
        since: tidline::model::Time(1),
        reason: "a full queue".into(),
    };
    server.events.push(at(10 * MINUTE - 1, lost));
    let text = prints(&["leaks", &server.file(10 * MINUTE, &[]).path()]);
    assert!(
        text.contains(
            "! an end that is missing makes a task look alive: a LEAK here may be a loss\n"
        ),
        "{text}"
    );
}

#[test]
fn sites_select_tasks_and_their_events() {
    let file = server().file(10 * MINUTE, &[]);
    let path = file.path();
    let found = |command: &str, args: &[&str]| {
        let more: &[&str] = if command == "threads" {
            &["--all"]
        } else {
            &[]
        };
        let all = [&[command, &path][..], more, args].concat();
        let out = prints(&all);
        let counted = out.lines().find(|line| line.contains(" hidden by "));
        counted.expect("a count").to_string()
    };
    for (args, tasks, events) in [
        (&["--site", "start_pool"][..], 4, 8),
        (&["--site", "start_pool (pool.c:12)"], 4, 8),
        (&["--site", "*.c:12)", "--site", "start_log"], 5, 10),
        (&["--site", "accept_*"], 200, 600),
        (
            &[
                "--where",
                "site =~ 'Session::open' && start =~ \"session.cc:80\"",
            ],
            12,
            24,
        ),
    ] {
        let threads = found("threads", args);
        assert!(
            threads.starts_with(&format!("{tasks} of 218 tasks; ")),
            "{threads}"
        );
        let timeline = found("timeline", args);
        assert!(
            timeline.starts_with(&format!("{events} of 635 events; ")),
            "{timeline}"
        );
    }
    let alive = tidview(&["leaks", &path, "--site", "Session*", "--format", "json"]);
    let alive: serde_json::Value = serde_json::from_str(&alive.out).unwrap();
    assert_eq!(alive.as_array().unwrap().len(), 1);
    assert_eq!(
        (&alive[0]["verdict"], &alive[0]["alive"]),
        (&"leak".into(), &12.into())
    );
    let folded = tidview(&["export", &path, "--to", "folded", "--site", "start_pool"]);
    assert!(
        folded
            .out
            .ends_with("start_pool;pthread_create;__clone3 4\n"),
        "{}",
        folded.out
    );
    assert_eq!(
        folded.err,
        "tidview: 4 of 217 tasks; 213 hidden by --site start_pool\n"
    );
}

#[test]
fn every_view_shows_sites() {
    let file = small().file(1_000, &[]);
    let path = file.path();
    assert_eq!(
        prints(&["threads", &path]),
        r#" TID  PID  NAME          BORN    LIVED  CREATOR      SITE                        END
 100  100  server      before  >1.00 s                                           alive
1000  100  worker  +0.010000s   990 ms  server[100]  Pool::add(int) (pool.cc:7)  alive
2000  100  server  +0.020000s   980 ms  server[100]  server+0x4567               alive

3 of 3 tasks alive at the end, +1.000000s (16:13:21.000000 +02:00); --all shows every task
"#
    );
    assert_eq!(
        prints(&["tree", &path]),
        r#"TASK             WHAT           BORN    LIVED  SITE                        END
server[100]      process      before  >1.00 s                              alive
├─ worker[1000]  thread   +0.010000s   990 ms  Pool::add(int) (pool.cc:7)  alive
└─ server[2000]  thread   +0.020000s   980 ms  server+0x4567               alive
"#
    );
    assert_eq!(
        prints(&["timeline", &path, "--kind", "clone"]),
        r#"      TIME  +02:00           KIND      TASK          WHAT
+0.010000s  16:13:20.010000  clone     worker[1000]  thread by server[100] at Pool::add(int) (pool.cc:7) pc 0x7f000010a3b1
+0.020000s  16:13:20.020000  clone     server[2000]  thread by server[100] at server+0x4567 pc 0x7f000010a3b1

2 of 4 events; 2 hidden by --kind clone
"#
    );
    assert_eq!(
        prints(&[
            "timeline", &path, "--kind", "clone", "--stack", "--limit", "2"
        ]),
        r#"      TIME  +02:00           KIND      TASK          WHAT
+0.010000s  16:13:20.010000  clone     worker[1000]  thread by server[100] at Pool::add(int) (pool.cc:7) pc 0x7f000010a3b1
      at __clone3 (libc.so.6)
      at pthread_create (libc.so.6)
      at std::thread::thread<F>(F&&) (server), inlined
      at Pool::add(int) (pool.cc:7)
      at serve (main.cc:40)
      at main (main.c:5)
      at __libc_start_main (libc.so.6)
      at _start (server)
      begins with run (run.cc:3)
+0.020000s  16:13:20.020000  clone     server[2000]  thread by server[100] at server+0x4567 pc 0x7f000010a3b1
      at libc.so.6+0x91234
      at server+0x4567
      at 0x7f001234
      … the return address is in no known code

2 of 4 events; 2 hidden by --kind clone
"#
    );
    assert_eq!(
        tidview(&[
            "timeline", &path, "--kind", "clone", "--limit", "0", "--format", "ndjson"
        ])
        .out,
        r#"{"seq":1,"time_ns":10000000,"wall":"2026-09-21T16:13:20.010000000+02:00","kind":"clone","pid":100,"tid":1000,"name":"worker","parent_pid":100,"parent_tid":100,"new_pid":100,"new_tid":1000,"what":"thread","pc":"0x7f000010a3b1","flags":"0x3d0f00","stack":[{"function":"__clone3","module":"/usr/lib/libc.so.6","offset":"0x1000","file":null,"line":null,"trust":"cfi"},{"function":"pthread_create","module":"/usr/lib/libc.so.6","offset":"0x1010","file":null,"line":null,"trust":"cfi"},{"function":"std::thread::thread<F>(F&&)","module":"/usr/bin/server","offset":"0x1020","file":null,"line":null,"trust":"cfi","inlined":true},{"function":"Pool::add(int)","module":"/usr/bin/server","offset":"0x1020","file":"src/pool.cc","line":7,"trust":"cfi"},{"function":"serve","module":"/usr/bin/server","offset":"0x1030","file":"src/main.cc","line":40,"trust":"cfi"},{"function":"main","module":"/usr/bin/server","offset":"0x1040","file":"src/main.c","line":5,"trust":"cfi"},{"function":"__libc_start_main","module":"/usr/lib/libc.so.6","offset":"0x1050","file":null,"line":null,"trust":"cfi"},{"function":"_start","module":"/usr/bin/server","offset":"0x1060","file":null,"line":null,"trust":"cfi"}],"start_routine":"run (run.cc:3)"}
{"seq":3,"time_ns":20000000,"wall":"2026-09-21T16:13:20.020000000+02:00","kind":"clone","pid":100,"tid":2000,"name":"server","parent_pid":100,"parent_tid":100,"new_pid":100,"new_tid":2000,"what":"thread","pc":"0x7f000010a3b1","flags":"0x3d0f00","stack":[{"function":null,"module":"/usr/lib/libc.so.6","offset":"0x91234","file":null,"line":null,"trust":"cfi"},{"function":null,"module":"/usr/bin/server","offset":"0x4567","file":null,"line":null,"trust":"cfi"},{"function":null,"module":null,"offset":"0x7f001234","file":null,"line":null,"trust":"cfi"}],"stack_end":"the return address is in no known code","start_routine":null}
"#
    );
    assert_eq!(
        prints(&["info", &path, "--modules"]),
        r#"command   pid 100: server '--name=my server'
host      web-3, Linux 6.18.0, x86_64
recorded  2026-09-21 16:13:20.000 +02:00, for 1.00 s
how       ptrace by tidrec 0.1.0, attached, follow-fork both, new-threads follow
tasks     1 at first, 2 threads and 0 processes created, 0 exited, 3 alive at the end, 3 at most at
          a time
stacks    on: of 2 creations 2 have one; 2 stacks, 12 frames of which 9 have a symbol, 2 modules
file      909 bytes, 4 events, 227.2 bytes an event, format version 1
ending    complete: the target ended
losses    none
limits    refused creations were not watched for (--failures)
          the recording began when the program was running: who created the tasks that were there,
          and what had ended before, is not in this file

FRAMES  NAMED  BUILD-ID  MODULE
     4      3  b1d0      /usr/lib/libc.so.6
     7      6  b1d0      /usr/bin/server
"#
    );
    let json = prints(&["threads", &path, "--format", "json"]);
    let threads: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(threads[1]["site"], "Pool::add(int) (pool.cc:7)");
    assert_eq!(threads[1]["start_routine"], "run (run.cc:3)");
    assert_eq!(threads[0]["site"], serde_json::Value::Null);
}

/// Two threads: of one the stack is whole and has an inlined function, of the other it is neither
/// whole nor named.
fn small() -> Server {
    let mut server = Server::new();
    server.thread(
        "worker",
        (10, None),
        &[
            "std::thread::thread<F>(F&&) | Pool::add(int) src/pool.cc:7",
            "serve src/main.cc:40",
        ],
        "run src/run.cc:3",
    );
    let bare = [
        ("/usr/lib/libc.so.6", 0x91_234),
        (BIN, 0x4_567),
        ("", 0x7f00_1234),
    ];
    let frames = bare.map(|(module, address)| server.code.bare(module, address));
    let stack = server.code.stack(&frames, StackEnd::NoCode);
    let mut birth = thread(20, MAIN, Task::new(100, 2_000));
    if let EventBody::Birth(birth) = &mut birth.body {
        birth.stack = Some(stack);
    }
    server.events.push(birth);
    server
}

#[test]
fn stacks_are_folded_for_flame_graphs() {
    let file = server().file(10 * MINUTE, &[]);
    let path = file.path();
    assert_eq!(
        prints(&["export", &path, "--to", "folded"]),
        "_start;__libc_start_main;main;serve;accept_one;pthread_create;__clone3 200\n\
         _start;__libc_start_main;main;Session::open(int);pthread_create;__clone3 12\n\
         _start;__libc_start_main;main;serve;start_pool;pthread_create;__clone3 4\n\
         _start;__libc_start_main;main;start_log;pthread_create;__clone3 1\n"
    );
    let folder = crate::support::Folder::new();
    let out = folder.path("alive.folded");
    let alive = [
        "export", &path, "--to", "folded", "--count", "alive", "-o", &out,
    ];
    assert_eq!(prints(&alive), "");
    let written = std::fs::read_to_string(&out).unwrap();
    assert_eq!(written.lines().count(), 3);
    assert!(
        written.starts_with("_start;__libc_start_main;main;Session::open(int);"),
        "{written}"
    );
    let again = tidview(&alive);
    assert_eq!(
        again.err,
        format!("tidview: {out} is there already: --force replaces it\n")
    );
    let cut = small().file(1_000, &[]);
    let folded = prints(&["export", &cut.path(), "--to", "folded"]);
    assert!(
        folded.contains("[cut];0x7f001234;server+0x4567;libc.so.6+0x91234 1\n"),
        "{folded}"
    );
}

#[test]
fn a_users_list_of_frames_moves_the_site() {
    let file = server().file(10 * MINUTE, &[]);
    let path = file.path();
    let list = File::new(
        "frames.txt",
        b"# ours\nserver start_pool\nserver accept_*\n",
    );
    let text = prints(&["sites", &path, "--runtime-frames", &list.path()]);
    assert!(text.contains("  serve (main.c:44)"), "{text}");
    assert!(text.contains("  serve (main.c:40)"), "{text}");
    assert!(
        text.contains("  Session::open(int) (session.cc:31)"),
        "{text}"
    );
    let wrong = File::new("frames.txt", b"libx\n[\x1b[31mruntime]\n");
    let run = tidview(&["threads", &path, "--runtime-frames", &wrong.path()]);
    assert_eq!(run.code, Some(2));
    assert_eq!(
        run.err,
        format!(
            "tidview: --runtime-frames {}: line 2: [\\x1b[31mruntime] is no section: [system], \
             [language], [library], [interpreter], [program] are\n",
            wrong.path()
        )
    );
    let missing = tidview(&["threads", &path, "--runtime-frames", "/none/x"]);
    assert!(
        missing
            .err
            .starts_with("tidview: cannot read --runtime-frames /none/x: "),
        "{}",
        missing.err
    );
}

#[test]
fn no_function_drives_a_terminal() {
    let hostile = "\u{1b}[2J;\u{202e}f,\" \n=x src/\u{9b}31m.c:7";
    let mut server = Server::new();
    server.thread("w", (1, None), &[hostile], hostile);
    server.thread("=w", (2, None), &["=HYPERLINK(1)"], "@x");
    let file = server.file(1_000, &[]);
    let path = file.path();
    for args in [
        &["sites"][..],
        &["sites", "--by", "stack"],
        &["sites", "--format", "json"],
        &["sites", "--format", "csv"],
        &["sites", "--by", "stack", "--format", "json"],
        &["leaks"],
        &["leaks", "--format", "json"],
        &["leaks", "--format", "csv"],
        &["threads"],
        &["threads", "--format", "json"],
        &["tree"],
        &["timeline", "--stack"],
        &["timeline", "--format", "ndjson"],
        &["timeline", "--format", "csv"],
        &["info", "--modules"],
        &["export", "--to", "folded"],
    ] {
        let text = prints(&[args, &[path.as_str()]].concat()).replace("\r\n", "\n");
        let safe = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
        assert!(text.chars().all(safe), "{args:?}: {text:?}");
        assert!(!text.contains(",=HYPERLINK"), "{args:?}: {text}");
    }
    let folded = prints(&["export", &path, "--to", "folded"]);
    assert!(
        folded.contains(";\\x1b[2J:\\u{202e}f,\" \\n=x;"),
        "{folded}"
    );
}

#[test]
fn damaged_definitions_do_no_harm() {
    let mut server = small();
    server.events.sort_by_key(|event| event.time);
    let bytes = with_stacks(&header(), &server.code, &server.events, 1_000_000_000, &[]);
    for place in (0..bytes.len()).step_by(11) {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x55;
        let file = File::new("t.tid", &bytes);
        for args in [
            &["sites"][..],
            &["leaks"],
            &["timeline", "--stack"],
            &["export", "--to", "folded"],
        ] {
            let run = tidview(&[args, &[file.path().as_str()]].concat());
            assert!(
                matches!(run.code, Some(0..=2)) && !run.err.contains("panicked"),
                "byte {place}, {args:?}: {run:?}"
            );
        }
    }
}

/// Tasks of which a hundred sites make ten thousand each.
fn many(count: u32) -> File {
    let (code, events) = tidline::synth::creations(count, 100, 1);
    let end = events[events.len() - 1].time.0 + 1;
    let bytes = with_stacks(&tidline::synth::header(), &code, &events, end, &[]);
    File::new("t.tid", &bytes)
}

#[test]
fn a_hundred_sites_are_a_hundred_lines_and_those_that_never_end_are_leaks() {
    let file = many(60_000);
    let path = file.path();
    let json = prints(&["sites", &path, "--format", "json"]);
    let sites: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(sites.len(), 100);
    assert!(sites.iter().all(|site| site["created"] == 600), "{json}");
    let json = prints(&["leaks", &path, "--format", "json"]);
    let leaks: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let leaks = leaks.iter().filter(|leak| leak["verdict"] == "leak");
    let mut leaks: Vec<&str> = leaks
        .map(|leak| leak["site"]["function"].as_str().unwrap())
        .collect();
    leaks.sort_unstable();
    let expected = (0..10).map(|n| format!("start_{}", n * 10));
    let mut expected: Vec<String> = expected.collect();
    expected.sort_unstable();
    assert_eq!(leaks, expected);
}

/// What a million creations take.
#[test]
#[ignore = "it is a measurement: run it with --release --nocapture"]
fn a_million_creations() {
    let file = many(1_000_000);
    for args in [&["sites"][..], &["leaks"], &["export", "--to", "folded"]] {
        let begun = std::time::Instant::now();
        let text = prints(&[args, &[file.path().as_str()]].concat());
        println!("{args:?}: {:?}", begun.elapsed());
        assert!((100..110).contains(&text.lines().count()), "{text}");
    }
}
