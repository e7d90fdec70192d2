//! Records: one event each, framed so that a reader can pass over what it does not know.
//!
//! For each kind its number, its body and both directions stand together. Ids are kept as
//! differences to the last id in the same role ([`Context`]); the context begins anew in each
//! chunk, so a chunk decodes alone. What numbers of stacks stand for is defined in chunks of their
//! own.

use std::collections::HashMap;

use super::chunk;
use super::codec::{self, BorrowDecode, Encode};
use crate::model::{
    Anchor, Birth, Carried, Definition, DetachReason, End, Ended, Event, EventBody, Frame, FrameId,
    Function, GapReason, Module, ModuleId, Origin, Pid, StackEnd, StackId, StackNode, Symbol,
    SymbolSource, Tally, Task, Tid, Time, Totals, Trust, Via, What,
};

/// Record kinds. A number is never given a second meaning.
pub(super) mod kind {
    /// A creation site, numbered from 0 in order of appearance within its chunk.
    pub(crate) const SITE: u8 = 1;
    /// Ends a part of a checkpoint.
    pub(crate) const PART: u8 = 2;
    /// A task that a checkpoint carries on.
    pub(crate) const CARRIED: u8 = 3;
    /// What the wall clock said.
    pub(crate) const ANCHOR: u8 = 4;
    /// What the number of a module stands for.
    pub(crate) const MODULE: u8 = 5;
    /// What the number of a frame stands for.
    pub(crate) const FRAME: u8 = 6;
    /// What the number of a stack stands for.
    pub(crate) const STACK: u8 = 7;
    /// What a frame's address means to a person.
    pub(crate) const SYMBOL: u8 = 8;
    /// What there was before a checkpoint, counted.
    pub(crate) const TALLY: u8 = 9;
    /// Kinds that the end mark counts as events, those of later versions included.
    pub(crate) const EVENTS: std::ops::Range<u8> = 16..64;
    pub(crate) const EXISTING: u8 = 16;
    pub(crate) const BIRTH: u8 = 17;
    pub(crate) const EXEC: u8 = 18;
    pub(crate) const EXIT: u8 = 19;
    pub(crate) const RENAME: u8 = 20;
    pub(crate) const DETACH: u8 = 21;
    pub(crate) const GAP: u8 = 22;
    pub(crate) const LOST: u8 = 23;
    pub(crate) const MARK: u8 = 24;
    pub(crate) const CREATE_FAILED: u8 = 25;
    pub(crate) const SYSCALL_ENTER: u8 = 26;
    pub(crate) const SYSCALL_EXIT: u8 = 27;
    pub(crate) const COUNTER: u8 = 64;
    pub(crate) const END: u8 = 65;
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Event(Event),
    /// Something that the recorder counted about itself.
    Counter {
        name: String,
        value: u64,
    },
    /// A part of a checkpoint ends, and with the last one the checkpoint.
    Part {
        part: u32,
        last: bool,
    },
    Carried(Carried),
    Tally(Box<Tally>),
    Anchor(Anchor),
    Definition(Definition),
    /// The end mark: how many events the file holds, and why the recording ended.
    End {
        events: u64,
        reason: String,
    },
}

/// What differences refer to. Only the kinds of version 1 may change it, since a reader cannot
/// follow what an unknown kind would do to it.
#[derive(Debug, Default)]
pub(super) struct Context {
    time: u64,
    /// The last TID of a record about one task.
    tid: u32,
    /// The last creator's TID.
    creator: u32,
    /// The last new task's TID.
    child: u32,
    /// The last thread group, in any role.
    pid: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, BorrowDecode)]
struct Site {
    pc: Option<u64>,
    flags: Option<u64>,
    // And `Stacked`, if it has any.
}

/// Numbers of a stack and of a frame, each one higher than it is; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, BorrowDecode)]
struct Stacked {
    stack: u32,
    start: u32,
}

#[derive(Encode, BorrowDecode)]
struct ExistingBody<'a> {
    tid: i64,
    pid: i64,
    parent_pid: Option<u32>,
    pc: Option<u64>,
    name: &'a [u8],
    // And `inner`, a `u32`, if it has one.
}

#[derive(Encode, BorrowDecode)]
struct BirthBody {
    /// Bits 0-1: clone 0, fork 1, vfork 2; bit 2: a process; bit 3: the creator is unknown.
    bits: u8,
    /// The creator's TID; 0 difference where it is unknown.
    creator: i64,
    /// The creator's pid; where the creator is unknown, a new thread's own pid.
    pid: i64,
    child: i64,
    /// Index of the site in this chunk.
    site: u32,
    // And `inner`, a `u32`, if the new task has one.
}

#[derive(Encode, BorrowDecode)]
struct ExecBody<'a> {
    tid: i64,
    pid: i64,
    /// Relative to the task's own TID.
    former: i64,
    exe: &'a [u8],
    name: &'a [u8],
}

#[derive(Encode, BorrowDecode)]
struct ExitBody {
    tid: i64,
    pid: i64,
    /// 0 to 255: exit code; 256 + n: signal n; 512 + n: signal n with a core; 1024: unknown.
    how: u16,
}

#[derive(Encode, BorrowDecode)]
struct RenameBody<'a> {
    tid: i64,
    pid: i64,
    name: &'a [u8],
}

