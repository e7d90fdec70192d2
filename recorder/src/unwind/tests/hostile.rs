//! Files and stacks that are made to do harm: a walk ends, soon, and nothing breaks.

use std::time::{Duration, Instant};

use gimli::UnwindContext;
use proptest::prelude::*;
use tidline::model::StackEnd;

use super::super::elf::{Layout, Packing, Section};
use super::super::tables::{Cfa, NoTables, Rule, Saved, Tables};
use super::super::walk::{Code, Found, Place, walk};
use crate::capture::{Capture, StackRegisters};

const CODE: u64 = 0x40_0000;
const CODE_END: u64 = 0x50_0000;

/// All addresses in a range are code of one module, and have one rule.
struct Same(Option<Rule>);

impl Code for Same {
    fn place(&mut self, address: u64) -> Option<Place> {
        (CODE..CODE_END).contains(&address).then(|| Place {
            memory: address,
            module: Some((0, address - CODE)),
        })
    }

    fn rule(&mut self, _: u32, _: u64) -> Option<&Rule> {
        self.0.as_ref()
    }
}

const SP: u64 = 0x7fff_0000_0000;

fn capture(fp: u64, stack: &[u64], is_cut: bool) -> Capture {
    Capture {
        registers: StackRegisters {
            ip: CODE,
            sp: SP,
            fp,
            ..StackRegisters::default()
        },
        buffer: stack.iter().flat_map(|word| word.to_le_bytes()).collect(),
        stack_len: 8 * stack.len(),
        is_cut,
        ..Capture::default()
    }
}

fn by_sp(offset: i64) -> Rule {
    Rule {
        cfa: Cfa::Register(7, offset),
        fp: Saved::Same,
        return_address: Saved::At(-8),
        is_signal: false,
    }
}

fn end(capture: &Capture, limit: usize, rule: Option<Rule>) -> (StackEnd, Vec<u64>) {
    let mut found = Vec::new();
    let end = walk(capture, limit, &mut Same(rule), &mut found);
    (end, found.iter().map(|it| it.place.memory).collect())
}

#[test]
fn where_a_walk_ends_and_why() {
    let three = [CODE + 11, CODE + 21, CODE + 31];
    let (why, places) = end(&capture(0, &three, true), 64, Some(by_sp(8)));
    let expected = vec![CODE, CODE + 10, CODE + 20, CODE + 30];
    assert_eq!((why, &places), (StackEnd::Captured, &expected));
    let (why, _) = end(&capture(0, &three, false), 64, Some(by_sp(8)));
    assert_eq!(why, StackEnd::Unreadable);
    let (why, places) = end(&capture(0, &three, true), 2, Some(by_sp(8)));
    assert_eq!((why, places.len()), (StackEnd::Limit, 2));
    let to_nowhere = capture(0, &[CODE + 11, 5], true);
    let (why, places) = end(&to_nowhere, 64, Some(by_sp(8)));
    assert_eq!((why, places.len()), (StackEnd::NoCode, 2));
    let (why, _) = end(&capture(0, &[CODE + 11, 0], true), 64, Some(by_sp(8)));
    assert_eq!(why, StackEnd::Bottom);
    let last = Rule {
        return_address: Saved::Undefined,
        ..by_sp(8)
    };
    let (why, places) = end(&capture(0, &three, true), 64, Some(last));
    assert_eq!((why, places), (StackEnd::Bottom, vec![CODE]));
}

#[test]
fn frame_pointers_lead_up_or_nowhere() {
    let chain = [SP + 16, CODE + 11, SP + 32, CODE + 21, 0, CODE + 31, 7, 7];
    let (why, places) = end(&capture(SP, &chain, true), 64, None);
    let expected = vec![CODE, CODE + 10, CODE + 20, CODE + 30];
    assert_eq!((why, &places), (StackEnd::Unsure, &expected));
    for bad in [0, 3, SP - 8, SP + 4, u64::MAX - 7, SP + (64 << 20)] {
        let (why, places) = end(&capture(bad, &chain, true), 64, None);
        assert_eq!(
            (why, places),
            (StackEnd::NoUnwindInfo, vec![CODE]),
            "{bad:x}"
        );
    }
    // One that leads to itself, or back, does not lead for ever.
    let (why, places) = end(&capture(SP, &[SP, CODE + 11], true), 64, None);
    assert_eq!((why, places.len()), (StackEnd::NoUnwindInfo, 2));
    let (why, _) = end(&capture(SP + 64, &chain, true), 64, None);
    assert_eq!(why, StackEnd::Captured);
}

#[test]
fn an_expression_that_never_ends_is_given_up() {
    let mut rule = by_sp(8);
    rule.cfa = Cfa::Expression([0x2f, 0xfd, 0xff][..].into()); // DW_OP_skip to itself
    let (why, _) = end(&capture(0, &[CODE + 11], true), 64, Some(rule.clone()));
    assert_eq!(why, StackEnd::NoUnwindInfo);
    // DW_OP_dup, and back to it: a stack that would grow.
    rule.cfa = Cfa::Expression([0x77, 8, 0x12, 0x2f, 0xfc, 0xff][..].into());
    let (why, _) = end(&capture(0, &[CODE + 11], true), 64, Some(rule));
    assert_eq!(why, StackEnd::NoUnwindInfo);
}

#[test]
fn signal_frames_that_lead_in_a_circle_reach_the_limit() {
    let rule = Rule {
        cfa: Cfa::Register(7, 0),
        return_address: Saved::At(0),
        is_signal: true,
        ..by_sp(0)
    };
    let (why, places) = end(&capture(0, &[CODE + 11], true), 100, Some(rule));
    assert_eq!((why, places.len()), (StackEnd::Limit, 100));
}

