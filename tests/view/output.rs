//! What each command prints, whole, in each format.

use tidline::format::Writer;
use tidline::model::{Anchor, EventBody, Live, Task, Tid, Time};

use crate::made::{at, everything, existing, header, process, thread, with_losses};
use crate::support::{File, finished, prints, tidview};

const END: u64 = 100_000_000;

fn file() -> File {
    File::new(
        "t.tid",
        &finished(
            &header(),
            &everything(),
            END,
            &[("stops", 1_234), ("stopped_ns", 5_678_901)],
        ),
    )
}

#[test]
fn info_is_lines_of_facts() {
    assert_eq!(
        prints(&["info", &file().path()]),
        r#"command   pid 100: server '--name=my server'
host      web-3, Linux 6.18.0, x86_64
recorded  2026-09-21 16:13:20.000 +02:00, for 100 ms
how       ptrace by tidrec 0.1.0, attached, follow-fork both, new-threads follow
tasks     2 at first, 5 threads and 3 processes created, 6 exited, 3 alive at the end, 7 at most at
          a time, 1 let go
stacks    off: where tasks were created is not in this file (--stacks)
file      691 bytes, 25 events, 27.6 bytes an event, format version 1
ending    complete: the target ended
losses    none
limits    refused creations were not watched for (--failures)
          the recording began when the program was running: who created the tasks that were there,
          and what had ended before, is not in this file
overhead  stops 1,234, stopped 5.67 ms
"#
    );
}

#[test]
fn info_json_is_one_object() {
    assert_eq!(
        prints(&["info", &file().path(), "--format", "json", "--utc"]),
        r#"{
  "format_version": 1,
  "complete": true,
  "backend": "ptrace",
  "recorder": "tidrec 0.1.0",
  "host": "web-3",
  "kernel": "6.18.0",
  "arch": "x86_64",
  "trace_id": "0000000000000000000000000000feed",
  "command": [
    "server",
    "--name=my server"
  ],
  "targets": [
    {
      "pid": 100,
      "command": [
        "server",
        "--name=my server"
      ]
    }
  ],
  "launched": false,
  "options": {
    "follow-fork": "both",
    "new-threads": "follow"
  },
  "start_wall": "2026-09-21T14:13:20.000000000Z",
  "duration_ns": 100000000,
  "events": 25,
  "tasks": {
    "existing": 2,
    "created_threads": 5,
    "created_processes": 3,
    "inferred": 0,
    "exited": 6,
    "let_go": 1,
    "end_missing": 0,
    "alive_at_end": 3,
    "peak_alive": 7
  },
  "failed_creations": 0,
  "stacks": null,
  "lost": 0,
  "gaps": 0,
  "left_out": 0,
  "damaged_chunks": 0,
  "unknown_records": 0,
  "longer_records": 0,
  "trailing_bytes": 0,
  "file_bytes": 691,
  "ending": "finished",
  "end_reason": "the target ended",
  "limits": [
    "refused creations were not watched for (--failures)",
    "the recording began when the program was running: who created the tasks that were there, and what had ended before, is not in this file"
  ],
  "overhead": {
    "stops": 1234,
    "stopped_ns": 5678901
  }
}
"#
    );
}

#[test]
fn timeline_is_one_row_per_event() {
    assert_eq!(
        prints(&["timeline", &file().path()]),
        r#"      TIME  +02:00           KIND      TASK           WHAT
+0.000000s  16:13:20.000000  existing  server[100]    was there before pc 0x401000
+0.000000s  16:13:20.000000  existing  gc[101]        was there before
+0.005000s  16:13:20.005000  clone     server[110]    thread by server[100] pc 0x7f000010a3b1
+0.006000s  16:13:20.006000  rename    pool[110]      was server
+0.010000s  16:13:20.010000  clone     pool[120]      thread by pool[110] pc 0x7f000010a3b1
+0.011000s  16:13:20.011000  rename    worker-0[120]  was pool
+0.020000s  16:13:20.020000  clone     pool[121]      thread by pool[110] pc 0x7f000010a3b1
+0.021000s  16:13:20.021000  rename    worker-1[121]  was pool
+0.030000s  16:13:20.030000  clone     pool[122]      thread by pool[110] pc 0x7f000010a3b1
+0.031000s  16:13:20.031000  rename    worker-2[122]  was pool
+0.040000s  16:13:20.040000  clone     pool[123]      thread by pool[110] pc 0x7f000010a3b1
+0.041000s  16:13:20.041000  rename    worker-3[123]  was pool
+0.045000s  16:13:20.045000  exit      worker-0[120]  exit 0 after 35.0 ms
+0.046000s  16:13:20.046000  exit      worker-1[121]  exit 0 after 26.0 ms
+0.050000s  16:13:20.050000  exit      worker-2[122]  killed by SIGSEGV (core) after 20.0 ms
+0.055000s  16:13:20.055000  fork      server[200]    process by server[100] pc 0x7f000010a3b1
+0.056000s  16:13:20.056000  exec      sh[200]        /x/dash
+0.060000s  16:13:20.060000  vfork     ls[201]        process by an unknown task
+0.061000s  16:13:20.061000  exec      ls[201]        /bin/ls (was tid 209)
+0.070000s  16:13:20.070000  exit      ls[201]        exit 2 after 10.0 ms
+0.075000s  16:13:20.075000  exit      sh[200]        ended (not known how) after 20.0 ms
+0.080000s  16:13:20.080000  fork      server[300]    process by server[100] pc 0x7f000010a3b1
+0.081000s  16:13:20.081000  detach    server[300]    this side of the fork is not followed
+0.090000s  16:13:20.090000  mark                     deploy, "v2"
+0.095000s  16:13:20.095000  exit      gc[101]        exit 0 after >95.0 ms
"#
    );
}