#[derive(Encode, BorrowDecode)]
struct DetachBody {
    tid: i64,
    pid: i64,
    reason: u8,
}

#[derive(Encode, BorrowDecode)]
struct GapBody<'a> {
    reason: u8,
    count: u64,
    since: u64,
    detail: &'a [u8],
}

#[derive(Encode, BorrowDecode)]
struct LostBody<'a> {
    count: u64,
    since: u64,
    reason: &'a [u8],
}

/// Ids as they are: a reader that does not know this kind must not miss a difference.
#[derive(Encode, BorrowDecode)]
struct CreateFailedBody<'a> {
    tid: u32,
    pid: u32,
    errno: u16,
    flags: Option<u64>,
    pc: Option<u64>,
    call: &'a [u8],
    // And `stack`, a `u32` one higher than its number, if there is one.
}

#[derive(Encode, BorrowDecode)]
struct SyscallEnterBody<'a> {
    tid: u32,
    pid: u32,
    number: u64,
    name: &'a [u8],
    args: (u64, u64, u64, u64, u64, u64),
}

#[derive(Encode, BorrowDecode)]
struct SyscallExitBody<'a> {
    tid: u32,
    pid: u32,
    number: u64,
    name: &'a [u8],
    result: i64,
}

#[derive(Encode, BorrowDecode)]
struct MarkBody<'a> {
    text: &'a [u8],
}

#[derive(Encode, BorrowDecode)]
struct PartBody {
    part: u32,
    last: bool,
}

#[derive(Encode, BorrowDecode)]
struct CarriedBody<'a> {
    tid: u32,
    pid: u32,
    inner: Option<u32>,
    /// 0 existing, 1 born in the recording, 2 inferred.
    origin: u8,
    parent: Option<u32>,
    born: u64,
    name: &'a [u8],
    exe: Option<&'a [u8]>,
    /// When and how, as in EXIT and with more numbers.
    ended: Option<(u64, u16)>,
    // And `Stacked`, if it has any; and behind that its creator's name then, if that is another now.
}

#[derive(Encode, BorrowDecode)]
struct TallyBody {
    events: u64,
    existing: u64,
    threads: u64,
    processes: u64,
    inferred: u64,
    exited: u64,
    let_go: u64,
    end_missing: u64,
    became_leader: u64,
    peak_alive: u64,
    gaps: u64,
    lost: u64,
    with_stack: u64,
    refused_with_stack: u64,
    refused: Vec<(u16, u64)>,
    stacks: Vec<u32>,
    // And `true`, if creators' names are told.
}

#[derive(Encode, BorrowDecode)]
struct ModuleBody<'a> {
    id: u32,
    path: &'a [u8],
    build_id: &'a [u8],
    pid: u32,
    start: u64,
    end: u64,
}

#[derive(Encode, BorrowDecode)]
struct FrameBody {
    id: u32,
    /// One higher than the module's number; 0 for none.
    module: u32,
    address: u64,
    trust: u8,
}

#[derive(Encode, BorrowDecode)]
struct StackBody {
    id: u32,
    /// One higher than the caller's number; 0 for none.
    up: u32,
    frame: u32,
    end: u8,
}

/// And then so many functions.
#[derive(Encode, BorrowDecode)]
struct SymbolBody {
    frame: u32,
    source: u8,
    functions: u32,
}

#[derive(Encode, BorrowDecode)]
struct FunctionBody<'a> {
    name: &'a [u8],
    file: &'a [u8],
    /// 0 if it is not known.
    line: u32,
}

#[derive(Encode, BorrowDecode)]
struct AnchorBody {
    wall_ns: i64,
    utc_offset_s: i32,
}

#[derive(Encode, BorrowDecode)]
struct CounterBody<'a> {
    name: &'a str,
    value: u64,
}

#[derive(Encode, BorrowDecode)]
struct EndBody<'a> {
    events: u64,
    reason: &'a str,
}

/// Names, paths and notes longer than this are cut when written, bytes.
const MAX_TEXT: usize = 64 << 10;
/// No more functions than this are written of one place; of more, those before the last are left
/// out.
const MAX_FUNCTIONS: usize = 256;
/// So far the names of functions and of their files are written: so many of them, of a hostile
/// program's debug information, still fit into a chunk.
const MAX_FUNCTION_TEXT: usize = 4 << 10;

fn cut(text: &[u8]) -> &[u8] {
    cut_to(MAX_TEXT, text)
}

fn cut_to(most: usize, text: &[u8]) -> &[u8] {
    &text[..text.len().min(most)]
}

/// How a number is written that need not be there: one higher, so that 0 is none. So is the highest
/// of all, which no writer gives: none is better than another's.
fn one_higher(number: Option<u32>) -> u32 {
    number.map_or(0, |number| number.wrapping_add(1))
}

fn one_lower(written: u32) -> Option<u32> {
    written.checked_sub(1)
}

/// [`cut`], between two characters.
fn cut_str(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The difference to `base`, which becomes `value`.
fn minus(base: &mut u32, value: u32) -> i64 {
    let difference = i64::from(value) - i64::from(*base);
    *base = value;
    difference
}

/// The value that differs from `base` by `difference`; `base` becomes it.
fn plus(base: &mut u32, difference: i64) -> Result<u32, String> {
    let value = i64::from(*base)
        .checked_add(difference)
        .and_then(|value| u32::try_from(value).ok())
        .ok_or("an id out of range")?;
    *base = value;
    Ok(value)
}

/// Appends records to a chunk's payload.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    context: Context,
    sites: HashMap<(Site, Stacked), u32>,
    body: Vec<u8>,
}

