//! What the options say about call stacks.

use clap::Args;

use crate::keep::parse_size;
use crate::unwind::{DEFAULT_FRAMES, MOST_FRAMES};

/// What can be captured of a stack, bytes.
const STACK_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 20;

/// Options.
#[derive(Clone, Debug, Args)]
pub(crate) struct Stacks {
    /// Record the call stack of each creation: on (64 frames), off, or at most so many frames
    #[arg(long, value_name = "HOW", default_value = "on", value_parser = parse_frames)]
    pub(crate) stacks: Frames,

    /// Capture so much of a creator's stack; by ptrace 64K in processes where that was too little
    #[arg(long, value_name = "SIZE", default_value = "16K", value_parser = parse_stack_bytes)]
    pub(crate) stack_bytes: usize,
}

/// How many frames of each stack; none at all for [`Frames::Off`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frames {
    Off,
    AtMost(usize),
}

impl Stacks {
    /// So much of each stack is captured, bytes; `None` for nothing.
    pub(crate) fn captured(&self) -> Option<usize> {
        (self.stacks != Frames::Off).then_some(self.stack_bytes)
    }

    /// Names and values, as the file keeps them.
    pub(crate) fn told(&self) -> Vec<(String, String)> {
        let tell = |name: &str, value: String| (name.to_string(), value);
        match self.stacks {
            Frames::Off => vec![tell("stacks", "off".into())],
            Frames::AtMost(frames) => vec![
                tell("stacks", frames.to_string()),
                tell("stack-bytes", self.stack_bytes.to_string()),
            ],
        }
    }
}

fn parse_frames(text: &str) -> Result<Frames, String> {
    match text {
        "on" => Ok(Frames::AtMost(DEFAULT_FRAMES)),
        "off" => Ok(Frames::Off),
        number => match number.parse() {
            Ok(frames) if (1..=MOST_FRAMES).contains(&frames) => Ok(Frames::AtMost(frames)),
            _ => Err(format!(
                "write on, off, or a number from 1 to {MOST_FRAMES}"
            )),
        },
    }
}

fn parse_stack_bytes(text: &str) -> Result<usize, String> {
    let bytes = parse_size(text)?;
    if STACK_BYTES.contains(&bytes) {
        Ok(bytes as usize)
    } else {
        Err("a stack is captured from 1K to 1M".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_bytes() {
        assert_eq!(parse_frames("on"), Ok(Frames::AtMost(64)));
        assert_eq!(parse_frames("off"), Ok(Frames::Off));
        assert_eq!(parse_frames("20"), Ok(Frames::AtMost(20)));
        for wrong in ["", "0", "513", "yes", "-1"] {
            assert!(parse_frames(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_stack_bytes("64K"), Ok(65536));
        assert!(parse_stack_bytes("1").is_err() && parse_stack_bytes("2M").is_err());
    }
}
