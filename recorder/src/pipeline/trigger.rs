//! Triggers: what makes a recorder keep what it has. Pure: events in, reasons out.

use std::fmt;
use std::time::Duration;

use tidline::model::{End, Event, EventBody, Time, signal_name};

/// What may set a snapshot off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trigger {
    /// More tasks live than that.
    LiveThreads(u64),
    /// More tasks are made within a second than that.
    CreateRate(f64),
    /// The kernel refuses to make a task.
    CreateFailed,
    /// A task is ended by a signal.
    ExitSignal,
}

impl fmt::Display for Trigger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::LiveThreads(limit) => write!(out, "live-threads>{limit}"),
            Trigger::CreateRate(limit) => write!(out, "create-rate>{limit}/s"),
            Trigger::CreateFailed => write!(out, "create-failed"),
            Trigger::ExitSignal => write!(out, "exit-signal"),
        }
    }
}

impl Trigger {
    /// From what was typed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no trigger: write 'live-threads>N', 'create-rate>N/s', create-failed or \
                 exit-signal (with quotes, for > means something to a shell)"
            )
        };
        match text.split_once('>') {
            None if text == "create-failed" => Ok(Trigger::CreateFailed),
            None if text == "exit-signal" => Ok(Trigger::ExitSignal),
            Some(("live-threads", limit)) => {
                let limit = limit.trim().parse().map_err(|_| wrong())?;
                Ok(Trigger::LiveThreads(limit))
            }
            Some(("create-rate", rate)) => {
                let rate = rate.trim().strip_suffix("/s").unwrap_or(rate.trim());
                let rate: f64 = rate.parse().map_err(|_| wrong())?;
                if rate.is_finite() && rate >= 0.0 {
                    Ok(Trigger::CreateRate(rate))
                } else {
                    Err(wrong())
                }
            }
            _ => Err(wrong()),
        }
    }
}

/// The state of all triggers.
#[derive(Debug)]
pub(super) struct Triggers {
    armed: Vec<Armed>,
    pause_ns: u64,
    rate: Rate,
}

#[derive(Debug)]
struct Armed {
    trigger: Trigger,
    /// Whether its condition holds, since it snapped.
    holds: bool,
    rests_until: Time,
}

impl Triggers {
    pub(super) fn new(triggers: &[Trigger], pause: Duration) -> Self {
        let arm = |trigger: &Trigger| Armed {
            trigger: *trigger,
            holds: false,
            rests_until: Time(0),
        };
        Triggers {
            armed: triggers.iter().map(arm).collect(),
            pause_ns: u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX),
            rate: Rate::default(),
        }
    }

    /// Takes an event, after which so many tasks live; why to take a snapshot, one reason for each trigger
    /// that snaps. One that is about a state snaps when it begins to hold, and again only after it
    /// did not hold in between.
    pub(super) fn follow(&mut self, event: &Event, live: usize) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.armed.is_empty() {
            return reasons;
        }
        if let EventBody::Birth(_) = event.body {
            self.rate.count(event.time);
        }
        let rate = self.rate.per_second(event.time);
        for armed in &mut self.armed {
            let (holds, words) = match armed.trigger {
                Trigger::LiveThreads(limit) => (live as u64 > limit, None),
                Trigger::CreateRate(limit) => (rate as f64 > limit, None),
                Trigger::CreateFailed => {
                    let failed = matches!(event.body, EventBody::CreateFailed { .. });
                    (failed, failed.then(|| create_failed(event)))
                }
                Trigger::ExitSignal => match event.body {
                    EventBody::Exit {
                        task,
                        end: End::Signal { number, .. },
                    } => {
                        let signal = signal_name(number);
                        (
                            true,
                            Some(format!("exit-signal: {signal} ended {}", task.tid)),
                        )
                    }
                    _ => (false, None),
                },
            };
            // What happens in a moment does not hold.
            let began = holds && (words.is_some() || !armed.holds);
            if began && event.time >= armed.rests_until {
                armed.rests_until = Time(event.time.0.saturating_add(self.pause_ns));
                armed.holds = true;
                reasons.push(words.unwrap_or_else(|| armed.trigger.to_string()));
            } else if !holds {
                armed.holds = false;
            }
        }
        reasons
    }
}

fn create_failed(event: &Event) -> String {
    match &event.body {
        EventBody::CreateFailed { task, errno, .. } => {
            let error = tidline::model::errno_name(*errno);
            format!("create-failed: {error} for {}", task.tid)
        }
        _ => String::new(),
    }
}

/// Births in the last second, counted in tenths.
#[derive(Debug, Default)]
struct Rate {
    tenths: [u64; 10],
    /// The tenth that is being counted, since time 0.
    now: u64,
}