impl Encoder {
    /// Appends an event; the number of records written (a site of its own may come first).
    pub(super) fn event(&mut self, event: &Event, out: &mut Vec<u8>) -> u32 {
        let mut records = 1;
        self.body.clear();
        let time = event.time;
        let number = match &event.body {
            EventBody::Existing {
                task,
                parent_pid,
                name,
                pc,
                inner,
            } => {
                let (tid, pid) = self.task(*task);
                let parent_pid = parent_pid.map(|pid| pid.0);
                let name = cut(name.as_bytes());
                self.put(&ExistingBody {
                    tid,
                    pid,
                    parent_pid,
                    pc: *pc,
                    name,
                });
                self.put_last(inner.map(|inner| inner.0));
                kind::EXISTING
            }
            EventBody::Birth(birth) => {
                records += self.birth(birth, time, out);
                kind::BIRTH
            }
            EventBody::Exec {
                task,
                former_tid,
                exe,
                name,
            } => {
                let (tid, pid) = self.task(*task);
                let former = i64::from(former_tid.0) - i64::from(task.tid.0);
                let (exe, name) = (cut(exe.as_bytes()), cut(name.as_bytes()));
                self.put(&ExecBody {
                    tid,
                    pid,
                    former,
                    exe,
                    name,
                });
                kind::EXEC
            }
            EventBody::Exit { task, end } => {
                let (tid, pid) = self.task(*task);
                self.put(&ExitBody {
                    tid,
                    pid,
                    how: end_to_number(*end),
                });
                kind::EXIT
            }
            EventBody::Rename { task, name } => {
                let (tid, pid) = self.task(*task);
                self.put(&RenameBody {
                    tid,
                    pid,
                    name: cut(name.as_bytes()),
                });
                kind::RENAME
            }
            EventBody::Detach { task, reason } => {
                let (tid, pid) = self.task(*task);
                let reason = detach_to_number(*reason);
                self.put(&DetachBody { tid, pid, reason });
                kind::DETACH
            }
            EventBody::Gap {
                reason,
                count,
                since,
                detail,
            } => {
                let reason = match *reason {
                    GapReason::AttachIncomplete => 1,
                    GapReason::Untraced => 2,
                    GapReason::TraceeLost => 3,
                    GapReason::Damaged => 4,
                    GapReason::Other(number) => number,
                };
                let detail = cut(detail.as_bytes());
                self.put(&GapBody {
                    reason,
                    count: *count,
                    since: since.0,
                    detail,
                });
                kind::GAP
            }
            EventBody::Lost {
                count,
                since,
                reason,
            } => {
                let reason = cut(reason.as_bytes());
                self.put(&LostBody {
                    count: *count,
                    since: since.0,
                    reason,
                });
                kind::LOST
            }
            EventBody::CreateFailed {
                task,
                call,
                errno,
                flags,
                pc,
                stack,
            } => {
                self.put(&CreateFailedBody {
                    tid: task.tid.0,
                    pid: task.pid.0,
                    errno: *errno,
                    flags: *flags,
                    pc: *pc,
                    call: cut(call.as_bytes()),
                });
                self.put_last(stack.map(|stack| one_higher(Some(stack.0))));
                kind::CREATE_FAILED
            }
            EventBody::SyscallEnter {
                task,
                name,
                number,
                args,
            } => {
                let [a, b, c, d, e, f] = **args;
                self.put(&SyscallEnterBody {
                    tid: task.tid.0,
                    pid: task.pid.0,
                    number: *number,
                    name: cut(name.as_bytes()),
                    args: (a, b, c, d, e, f),
                });
                kind::SYSCALL_ENTER
            }
            EventBody::SyscallExit {
                task,
                name,
                number,
                result,
            } => {
                self.put(&SyscallExitBody {
                    tid: task.tid.0,
                    pid: task.pid.0,
                    number: *number,
                    name: cut(name.as_bytes()),
                    result: *result,
                });
                kind::SYSCALL_EXIT
            }
            EventBody::Mark { text } => {
                self.put(&MarkBody {
                    text: cut(text.as_bytes()),
                });
                kind::MARK
            }
        };
        self.frame(number, time, out);
        records
    }

    pub(super) fn part(&mut self, part: u32, last: bool, time: Time, out: &mut Vec<u8>) {
        self.body.clear();
        self.put(&PartBody { part, last });
        self.frame(kind::PART, time, out);
    }

    pub(super) fn carried(&mut self, carried: &Carried, time: Time, out: &mut Vec<u8>) {
        self.body.clear();
        self.put(&CarriedBody {
            tid: carried.task.tid.0,
            pid: carried.task.pid.0,
            inner: carried.inner.map(|inner| inner.0),
            origin: match carried.origin {
                Origin::Existing => 0,
                Origin::Birth => 1,
                Origin::Inferred => 2,
            },
            parent: carried.parent.map(|place| place as u32),
            born: carried.born.0,
            name: cut(carried.name.as_bytes()),
            exe: carried.exe.as_ref().map(|exe| cut(exe.as_bytes())),
            ended: carried
                .ended
                .map(|(time, how)| (time.0, ended_to_number(how))),
        });
        let stacked = stacked(carried.stack, carried.start);
        let creator_name = carried.creator_name.as_ref();
        self.put_last(stacked.or(creator_name.map(|_| Stacked::default())));
        self.put_last(creator_name.map(|name| cut(name.as_bytes())));
        self.frame(kind::CARRIED, time, out);
    }