#[test]
fn timeline_ndjson_is_the_contract() {
    assert_eq!(
        prints(&["timeline", &file().path(), "--format", "ndjson"]),
        r#"{"seq":0,"time_ns":0,"wall":"2026-09-21T16:13:20.000000000+02:00","kind":"existing","pid":100,"tid":100,"name":"server","pc":"0x401000"}
{"seq":1,"time_ns":0,"wall":"2026-09-21T16:13:20.000000000+02:00","kind":"existing","pid":100,"tid":101,"name":"gc"}
{"seq":2,"time_ns":5000000,"wall":"2026-09-21T16:13:20.005000000+02:00","kind":"clone","pid":100,"tid":110,"name":"server","parent_pid":100,"parent_tid":100,"new_pid":100,"new_tid":110,"what":"thread","pc":"0x7f000010a3b1","flags":"0x3d0f00"}
{"seq":3,"time_ns":6000000,"wall":"2026-09-21T16:13:20.006000000+02:00","kind":"rename","pid":100,"tid":110,"name":"pool"}
{"seq":4,"time_ns":10000000,"wall":"2026-09-21T16:13:20.010000000+02:00","kind":"clone","pid":100,"tid":120,"name":"pool","parent_pid":100,"parent_tid":110,"new_pid":100,"new_tid":120,"what":"thread","pc":"0x7f000010a3b1","flags":"0x3d0f00"}
{"seq":5,"time_ns":11000000,"wall":"2026-09-21T16:13:20.011000000+02:00","kind":"rename","pid":100,"tid":120,"name":"worker-0"}
{"seq":6,"time_ns":20000000,"wall":"2026-09-21T16:13:20.020000000+02:00","kind":"clone","pid":100,"tid":121,"name":"pool","parent_pid":100,"parent_tid":110,"new_pid":100,"new_tid":121,"what":"thread","pc":"0x7f000010a3b1","flags":"0x3d0f00"}
{"seq":7,"time_ns":21000000,"wall":"2026-09-21T16:13:20.021000000+02:00","kind":"rename","pid":100,"tid":121,"name":"worker-1"}
{"seq":8,"time_ns":30000000,"wall":"2026-09-21T16:13:20.030000000+02:00","kind":"clone","pid":100,"tid":122,"name":"pool","parent_pid":100,"parent_tid":110,"new_pid":100,"new_tid":122,"what":"thread","pc":"0x7f000010a3b1","flags":"0x3d0f00"}
{"seq":9,"time_ns":31000000,"wall":"2026-09-21T16:13:20.031000000+02:00","kind":"rename","pid":100,"tid":122,"name":"worker-2"}
{"seq":10,"time_ns":40000000,"wall":"2026-09-21T16:13:20.040000000+02:00","kind":"clone","pid":100,"tid":123,"name":"pool","parent_pid":100,"parent_tid":110,"new_pid":100,"new_tid":123,"what":"thread","pc":"0x7f000010a3b1","flags":"0x3d0f00"}
{"seq":11,"time_ns":41000000,"wall":"2026-09-21T16:13:20.041000000+02:00","kind":"rename","pid":100,"tid":123,"name":"worker-3"}
{"seq":12,"time_ns":45000000,"wall":"2026-09-21T16:13:20.045000000+02:00","kind":"exit","pid":100,"tid":120,"name":"worker-0","code":0}
{"seq":13,"time_ns":46000000,"wall":"2026-09-21T16:13:20.046000000+02:00","kind":"exit","pid":100,"tid":121,"name":"worker-1","code":0}
{"seq":14,"time_ns":50000000,"wall":"2026-09-21T16:13:20.050000000+02:00","kind":"exit","pid":100,"tid":122,"name":"worker-2","signal":"SIGSEGV","core":true}
{"seq":15,"time_ns":55000000,"wall":"2026-09-21T16:13:20.055000000+02:00","kind":"fork","pid":200,"tid":200,"name":"server","parent_pid":100,"parent_tid":100,"new_pid":200,"new_tid":200,"what":"process","pc":"0x7f000010a3b1","flags":"0x1200011"}
{"seq":16,"time_ns":56000000,"wall":"2026-09-21T16:13:20.056000000+02:00","kind":"exec","pid":200,"tid":200,"name":"sh","former_tid":200,"exe":"/x/dash"}
{"seq":17,"time_ns":60000000,"wall":"2026-09-21T16:13:20.060000000+02:00","kind":"vfork","pid":201,"tid":201,"name":"ls","parent_pid":null,"parent_tid":null,"new_pid":201,"new_tid":201,"what":"process","pc":null,"flags":null}
{"seq":18,"time_ns":61000000,"wall":"2026-09-21T16:13:20.061000000+02:00","kind":"exec","pid":201,"tid":201,"name":"ls","former_tid":209,"exe":"/bin/ls"}
{"seq":19,"time_ns":70000000,"wall":"2026-09-21T16:13:20.070000000+02:00","kind":"exit","pid":201,"tid":201,"name":"ls","code":2}
{"seq":20,"time_ns":75000000,"wall":"2026-09-21T16:13:20.075000000+02:00","kind":"exit","pid":200,"tid":200,"name":"sh"}
{"seq":21,"time_ns":80000000,"wall":"2026-09-21T16:13:20.080000000+02:00","kind":"fork","pid":300,"tid":300,"name":"server","parent_pid":100,"parent_tid":100,"new_pid":300,"new_tid":300,"what":"process","pc":"0x7f000010a3b1","flags":"0x1200011"}
{"seq":22,"time_ns":81000000,"wall":"2026-09-21T16:13:20.081000000+02:00","kind":"detach","pid":300,"tid":300,"name":"server","reason":"this side of the fork is not followed"}
{"seq":23,"time_ns":90000000,"wall":"2026-09-21T16:13:20.090000000+02:00","kind":"mark","text":"deploy, \"v2\""}
{"seq":24,"time_ns":95000000,"wall":"2026-09-21T16:13:20.095000000+02:00","kind":"exit","pid":100,"tid":101,"name":"gc","code":0}
"#
    );
}