impl Rate {
    const TENTH_NS: u64 = 100_000_000;

    fn count(&mut self, time: Time) {
        self.advance(time);
        self.tenths[(self.now % 10) as usize] += 1;
    }

    fn per_second(&mut self, time: Time) -> u64 {
        self.advance(time);
        self.tenths.iter().sum()
    }

    fn advance(&mut self, time: Time) {
        let tenth = time.0 / Self::TENTH_NS;
        let passed = tenth.saturating_sub(self.now).min(10);
        for step in 1..=passed {
            self.tenths[((self.now + step) % 10) as usize] = 0;
        }
        if passed == 10 {
            self.tenths = [0; 10];
        }
        self.now = self.now.max(tenth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidline::model::{Birth, Task, Via, What};

    const S: u64 = 1_000_000_000;

    fn birth(ns: u64) -> Event {
        let body = EventBody::Birth(Birth {
            via: Via::Clone,
            what: What::Thread,
            parent: None,
            child: Task::new(1, 2),
            flags: None,
            pc: None,
            inner: None,
            stack: None,
            start: None,
        });
        Event {
            time: Time(ns),
            body,
        }
    }

    fn exit(ns: u64, end: End) -> Event {
        let task = Task::new(1, 2);
        Event {
            time: Time(ns),
            body: EventBody::Exit { task, end },
        }
    }

    fn triggers(text: &str, pause_s: u64) -> Triggers {
        Triggers::new(
            &[Trigger::parse(text).unwrap()],
            Duration::from_secs(pause_s),
        )
    }

    #[test]
    fn what_can_be_typed() {
        for text in [
            "live-threads>100",
            "create-rate>2.5/s",
            "create-failed",
            "exit-signal",
        ] {
            assert_eq!(Trigger::parse(text).unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "live-threads",
            "live-threads>x",
            "create-rate>-1/s",
            "create-rate>nan",
        ] {
            assert!(Trigger::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_state_snaps_once_until_it_was_left() {
        let mut triggers = triggers("live-threads>10", 60);
        assert!(triggers.follow(&birth(1), 10).is_empty());
        let snapped = triggers.follow(&birth(2), 11);
        assert_eq!(snapped, ["live-threads>10"]);
        assert!(triggers.follow(&birth(90 * S), 12).is_empty());
        assert!(triggers.follow(&birth(91 * S), 9).is_empty());
        assert_eq!(triggers.follow(&birth(92 * S), 11).len(), 1);
        // Left and entered again, but too soon.
        assert!(triggers.follow(&birth(93 * S), 9).is_empty());
        assert!(triggers.follow(&birth(94 * S), 11).is_empty());
        // It still holds when the rest is over: that is not told twice, but it is told.
        assert_eq!(triggers.follow(&birth(160 * S), 11).len(), 1);
    }

    #[test]
    fn the_rate_is_of_the_last_second() {
        let mut triggers = triggers("create-rate>5/s", 1);
        for tenth in 0..5 {
            assert!(triggers.follow(&birth(tenth * S / 10), 0).is_empty());
        }
        assert_eq!(triggers.follow(&birth(S / 2), 0).len(), 1);
        // A second later the first ones do not count any more.
        for tenth in 15..20 {
            assert!(triggers.follow(&birth(tenth * S / 10), 0).is_empty());
        }
        assert_eq!(triggers.follow(&birth(2 * S), 0).len(), 1);
        assert!(triggers.follow(&birth(1000 * S), 0).is_empty());
    }

    #[test]
    fn an_end_by_signal_snaps_each_time_that_the_rest_is_over() {
        let mut triggers = triggers("exit-signal", 10);
        assert!(triggers.follow(&exit(1, End::Code(0)), 0).is_empty());
        let killed = End::Signal {
            number: 11,
            core: false,
        };
        let reasons = triggers.follow(&exit(2, killed), 0);
        assert_eq!(reasons, ["exit-signal: SIGSEGV ended 2"]);
        assert!(triggers.follow(&exit(3 * S, killed), 0).is_empty());
        assert_eq!(triggers.follow(&exit(11 * S, killed), 0).len(), 1);
    }

    #[test]
    fn all_that_snap_at_once_are_told() {
        let armed =
            ["live-threads>10", "create-rate>0/s"].map(|text| Trigger::parse(text).unwrap());
        let mut triggers = Triggers::new(&armed, Duration::from_secs(60));
        let reasons = triggers.follow(&birth(1), 11);
        assert_eq!(reasons, ["live-threads>10", "create-rate>0/s"]);
    }
}