    /// A tally; `false`, and nothing written, where it is too large for one.
    pub(super) fn tally(&mut self, tally: &Tally, time: Time, out: &mut Vec<u8>) -> bool {
        self.body.clear();
        let totals = &tally.totals;
        // What the numbers take in memory is what a reader's codec allows for.
        let needed = 16 * totals.refused.len() + 4 * tally.stacks.len();
        if needed > codec::MAX_BODY / 2 {
            return false;
        }
        let refused = totals.refused.iter();
        let body = TallyBody {
            events: totals.events,
            existing: totals.existing,
            threads: totals.threads,
            processes: totals.processes,
            inferred: totals.inferred,
            exited: totals.exited,
            let_go: totals.let_go,
            end_missing: totals.end_missing,
            became_leader: totals.became_leader,
            peak_alive: totals.peak_alive,
            gaps: totals.gaps,
            lost: totals.lost,
            with_stack: totals.with_stack,
            refused_with_stack: totals.refused_with_stack,
            refused: refused.map(|(errno, count)| (*errno, *count)).collect(),
            stacks: tally.stacks.iter().map(|stack| stack.0).collect(),
        };
        self.put(&body);
        self.put_last(tally.tells_creators.then_some(true));
        self.frame(kind::TALLY, time, out);
        true
    }

    pub(super) fn anchor(&mut self, anchor: &Anchor, out: &mut Vec<u8>) {
        self.body.clear();
        self.put(&AnchorBody {
            wall_ns: anchor.wall_ns,
            utc_offset_s: anchor.utc_offset_s,
        });
        self.frame(kind::ANCHOR, anchor.time, out);
    }

    pub(super) fn definition(&mut self, definition: &Definition, time: Time, out: &mut Vec<u8>) {
        self.body.clear();
        let number = match definition {
            Definition::Module(id, module) => {
                let (pid, start, end) = module.seen;
                self.put(&ModuleBody {
                    id: id.0,
                    path: cut(module.path.as_bytes()),
                    build_id: cut(&module.build_id),
                    pid: pid.0,
                    start,
                    end,
                });
                kind::MODULE
            }
            Definition::Frame(id, frame) => {
                self.put(&FrameBody {
                    id: id.0,
                    module: one_higher(frame.module.map(|module| module.0)),
                    address: frame.address,
                    trust: trust_to_number(frame.trust),
                });
                kind::FRAME
            }
            Definition::Stack(id, node) => {
                self.put(&StackBody {
                    id: id.0,
                    up: one_higher(node.up.map(|up| up.0)),
                    frame: node.frame.0,
                    end: stack_end_to_number(node.end),
                });
                kind::STACK
            }
            Definition::Symbol(id, symbol) => {
                self.symbol(*id, symbol);
                kind::SYMBOL
            }
        };
        self.frame(number, time, out);
    }

    fn symbol(&mut self, frame: FrameId, symbol: &Symbol) {
        let functions = &symbol.functions;
        self.put(&SymbolBody {
            frame: frame.0,
            source: symbol_source_to_number(symbol.source),
            functions: functions.len().min(MAX_FUNCTIONS) as u32,
        });
        // The last one is the function that the others were inlined into: it stays.
        let left_out = functions.len().saturating_sub(MAX_FUNCTIONS);
        let last = functions.len().saturating_sub(1);
        let kept = functions[..last - left_out].iter().chain(functions.last());
        for function in kept {
            self.put(&FunctionBody {
                name: cut_to(MAX_FUNCTION_TEXT, function.name.as_bytes()),
                file: cut_to(MAX_FUNCTION_TEXT, function.file.as_bytes()),
                line: function.line.unwrap_or(0),
            });
        }
    }

    pub(super) fn counter(&mut self, name: &str, value: u64, time: Time, out: &mut Vec<u8>) {
        self.body.clear();
        let name = cut_str(name);
        self.put(&CounterBody { name, value });
        self.frame(kind::COUNTER, time, out);
    }

    pub(super) fn end(&mut self, events: u64, reason: &str, time: Time, out: &mut Vec<u8>) {
        self.body.clear();
        let reason = cut_str(reason);
        self.put(&EndBody { events, reason });
        self.frame(kind::END, time, out);
    }

