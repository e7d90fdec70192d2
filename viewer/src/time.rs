//! Times: how they are shown.
//!
//! A trace's times are nanoseconds since its start. Wall times are shown in the recording host's
//! zone, as it was when the recording began, or in UTC: never in the zone of whoever reads.

use chrono::{DateTime, FixedOffset, SecondsFormat, TimeZone, Timelike, Utc};
use tidline::format::Header;
use tidline::model::Time;

pub(crate) const SECOND: u64 = 1_000_000_000;

/// Maps a trace's times to wall times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start_ns: i64,
    pub(crate) zone: FixedOffset,
    utc: bool,
}

impl Clock {
    /// The clock of a recording. An offset that no zone has counts as UTC.
    pub(crate) fn new(header: &Header, utc: bool) -> Self {
        let offset = if utc { 0 } else { header.utc_offset_s };
        let zone = FixedOffset::east_opt(offset).or(FixedOffset::east_opt(0));
        Clock {
            start_ns: header.start_wall_ns,
            zone: zone.unwrap_or_else(|| chrono::Offset::fix(&Utc)),
            utc,
        }
    }

    pub(crate) fn wall(&self, time: Time) -> DateTime<FixedOffset> {
        let since = i64::try_from(time.0).unwrap_or(i64::MAX);
        let ns = self.start_ns.saturating_add(since);
        self.zone
            .from_utc_datetime(&DateTime::from_timestamp_nanos(ns).naive_utc())
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
        let zone = self.zone_name();
        format!("{} {zone}", self.wall(time).format("%Y-%m-%d %H:%M:%S%.3f"))
    }

    /// `16:13:20.000000`, cut to microseconds.
    pub(crate) fn time_of_day(&self, time: Time) -> String {
        let wall = self.wall(time);
        let micros = wall.nanosecond() % 1_000_000_000 / 1_000;
        format!("{}.{micros:06}", self.short_time_of_day(time))
    }

    /// `16:13:20`.
    pub(crate) fn short_time_of_day(&self, time: Time) -> String {
        let wall = self.wall(time);
        let (hour, minute, second) = (wall.hour(), wall.minute(), wall.second());
        format!("{hour:02}:{minute:02}:{second:02}")
    }

    /// `2026-09-21`.
    pub(crate) fn date(&self, time: Time) -> String {
        self.wall(time).format("%Y-%m-%d").to_string()
    }

    /// `+02:00`, or `UTC`.
    pub(crate) fn zone_name(&self) -> String {
        if self.utc {
            "UTC".into()
        } else {
            self.zone.to_string()
        }
    }
}

/// Time since the start, cut to microseconds: `+12.345678s`.
pub(crate) fn elapsed(time: Time) -> String {
    format!("+{}.{:06}s", time.0 / SECOND, time.0 % SECOND / 1_000)
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

fn three_digits(ns: u64, unit: u64) -> String {
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

    /// 2026-09-21 16:13:20.25 in +02:00.
    fn clock(utc: bool) -> Clock {
        let header = Header {
            start_wall_ns: 1_790_000_000_250_000_000,
            utc_offset_s: 7_200,
            ..Header::default()
        };
        Clock::new(&header, utc)
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
            let back = crate::moment::parse_at(text, &clock(false), Time(ns));
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
            let header = Header {
                start_wall_ns,
                utc_offset_s,
                ..Header::default()
            };
            let clock = Clock::new(&header, false);
            for time in [Time(0), Time(u64::MAX)] {
                let _ = (clock.rfc3339(time), clock.date_time(time));
                let _ = crate::moment::parse_at("12:00", &clock, time);
                let _ = crate::moment::parse_at("x", &clock, time);
            }
        }
    }
}
