//! Whether the tasks of one class pile up: a judgement, with the figures that it rests on.
//!
//! Alive tasks alone say little: churn has some at any moment, a pool has all of its own. What
//! tells a leak is that tasks which are *old* (far older than those of their class that end) become
//! more and more, up to the end, and do not end:
//!
//! ```text
//!  alive  leak        pool         churn        leak among churn
//!            ╱      ╭──────      ╷╷ ╷╷ ╷        ╷╷ ╷╷╷╱
//!          ╱        │            ││╷││╷│╷       │╷╷│╱││
//!        ╱          │            │││││││        ╱╱│││││
//!  old     ╱╱       ╭──────      ───────          ╱╱
//! ```

use tidline::model::{TaskRecord, Time, Trace};

use crate::group::{Moments, Stats, percentile};
use crate::time::{self, SECOND, elapsed};
use crate::words::{count, counted};

/// A class that was made so often at most is no pool, and cannot show a trend.
pub(crate) const FEW: usize = 3;
/// A class must have been seen for this part of the recording.
const LEAST_SPAN: u64 = 4;
/// The shortest recording that shows a trend, ns.
const LEAST_LENGTH: u64 = SECOND;
/// A task is old that lives longer than this part of the time since its class was first seen...
const OLD_SPAN: u64 = 10;
/// ... and than so many times as long as half of those that ended.
const OLD_LIVES: u64 = 3;
/// The age must be at most this part of that time: the rest shows what becomes of the old ones.
const OLD_PART: u64 = 3;
/// Stretches in which the old ones are counted, and in how many they must have become more: in the
/// last one in any case.
const STRETCHES: usize = 4;
const RISING: usize = 3;
/// The least rise after the first stretch: so many, and this part of the old ones.
const LEAST_RISE: u64 = 3;
const LEAST_RISE_PART: u64 = 20;
/// Points at which a class's alive tasks are counted.
const POINTS: usize = 100;
/// Two ends that are further apart are no part of one shutdown, ns.
const SHUTDOWN_GAP: u64 = SECOND / 10;

/// What a class's tasks look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Old ones become more and more.
    Leak,
    /// There is growth, or may be, and the recording does not show whether it goes on.
    TooShort,
    /// None of the others.
    Unclear,
    /// The recorder let most of them go, and did not see their ends.
    LetGo,
    /// It had its size early, and kept to it.
    Pool,
    /// They are short-lived, and most have ended.
    Churn,
    /// Made once, or a few times.
    OneShot,
}

impl Verdict {
    /// The word in tables.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Verdict::Leak => "LEAK",
            other => other.as_str(),
        }
    }

    /// The word in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Verdict::Leak => "leak",
            Verdict::TooShort => "too short",
            Verdict::Unclear => "unclear",
            Verdict::LetGo => "let go",
            Verdict::Pool => "pool",
            Verdict::Churn => "churn",
            Verdict::OneShot => "one-shot",
        }
    }
}

/// A class, judged.
#[derive(Clone, Debug)]
pub(crate) struct Growth {
    pub(crate) verdict: Verdict,
    /// What the verdict rests on, in words.
    pub(crate) evidence: String,
    /// How many more lived each minute, by regression from when the class was first seen.
    pub(crate) per_minute: f64,
    /// Alive tasks at equal distances from the trace's beginning to its end.
    pub(crate) curve: Vec<u64>,
}

/// The moments to judge a trace between, and from when to when its tasks were shut down. What ended
/// only when all did, as a program's threads when it exits, lived until the end.
pub(crate) fn moments(trace: &Trace) -> (Moments, Option<(Time, Time)>) {
    let all = Moments::of(trace);
    if trace.tasks().iter().any(|task| task.ended.is_none()) {
        return (all, None);
    }
    let last_birth = trace.tasks().iter().map(|task| task.born).max();
    let ended = |task: &TaskRecord| task.ended.filter(|ended| Some(*ended) > last_birth);
    let mut ends: Vec<Time> = trace.tasks().iter().filter_map(ended).collect();
    ends.sort_unstable_by(|a, b| b.cmp(a));
    let Some(&last) = ends.first() else {
        return (all, None);
    };
    let mut first = last;
    for end in ends {
        if first.0 - end.0 > SHUTDOWN_GAP {
            break;
        }
        first = end;
    }
    let end = Time(first.0.saturating_sub(1)).max(all.begin);
    (Moments { end, ..all }, Some((first, last)))
}