    fn birth(&mut self, birth: &Birth, time: Time, out: &mut Vec<u8>) -> u32 {
        let site = Site {
            pc: birth.pc,
            flags: birth.flags,
        };
        let stacked = stacked(birth.stack, birth.start);
        let next = self.sites.len() as u32;
        let key = (site, stacked.unwrap_or_default());
        let index = *self.sites.entry(key).or_insert(next);
        let records = u32::from(index == next);
        if index == next {
            self.put(&site);
            self.put_last(stacked);
            self.frame(kind::SITE, time, out);
            self.body.clear();
        }
        let via = match birth.via {
            Via::Clone => 0,
            Via::Fork => 1,
            Via::Vfork => 2,
        };
        let process = u8::from(birth.what == What::Process) << 2;
        let orphan = u8::from(birth.parent.is_none()) << 3;
        let context = &mut self.context;
        let creator = birth
            .parent
            .map_or(0, |task| minus(&mut context.creator, task.tid.0));
        let pid = minus(&mut context.pid, birth.parent.unwrap_or(birth.child).pid.0);
        let child = minus(&mut context.child, birth.child.tid.0);
        let bits = via | process | orphan;
        self.put(&BirthBody {
            bits,
            creator,
            pid,
            child,
            site: index,
        });
        self.put_last(birth.inner.map(|inner| inner.0));
        records
    }

    fn task(&mut self, task: Task) -> (i64, i64) {
        (
            minus(&mut self.context.tid, task.tid.0),
            minus(&mut self.context.pid, task.pid.0),
        )
    }

    /// The optional field at a body's end.
    fn put_last<T: Encode>(&mut self, last: Option<T>) {
        if let Some(last) = last {
            self.put(&last);
        }
    }

    fn put<T: Encode>(&mut self, body: &T) {
        let fits = codec::encode(body, &mut self.body);
        debug_assert!(fits, "texts are cut, so that every body fits");
    }

    /// kind (1 byte), time since the last record (varint), body length (varint), body.
    fn frame(&mut self, number: u8, time: Time, out: &mut Vec<u8>) {
        let since = time.0.saturating_sub(self.context.time);
        self.context.time += since;
        out.push(number);
        codec::encode(&(since, self.body.len() as u32), out);
        out.extend_from_slice(&self.body);
    }
}