#[test]
fn timeline_json_is_the_same_objects_in_an_array() {
    let file = file();
    let lines = prints(&["timeline", &file.path(), "--format", "ndjson", "--utc"]);
    let array = prints(&["timeline", &file.path(), "--format", "json", "--utc"]);
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let array: Vec<serde_json::Value> = serde_json::from_str(&array).unwrap();
    assert_eq!(lines, array);
    assert_eq!(lines[2]["wall"], "2026-09-21T14:13:20.005000000Z");
}

#[test]
fn timeline_csv_has_a_column_for_each_field() {
    assert_eq!(
        prints(&["timeline", &file().path(), "--format", "csv"]).replace("\r\n", "\n"),
        r#"seq,time_ns,wall,kind,pid,tid,name,parent_pid,parent_tid,new_pid,new_tid,what,pc,flags,code,signal,core,former_tid,exe,count,reason,since_ns,detail,text,inner_tid,call,errno,args,result,stack,stack_end,start_routine
0,0,2026-09-21T16:13:20.000000000+02:00,existing,100,100,server,,,,,,0x401000,,,,,,,,,,,,,,,,,,,
1,0,2026-09-21T16:13:20.000000000+02:00,existing,100,101,gc,,,,,,,,,,,,,,,,,,,,,,,,,
2,5000000,2026-09-21T16:13:20.005000000+02:00,clone,100,110,server,100,100,100,110,thread,0x7f000010a3b1,0x3d0f00,,,,,,,,,,,,,,,,,,
3,6000000,2026-09-21T16:13:20.006000000+02:00,rename,100,110,pool,,,,,,,,,,,,,,,,,,,,,,,,,
4,10000000,2026-09-21T16:13:20.010000000+02:00,clone,100,120,pool,100,110,100,120,thread,0x7f000010a3b1,0x3d0f00,,,,,,,,,,,,,,,,,,
5,11000000,2026-09-21T16:13:20.011000000+02:00,rename,100,120,worker-0,,,,,,,,,,,,,,,,,,,,,,,,,
6,20000000,2026-09-21T16:13:20.020000000+02:00,clone,100,121,pool,100,110,100,121,thread,0x7f000010a3b1,0x3d0f00,,,,,,,,,,,,,,,,,,
7,21000000,2026-09-21T16:13:20.021000000+02:00,rename,100,121,worker-1,,,,,,,,,,,,,,,,,,,,,,,,,
8,30000000,2026-09-21T16:13:20.030000000+02:00,clone,100,122,pool,100,110,100,122,thread,0x7f000010a3b1,0x3d0f00,,,,,,,,,,,,,,,,,,
9,31000000,2026-09-21T16:13:20.031000000+02:00,rename,100,122,worker-2,,,,,,,,,,,,,,,,,,,,,,,,,
10,40000000,2026-09-21T16:13:20.040000000+02:00,clone,100,123,pool,100,110,100,123,thread,0x7f000010a3b1,0x3d0f00,,,,,,,,,,,,,,,,,,
11,41000000,2026-09-21T16:13:20.041000000+02:00,rename,100,123,worker-3,,,,,,,,,,,,,,,,,,,,,,,,,
12,45000000,2026-09-21T16:13:20.045000000+02:00,exit,100,120,worker-0,,,,,,,,0,,,,,,,,,,,,,,,,,
13,46000000,2026-09-21T16:13:20.046000000+02:00,exit,100,121,worker-1,,,,,,,,0,,,,,,,,,,,,,,,,,
14,50000000,2026-09-21T16:13:20.050000000+02:00,exit,100,122,worker-2,,,,,,,,,SIGSEGV,true,,,,,,,,,,,,,,,
15,55000000,2026-09-21T16:13:20.055000000+02:00,fork,200,200,server,100,100,200,200,process,0x7f000010a3b1,0x1200011,,,,,,,,,,,,,,,,,,
16,56000000,2026-09-21T16:13:20.056000000+02:00,exec,200,200,sh,,,,,,,,,,,200,/x/dash,,,,,,,,,,,,,
17,60000000,2026-09-21T16:13:20.060000000+02:00,vfork,201,201,ls,,,201,201,process,,,,,,,,,,,,,,,,,,,,
18,61000000,2026-09-21T16:13:20.061000000+02:00,exec,201,201,ls,,,,,,,,,,,209,/bin/ls,,,,,,,,,,,,,
19,70000000,2026-09-21T16:13:20.070000000+02:00,exit,201,201,ls,,,,,,,,2,,,,,,,,,,,,,,,,,
20,75000000,2026-09-21T16:13:20.075000000+02:00,exit,200,200,sh,,,,,,,,,,,,,,,,,,,,,,,,,
21,80000000,2026-09-21T16:13:20.080000000+02:00,fork,300,300,server,100,100,300,300,process,0x7f000010a3b1,0x1200011,,,,,,,,,,,,,,,,,,
22,81000000,2026-09-21T16:13:20.081000000+02:00,detach,300,300,server,,,,,,,,,,,,,,this side of the fork is not followed,,,,,,,,,,,
23,90000000,2026-09-21T16:13:20.090000000+02:00,mark,,,,,,,,,,,,,,,,,,,,"deploy, ""v2""",,,,,,,,
24,95000000,2026-09-21T16:13:20.095000000+02:00,exit,100,101,gc,,,,,,,,0,,,,,,,,,,,,,,,,,
"#
    );
}

