//! A moment as a person may say it: time since the start, a time of day, or a date and time.

use chrono::{DateTime, Days, NaiveDateTime, NaiveTime, TimeZone};
use tidline::model::Time;

use crate::time::{self, Clock, SECOND};

/// What a person said of a moment, as a time of the trace; else what is wrong, and the mend.
pub(crate) fn parse_at(text: &str, clock: &Clock, extent: (Time, Time)) -> Result<Time, String> {
    let text = text.trim();
    let (begin, end) = extent;
    // Someone who copies a wall time copies it cut to the second, another to the microsecond.
    let (found, cut) = match parse_elapsed(text) {
        Some(ns) => (Some(ns), 1_000),
        None => (parse_wall(text, clock, extent), i128::from(SECOND)),
    };
    let first = i128::from(begin.0);
    match found {
        Some(ns) if (first - cut..first).contains(&ns) => Ok(begin),
        Some(ns) if (first..=i128::from(end.0)).contains(&ns) => Ok(Time(ns as u64)),
        Some(_) => Err(format!(
            "it is outside the trace, which {}",
            runs(clock, extent)
        )),
        None => Err(format!(
            "it is no time: give the time since the start (1.5s, 200ms, 2m, 1h2m3s), a time of day \
             ({}), or a date and time ({}); the trace {}",
            clock.short_time_of_day(begin),
            clock.short_rfc3339(begin),
            runs(clock, extent)
        )),
    }
}

fn runs(clock: &Clock, (begin, end): (Time, Time)) -> String {
    let wall = |time| format!("{} {}", clock.date(time), clock.time_of_day(time));
    format!(
        "runs from {} to {}, that is {} to {} ({})",
        time::exact(begin.0),
        time::exact(end.0),
        wall(begin),
        wall(end),
        clock.zone_name()
    )
}

/// A length of time as a person may write it (`10s`, `1h2m3s`), ns.
pub(crate) fn parse_span(text: &str) -> Option<u64> {
    u64::try_from(parse_elapsed(text)?).ok()
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
fn parse_wall(text: &str, clock: &Clock, extent: (Time, Time)) -> Option<i128> {
    if let Ok(wall) = DateTime::parse_from_rfc3339(text) {
        return clock.find(extent, |_| Some(wall));
    }
    let find =
        |local: NaiveDateTime| clock.find(extent, |zone| zone.from_local_datetime(&local).single());
    if let Some(local) = parse_local(text) {
        return find(local);
    }
    let begin = extent.0;
    let today = clock
        .wall(begin)
        .date_naive()
        .and_time(parse_time_of_day(text)?);
    let found = find(today)?;
    if found >= i128::from(begin.0) - i128::from(SECOND) {
        return Some(found);
    }
    find(today.checked_add_days(Days::new(1))?)
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
    use tidline::model::Anchor;

    use super::*;

    /// 2026-09-21 16:13:20.25 in +02:00.
    fn clock(utc: bool) -> Clock {
        let anchor = Anchor {
            time: Time(0),
            wall_ns: 1_790_000_000_250_000_000,
            utc_offset_s: 7_200,
        };
        Clock::new(&[anchor], utc)
    }

    fn up_to(seconds: u64) -> (Time, Time) {
        (Time(0), Time(seconds * SECOND))
    }

    fn at(text: &str) -> Option<u64> {
        parse_at(text, &clock(false), up_to(90_000))
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
        let utc = parse_at("14:13:21.25", &clock(true), up_to(2));
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
            let error = parse_at(text, &clock(false), up_to(2)).unwrap_err();
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
                parse_at(text, &clock(true), up_to(2)).unwrap_err(),
                "it is outside the trace, which runs from 0s to 2s, that is \
                 2026-09-21 14:13:20.250000 to 2026-09-21 14:13:22.250000 (UTC)",
                "{text}"
            );
        }
    }

    #[test]
    fn a_trace_that_begins_later_takes_times_from_there_on() {
        let at = |text| {
            let extent = (Time(3_600 * SECOND), Time(90_000 * SECOND));
            parse_at(text, &clock(false), extent)
        };
        assert_eq!(at("17:13:20"), Ok(Time(3_600 * SECOND))); // 250 ms before, but cut
        assert_eq!(at("17:13:21.25"), Ok(Time(3_601 * SECOND)));
        assert_eq!(at("16:14:20.25"), Ok(Time(86_460 * SECOND))); // the next day
        assert_eq!(at("3599.999999999s"), Ok(Time(3_600 * SECOND)));
        assert_eq!(
            at("30m").unwrap_err(),
            "it is outside the trace, which runs from 1h to 1d1h, that is 2026-09-21 \
             17:13:20.250000 to 2026-09-22 17:13:20.250000 (+02:00)"
        );
    }
}