/// Takes records from a chunk's payload.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    /// What kind of chunk it is of.
    chunk: u8,
    context: Context,
    sites: Vec<(Site, Stacked)>,
    /// Records so far, of any kind.
    pub(super) records: u64,
    /// Those of them that are events, known or not.
    pub(super) events: u64,
    /// Records of kinds that are not known here.
    pub(super) unknown: u64,
    /// Known records with fields behind the known ones.
    pub(super) longer: u64,
    /// Whether the tasks of a checkpoint are of no interest.
    passes_over_tasks: bool,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(payload: &'a [u8], chunk: u8) -> Self {
        Decoder {
            rest: payload,
            chunk,
            context: Context::default(),
            sites: Vec::new(),
            records: 0,
            events: 0,
            unknown: 0,
            longer: 0,
            passes_over_tasks: false,
        }
    }

    /// For those to whom the tasks of a checkpoint are of no interest.
    pub(super) fn without_tasks(payload: &'a [u8], chunk: u8) -> Self {
        Decoder {
            passes_over_tasks: true,
            ..Decoder::new(payload, chunk)
        }
    }

    /// The next record; `None` at the end. After an error the rest cannot be read.
    pub(super) fn next(&mut self) -> Option<Result<Record, String>> {
        while !self.rest.is_empty() {
            match self.step() {
                Ok(None) => {}
                Ok(Some(record)) => return Some(Ok(record)),
                Err(problem) => {
                    self.rest = &[];
                    return Some(Err(problem));
                }
            }
        }
        None
    }

    fn step(&mut self) -> Result<Option<Record>, String> {
        let number = self.rest[0];
        let ((since, length), used) = codec::decode::<(u64, u32)>(&self.rest[1..])?;
        let body = &self.rest[1 + used..];
        let body = body
            .get(..length as usize)
            .ok_or("a record longer than its chunk")?;
        self.rest = &self.rest[1 + used + body.len()..];
        self.records += 1;
        self.context.time = self.context.time.saturating_add(since);
        let time = Time(self.context.time);

        let belongs = match number {
            kind::PART | kind::CARRIED | kind::TALLY => self.chunk == chunk::kind::CHECKPOINT,
            kind::MODULE | kind::FRAME | kind::STACK | kind::SYMBOL => {
                self.chunk == chunk::kind::DEFINITIONS
            }
            kind::ANCHOR => self.chunk != chunk::kind::DEFINITIONS,
            _ => matches!(self.chunk, chunk::kind::EVENTS | chunk::kind::END),
        };
        if !belongs {
            self.unknown += 1;
            return Ok(None);
        }
        let event = match number {
            kind::SITE => {
                let (site, stacked) = self.body_and(body)?;
                self.sites.push((site, stacked.unwrap_or_default()));
                return Ok(None);
            }
            kind::EXISTING => {
                let (body, inner): (ExistingBody<'_>, _) = self.body_and(body)?;
                EventBody::Existing {
                    task: self.task(body.tid, body.pid)?,
                    parent_pid: body.parent_pid.map(Pid),
                    name: body.name.into(),
                    pc: body.pc,
                    inner: inner.map(Tid),
                }
            }
            kind::BIRTH => {
                let (body, inner) = self.body_and(body)?;
                EventBody::Birth(self.birth(&body, inner.map(Tid))?)
            }
            kind::EXEC => {
                let body: ExecBody<'_> = self.body(body)?;
                let task = self.task(body.tid, body.pid)?;
                let former_tid = Tid(plus(&mut { task.tid.0 }, body.former)?);
                EventBody::Exec {
                    task,
                    former_tid,
                    exe: body.exe.into(),
                    name: body.name.into(),
                }
            }
            kind::EXIT => {
                let body: ExitBody = self.body(body)?;
                let task = self.task(body.tid, body.pid)?;
                EventBody::Exit {
                    task,
                    end: number_to_end(body.how),
                }
            }
            kind::RENAME => {
                let body: RenameBody<'_> = self.body(body)?;
                EventBody::Rename {
                    task: self.task(body.tid, body.pid)?,
                    name: body.name.into(),
                }
            }
            kind::DETACH => {
                let body: DetachBody = self.body(body)?;
                let reason = number_to_detach(body.reason);
                EventBody::Detach {
                    task: self.task(body.tid, body.pid)?,
                    reason,
                }
            }
            kind::GAP => {
                let body: GapBody<'_> = self.body(body)?;
                let reason = match body.reason {
                    1 => GapReason::AttachIncomplete,
                    2 => GapReason::Untraced,
                    3 => GapReason::TraceeLost,
                    4 => GapReason::Damaged,
                    other => GapReason::Other(other),
                };
                let (count, since) = (body.count, Time(body.since));
                EventBody::Gap {
                    reason,
                    count,
                    since,
                    detail: body.detail.into(),
                }
            }
            kind::LOST => {
                let body: LostBody<'_> = self.body(body)?;
                let (count, since) = (body.count, Time(body.since));
                EventBody::Lost {
                    count,
                    since,
                    reason: body.reason.into(),
                }
            }
            kind::CREATE_FAILED => {
                let (body, stack): (CreateFailedBody<'_>, _) = self.body_and(body)?;
                EventBody::CreateFailed {
                    task: Task::new(body.pid, body.tid),
                    call: body.call.into(),
                    errno: body.errno,
                    flags: body.flags,
                    pc: body.pc,
                    stack: stack.and_then(one_lower).map(StackId),
                }
            }
            kind::SYSCALL_ENTER => {
                let body: SyscallEnterBody<'_> = self.body(body)?;
                let (a, b, c, d, e, f) = body.args;
                EventBody::SyscallEnter {
                    task: Task::new(body.pid, body.tid),
                    name: body.name.into(),
                    number: body.number,
                    args: Box::new([a, b, c, d, e, f]),
                }
            }
            kind::SYSCALL_EXIT => {
                let body: SyscallExitBody<'_> = self.body(body)?;
                EventBody::SyscallExit {
                    task: Task::new(body.pid, body.tid),
                    name: body.name.into(),
                    number: body.number,
                    result: body.result,
                }
            }
            kind::MARK => {
                let body: MarkBody<'_> = self.body(body)?;
                EventBody::Mark {
                    text: body.text.into(),
                }
            }
            kind::PART => {
                let body: PartBody = self.body(body)?;
                return Ok(Some(Record::Part {
                    part: body.part,
                    last: body.last,
                }));
            }
            kind::CARRIED if self.passes_over_tasks => return Ok(None),
            kind::CARRIED => {
                return Ok(Some(Record::Carried(self.carried(body)?)));
            }
            kind::TALLY => {
                let (body, tells_creators) = self.body_and(body)?;
                let tally = tally(body, tells_creators.unwrap_or(false));
                return Ok(Some(Record::Tally(Box::new(tally))));
            }
            kind::MODULE | kind::FRAME | kind::STACK | kind::SYMBOL => {
                return Ok(Some(Record::Definition(self.definition(number, body)?)));
            }
            kind::ANCHOR => {
                let body: AnchorBody = self.body(body)?;
                return Ok(Some(Record::Anchor(Anchor {
                    time,
                    wall_ns: body.wall_ns,
                    utc_offset_s: body.utc_offset_s,
                })));
            }
            kind::COUNTER => {
                let body: CounterBody<'_> = self.body(body)?;
                return Ok(Some(Record::Counter {
                    name: body.name.into(),
                    value: body.value,
                }));
            }
            kind::END => {
                let body: EndBody<'_> = self.body(body)?;
                return Ok(Some(Record::End {
                    events: body.events,
                    reason: body.reason.into(),
                }));
            }
            _ => {
                self.unknown += 1;
                self.events += u64::from(kind::EVENTS.contains(&number));
                return Ok(None);
            }
        };
        self.events += 1;
        Ok(Some(Record::Event(Event { time, body: event })))
    }

    fn body<T: BorrowDecode<'a, ()>>(&mut self, body: &'a [u8]) -> Result<T, String> {
        let (value, used) = codec::decode(body)?;
        if used < body.len() {
            self.longer += 1;
        }
        Ok(value)
    }

    /// A body that may have one field more, of which files of the first writers know nothing.
    fn body_and<T: BorrowDecode<'a, ()>, L: BorrowDecode<'a, ()>>(
        &mut self,
        body: &'a [u8],
    ) -> Result<(T, Option<L>), String> {
        let (value, used) = codec::decode(body)?;
        Ok((value, self.last(&body[used..])?))
    }

    /// The field that may stand at a body's end.
    fn last<T: BorrowDecode<'a, ()>>(&mut self, rest: &'a [u8]) -> Result<Option<T>, String> {
        match rest {
            [] => Ok(None),
            rest => self.body(rest).map(Some),
        }
    }

    fn carried(&mut self, body: &'a [u8]) -> Result<Carried, String> {
        let (value, used) = codec::decode::<CarriedBody<'_>>(body)?;
        let mut rest = &body[used..];
        let mut stacked = Stacked::default();
        if !rest.is_empty() {
            let used;
            (stacked, used) = codec::decode(rest)?;
            rest = &rest[used..];
        }
        let creator_name: Option<&[u8]> = self.last(rest)?;
        Ok(carried(&value, stacked, creator_name))
    }

    fn definition(&mut self, number: u8, body: &'a [u8]) -> Result<Definition, String> {
        Ok(match number {
            kind::MODULE => {
                let body: ModuleBody<'_> = self.body(body)?;
                let module = Module {
                    path: body.path.into(),
                    build_id: body.build_id.into(),
                    seen: (Pid(body.pid), body.start, body.end),
                };
                Definition::Module(ModuleId(body.id), module)
            }
            kind::FRAME => {
                let body: FrameBody = self.body(body)?;
                let frame = Frame {
                    module: one_lower(body.module).map(ModuleId),
                    address: body.address,
                    trust: number_to_trust(body.trust),
                };
                Definition::Frame(FrameId(body.id), frame)
            }
            kind::STACK => {
                let body: StackBody = self.body(body)?;
                let up = one_lower(body.up);
                if up.is_some_and(|up| up >= body.id) {
                    return Err("a stack whose caller comes later".into());
                }
                let node = StackNode {
                    up: up.map(StackId),
                    frame: FrameId(body.frame),
                    end: number_to_stack_end(body.end),
                };
                Definition::Stack(StackId(body.id), node)
            }
            _ => self.symbol(body)?,
        })
    }

    fn symbol(&mut self, body: &'a [u8]) -> Result<Definition, String> {
        let (symbol, mut at) = codec::decode::<SymbolBody>(body)?;
        // Each has three bytes at least: what it claims beyond that is no reason to allocate.
        let room = (body.len() - at) / 3;
        let mut functions: Vec<Function> = Vec::with_capacity(room.min(symbol.functions as usize));
        for _ in 0..symbol.functions {
            let (function, used) = codec::decode::<FunctionBody<'_>>(&body[at..])?;
            at += used;
            // What is inlined into each other is often of one file.
            let same = functions.last().map(|last| &last.file);
            let same = same.filter(|file| file.as_bytes() == function.file);
            functions.push(Function {
                name: function.name.into(),
                file: same.cloned().unwrap_or_else(|| function.file.into()),
                line: (function.line > 0).then_some(function.line),
            });
        }
        self.longer += u64::from(at < body.len());
        let source = number_to_symbol_source(symbol.source);
        let id = FrameId(symbol.frame);
        Ok(Definition::Symbol(id, Symbol { source, functions }))
    }

    fn birth(&mut self, body: &BirthBody, inner: Option<Tid>) -> Result<Birth, String> {
        let context = &mut self.context;
        let orphan = body.bits & 8 != 0;
        let creator = if orphan {
            0
        } else {
            plus(&mut context.creator, body.creator)?
        };
        let pid = plus(&mut context.pid, body.pid)?;
        let child = plus(&mut context.child, body.child)?;
        let (site, stacked) = *self
            .sites
            .get(body.site as usize)
            .ok_or("a site that is not defined")?;
        let what = if body.bits & 4 != 0 {
            What::Process
        } else {
            What::Thread
        };
        Ok(Birth {
            via: match body.bits & 3 {
                0 => Via::Clone,
                1 => Via::Fork,
                2 => Via::Vfork,
                _ => return Err("a creation of unknown kind".into()),
            },
            what,
            parent: (!orphan).then(|| Task::new(pid, creator)),
            child: Task::new(if what == What::Process { child } else { pid }, child),
            flags: site.flags,
            pc: site.pc,
            inner,
            stack: stacked.stack(),
            start: stacked.start(),
        })
    }

    fn task(&mut self, tid: i64, pid: i64) -> Result<Task, String> {
        let tid = plus(&mut self.context.tid, tid)?;
        let pid = plus(&mut self.context.pid, pid)?;
        Ok(Task::new(pid, tid))
    }
}