#[test]
fn timeline_of_one_thread_has_its_births_and_says_what_is_not_shown() {
    assert_eq!(
        prints(&[
            "timeline",
            &file().path(),
            "--tid",
            "110",
            "--limit",
            "3",
            "--utc"
        ]),
        r#"      TIME  UTC              KIND      TASK           WHAT
+0.005000s  14:13:20.005000  clone     server[110]    thread by server[100] pc 0x7f000010a3b1
+0.006000s  14:13:20.006000  rename    pool[110]      was server
+0.010000s  14:13:20.010000  clone     pool[120]      thread by pool[110] pc 0x7f000010a3b1

… 3 more events; --limit 0 shows all
6 of 25 events; 19 hidden by --tid 110
"#
    );
}

#[test]
fn timeline_by_process_and_kind() {
    assert_eq!(
        prints(&[
            "timeline",
            &file().path(),
            "--pid",
            "200",
            "--kind",
            "fork,exec"
        ]),
        r#"      TIME  +02:00           KIND      TASK           WHAT
+0.055000s  16:13:20.055000  fork      server[200]    process by server[100] pc 0x7f000010a3b1
+0.056000s  16:13:20.056000  exec      sh[200]        /x/dash

2 of 25 events; 23 hidden by --pid 200 --kind fork,exec
"#
    );
    assert_eq!(
        prints(&["timeline", &file().path(), "--tid", "999"]),
        "! --tid: no thread 999 is in this recording\n\n0 of 25 events; 25 hidden by --tid 999\n"
    );
}

#[test]
fn lanes_are_lives_against_time() {
    assert_eq!(
        prints(&["timeline", &file().path(), "--lanes", "--width", "80"]),
        r#"                │0s         │20ms        │40ms       │60ms        │80ms
server[100]     ←──────────────────────────────────────────────────────────────→
  gc[101]       ←──────────────────────────────────────────────────────────┤
  pool[110]        ├───────────────────────────────────────────────────────────→
  worker-0[120]       ├─────────────────────┤
  worker-1[121]             ├───────────────┤
  worker-2[122]                   ├────────────╳
  worker-3[123]                          ├─────────────────────────────────────→
sh[200]                                           ├────────────?
ls[201]                                              ├──────!
server[300]                                                       ├»

← there before   ├ birth   ┤ exit 0   ! other exit code   ╳ killed   » let go
? end not known   → alive at the end
"#
    );
    assert_eq!(
        prints(&[
            "timeline",
            &file().path(),
            "--lanes",
            "--tid",
            "110",
            "--limit",
            "2"
        ]),
        r#"                │0s             │20ms            │40ms           │60ms            │80ms
  pool[110]         ├──────────────────────────────────────────────────────────────────────────────→
  worker-0[120]         ├────────────────────────────┤

… 3 more lanes; --limit 0 shows all
├ birth   ┤ exit 0   → alive at the end
5 of 10 tasks; 5 hidden by --tid 110
"#
    );
}

#[test]
fn tree_is_who_created_whom() {
    assert_eq!(
        prints(&["tree", &file().path()]),
        r#"TASK                 WHAT                     BORN                        LIVED  END
server[100]          process                before                      >100 ms  alive
├─ gc[101]           thread                 before                     >95.0 ms  exit 0 at +0.095000s
├─ pool[110]         thread             +0.005000s                      95.0 ms  alive
│  └─ worker-# x 4   threads  +0.010000..0.040000s  20.0 ms / 35.0 ms / 60.0 ms  1 alive, 2 exit 0, 1 killed by SIGSEGV (core)
├─ sh[200]  /x/dash  process            +0.055000s                      20.0 ms  ended (not known how) at +0.075000s
└─ server[300]       process            +0.080000s                      1.00 ms  let go at a fork at +0.081000s
ls[201]              process            +0.060000s                      10.0 ms  exit 2 at +0.070000s

folded: first and last birth, shortest/median/longest life; --no-fold shows every task
"#
    );
}

#[test]
fn tree_unfolded_has_every_task() {
    let unfolded = prints(&["tree", &file().path(), "--no-fold"]);
    assert_eq!(
        unfolded,
        r#"TASK                 WHAT           BORN     LIVED  END
server[100]          process      before   >100 ms  alive
├─ gc[101]           thread       before  >95.0 ms  exit 0 at +0.095000s
├─ pool[110]         thread   +0.005000s   95.0 ms  alive
│  ├─ worker-0[120]  thread   +0.010000s   35.0 ms  exit 0 at +0.045000s
│  ├─ worker-1[121]  thread   +0.020000s   26.0 ms  exit 0 at +0.046000s
│  ├─ worker-2[122]  thread   +0.030000s   20.0 ms  killed by SIGSEGV (core) at +0.050000s
│  └─ worker-3[123]  thread   +0.040000s   60.0 ms  alive
├─ sh[200]  /x/dash  process  +0.055000s   20.0 ms  ended (not known how) at +0.075000s
└─ server[300]       process  +0.080000s   1.00 ms  let go at a fork at +0.081000s
ls[201]              process  +0.060000s   10.0 ms  exit 2 at +0.070000s
"#
    );
    assert_eq!(unfolded, prints(&["tree", &file().path(), "--all"]));
}