/// Judges a class by what its tasks did.
pub(crate) fn judge(stats: &Stats, moments: Moments) -> Growth {
    let case = Case::new(stats, moments);
    let (verdict, evidence) = case.verdict();
    Growth {
        verdict,
        evidence,
        per_minute: case.per_minute(),
        curve: curve(stats, moments.begin, moments.end, POINTS),
    }
}

/// Alive tasks at so many moments.
fn curve(stats: &Stats, begin: Time, end: Time, points: usize) -> Vec<u64> {
    let length = end.0.saturating_sub(begin.0);
    let last = points.saturating_sub(1).max(1) as u128;
    let at = |point: usize| {
        let since = u128::from(length) * point as u128 / last;
        Time(begin.0.saturating_add(since as u64))
    };
    (0..points).map(|point| stats.alive_at(at(point))).collect()
}

/// What is judged.
struct Case<'a> {
    stats: &'a Stats,
    moments: Moments,
    /// When the class was first seen, in the trace.
    first: Time,
    /// How long ago that is, ns.
    span: u64,
    /// How long half of those lived at most that ended, ns.
    half_lived: Option<u64>,
}

impl<'a> Case<'a> {
    fn new(stats: &'a Stats, moments: Moments) -> Self {
        let first = stats.first().max(moments.begin);
        Case {
            stats,
            moments,
            first,
            span: moments.end.0.saturating_sub(first.0),
            half_lived: percentile(&stats.lives, 50),
        }
    }

    fn verdict(&self) -> (Verdict, String) {
        self.let_go()
            .or_else(|| self.leak())
            .or_else(|| self.few())
            .or_else(|| self.burst())
            .or_else(|| self.churn())
            .or_else(|| self.pool())
            .or_else(|| self.too_short())
            .unwrap_or_else(|| self.unclear())
    }

    fn let_go(&self) -> Option<(Verdict, String)> {
        let (let_go, all) = (self.stats.let_go, self.stats.births.len() as u64);
        (let_go.saturating_mul(2) > all).then(|| {
            let words = format!(
                "{} of {} were let go by the recorder: nobody saw how long they lived",
                count(let_go),
                count(all)
            );
            (Verdict::LetGo, words)
        })
    }

    /// The age from which a task of this class is old, ns.
    fn old_age(&self) -> u64 {
        let lives = self.half_lived.unwrap_or(0).saturating_mul(OLD_LIVES);
        lives.max(self.span / OLD_SPAN)
    }

    /// Whether the class was seen long enough to show a trend.
    fn is_long_enough(&self) -> bool {
        let length = self.moments.length();
        length >= LEAST_LENGTH
            && self.span.saturating_mul(LEAST_SPAN) >= length
            && self.old_age().saturating_mul(OLD_PART) <= self.span
    }

    fn leak(&self) -> Option<(Verdict, String)> {
        if !self.is_long_enough() {
            return None;
        }
        let age = self.old_age();
        let old = Old::of(self.stats, age, self.moments.end);
        let stretch = (self.span - age) / STRETCHES as u64;
        let begin = self.first.0.saturating_add(age);
        let bounds = (0..=STRETCHES as u64).map(|n| match n {
            n if n == STRETCHES as u64 => self.moments.end,
            n => Time(begin.saturating_add(stretch * n)),
        });
        let counts: Vec<u64> = bounds.clone().map(|time| old.at(time)).collect();
        let rising = counts.windows(2).filter(|pair| pair[1] > pair[0]).count();
        let [.., before, last] = counts[..] else {
            return None;
        };
        let rise = last.saturating_sub(counts[1]);
        let bounds: Vec<Time> = bounds.collect();
        let ended = old.ended_between(bounds[1], self.moments.end);
        // What comes and goes by chance differs by the root of its number.
        let chance = 3.0 * (2.0 * ended as f64).sqrt();
        let grows = rising >= RISING
            && last > before
            && rise >= LEAST_RISE
            && rise.saturating_mul(LEAST_RISE_PART) >= last
            && rise as f64 >= chance
            && last.saturating_mul(2) >= old.all()
            && old.would_have_ended(self.span);
        grows.then(|| (Verdict::Leak, self.grew(&old, &counts, age)))
    }