impl Stacked {
    fn stack(self) -> Option<StackId> {
        one_lower(self.stack).map(StackId)
    }

    fn start(self) -> Option<FrameId> {
        one_lower(self.start).map(FrameId)
    }
}

/// `None` where there is nothing to write.
fn stacked(stack: Option<StackId>, start: Option<FrameId>) -> Option<Stacked> {
    let stacked = Stacked {
        stack: one_higher(stack.map(|stack| stack.0)),
        start: one_higher(start.map(|start| start.0)),
    };
    (stacked != Stacked::default()).then_some(stacked)
}

fn trust_to_number(trust: Trust) -> u8 {
    match trust {
        Trust::Register => 1,
        Trust::Cfi => 2,
        Trust::FramePointer => 3,
        Trust::Argument => 4,
        Trust::Other(number) => number,
    }
}

fn number_to_trust(number: u8) -> Trust {
    match number {
        1 => Trust::Register,
        2 => Trust::Cfi,
        3 => Trust::FramePointer,
        4 => Trust::Argument,
        other => Trust::Other(other),
    }
}

fn stack_end_to_number(end: StackEnd) -> u8 {
    match end {
        StackEnd::Bottom => 1,
        StackEnd::Captured => 2,
        StackEnd::Limit => 3,
        StackEnd::NoUnwindInfo => 4,
        StackEnd::NoCode => 5,
        StackEnd::NoMap => 6,
        StackEnd::Unreadable => 7,
        StackEnd::Foreign => 8,
        StackEnd::Unsure => 9,
        StackEnd::Other(number) => number,
    }
}