#[test]
fn tree_json_is_nested() {
    assert_eq!(
        prints(&["tree", &file().path(), "--format", "json"]),
        r#"[
{"pid":100,"tid":100,"name":"server","what":"process","born_ns":0,"ended_ns":null,"how":"alive","children":[
{"pid":100,"tid":101,"name":"gc","what":"thread","born_ns":0,"ended_ns":95000000,"how":"exit 0","children":[]},
{"pid":100,"tid":110,"name":"pool","what":"thread","born_ns":5000000,"ended_ns":null,"how":"alive","children":[
{"pid":100,"tid":120,"name":"worker-0","what":"thread","born_ns":10000000,"ended_ns":45000000,"how":"exit 0","children":[]},
{"pid":100,"tid":121,"name":"worker-1","what":"thread","born_ns":20000000,"ended_ns":46000000,"how":"exit 0","children":[]},
{"pid":100,"tid":122,"name":"worker-2","what":"thread","born_ns":30000000,"ended_ns":50000000,"how":"killed by SIGSEGV (core)","children":[]},
{"pid":100,"tid":123,"name":"worker-3","what":"thread","born_ns":40000000,"ended_ns":null,"how":"alive","children":[]}]},
{"pid":200,"tid":200,"name":"sh","what":"process","born_ns":55000000,"ended_ns":75000000,"how":"ended (not known how)","children":[]},
{"pid":300,"tid":300,"name":"server","what":"process","born_ns":80000000,"ended_ns":81000000,"how":"let go at a fork","children":[]}]},
{"pid":201,"tid":201,"name":"ls","what":"process","born_ns":60000000,"ended_ns":70000000,"how":"exit 2","children":[]}]
"#
    );
}

#[test]
fn tree_at_a_time_has_the_living_and_their_ancestors() {
    assert_eq!(
        prints(&["tree", &file().path(), "--at", "60ms"]),
        r#"TASK                 WHAT           BORN     LIVED  END
server[100]          process      before   >100 ms  alive
├─ gc[101]           thread       before  >95.0 ms  exit 0 at +0.095000s
├─ pool[110]         thread   +0.005000s   95.0 ms  alive
│  └─ worker-3[123]  thread   +0.040000s   60.0 ms  alive
└─ sh[200]  /x/dash  process  +0.055000s   20.0 ms  ended (not known how) at +0.075000s
ls[201]              process  +0.060000s   10.0 ms  exit 2 at +0.070000s

alive at +0.060000s (16:13:20.060000 +02:00), under their ancestors
"#
    );
}

#[test]
fn threads_are_the_living() {
    assert_eq!(
        prints(&["threads", &file().path()]),
        r#"TID  PID  NAME            BORN    LIVED  CREATOR      END
100  100  server        before  >100 ms               alive
110  100  pool      +0.005000s  95.0 ms  server[100]  alive
123  100  worker-3  +0.040000s  60.0 ms  pool[110]    alive

3 of 10 tasks alive at the end, +0.100000s (16:13:20.100000 +02:00); --all shows every task
"#
    );
    assert_eq!(
        prints(&["threads", &file().path(), "--all", "--limit", "4"]),
        r#"TID  PID  NAME            BORN     LIVED  CREATOR      END
100  100  server        before   >100 ms               alive
101  100  gc            before  >95.0 ms               exit 0 at +0.095000s
110  100  pool      +0.005000s   95.0 ms  server[100]  alive
120  100  worker-0  +0.010000s   35.0 ms  pool[110]    exit 0 at +0.045000s

… 6 more tasks; --limit 0 shows all
10 tasks in all
"#
    );
}

#[test]
fn threads_json_is_a_list() {
    assert_eq!(
        prints(&[
            "threads",
            &file().path(),
            "--at",
            "48ms",
            "--format",
            "json"
        ]),
        r#"[
{"pid":100,"tid":100,"name":"server","what":"process","parent_pid":null,"parent_tid":null,"born_ns":0,"ended_ns":null,"how":"alive","site":null,"start_routine":null},
{"pid":100,"tid":101,"name":"gc","what":"thread","parent_pid":null,"parent_tid":null,"born_ns":0,"ended_ns":95000000,"how":"exit 0","site":null,"start_routine":null},
{"pid":100,"tid":110,"name":"pool","what":"thread","parent_pid":100,"parent_tid":100,"born_ns":5000000,"ended_ns":null,"how":"alive","site":null,"start_routine":null},
{"pid":100,"tid":122,"name":"worker-2","what":"thread","parent_pid":100,"parent_tid":110,"born_ns":30000000,"ended_ns":50000000,"how":"killed by SIGSEGV (core)","site":null,"start_routine":null},
{"pid":100,"tid":123,"name":"worker-3","what":"thread","parent_pid":100,"parent_tid":110,"born_ns":40000000,"ended_ns":null,"how":"alive","site":null,"start_routine":null}
]
"#
    );
}

