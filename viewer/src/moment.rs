//! A moment as a person may say it: time since the start, a time of day, or a date and time.

use chrono::{DateTime, Days, FixedOffset, NaiveDateTime, NaiveTime, TimeZone};
use tidline::model::Time;

use crate::time::{self, Clock, SECOND};

/// What a person said of a moment, as a time of the trace; else what is wrong, and the mend.
pub(crate) fn parse_at(text: &str, clock: &Clock, end: Time) -> Result<Time, String> {
    let text = text.trim();
    let found = parse_elapsed(text).or_else(|| parse_wall(text, clock));
    match found {
        // Someone who copies a wall time copies it cut to the second.
        Some(ns) if (-i128::from(SECOND)..0).contains(&ns) => Ok(Time(0)),
        Some(ns) if (0..=i128::from(end.0)).contains(&ns) => Ok(Time(ns as u64)),
        Some(_) => Err(format!(
            "it is outside the trace, which {}",
            extent(clock, end)
        )),
        None => Err(format!(
            "it is no time: give the time since the start (1.5s, 200ms, 2m, 1h2m3s), a time of day \
             ({}), or a date and time ({}); the trace {}",
            clock.short_time_of_day(Time(0)),
            clock.short_rfc3339(Time(0)),
            extent(clock, end)
        )),
    }
}

fn extent(clock: &Clock, end: Time) -> String {
    let wall = |time| format!("{} {}", clock.date(time), clock.time_of_day(time));
    format!(
        "runs from 0s to {}, that is {} to {} ({})",
        time::exact(end.0),
        wall(Time(0)),
        wall(end),
        clock.zone_name()
    )
}

/// `1.5s`, `+200ms`, `1h2m3s`, as nanoseconds.
fn parse_elapsed(text: &str) -> Option<i128> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        total = total.checked_add(amount(number, unit_ns(unit)?)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

fn unit_ns(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" | "sec" => SECOND,
        "m" | "min" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => return None,
    })
}

/// A decimal number of units; what is finer than a nanosecond is cut off.
fn amount(number: &str, unit: u64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || whole.len() > 18 || fraction.contains('.') {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(15)];
    let parts = if fraction.is_empty() {
        0
    } else {
        fraction.parse::<i128>().ok()? * i128::from(unit) / 10_i128.pow(fraction.len() as u32)
    };
    Some(whole.parse::<i128>().ok()? * i128::from(unit) + parts)
}

/// A wall time as nanoseconds since the start.
fn parse_wall(text: &str, clock: &Clock) -> Option<i128> {
    let start = clock.wall(Time(0));
    let wall = if let Ok(wall) = DateTime::parse_from_rfc3339(text) {
        wall
    } else if let Some(local) = parse_local(text) {
        clock.zone.from_local_datetime(&local).single()?
    } else {
        let time = parse_time_of_day(text)?;
        let today = start.date_naive().and_time(time);
        let today = clock.zone.from_local_datetime(&today).single()?;
        if since(start, today)? >= -i128::from(SECOND) {
            today
        } else {
            today.checked_add_days(Days::new(1))?
        }
    };
    since(start, wall)
}

fn since(start: DateTime<FixedOffset>, wall: DateTime<FixedOffset>) -> Option<i128> {
    let ns = |time: DateTime<FixedOffset>| {
        i128::from(time.timestamp()) * i128::from(SECOND)
            + i128::from(time.timestamp_subsec_nanos())
    };
    Some(ns(wall) - ns(start))
}

fn parse_local(text: &str) -> Option<NaiveDateTime> {
    [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
    ]
    .iter()
    .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
}

fn parse_time_of_day(text: &str) -> Option<NaiveTime> {
    ["%H:%M:%S%.f", "%H:%M"]
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(text, form).ok())
}

#[cfg(test)]
mod tests {
    use tidline::format::Header;

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

    fn at(text: &str) -> Option<u64> {
        parse_at(text, &clock(false), Time(90_000 * SECOND))
            .ok()
            .map(|time| time.0)
    }

    #[test]
    fn elapsed_times_parse_in_every_unit() {
        for (text, ns) in [
            ("0s", 0),
            ("17ns", 17),
            ("1us", 1_000),
            ("2.5µs", 2_500),
            ("200ms", 200_000_000),
            ("1.5s", 1_500_000_000),
            ("+1.5s", 1_500_000_000),
            ("2m", 120 * SECOND),
            ("1h", 3_600 * SECOND),
            ("1h2m3s", 3_723 * SECOND),
            ("1d", 86_400 * SECOND),
            ("0.1234567899s", 123_456_789),
            (" 1s ", SECOND),
        ] {
            assert_eq!(at(text), Some(ns), "{text}");
        }
    }

    #[test]
    fn wall_times_parse_in_the_recording_s_zone() {
        let s = SECOND;
        for (text, ns) in [
            ("2026-09-21T16:13:21.25+02:00", s),
            ("2026-09-21T14:13:21.25Z", s),
            ("2026-09-21T16:13:21.25", s),
            ("2026-09-21 16:13:21.250", s),
            ("16:13:22.25", 2 * s),
            ("16:14", 39_750_000_000),
            ("16:13:20", 0),
            // Before the start's time of day: the next day.
            ("16:13:00.25", 86_380 * s),
        ] {
            assert_eq!(at(text), Some(ns), "{text}");
        }
        let utc = parse_at("14:13:21.25", &clock(true), Time(2 * s));
        assert_eq!(utc, Ok(Time(s)));
    }

    #[test]
    fn wrong_times_are_told_with_the_forms_and_the_range() {
        for text in [
            "",
            "12",
            "s",
            "1.2.3s",
            "1x",
            "-1s",
            "1s2",
            "noon",
            "25:00",
            ".5s",
            "1..s",
            "µ",
            "99999999999999999999s",
        ] {
            let error = parse_at(text, &clock(false), Time(2 * SECOND)).unwrap_err();
            assert_eq!(
                error,
                "it is no time: give the time since the start (1.5s, 200ms, 2m, 1h2m3s), a time of \
                 day (16:13:20), or a date and time (2026-09-21T16:13:20+02:00); the trace runs \
                 from 0s to 2s, that is 2026-09-21 16:13:20.250000 to 2026-09-21 16:13:22.250000 \
                 (+02:00)",
                "{text}"
            );
        }
        for text in [
            "3s",
            "2026-09-21T16:13:10Z",
            "999999999999d",
            "9999-01-01T00:00:00Z",
        ] {
            assert_eq!(
                parse_at(text, &clock(true), Time(2 * SECOND)).unwrap_err(),
                "it is outside the trace, which runs from 0s to 2s, that is \
                 2026-09-21 14:13:20.250000 to 2026-09-21 14:13:22.250000 (UTC)",
                "{text}"
            );
        }
    }
}
