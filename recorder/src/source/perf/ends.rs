//! How tasks ended. The tracepoint of an end does not say it; the process connector does
//! (`PROC_EVENT_EXIT` of linux/cn_proc.h, a netlink socket): for each task of the system its code or
//! signal, by the same clock.
//!
//! It asks for `CAP_NET_ADMIN`, and to be outside of network, user and pid namespaces. Where it is not
//! to be had, or says nothing in time, nobody knows how a task ended, and that is what is recorded.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, recv, send, setsockopt, sockopt};
use tidline::model::{End, Task, Tid, Time};

use super::{pop_if, sys};
use crate::tracker::TidMap;

/// Room for what comes between two looks, bytes; a message takes a few hundred in the kernel.
const BUFFER: usize = 8 << 20;
/// `CN_IDX_PROC` and `CN_VAL_PROC`: the connector's number, and its group.
const PROC: u32 = 1;
/// `PROC_EVENT_EXIT`
const EXIT: u32 = 0x8000_0000;
/// Before a message's event: `struct nlmsghdr` and `struct cn_msg`.
const HEADERS: usize = 16 + 20;

/// Ends that were told.
pub(crate) struct Ends {
    socket: Option<OwnedFd>,
    start_ns: u64,
    told: TidMap<VecDeque<(Time, End)>>,
}

impl Ends {
    /// Begins to listen, if that is possible.
    pub(crate) fn listen(start_ns: u64) -> Self {
        Ends {
            socket: subscribe().ok(),
            start_ns,
            told: TidMap::default(),
        }
    }

    /// Whether ends are told at all.
    pub(crate) fn are_told(&self) -> bool {
        self.socket.is_some()
    }

    /// Reads what has come. Whether a task is of interest may turn out later, so that all is kept for a
    /// moment.
    pub(crate) fn read(&mut self) {
        let Some(socket) = &self.socket else { return };
        let mut buffer = [0; 4096];
        loop {
            match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(len) => {
                    let told = buffer.get(..len).and_then(parse);
                    if let Some((ns, task, end)) = told {
                        let time = Time(ns.saturating_sub(self.start_ns));
                        self.told
                            .entry(task.tid)
                            .or_default()
                            .push_back((time, end));
                    }
                }
                // Some were lost. Those ends are of an unknown kind.
                Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Whether it was told how a task ended whose end began at a time.
    pub(crate) fn knows(&self, tid: Tid, since: Time) -> bool {
        let told = self.told.get(&tid);
        told.is_some_and(|told| told.iter().any(|(time, _)| *time >= since))
    }

    /// How a task ended whose end began at a time: what was told of it first from then on.
    pub(crate) fn take(&mut self, tid: Tid, since: Time) -> End {
        let Some(told) = self.told.get_mut(&tid) else {
            return End::Unknown;
        };
        while pop_if(told, |(time, _)| *time < since).is_some() {}
        let end = told.pop_front().map_or(End::Unknown, |(_, end)| end);
        if told.is_empty() {
            self.told.remove(&tid);
        }
        end
    }

    /// Forgets what is older.
    pub(crate) fn forget(&mut self, before: Time) {
        self.told.retain(|_, told| {
            while pop_if(told, |(time, _)| *time < before).is_some() {}
            !told.is_empty()
        });
    }
}

fn subscribe() -> std::io::Result<OwnedFd> {
    let socket = sys::connector()?;
    // Without the right to force it, as much as others get.
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, PROC))?;
    // The first is what every kernel understands: tell everything. The second asks for ends alone,
    // and is passed over by kernels before 6.6.
    const LISTEN: u32 = 1;
    for words in [&[LISTEN][..], &[LISTEN, EXIT]] {
        send(socket.as_raw_fd(), &request(words), MsgFlags::empty())?;
    }
    Ok(socket)
}

fn request(words: &[u32]) -> Vec<u8> {
    const NLMSG_DONE: u16 = 3;
    let len = words.len() * 4;
    let mut message = ((HEADERS + len) as u32).to_ne_bytes().to_vec();
    message.extend(NLMSG_DONE.to_ne_bytes());
    message.extend([0; 10]); // flags, sequence, sender
    message.extend([PROC, PROC, 0, 0].map(u32::to_ne_bytes).concat());
    message.extend((len as u16).to_ne_bytes());
    message.extend([0; 2]); // flags
    words
        .iter()
        .for_each(|word| message.extend(word.to_ne_bytes()));
    message
}

/// The end that a message tells of: when, on the monotonic clock, whose, and how.
fn parse(message: &[u8]) -> Option<(u64, Task, End)> {
    let event = message.get(HEADERS..)?;
    let word = |index: usize| event.get(index * 4..)?.first_chunk().copied();
    let word = |index: usize| word(index).map(u32::from_ne_bytes);
    // what, cpu, time, then pid, tgid, code.
    if word(0)? != EXIT {
        return None;
    }
    let ns = u64::from_ne_bytes(*event.get(8..)?.first_chunk()?);
    Some((ns, Task::new(word(5)?, word(4)?), how(word(6)?)))
}

/// A code as wait(2) gives it.
fn how(code: u32) -> End {
    match code & 0x7f {
        0 => End::Code((code >> 8) as u8),
        number => End::Signal {
            number: number as u8,
            core: code & 0x80 != 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(what: u32, ns: u64, tid: u32, pid: u32, code: u32) -> Vec<u8> {
        let mut message = vec![0; HEADERS];
        message.extend(what.to_ne_bytes());
        message.extend([0; 4]);
        message.extend(ns.to_ne_bytes());
        message.extend([tid, pid, code, 17, 1, 1].map(u32::to_ne_bytes).concat());
        message
    }

    #[test]
    fn messages_tell_code_or_signal() {
        let end = |code| parse(&message(EXIT, 5, 11, 10, code)).unwrap().2;
        assert_eq!(end(7 << 8), End::Code(7));
        let signal = |number, core| End::Signal { number, core };
        assert_eq!(end(9), signal(9, false));
        assert_eq!(end(6 | 0x80), signal(6, true));
        let whole = message(EXIT, 5, 11, 10, 0);
        assert_eq!(parse(&whole), Some((5, Task::new(10, 11), End::Code(0))));
        assert_eq!(parse(&message(2, 5, 11, 10, 0)), None);
        for len in 0..HEADERS + 28 {
            assert_eq!(parse(&whole[..len]), None, "{len}");
        }
    }

    #[test]
    fn requests_are_as_long_as_they_say() {
        assert_eq!(request(&[1]).len(), 40);
        let both = request(&[1, EXIT]);
        assert_eq!((both.len(), both[0], both[32]), (44, 44, 8));
        assert_eq!(both[36..], [1, 0, 0, 0, 0, 0, 0, 0x80]);
    }

    #[test]
    fn an_end_is_the_first_that_was_told_from_its_moment_on() {
        let mut ends = Ends {
            socket: None,
            start_ns: 0,
            told: TidMap::default(),
        };
        let tid = Tid(5);
        ends.told.insert(
            tid,
            [(Time(3), End::Code(1)), (Time(9), End::Code(2))].into(),
        );
        assert!(ends.knows(tid, Time(9)) && !ends.knows(tid, Time(10)));
        assert_eq!(ends.take(tid, Time(4)), End::Code(2));
        assert_eq!(ends.take(tid, Time(4)), End::Unknown);
        ends.told.insert(tid, [(Time(3), End::Code(1))].into());
        ends.forget(Time(4));
        assert!(ends.told.is_empty());
    }
}
