//! System calls under way: an entry is kept until its exit says what came of it.
//!
//! ```text
//!   entry ──► (signal stops, event stops) ──► exit < 0 ──► refused: told
//!     │                                       exit ≥ 0 ──► a birth was reported before
//!     ├──► exit ERESTART… ──► entry again: a signal came between, nothing was refused
//!     ├──► Created ──► it has succeeded, whatever follows
//!     └──► the thread ends, or execs: no exit
//!   exit without an entry: under way when the thread was reached; its number is not known
//! ```

use tidline::model::{Event, EventBody, Name, Task, Tid, Time};

use super::orders::{Entry, Output};
use super::tid_map::TidMap;

/// The calls that have been entered, and are of interest.
#[derive(Debug, Default)]
pub(super) struct Calls(TidMap<Box<Entry>>);

/// ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND and ERESTART_RESTARTBLOCK (linux/errno.h): the kernel
/// begins the call anew once the signal is served, or makes it `EINTR`, which no creation returns.
const RESTARTS: [i64; 4] = [-512, -513, -514, -516];

impl Calls {
    pub(super) fn is_under_way(&self, tid: Tid) -> bool {
        !self.0.is_empty() && self.0.contains_key(&tid)
    }

    /// A thread enters a call; `None` where it is not of interest. Whatever it entered before is
    /// over.
    pub(super) fn enter(
        &mut self,
        now: Time,
        task: Task,
        entry: Option<Box<Entry>>,
        out: &mut Output,
    ) {
        let Some(entry) = entry else {
            self.forget(task.tid);
            return;
        };
        if let Some(listed) = &entry.listed {
            let body = EventBody::SyscallEnter {
                task,
                name: listed.name.clone(),
                number: listed.number,
                args: Box::new(listed.args),
            };
            out.events.push(Event { time: now, body });
        }
        self.0.insert(task.tid, entry);
    }

    /// A thread comes back from a call.
    pub(super) fn leave(&mut self, now: Time, task: Task, result: i64, out: &mut Output) {
        let Some(entry) = self.take(task.tid) else {
            return;
        };
        if let Some(creation) = entry.creation
            && let Ok(errno @ 1..=4095) = u16::try_from(result.saturating_neg())
            && !RESTARTS.contains(&result)
        {
            let body = EventBody::CreateFailed {
                task,
                call: Name::from(creation.call.as_str()),
                errno,
                flags: creation.flags,
                pc: Some(creation.pc),
                stack: None,
            };
            out.events.push(Event { time: now, body });
        }
        if let Some(listed) = entry.listed {
            let body = EventBody::SyscallExit {
                task,
                name: listed.name,
                number: listed.number,
                result,
            };
            out.events.push(Event { time: now, body });
        }
    }

    /// A thread's creation has succeeded: of its exit no more is wanted than of any call's.
    pub(super) fn succeeded(&mut self, tid: Tid) {
        if self.0.is_empty() {
            return;
        }
        if let Some(entry) = self.0.get_mut(&tid) {
            entry.creation = None;
            if entry.listed.is_none() {
                self.0.remove(&tid);
            }
        }
    }

    /// A thread has ended.
    pub(super) fn forget(&mut self, tid: Tid) {
        self.take(tid);
    }

    /// An exec gave a thread the TID of its group's leader; its call goes on.
    pub(super) fn rename(&mut self, former: Tid, tid: Tid) {
        if former != tid {
            self.forget(tid);
            if let Some(entry) = self.take(former) {
                self.0.insert(tid, entry);
            }
        }
    }

    fn take(&mut self, tid: Tid) -> Option<Box<Entry>> {
        if self.0.is_empty() {
            None
        } else {
            self.0.remove(&tid)
        }
    }
}