    fn grew(&self, old: &Old, counts: &[u64], age: u64) -> String {
        let last = counts.last().copied().unwrap_or(0);
        let kept = last.saturating_mul(100) / old.all().max(1);
        let counts: Vec<String> = counts[1..].iter().copied().map(count).collect();
        let ended = match self.half_lived {
            Some(lived) => format!(
                "; {} ended, half of them within {}",
                count(self.stats.lives.len()),
                time::duration(lived)
            ),
            None => "; none ended".into(),
        };
        format!(
            "those older than {} rose to {} in four equal stretches since {}, and {kept} % of them did \
             not end{ended}",
            time::duration(age),
            counts.join(", "),
            elapsed(self.first)
        )
    }

    fn few(&self) -> Option<(Verdict, String)> {
        let times: Vec<String> = self
            .stats
            .births
            .iter()
            .map(|time| elapsed(*time))
            .collect();
        (times.len() <= FEW).then(|| {
            let often = match times.len() {
                1 => "once".into(),
                number => format!("{number} times"),
            };
            (
                Verdict::OneShot,
                format!("made {often}: {}", times.join(", ")),
            )
        })
    }

    /// Most of those alive came in the last part of the recording.
    fn burst(&self) -> Option<(Verdict, String)> {
        let length = self.moments.length();
        let recent = Time(self.moments.end.0.saturating_sub(length / OLD_SPAN));
        let mut before = 0;
        self.steps(|time, alive| {
            if time <= recent {
                before = alive.max(before);
            }
        });
        let alive = self.stats.alive_at(self.moments.end);
        let burst = alive >= before.saturating_mul(2).max(before + LEAST_RISE);
        burst.then(|| {
            let since = time::duration(length / OLD_SPAN);
            let words = format!(
                "from {} at most to {} within the last {since}: whether they end is not to be seen",
                count(before),
                count(alive)
            );
            (Verdict::TooShort, words)
        })
    }

    fn churn(&self) -> Option<(Verdict, String)> {
        let (ended, all) = (self.stats.ends.len(), self.stats.births.len());
        let lived = self.half_lived?;
        let short = lived.saturating_mul(OLD_SPAN) <= self.span;
        if !short || ended * 5 < all * 4 {
            return None;
        }
        let words = format!(
            "{} of {} ended, half within {}",
            count(ended),
            count(all),
            time::duration(lived)
        );
        Some(match self.left_over() {
            Some((old, age)) => {
                let words = format!(
                    "{words}, but {} did not that are older than {age}",
                    count(old)
                );
                (Verdict::Unclear, words)
            }
            None => {
                let peak = count(self.stats.peak());
                (Verdict::Churn, format!("{words}; {peak} at most at a time"))
            }
        })
    }

    /// Old ones that live on where most end young, and their least age: too few, or too unsteady,
    /// for a trend.
    fn left_over(&self) -> Option<(u64, String)> {
        let age = self.old_age();
        let old = Old::of(self.stats, age, self.moments.end);
        let alive = old.at(self.moments.end);
        let left = alive >= LEAST_RISE && alive.saturating_mul(2) >= old.all();
        left.then(|| (alive, time::duration(age)))
    }

    fn pool(&self) -> Option<(Verdict, String)> {
        if self.span.saturating_mul(LEAST_SPAN) < self.moments.length() {
            return None;
        }
        let half = Time(self.first.0.saturating_add(self.span / 2));
        let at_half = self.stats.alive_at(half);
        let (mut early, mut late, mut least) = ((0, self.first), at_half, at_half);
        self.steps(|time, alive| {
            if time > half {
                late = alive.max(late);
                least = alive.min(least);
            } else if alive > early.0 {
                early = (alive, time);
            }
        });
        let (size, when) = early;
        (late <= size + (size / 10).max(1)).then(|| {
            let since = match (least, late) {
                (least, late) if least == late => format!("{} ever since", count(late)),
                (least, late) => format!("{} to {} in the second half", count(least), count(late)),
            };
            let words = format!(
                "had {} at most, by {}, and {since}",
                count(size),
                elapsed(when)
            );
            (Verdict::Pool, words)
        })
    }