fn number_to_stack_end(number: u8) -> StackEnd {
    match number {
        1 => StackEnd::Bottom,
        2 => StackEnd::Captured,
        3 => StackEnd::Limit,
        4 => StackEnd::NoUnwindInfo,
        5 => StackEnd::NoCode,
        6 => StackEnd::NoMap,
        7 => StackEnd::Unreadable,
        8 => StackEnd::Foreign,
        9 => StackEnd::Unsure,
        other => StackEnd::Other(other),
    }
}

fn symbol_source_to_number(source: SymbolSource) -> u8 {
    match source {
        SymbolSource::Nothing => 0,
        SymbolSource::DebugInfo => 1,
        SymbolSource::SymbolTable => 2,
        SymbolSource::JitMap => 3,
        SymbolSource::Other(number) => number,
    }
}

fn number_to_symbol_source(number: u8) -> SymbolSource {
    match number {
        0 => SymbolSource::Nothing,
        1 => SymbolSource::DebugInfo,
        2 => SymbolSource::SymbolTable,
        3 => SymbolSource::JitMap,
        other => SymbolSource::Other(other),
    }
}

fn tally(body: TallyBody, tells_creators: bool) -> Tally {
    let totals = Totals {
        events: body.events,
        existing: body.existing,
        threads: body.threads,
        processes: body.processes,
        inferred: body.inferred,
        exited: body.exited,
        let_go: body.let_go,
        end_missing: body.end_missing,
        became_leader: body.became_leader,
        peak_alive: body.peak_alive,
        gaps: body.gaps,
        lost: body.lost,
        with_stack: body.with_stack,
        refused_with_stack: body.refused_with_stack,
        refused: body.refused.into_iter().collect(),
    };
    let stacks = body.stacks.into_iter().map(StackId).collect();
    Tally {
        totals,
        stacks,
        tells_creators,
    }
}

fn carried(body: &CarriedBody<'_>, stacked: Stacked, creator_name: Option<&[u8]>) -> Carried {
    let ended = |(time, number)| (Time(time), number_to_ended(number));
    Carried {
        task: Task::new(body.pid, body.tid),
        inner: body.inner.map(Tid),
        stack: stacked.stack(),
        start: stacked.start(),
        origin: match body.origin {
            0 => Origin::Existing,
            1 => Origin::Birth,
            _ => Origin::Inferred,
        },
        parent: body.parent.map(|place| place as usize),
        creator_name: creator_name.map(Into::into),
        born: Time(body.born),
        name: body.name.into(),
        exe: body.exe.map(Into::into),
        ended: body.ended.map(ended),
    }
}

/// Beyond the numbers of [`end_to_number`].
const BECAME_LEADER: u16 = 1025;
const MISSING: u16 = 1026;
const DETACHED: u16 = 1280;

fn ended_to_number(how: Ended) -> u16 {
    match how {
        Ended::Exit(end) => end_to_number(end),
        Ended::BecameLeader => BECAME_LEADER,
        Ended::Alive | Ended::Missing => MISSING,
        Ended::Detached(reason) => DETACHED + u16::from(detach_to_number(reason)),
    }
}

fn number_to_ended(number: u16) -> Ended {
    match number {
        BECAME_LEADER => Ended::BecameLeader,
        MISSING => Ended::Missing,
        DETACHED.. => Ended::Detached(number_to_detach((number - DETACHED) as u8)),
        _ => Ended::Exit(number_to_end(number)),
    }
}

fn detach_to_number(reason: DetachReason) -> u8 {
    match reason {
        DetachReason::NewThread => 1,
        DetachReason::FollowFork => 2,
        DetachReason::LeftOut => 3,
        DetachReason::FollowExec => 4,
        DetachReason::SlippedAway => 5,
        DetachReason::RecordingEnded => 6,
        DetachReason::Other(number) => number,
    }
}

fn number_to_detach(number: u8) -> DetachReason {
    match number {
        1 => DetachReason::NewThread,
        2 => DetachReason::FollowFork,
        3 => DetachReason::LeftOut,
        4 => DetachReason::FollowExec,
        5 => DetachReason::SlippedAway,
        6 => DetachReason::RecordingEnded,
        other => DetachReason::Other(other),
    }
}

fn end_to_number(end: End) -> u16 {
    match end {
        End::Code(code) => u16::from(code),
        End::Signal {
            number,
            core: false,
        } => 256 + u16::from(number),
        End::Signal { number, core: true } => 512 + u16::from(number),
        End::Unknown => 1024,
    }
}

fn number_to_end(number: u16) -> End {
    let low = (number & 0xff) as u8;
    match number >> 8 {
        0 => End::Code(low),
        1 => End::Signal {
            number: low,
            core: false,
        },
        2 => End::Signal {
            number: low,
            core: true,
        },
        _ => End::Unknown,
    }
}

#[cfg(test)]
mod tests;