/// A process has its place by the first of its tasks that lives: not by one of the past, which may
/// have been of another process with its number.
#[test]
fn threads_are_in_order_of_what_lives() {
    use crate::made::{existing, exit, process, thread};
    use tidline::model::Task;
    let [one, other] = [Task::new(10, 10), Task::new(20, 20)];
    let events = [
        existing(0, one, b"one"),
        existing(0, other, b"other"),
        exit(5, one, 0),
        thread(10, other, Task::new(20, 21)),
        process(20, other, one),
        thread(30, one, Task::new(10, 11)),
    ];
    let file = File::trace(&header(), &events, END);
    let order = |args: &[&str]| -> Vec<String> {
        let out = prints(&[&["threads", &file.path()], args].concat());
        let rows = out.lines().skip(1).take_while(|line| !line.is_empty());
        let tids = rows.filter_map(|row| row.split_whitespace().next());
        tids.map(Into::into).collect()
    };
    assert_eq!(order(&[]), ["20", "21", "10", "11"]);
    assert_eq!(order(&["--at", "4ms"]), ["10", "20"]);
    assert_eq!(order(&["--all"]), ["10", "10", "11", "20", "21"]);
}

#[test]
fn threads_say_so_when_all_have_ended() {
    let events = [
        crate::made::existing(0, tidline::model::Task::new(7, 7), b"x"),
        crate::made::exit(1, tidline::model::Task::new(7, 7), 0),
    ];
    let file = File::trace(&header(), &events, END);
    assert_eq!(
        prints(&["threads", &file.path()]),
        "everything has ended by +0.100000s (16:13:20.100000 +02:00): 0 of 1 task alive; --all shows \
         every task, --at TIME those of a moment\n"
    );
    assert_eq!(
        prints(&["threads", &file.path(), "--format", "json"]),
        "[]\n"
    );
}

#[test]
fn a_whole_trace_checks_as_complete() {
    assert_eq!(
        prints(&["check", &file().path()]),
        "complete: 25 events, nothing lost\n"
    );
    assert_eq!(
        prints(&["check", &file().path(), "--format", "json"]),
        r#"{
  "ok": true,
  "complete": true,
  "events": 25,
  "ending": "finished",
  "end_reason": "the target ended",
  "end_ns": 100000000,
  "lost": 0,
  "gaps": 0,
  "damaged_chunks": 0,
  "unknown_records": 0,
  "longer_records": 0,
  "trailing_bytes": 0,
  "births_missing": 0,
  "ends_missing": 0,
  "problems": []
}
"#
    );
}

#[test]
fn losses_are_told_by_every_view() {
    let file = File::trace(&header(), &with_losses(), END);
    let notices = [
        "1,234 events lost while recording: tasks may be missing, and ends too",
        "1 gap: there were tasks that the recorder could not see; `tidview check` says why",
    ];
    for command in ["info", "timeline", "tree", "threads"] {
        let text = prints(&[command, &file.path()]);
        let head = format!("! {}\n! {}\n\n", notices[0], notices[1]);
        assert!(text.starts_with(&head), "{command}: {text}");
        let json = tidview(&[command, &file.path(), "--format", "json"]);
        let aside = format!("tidview: {}\ntidview: {}\n", notices[0], notices[1]);
        assert_eq!((json.err, json.code), (aside, Some(0)), "{command}");
        serde_json::from_str::<serde_json::Value>(&json.out).unwrap();
    }
    let last: Vec<String> = prints_with_losses(&file, "ndjson");
    assert_eq!(
        last,
        [
            r#"{"seq":25,"time_ns":96000000,"wall":"2026-09-21T16:13:20.096000000+02:00","kind":"gap","count":1,"reason":"tracee lost","since_ns":95000000,"detail":"tid 130"}"#,
            r#"{"seq":26,"time_ns":98000000,"wall":"2026-09-21T16:13:20.098000000+02:00","kind":"lost","count":1234,"reason":"writing failed: no space left on device","since_ns":96000000}"#,
        ]
    );
    assert_eq!(
        prints_with_losses(&file, "table"),
        [
            "+0.096000s  16:13:20.096000  gap                      1 task tracee lost since +0.095000s: tid 130",
            "+0.098000s  16:13:20.098000  lost                     1,234 events not kept since +0.096000s: writing failed: no space left on device",
        ]
    );
}

/// The last two lines of a timeline.
fn prints_with_losses(file: &File, format: &str) -> Vec<String> {
    let run = tidview(&["timeline", &file.path(), "--format", format]);
    let lines: Vec<String> = run.out.lines().map(String::from).collect();
    lines[lines.len() - 2..].to_vec()
}

#[test]
fn losses_make_check_fail_and_say_what_and_when() {
    let file = File::trace(&header(), &with_losses(), END);
    let run = tidview(&["check", &file.path()]);
    assert_eq!(run.code, Some(1));
    assert_eq!(run.err, "");
    assert_eq!(
        run.out,
        r#"not complete: 27 events readable, 2 problems

PROBLEM  COUNT  FROM                 TO                   DETAIL
gap          1  +0.095000s 16:13:20  +0.096000s 16:13:20  tracee lost: tid 130
lost     1,234  +0.096000s 16:13:20  +0.098000s 16:13:20  writing failed: no space left on device
"#
    );
    let run = tidview(&["check", &file.path(), "--limit", "1"]);
    assert!(
        run.out
            .ends_with("\n… 1 more problem; --limit 0 shows all\n"),
        "{}",
        run.out
    );
}

/// Everything, with a checkpoint amid it that counts so many exits too many.
fn miscounted(exits: u64) -> File {
    let mut writer = Writer::start(Vec::new(), &header()).unwrap();
    let (mut live, events) = (Live::default(), everything());
    for (number, event) in events.iter().enumerate() {
        if number == 18 {
            let mut tally = live.tally();
            tally.totals.exited += exits;
            let anchor = Anchor {
                time: live.now(),
                wall_ns: header().start_wall_ns.saturating_add_unsigned(live.now().0),
                utc_offset_s: header().utc_offset_s,
            };
            let carried = live.checkpoint();
            writer.checkpoint_with(&carried, &tally, anchor).unwrap();
        }
        writer.push(event).unwrap();
        live.follow(event);
    }
    let bytes = writer.finish(Time(END), "the target ended", &[]).unwrap();
    File::new("t.tid", &bytes)
}

