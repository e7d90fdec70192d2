//! Times: how they are shown, and found again from what is shown.
//!
//! A trace's times are nanoseconds since its start. Wall times are shown in the recording host's
//! zone, as it was then, or in UTC: never in the zone of whoever reads.

use std::rc::Rc;

use chrono::{DateTime, FixedOffset, NaiveTime, SecondsFormat, TimeZone, Timelike, Utc};
use tidline::model::{Anchor, Time};

pub(crate) const SECOND: u64 = 1_000_000_000;

/// Maps a trace's times to wall times.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// In order of time; at least one, which holds before its time, too.
    readings: Rc<[Reading]>,
    utc: bool,
}

/// What the wall clock said at a time; it holds until the next.
#[derive(Clone, Copy, Debug)]
struct Reading {
    time: Time,
    wall_ns: i64,
    zone: FixedOffset,
}

impl Reading {
    /// An offset that no zone has counts as UTC.
    fn new(anchor: &Anchor, utc: bool) -> Self {
        let offset = if utc { 0 } else { anchor.utc_offset_s };
        let zone = FixedOffset::east_opt(offset).or(FixedOffset::east_opt(0));
        Reading {
            time: anchor.time,
            wall_ns: anchor.wall_ns,
            zone: zone.unwrap_or_else(|| chrono::Offset::fix(&Utc)),
        }
    }

    /// When its clock says this, ns since the trace's start.
    fn time_of(&self, wall: DateTime<FixedOffset>) -> i128 {
        let ns = i128::from(wall.timestamp()) * i128::from(SECOND)
            + i128::from(wall.timestamp_subsec_nanos());
        i128::from(self.time.0) + ns - i128::from(self.wall_ns)
    }
}

impl Clock {
    /// The clock of a trace, by what its host's clock said.
    pub(crate) fn new(anchors: &[Anchor], utc: bool) -> Self {
        let start = Anchor {
            time: Time(0),
            wall_ns: 0,
            utc_offset_s: 0,
        };
        let anchors = if anchors.is_empty() {
            &[start]
        } else {
            anchors
        };
        Clock {
            readings: anchors
                .iter()
                .map(|anchor| Reading::new(anchor, utc))
                .collect(),
            utc,
        }
    }

    /// The last reading that is not later.
    fn reading(&self, time: Time) -> &Reading {
        // Most traces have one, and a timeline asks for it a million times.
        if let [only] = &*self.readings {
            return only;
        }
        let later = self
            .readings
            .partition_point(|reading| reading.time <= time);
        &self.readings[later.saturating_sub(1)]
    }

    pub(crate) fn wall(&self, time: Time) -> DateTime<FixedOffset> {
        let reading = self.reading(time);
        let since = i64::try_from(time.0.saturating_sub(reading.time.0)).unwrap_or(i64::MAX);
        let ns = reading.wall_ns.saturating_add(since);
        reading
            .zone
            .from_utc_datetime(&DateTime::from_timestamp_nanos(ns).naive_utc())
    }

    /// When, between two times, the clock said what `wall` makes of the zone that it was in: ns
    /// since the start, and outside of the two where it was. Of a time that a clock which was set
    /// back said twice it is the first; of one that a clock was set forward over, when it was.
    pub(crate) fn find(
        &self,
        (begin, end): (Time, Time),
        wall: impl Fn(FixedOffset) -> Option<DateTime<FixedOffset>>,
    ) -> Option<i128> {
        let first = self
            .readings
            .partition_point(|reading| reading.time <= begin);
        let readings = &self.readings[first.saturating_sub(1)..];
        let (mut skipped, mut before, mut after) = (None, None, None);
        for (index, reading) in readings.iter().enumerate() {
            let time = reading.time_of(wall(reading.zone)?);
            let from = i128::from(reading.time.max(begin).0);
            let next = readings.get(index + 1);
            let until = next.map_or(i128::from(end.0) + 1, |next| i128::from(next.time.0));
            if (from..until).contains(&time) {
                return Some(time);
            }
            if time < from && index == 0 {
                before = Some(time);
            } else if time < from && after.is_some() {
                skipped.get_or_insert(from);
            }
            after = (time >= until).then_some(time);
        }
        skipped.or(before).or(after)
    }