    fn too_short(&self) -> Option<(Verdict, String)> {
        if self.is_long_enough() {
            return None;
        }
        let alive = count(self.stats.alive_at(self.moments.end));
        let shown = time::duration(self.span);
        let words = match self.half_lived {
            Some(lived) if self.old_age().saturating_mul(OLD_PART) > self.span => format!(
                "{alive} alive after {shown}; half of those that ended lived up to {}: a longer \
                 recording shows whether the others end",
                time::duration(lived)
            ),
            _ => format!(
                "{alive} alive, first seen {shown} before the end: a longer recording shows \
                 whether they end"
            ),
        };
        Some((Verdict::TooShort, words))
    }

    fn unclear(&self) -> (Verdict, String) {
        let half = Time(self.first.0.saturating_add(self.span / 2));
        let [first, middle, last] =
            [self.first, half, self.moments.end].map(|time| count(self.stats.alive_at(time)));
        let words = format!(
            "{first} alive at first, {middle} half way, {last} at the end: neither steady growth \
             nor a bound; {} ended",
            counted(self.stats.ends.len(), "task")
        );
        (Verdict::Unclear, words)
    }

    /// Each number of alive tasks, and since when it was that.
    fn steps(&self, mut visit: impl FnMut(Time, u64)) {
        let (births, ends) = (&self.stats.births, &self.stats.ends);
        let (mut born, mut ended) = (0, 0);
        while let Some(now) = births.get(born).into_iter().chain(ends.get(ended)).min() {
            let now = *now;
            while births.get(born).is_some_and(|time| *time == now) {
                born += 1;
            }
            while ends.get(ended).is_some_and(|time| *time == now) {
                ended += 1;
            }
            if now <= self.moments.end {
                visit(now, born.saturating_sub(ended) as u64);
            }
        }
    }

    /// The slope of the alive tasks over time, by least squares.
    fn per_minute(&self) -> f64 {
        const MINUTE: f64 = 60.0 * SECOND as f64;
        if self.span == 0 {
            return 0.0;
        }
        let alive = curve(self.stats, self.first, self.moments.end, POINTS);
        let count = alive.len() as f64;
        let middle = (count - 1.0) / 2.0;
        let mean = alive.iter().sum::<u64>() as f64 / count;
        let (mut both, mut square) = (0.0, 0.0);
        for (point, alive) in alive.iter().enumerate() {
            let off = point as f64 - middle;
            both += off * (*alive as f64 - mean);
            square += off * off;
        }
        let minutes = self.span as f64 / (count - 1.0) / MINUTE;
        let slope = both / square / minutes;
        (slope * 1e3).round() / 1e3
    }
}

/// The tasks of a class that became old: when, and when those of them that ended did.
struct Old {
    since: Vec<u64>,
    ends: Vec<u64>,
    /// How long all of them together were watched since they were old, ns.
    watched: f64,
}

impl Old {
    fn of(stats: &Stats, age: u64, now: Time) -> Old {
        let mut old = Old {
            since: Vec::new(),
            ends: Vec::new(),
            watched: 0.0,
        };
        for (born, ended) in &stats.spans {
            let since = born.0.saturating_add(age);
            if since <= now.0 && ended.is_none_or(|ended| ended.0 > since) {
                let until = ended.map_or(now.0, |ended| ended.0.min(now.0));
                old.watched += until.saturating_sub(since) as f64;
                old.since.push(since);
                old.ends.extend(ended.map(|ended| ended.0));
            }
        }
        old.since.sort_unstable();
        old.ends.sort_unstable();
        old
    }

    fn at(&self, time: Time) -> u64 {
        let since = self.since.partition_point(|since| *since <= time.0);
        since.saturating_sub(self.ends.partition_point(|end| *end <= time.0)) as u64
    }

    fn ended_between(&self, from: Time, to: Time) -> u64 {
        let until = |time: Time| self.ends.partition_point(|end| *end <= time.0);
        until(to).saturating_sub(until(from)) as u64
    }

    /// Whether more of them would have ended if they lived for this time in the mean, by far more
    /// than chance explains (one time in twenty): then they live longer, or for ever.
    fn would_have_ended(&self, mean: u64) -> bool {
        let expected = self.watched / mean.max(1) as f64;
        let ended = self.ends.len() as f64;
        expected >= ended + 2.0 * ended.sqrt() + 3.0
    }