#[test]
fn check_compares_what_a_checkpoint_counts_with_the_events() {
    let right = miscounted(0);
    assert_eq!(
        prints(&["check", &right.path()]),
        "complete: 25 events, nothing lost\n"
    );
    let wrong = miscounted(2);
    let run = tidview(&["check", &wrong.path()]);
    assert_eq!((run.err.as_str(), run.code), ("", Some(1)));
    assert_eq!(
        run.out,
        r#"not complete: 25 events readable, 1 problem

PROBLEM  AT BYTE  BYTES  FROM                 TO                   DETAIL
damage       486      0  +0.060000s 16:13:20  +0.060000s 16:13:20  a checkpoint does not count the events before it as they are: exited 5, not 3
"#
    );
    // No view needs it where it takes every event.
    let timeline = |file: &File| prints(&["timeline", &file.path()]);
    assert_eq!(timeline(&wrong), timeline(&right));
}

#[test]
fn the_first_task_of_a_launched_command_was_not_there_before() {
    let header = tidline::format::Header {
        launched: true,
        ..header()
    };
    let events = &everything()[..1];
    let file = File::trace(&header, events, END);
    assert_eq!(
        prints(&["timeline", &file.path()]),
        r#"      TIME  +02:00           KIND      TASK         WHAT
+0.000000s  16:13:20.000000  existing  server[100]  the first task pc 0x401000
"#
    );
    assert_eq!(
        prints(&["tree", &file.path()]),
        r#"TASK         WHAT           BORN   LIVED  END
server[100]  process  +0.000000s  100 ms  alive
"#
    );
    // The command's own may have been left out by its name; another was there when it got one.
    let of_another = tidline::format::Header {
        targets: vec![tidline::format::Target {
            pid: 99,
            command: vec![b"sh".to_vec()],
        }],
        ..header
    };
    let file = File::trace(&of_another, events, END);
    assert_eq!(
        prints(&["timeline", &file.path()]),
        r#"      TIME  +02:00           KIND      TASK         WHAT
+0.000000s  16:13:20.000000  existing  server[100]  was there before pc 0x401000
"#
    );
}