/// A layout of which `.eh_frame` and `.eh_frame_hdr` are the first bytes and the rest.
fn layout(eh_frame: usize, rest: usize) -> Layout {
    let section = |offset: usize, size: usize| Section {
        address: 0x1000 + offset as u64,
        offset: offset as u64,
        size: size as u64,
        packing: Packing::Plain,
    };
    let mut layout = Layout::empty();
    layout.eh_frame = Some(section(0, eh_frame));
    layout.eh_frame_hdr = Some(section(eh_frame, rest));
    layout
}

/// `.eh_frame` of a real program, and its header.
fn real() -> (Vec<u8>, usize) {
    let bytes = std::fs::read("/bin/true").unwrap();
    let layout = Layout::read(&bytes[..]).unwrap();
    let part = |it: Section| bytes[it.offset as usize..(it.offset + it.size) as usize].to_vec();
    let frames = part(layout.eh_frame.unwrap());
    let len = frames.len();
    ([frames, part(layout.eh_frame_hdr.unwrap())].concat(), len)
}

#[test]
fn tables_larger_than_the_limit_are_not_read() {
    let (bytes, frames) = real();
    let layout = layout(frames, bytes.len() - frames);
    let read = |limit| Tables::read(&bytes[..], &layout, limit).map(|it| it.size());
    assert_eq!(read(frames - 1), Err(NoTables::TooLarge));
    assert!(read(1 << 20).is_ok_and(|size| size >= frames));
    let refused = |change: fn(&mut Section)| {
        let mut layout = layout.clone();
        layout.eh_frame.as_mut().map(change);
        Tables::read(&bytes[..], &layout, 1 << 20).map(|it| it.size())
    };
    assert_eq!(refused(|it| it.size = u64::MAX), Err(NoTables::TooLarge));
    assert_eq!(
        refused(|it| it.offset = u64::MAX - 3),
        Err(NoTables::Missing)
    );
}

#[test]
fn an_entry_of_endless_instructions_is_not_run() {
    // A CIE, and an FDE of 16 MiB of DW_CFA_nop and a last row.
    let mut bytes = vec![
        20, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0, 12, 7, 8, 0, 0, 0, 0,
    ];
    let len = 16u32 << 20;
    bytes.extend(len.to_le_bytes());
    bytes.extend(28u32.to_le_bytes()); // back to the CIE
    bytes.extend(0x40_0000u64.to_le_bytes());
    bytes.extend(0x1_0000u64.to_le_bytes());
    bytes.push(0);
    bytes.resize(28 + len as usize, 0);
    let layout = layout(bytes.len(), 0);
    let tables = Tables::read(&bytes[..], &layout, 64 << 20).unwrap();
    let since = Instant::now();
    assert_eq!(tables.rule(0x40_0010, &mut UnwindContext::new()), None);
    assert!(since.elapsed() < Duration::from_millis(50));
}

proptest! {
    #[test]
    fn any_stack_and_any_rule_end(
        words in proptest::collection::vec(
            prop_oneof![any::<u64>(), CODE..CODE_END, SP..SP + 400, Just(0)], 0..40),
        fp in prop_oneof![any::<u64>(), SP..SP + 400],
        offset in prop_oneof![any::<i64>(), -64i64..64],
        at in prop_oneof![any::<i64>(), -64i64..64],
        register in 0u16..20,
        expression in proptest::collection::vec(any::<u8>(), 0..12),
        shape in 0u8..4,
        is_signal: bool,
        is_cut: bool,
    ) {
        let rule = Rule {
            cfa: if shape & 1 == 0 { Cfa::Register(register, offset) } else { Cfa::Expression(expression[..].into()) },
            fp: Saved::At(at),
            return_address: if shape & 2 == 0 { Saved::At(at) } else { Saved::ValueExpression(expression[..].into()) },
            is_signal,
        };
        let capture = capture(fp, &words, is_cut);
        for rule in [None, Some(rule)] {
            let (_, places) = end(&capture, 64, rule);
            prop_assert!((1..=64).contains(&places.len()));
        }
    }

    #[test]
    fn damaged_tables_give_some_rule_or_none(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60),
        addresses in proptest::collection::vec(prop_oneof![any::<u64>(), 0u64..0x1_0000], 1..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut bytes, frames) = real();
        for (at, byte) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let mut context = UnwindContext::new();
        for frames in [frames, cut.index(bytes.len())] {
            let layout = layout(frames, bytes.len() - frames);
            if let Ok(tables) = Tables::read(&bytes[..], &layout, 1 << 20) {
                for address in &addresses {
                    tables.rule(*address, &mut context);
                }
            }
        }
    }

    #[test]
    fn any_bytes_as_tables_give_some_rule_or_none(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        kind in 0u8..4,
        address: u64,
    ) {
        let mut layout = layout(bytes.len(), 0);
        if kind > 0 {
            let packing = [Packing::Plain, Packing::Compressed, Packing::Gnu][usize::from(kind - 1)];
            layout.debug_frame = layout.eh_frame.map(|it| Section { packing, ..it });
            layout.eh_frame = None;
            layout.eh_frame_hdr = None;
        }
        if let Ok(tables) = Tables::read(&bytes[..], &layout, 1 << 20) {
            let found: Option<Rule> = tables.rule(address, &mut UnwindContext::new());
            drop(found);
        }
    }
}

#[test]
fn a_frame_that_is_no_code_is_the_only_one() {
    let mut capture = capture(0, &[CODE + 11], true);
    capture.registers.ip = 5;
    let mut found: Vec<Found> = Vec::new();
    let end = walk(&capture, 64, &mut Same(Some(by_sp(8))), &mut found);
    assert_eq!(
        (end, found.len(), found[0].place.memory),
        (StackEnd::NoCode, 1, 5)
    );
}