    /// How many there were.
    fn all(&self) -> u64 {
        self.since.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: f64 = 60.0;

    /// A class of tasks that lived from one second to another, or to the end, which is the 600th.
    fn class(lives: &[(f64, Option<f64>)]) -> Stats {
        let ns = |seconds: f64| Time((seconds * SECOND as f64) as u64);
        let ended = |until: Option<f64>| until.filter(|until| *until <= 600.0).map(ns);
        let mut stats = Stats::default();
        for (born, until) in lives {
            let (born, ended) = (ns(*born), ended(*until));
            stats.created += 1;
            stats.alive += u64::from(ended.is_none());
            stats.births.push(born);
            stats.spans.push((born, ended));
            stats.ends.extend(ended);
            stats.lives.extend(ended.map(|ended| ended.0 - born.0));
        }
        stats.births.sort_unstable();
        stats.ends.sort_unstable();
        stats.lives.sort_unstable();
        stats
    }

    fn judged(lives: &[(f64, Option<f64>)]) -> Growth {
        let end = Time(600 * SECOND);
        judge(
            &class(lives),
            Moments {
                begin: Time(0),
                end,
            },
        )
    }

    fn verdict(lives: &[(f64, Option<f64>)]) -> Verdict {
        judged(lives).verdict
    }

    type Lives = Vec<(f64, Option<f64>)>;

    /// A source of numbers that look random, the same for the same seed.
    struct Random(u64);

    impl Random {
        /// From 0 to 1.
        fn part(&mut self) -> f64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
        }

        /// Times at which something happens so often a second, without rhythm.
        fn times(&mut self, rate: f64, from: f64, to: f64) -> Vec<f64> {
            let mut times = Vec::new();
            let mut now = from;
            loop {
                now -= (1.0 - self.part()).ln() / rate;
                if now >= to {
                    return times;
                }
                times.push(now);
            }
        }

        /// Tasks of so long lives in the mean, of which most are shorter and some much longer.
        fn churn(&mut self, rate: f64, mean: f64) -> Lives {
            let times = self.times(rate, 0.0, 600.0);
            let lives = times.into_iter().map(|born| {
                let lived = -(1.0 - self.part()).ln() * mean;
                (born, Some(born + lived))
            });
            lives.collect()
        }

        /// Tasks that never end.
        fn leak(&mut self, rate: f64, from: f64) -> Lives {
            let times = self.times(rate, from, 600.0);
            times.into_iter().map(|born| (born, None)).collect()
        }

        /// A pool that gets its size within a time and keeps it.
        fn pool(&mut self, size: u32, within: f64) -> Lives {
            let born = (0..size).map(|_| (self.part() * within, None));
            born.collect()
        }

        /// A pool whose members are replaced after a while.
        fn renewed(&mut self, size: u32, each: f64) -> Lives {
            let mut lives = Vec::new();
            for _ in 0..size {
                let mut born = self.part() * 5.0;
                while born < 600.0 {
                    let until = born + each * (0.5 + self.part());
                    lives.push((born, Some(until)));
                    born = until;
                }
            }
            lives
        }
    }

