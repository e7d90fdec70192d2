//! Which file a process runs since an exec.
//!
//! The tracepoint has the name that was given to execve(2): it may be relative, lead through links, and
//! of a script it is the script. So `/proc/PID/exe` is read as soon as the exec is. By then the process
//! may have executed another program, or ended; then the name is all that there is.
//!
//! ```text
//!   exec A ─────────────► A is read from its ring, and the file ────► told: A runs this file
//!   exec A ── exec B ───► A is read from its ring, and B's file ────► told: A was given this name
//!   exec A ── ends ─────► A is read from its ring, and no file  ────► told: A was given this name
//! ```

use std::collections::HashMap;

use tidline::model::{Name, Pid, Time};

#[derive(Debug, Default)]
pub(crate) struct Programs {
    seen: HashMap<Pid, Vec<Seen>>,
}

/// What a process ran at a moment.
#[derive(Debug)]
struct Seen {
    executed: Time,
    read: Time,
    /// `None` if there was none, or if it may be another exec's.
    file: Option<Name>,
}

impl Programs {
    /// A process has executed a program, and ran a file when that was looked for.
    pub(crate) fn add(&mut self, pid: Pid, executed: Time, read: Time, file: Option<Name>) {
        let mut new = Seen {
            executed,
            read,
            file,
        };
        let all = self.seen.entry(pid).or_default();
        // Rings are not read in order of time.
        for old in all.iter_mut() {
            if old.executed <= executed && executed <= old.read {
                old.file = None;
            }
            if executed <= old.executed && old.executed <= read {
                new.file = None;
            }
        }
        all.push(new);
    }

    /// When the file was read that is known of an exec. All that happened until then has to be known
    /// before [`Programs::take`].
    pub(crate) fn read_at(&self, pid: Pid, executed: Time) -> Option<Time> {
        let all = self.seen.get(&pid)?.iter();
        let mut of_it = all.filter(|seen| seen.executed == executed && seen.file.is_some());
        of_it.next().map(|seen| seen.read)
    }

    /// The file that a process has run since an exec, if that is known.
    pub(crate) fn take(&mut self, pid: Pid, executed: Time) -> Option<Name> {
        let all = self.seen.get_mut(&pid)?;
        let at = all.iter().position(|seen| seen.executed == executed)?;
        let file = all.swap_remove(at).file;
        if all.is_empty() {
            self.seen.remove(&pid);
        }
        file
    }

    /// Forgets what is older and was not taken.
    pub(crate) fn forget(&mut self, before: Time) {
        self.seen.retain(|_, all| {
            all.retain(|seen| seen.executed >= before);
            !all.is_empty()
        });
    }

    /// Some execs were lost: whose file was read is not known.
    pub(crate) fn distrust(&mut self) {
        let all = self.seen.values_mut().flatten();
        all.for_each(|seen| seen.file = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PID: Pid = Pid(7);

    fn file(name: &str) -> Option<Name> {
        Some(Name::from(name.as_bytes()))
    }

    #[test]
    fn a_file_is_that_of_the_exec_before_it_was_read() {
        let mut programs = Programs::default();
        programs.add(PID, Time(10), Time(15), file("a"));
        programs.add(PID, Time(20), Time(25), file("b"));
        programs.add(Pid(8), Time(12), Time(13), None);
        assert_eq!(programs.read_at(PID, Time(10)), Some(Time(15)));
        assert_eq!(programs.read_at(PID, Time(11)), None);
        assert_eq!(programs.read_at(Pid(8), Time(12)), None);
        assert_eq!(programs.take(PID, Time(20)), file("b"));
        assert_eq!(programs.take(PID, Time(10)), file("a"));
        assert_eq!(programs.take(PID, Time(10)), None);
        assert_eq!(programs.take(Pid(8), Time(12)), None);
        assert!(programs.seen.is_empty());
    }

    #[test]
    fn with_another_exec_before_it_was_read_nobody_knows_whose_it_was() {
        for turned in [false, true] {
            let mut programs = Programs::default();
            let mut both = [(10, 25, "b"), (20, 26, "b")];
            if turned {
                both.reverse();
            }
            for (executed, read, name) in both {
                programs.add(PID, Time(executed), Time(read), file(name));
            }
            assert_eq!(programs.take(PID, Time(10)), None);
            assert_eq!(programs.take(PID, Time(20)), file("b"));
        }
        let mut programs = Programs::default();
        programs.add(PID, Time(10), Time(15), file("a"));
        programs.distrust();
        programs.forget(Time(10));
        assert_eq!(programs.seen.len(), 1);
        assert_eq!(programs.take(PID, Time(10)), None);
        programs.add(PID, Time(10), Time(15), file("a"));
        programs.forget(Time(11));
        assert!(programs.seen.is_empty());
    }
}