#[test]
fn tasks_in_a_container_are_shown_with_the_tids_they_know_themselves_by() {
    let (docker, main, worker) = (Task::new(50, 50), Task::new(60, 60), Task::new(60, 61));
    let mut events = vec![
        existing(0, docker, b"runc"),
        process(1, docker, main),
        thread(2, main, worker),
    ];
    for (event, tid) in events[1..].iter_mut().zip([1, 7]) {
        if let EventBody::Birth(birth) = &mut event.body {
            birth.inner = Some(Tid(tid));
        }
    }
    let file = File::trace(&header(), &events, END);
    let shows = |args: &[&str], texts: &[&str]| {
        let path = file.path();
        let printed = prints(&[args, &[path.as_str()]].concat());
        for text in texts {
            assert!(printed.contains(text), "{text:?} is not in\n{printed}");
        }
    };
    shows(
        &["timeline"],
        &[
            "process by runc[50] (1 inside)",
            "thread by runc[60] (7 inside)",
        ],
    );
    shows(&["tree"], &["runc[60] (1 inside)", "runc[61] (7 inside)"]);
    shows(&["threads"], &["TID  INSIDE", "61       7   60  runc"]);
    shows(&["timeline", "--format", "ndjson"], &[r#""inner_tid":7"#]);
    for view in ["tree", "threads"] {
        shows(&[view, "--format", "json"], &[r#""inner_tid":7"#]);
    }
}

#[test]
fn an_empty_trace_is_no_error() {
    let file = File::trace(&header(), &[], 0);
    let path = file.path();
    assert_eq!(prints(&["timeline", &path]), "no event is in this trace\n");
    assert_eq!(prints(&["timeline", &path, "--lanes"]), "no task to draw\n");
    assert_eq!(prints(&["tree", &path]), "no task is in this trace\n");
    assert_eq!(prints(&["threads", &path]), "no task is in this trace\n");
    assert_eq!(
        prints(&["check", &path]),
        "complete: 0 events, nothing lost\n"
    );
    assert_eq!(prints(&["timeline", &path, "--format", "ndjson"]), "");
    for command in ["timeline", "tree", "threads"] {
        let json = prints(&[command, &path, "--format", "json"]);
        assert_eq!(json, "[]\n", "{command}");
    }
    let info = prints(&["info", &path, "--format", "json"]);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["events"], 0);
    assert_eq!(info["complete"], true);
}

#[test]
fn limits_of_the_recording_are_told() {
    let with = |options: &[(&str, &str)], launched| {
        let mut header = header();
        let owned = options.iter();
        header.options = owned.map(|(n, v)| ((*n).into(), (*v).into())).collect();
        header.launched = launched;
        let file = File::trace(&header, &[], 0);
        let info = prints(&["info", &file.path(), "--format", "json"]);
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        info["limits"].clone()
    };
    let unwatched = "refused creations were not watched for (--failures)";
    assert_eq!(with(&[], true), serde_json::json!([unwatched]));
    assert_eq!(
        with(&[("failures", "off")], true),
        serde_json::json!([unwatched])
    );
    for how in ["syscalls", "seccomp"] {
        assert_eq!(with(&[("failures", how)], true), serde_json::json!([]));
    }
    assert_eq!(
        with(
            &[("new-threads", "detach"), ("follow-fork", "parent")],
            true
        ),
        serde_json::json!([
            "new threads were let go at once: what they created, and how they ended, is not in this file",
            "new processes were let go at once: what they did, and how they ended, is not in this file",
            unwatched,
        ])
    );
    assert_eq!(
        with(&[("follow-fork", "child")], false),
        serde_json::json!([
            "a process that forked was let go: what it did after that, and how it ended, is not in this file",
            unwatched,
            "the recording began when the program was running: who created the tasks that were there, and what had ended before, is not in this file",
        ])
    );
}

#[test]
fn refused_creations_are_counted_by_error_and_selected_by_kind() {
    let main = Task::new(100, 100);
    let mut events = vec![existing(0, main, b"server")];
    for (ms, call, errno) in [(1, "clone3", 22), (2, "clone", 11), (3, "vfork", 11)] {
        let body = EventBody::CreateFailed {
            task: main,
            call: call.into(),
            errno,
            flags: None,
            pc: Some(0x40_1000),
            stack: None,
        };
        events.push(at(ms, body));
    }
    let file = File::trace(&header(), &events, 0);
    let info = prints(&["info", &file.path(), "--format", "json"]);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["failed_creations"], 3);
    let info = prints(&["info", &file.path()]);
    assert!(
        info.contains("\nrefused   3 creations: 2 EAGAIN, 1 EINVAL\n"),
        "{info}"
    );
    let timeline = prints(&["timeline", &file.path(), "--kind", "create-failed"]);
    let rows: Vec<&str> = timeline.lines().skip(1).take(3).collect();
    assert!(
        timeline.contains("3 of 4 events; 1 hidden by --kind create-failed"),
        "{timeline}"
    );
    assert!(
        rows[0].ends_with("server[100]  clone3: EINVAL pc 0x401000"),
        "{timeline}"
    );
}

#[test]
fn what_was_chosen_and_what_was_left_out_is_told() {
    let mut header = header();
    let options = [
        ("follow-exec", "no"),
        ("include", "a* 'b c'"),
        ("exclude", "\u{1b}[2J"),
        ("no-args", "yes"),
    ];
    header.options = options.map(|(n, v)| (n.into(), v.into())).to_vec();
    header.launched = true;
    let limits = |choice: &str| {
        serde_json::json!([
            choice,
            "of command lines only the program was recorded: arguments are not in this file",
            "refused creations were not watched for (--failures)",
            "a process that executed a program was let go there: what the program did, and how it ended, is not in this file",
        ])
    };
    let file = File::new(
        "t.tid",
        &finished(&header, &[], 0, &[("stops", 2), ("left_out", 1234)]),
    );
    let info = prints(&["info", &file.path(), "--format", "json"]);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let choice = r"tasks were left out by their names (--include a* 'b c' --exclude \x1b[2J): 1,234 events of theirs not in this file; one that came in by a new name is there from then on";
    assert_eq!(info["limits"], limits(choice));
    assert_eq!(info["left_out"], 1234);
    // One that is left out is named by the birth that it gave.
    let birth = thread(7, Task::new(7, 1), Task::new(7, 2));
    let named = File::new("t.tid", &finished(&header, &[birth], 9, &[("left_out", 1)]));
    assert_eq!(
        prints(&["check", &named.path()]),
        "complete: 1 event, nothing lost\n"
    );
    let shown = prints(&["info", &file.path()]);
    assert!(shown.contains("overhead  stops 2\n"), "{shown}");

    let whole = finished(&header, &[], 0, &[]);
    let file = File::new("t.tid", &whole[..whole.len() - 1]);
    let info = tidview(&["info", &file.path(), "--format", "json"]).out;
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let unknown = choice.replace("1,234 events", "events (their number is not known)");
    assert_eq!(info["limits"], limits(&unknown));
    assert_eq!(info["left_out"], serde_json::Value::Null);
}

#[test]
fn colour_is_only_where_it_is_asked_for() {
    let file = file();
    let plain = prints(&["tree", &file.path()]);
    assert!(!plain.contains('\x1b'));
    assert_eq!(plain, prints(&["tree", &file.path(), "--color", "never"]));
    let coloured = prints(&["tree", &file.path(), "--color", "always"]);
    assert!(coloured.contains("\x1b[1mserver[100]\x1b[0m"), "{coloured}");
    let codes = ["1", "2", "31", "32", "33", "0"].map(|code| format!("\x1b[{code}m"));
    let bare = codes
        .iter()
        .fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(bare, plain);
}

#[test]
fn with_ascii_tables_have_nothing_else_and_are_as_long() {
    let file = crate::support::File::trace(&header(), &everything(), 500_000_000);
    let path = file.path();
    let mut drawn = 0;
    for view in [
        &["info", &path][..],
        &["timeline", &path, "--stack"],
        &["timeline", &path, "--lanes"],
        &["tree", &path],
        &["threads", &path, "--all"],
        &["sites", &path],
        &["leaks", &path],
        &["stats", &path],
        &["diff", &path, &path, "--all", "--tree"],
    ] {
        let (usual, plain) = (prints(view), prints(&[view, &["--ascii"]].concat()));
        assert!(plain.is_ascii(), "{view:?}: {plain}");
        assert_eq!(plain.lines().count(), usual.lines().count(), "{view:?}");
        drawn += usize::from(!usual.is_ascii());
    }
    assert!(drawn >= 4, "{drawn}");
    let json = ["timeline", &path, "--format", "json"];
    assert_eq!(prints(&[&json[..], &["--ascii"]].concat()), prints(&json));
}