    fn seeds() -> impl Iterator<Item = Random> {
        (1..20).map(|seed| Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed)))
    }

    #[test]
    fn three_leaks_among_twenty_honest_classes_are_the_three() {
        for mut random in seeds() {
            let honest: [Lives; 20] = [
                random.churn(20.0, 0.05),
                random.churn(5.0, 1.0),
                random.churn(1.0, 10.0),
                random.churn(0.3, 30.0),
                random.churn(0.2, 60.0),
                random.churn(0.1, 200.0),
                random.churn(1.0, 120.0),
                random.churn(0.02, 1.0),
                random.pool(8, 0.1),
                random.pool(64, 60.0),
                random.pool(200, 60.0),
                random.pool(16, 200.0),
                random.renewed(8, 60.0),
                random.renewed(32, 30.0),
                random.renewed(16, 150.0),
                random.renewed(100, 100.0),
                random.pool(1, 600.0),
                random.pool(3, 600.0),
                random.leak(30.0, 590.0),
                (0..50)
                    .map(|n| (f64::from(n) * 10.0, Some(f64::from(n) * 10.0 + 9.0)))
                    .collect(),
            ];
            let leaks: [Lives; 3] = [
                random.leak(0.5, 0.0),
                random.leak(0.1, 200.0),
                [random.churn(10.0, 0.1), random.leak(4.0 / MINUTE, 0.0)].concat(),
            ];
            for (index, lives) in honest.iter().enumerate() {
                let found = judged(lives);
                assert_ne!(found.verdict, Verdict::Leak, "{index}: {}", found.evidence);
            }
            for (index, lives) in leaks.iter().enumerate() {
                let found = judged(lives);
                assert_eq!(found.verdict, Verdict::Leak, "{index}: {}", found.evidence);
            }
        }
    }

    #[test]
    fn one_a_minute_among_churn_is_found() {
        let leak: Lives = (0..10)
            .map(|n| (f64::from(n) * MINUTE + 7.0, None))
            .collect();
        assert_eq!(verdict(&leak), Verdict::Leak);
        for mut random in seeds() {
            let lives = [random.churn(50.0, 0.2), leak.clone()].concat();
            let found = judged(&lives);
            assert_eq!(found.verdict, Verdict::Leak, "{}", found.evidence);
        }
    }

    #[test]
    fn evidence_is_in_figures() {
        let leak: Lives = (0..60).map(|n| (f64::from(n) * 10.0, None)).collect();
        let found = judged(&leak);
        assert_eq!(found.verdict, Verdict::Leak);
        assert_eq!(
            found.evidence,
            "those older than 1m 00s rose to 14, 28, 41, 55 in four equal stretches since \
             +0.000000s, and 100 % of them did not end; none ended"
        );
        assert!((found.per_minute - 6.0).abs() < 0.1, "{}", found.per_minute);
        assert_eq!(
            (found.curve[0], found.curve[99], found.curve.len()),
            (1, 60, 100)
        );
    }

    #[test]
    fn a_pool_that_takes_its_time_is_no_leak() {
        for mut random in seeds() {
            for within in [0.1, 6.0, 60.0, 150.0] {
                assert_eq!(verdict(&random.pool(50, within)), Verdict::Pool, "{within}");
            }
        }
        let pool: Lives = (0..8).map(|n| (f64::from(n), None)).collect();
        assert_eq!(
            judged(&pool).evidence,
            "had 8 at most, by +7.000000s, and 8 ever since"
        );
    }

    #[test]
    fn what_is_made_once_or_short_lived_is_said_to_be() {
        assert_eq!(verdict(&[(300.0, None)]), Verdict::OneShot);
        assert_eq!(
            judged(&[(3.0, None), (4.0, None)]).evidence,
            "made 2 times: +3.000000s, +4.000000s"
        );
        for mut random in seeds() {
            assert_eq!(verdict(&random.churn(20.0, 0.5)), Verdict::Churn);
        }
    }

    #[test]
    fn a_burst_at_the_end_is_too_short_to_tell() {
        for mut random in seeds() {
            let burst = random.leak(10.0, 580.0);
            assert_eq!(verdict(&burst), Verdict::TooShort);
            let churn = [random.churn(5.0, 0.5), burst].concat();
            let found = judged(&churn);
            assert_eq!(found.verdict, Verdict::TooShort, "{}", found.evidence);
        }
        // All in a tenth of a second.
        let short = class(
            &(0..50)
                .map(|n| (f64::from(n) * 0.001, None))
                .collect::<Vec<_>>(),
        );
        let moments = Moments {
            begin: Time(0),
            end: Time(SECOND / 20),
        };
        assert_ne!(judge(&short, moments).verdict, Verdict::Leak);
    }

    #[test]
    fn lives_as_long_as_the_recording_are_too_short_to_tell() {
        let lives: Lives = (0..120)
            .map(|n| (f64::from(n) * 5.0, Some(f64::from(n) * 5.0 + 400.0)))
            .collect();
        let found = judged(&lives);
        assert_eq!(found.verdict, Verdict::TooShort, "{}", found.evidence);
    }

    #[test]
    fn absurd_times_do_no_harm() {
        for times in [[0, 0], [0, u64::MAX], [u64::MAX, u64::MAX]] {
            let mut stats = class(&[]);
            for _ in 0..10 {
                stats.births.push(Time(times[0]));
                stats.spans.push((Time(times[0]), Some(Time(times[1]))));
                stats.ends.push(Time(times[1]));
                stats.lives.push(times[1] - times[0]);
            }
            for end in [0, 1, u64::MAX] {
                let _ = judge(
                    &stats,
                    Moments {
                        begin: Time(0),
                        end: Time(end),
                    },
                );
            }
        }
        let _ = judge(
            &Stats::default(),
            Moments {
                begin: Time(5),
                end: Time(1),
            },
        );
    }
}