    /// `2026-09-21T16:13:20.000000000+02:00`; `Z` at the end for UTC.
    pub(crate) fn rfc3339(&self, time: Time) -> String {
        self.wall(time)
            .to_rfc3339_opts(SecondsFormat::Nanos, self.utc)
    }

    /// `2026-09-21T16:13:20+02:00`.
    pub(crate) fn short_rfc3339(&self, time: Time) -> String {
        self.wall(time)
            .to_rfc3339_opts(SecondsFormat::Secs, self.utc)
    }

    /// `2026-09-21 16:13:20.000 +02:00`.
    pub(crate) fn date_time(&self, time: Time) -> String {
        let zone = self.zone_name_at(time);
        format!("{} {zone}", self.wall(time).format("%Y-%m-%d %H:%M:%S%.3f"))
    }

    /// `16:13:20.000000`, cut to microseconds.
    pub(crate) fn time_of_day(&self, time: Time) -> String {
        let wall = self.wall(time).time();
        let micros = wall.nanosecond() % 1_000_000_000 / 1_000;
        let mut text = clock_time(wall);
        text.push('.');
        push_digits(&mut text, micros, 6);
        text
    }

    /// `16:13:20`.
    pub(crate) fn short_time_of_day(&self, time: Time) -> String {
        clock_time(self.wall(time).time())
    }

    /// `2026-09-21`.
    pub(crate) fn date(&self, time: Time) -> String {
        self.wall(time).format("%Y-%m-%d").to_string()
    }

    /// `+02:00`, or `UTC`; `local` where the host's zone changed.
    pub(crate) fn zone_name(&self) -> String {
        let zone = self.readings[0].zone;
        match self.readings.iter().all(|reading| reading.zone == zone) {
            true => self.zone_name_at(Time(0)),
            false => "local".into(),
        }
    }

    /// `+02:00`, or `UTC`: the host's zone at a time.
    pub(crate) fn zone_name_at(&self, time: Time) -> String {
        if self.utc {
            "UTC".into()
        } else {
            self.reading(time).zone.to_string()
        }
    }

    /// Whether all of a stretch is of one day.
    pub(crate) fn is_one_day(&self, begin: Time, end: Time) -> bool {
        let day = self.wall(begin).date_naive();
        let readings = self.readings.iter().map(|reading| reading.time);
        let between = readings.filter(|time| (begin..=end).contains(time));
        between
            .chain([end])
            .all(|time| self.wall(time).date_naive() == day)
    }
}

/// `16:13:20`.
fn clock_time(time: NaiveTime) -> String {
    let mut text = String::with_capacity(15);
    push_digits(&mut text, time.hour(), 2);
    for part in [time.minute(), time.second()] {
        text.push(':');
        push_digits(&mut text, part, 2);
    }
    text
}

/// Appends the last digits of a number: faster than formatting, and every row of a timeline has times.
fn push_digits(text: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        text.extend(char::from_digit(digit, 10));
    }
}

/// Time since the start, cut to microseconds: `+12.345678s`.
pub(crate) fn elapsed(time: Time) -> String {
    let mut text = format!("+{}.", time.0 / SECOND);
    push_digits(&mut text, (time.0 % SECOND / 1_000) as u32, 6);
    text.push('s');
    text
}

/// From one time to another, with as many digits as tell them apart: `+0.200..1.643s`.
pub(crate) fn range(from: Time, to: Time) -> String {
    if to.0.saturating_sub(from.0) < SECOND / 10 {
        return format!(
            "{}..{}",
            elapsed(from).trim_end_matches('s'),
            &elapsed(to)[1..]
        );
    }
    let short = |time: Time| format!("{}.{:03}", time.0 / SECOND, time.0 % SECOND / 1_000_000);
    format!("+{}..{}s", short(from), short(to))
}

/// A length of time at a glance, cut to three digits: `812 ns`, `12.3 ms`, `2m 03s`, `1h 02m`.
pub(crate) fn duration(ns: u64) -> String {
    let seconds = ns / SECOND;
    match seconds {
        0 if ns < 1_000 => format!("{ns} ns"),
        0 if ns < 1_000_000 => format!("{} µs", three_digits(ns, 1_000)),
        0 => format!("{} ms", three_digits(ns, 1_000_000)),
        1..60 => format!("{} s", three_digits(ns, SECOND)),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A number of units, cut to three digits.
pub(crate) fn three_digits(ns: u64, unit: u64) -> String {
    let (whole, rest) = (ns / unit, ns % unit);
    match whole {
        0..10 => format!("{whole}.{:02}", rest * 100 / unit),
        10..100 => format!("{whole}.{}", rest * 10 / unit),
        _ => whole.to_string(),
    }
}

/// A round time, exactly, in the form that `--at` takes: `0s`, `1.5s`, `200ms`, `1m30s`.
pub(crate) fn exact(ns: u64) -> String {
    let seconds = ns / SECOND;
    match seconds {
        0 if ns == 0 => "0s".into(),
        0 if ns < 1_000 => format!("{ns}ns"),
        0 if ns < 1_000_000 => format!("{}us", decimal(ns, 1_000, 3)),
        0 => format!("{}ms", decimal(ns, 1_000_000, 6)),
        1..60 => format!("{}s", decimal(ns, SECOND, 9)),
        _ => {
            let mut out = String::new();
            let parts = [
                (seconds / 86_400, 'd'),
                (seconds % 86_400 / 3_600, 'h'),
                (seconds % 3_600 / 60, 'm'),
            ];
            for (amount, unit) in parts {
                if amount > 0 {
                    out.push_str(&format!("{amount}{unit}"));
                }
            }
            let rest = ns % (60 * SECOND);
            if rest > 0 {
                out.push_str(&format!("{}s", decimal(rest, SECOND, 9)));
            }
            out
        }
    }
}

fn decimal(ns: u64, unit: u64, digits: usize) -> String {
    let text = format!("{}.{:0digits$}", ns / unit, ns % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(seconds: u64, wall_ns: i64, utc_offset_s: i32) -> Anchor {
        Anchor {
            time: Time(seconds * SECOND),
            wall_ns,
            utc_offset_s,
        }
    }

    /// 2026-09-21 16:13:20.25 in +02:00.
    fn clock(utc: bool) -> Clock {
        Clock::new(&[anchor(0, 1_790_000_000_250_000_000, 7_200)], utc)
    }

    #[test]
    fn times_are_shown_cut_not_rounded() {
        assert_eq!(elapsed(Time(12_345_678_999)), "+12.345678s");
        assert_eq!(
            clock(false).rfc3339(Time(1)),
            "2026-09-21T16:13:20.250000001+02:00"
        );
        assert_eq!(
            clock(true).rfc3339(Time(1)),
            "2026-09-21T14:13:20.250000001Z"
        );
        assert_eq!(
            clock(false).date_time(Time(0)),
            "2026-09-21 16:13:20.250 +02:00"
        );
        assert_eq!(clock(true).time_of_day(Time(1_999)), "14:13:20.250001");
    }

    #[test]
    fn ranges_have_as_many_digits_as_they_need() {
        let second = Time(1_999_999_999);
        assert_eq!(range(Time(200_000_000), second), "+0.200..1.999s");
        assert_eq!(range(Time(1_999_000_000), second), "+1.999000..1.999999s");
    }

    #[test]
    fn durations_have_three_digits_or_two_units() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_234, "1.23 µs"),
            (12_345_678, "12.3 ms"),
            (999_999_999, "999 ms"),
            (1_999_999_999, "1.99 s"),
            (123 * SECOND, "2m 03s"),
            (3_723 * SECOND, "1h 02m"),
            (100_000 * SECOND, "1d 03h"),
            (u64::MAX, "213503d 23h"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn exact_times_parse_back() {
        for (ns, text) in [
            (0, "0s"),
            (5, "5ns"),
            (1_500, "1.5us"),
            (200_000_000, "200ms"),
            (1_500_000_000, "1.5s"),
            (90 * SECOND, "1m30s"),
            (3_600 * SECOND, "1h"),
            (3_605 * SECOND + 1, "1h5.000000001s"),
            (90_000 * SECOND, "1d1h"),
        ] {
            assert_eq!(exact(ns), text);
            let back = crate::moment::parse_at(text, &clock(false), (Time(0), Time(ns)));
            assert_eq!(back, Ok(Time(ns)));
        }
    }

    #[test]
    fn absurd_headers_do_no_harm() {
        for (start_wall_ns, utc_offset_s) in [
            (i64::MAX, i32::MAX),
            (i64::MIN, i32::MIN),
            (i64::MIN, -86_399),
        ] {
            let last = Anchor {
                time: Time(u64::MAX),
                ..anchor(0, utc_offset_s.into(), utc_offset_s.wrapping_neg())
            };
            let clock = Clock::new(&[anchor(0, start_wall_ns, utc_offset_s), last], false);
            for time in [Time(0), Time(u64::MAX)] {
                let _ = (clock.rfc3339(time), clock.date_time(time));
                for text in ["12:00", "1970-01-01T00:00:00Z", "x"] {
                    let _ = crate::moment::parse_at(text, &clock, (Time(0), time));
                    let _ = crate::moment::parse_at(text, &clock, (time, time));
                }
            }
        }
    }

    /// Noon in UTC; an hour ahead of it, then on it.
    const NOON: i64 = 1_789_992_000_000_000_000;

    fn at(clock: &Clock, begin: u64, text: &str) -> Option<u64> {
        let extent = (Time(begin * SECOND), Time(100 * SECOND));
        let found = crate::moment::parse_at(text, clock, extent).ok();
        found.map(|time| time.0 / SECOND)
    }

    #[test]
    fn a_later_reading_replaces_an_earlier_one() {
        let second = SECOND as i64;
        let anchors = [
            anchor(0, NOON, 3_600),
            anchor(10, NOON + 60 * second, 3_600), // set forward by 50 s
            anchor(20, NOON + 65 * second, 0),     // set back by 5 s, and winter time
        ];
        let clock = Clock::new(&anchors, false);
        for (time, shown) in [
            (9, "13:00:09"),
            (10, "13:01:00"),
            (19, "13:01:09"),
            (20, "12:01:05"),
        ] {
            let time = Time(time * SECOND);
            assert_eq!(clock.short_time_of_day(time), shown);
            assert_eq!(at(&clock, 0, shown), Some(time.0 / SECOND), "{shown}");
        }
        assert_eq!(clock.zone_name(), "local");
        assert_eq!(clock.zone_name_at(Time(0)), "+01:00");
        assert_eq!(clock.zone_name_at(Time(30 * SECOND)), "+00:00");
        // Nothing was at the time that was left out: the moment when the clock was set.
        assert_eq!(at(&clock, 0, "13:00:30"), Some(10));
        // Twice at this time: the first; where that is not here, the second.
        assert_eq!(at(&clock, 0, "2026-09-21T12:01:07Z"), Some(17));
        assert_eq!(at(&clock, 18, "2026-09-21T12:01:07Z"), Some(22));
        assert_eq!(at(&clock, 18, "2026-09-21T12:00:30Z"), None);
        let utc = Clock::new(&anchors, true);
        assert_eq!(
            (utc.zone_name(), at(&utc, 0, "12:00:09")),
            ("UTC".into(), Some(9))
        );
    }

    #[test]
    fn a_day_that_a_clock_was_set_into_counts() {
        let day = 86_400 * SECOND as i64;
        let clock = Clock::new(&[anchor(0, NOON, 0), anchor(5, NOON - day, 0)], true);
        let ten = Time(10 * SECOND);
        assert!(!clock.is_one_day(Time(0), ten));
        assert!(clock.is_one_day(Time(0), Time(4 * SECOND)));
        assert!(clock.is_one_day(Time(5 * SECOND), ten));
    }
}
