//! From frame to frame: registers and captured memory in, places out. Pure: what is known of the
//! process's code is asked of a [`Code`].
//!
//! ```text
//!            frame 0            frame 1           frame 2
//!  sp ─► [ … | return address | … | return address | …         (the captured stack)
//!                             ^ CFA of frame 0     ^ CFA of frame 1
//! ```
//!
//! A step is made by call frame information, where that covers the code, else by the frame pointer. With
//! each step the stack pointer grows, but for one out of a signal's frame, so a walk ends.

use gimli::{Encoding, EndianSlice, Evaluation, EvaluationResult, Format, LittleEndian, Value};
use tidline::model::{StackEnd, Trust};

use super::arch;
use super::tables::{Cfa, Rule, Saved};
use crate::capture::Capture;

/// A place in a process's executable memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The address as the process has it.
    pub(super) memory: u64,
    /// The module by its number here, and the address in that one's terms.
    pub(super) module: Option<(u32, u64)>,
}

/// What is known of a process's code.
pub(super) trait Code {
    /// Where an address is, if in executable memory.
    fn place(&mut self, address: u64) -> Option<Place>;
    /// What call frame information says of an address of a module.
    fn rule(&mut self, module: u32, address: u64) -> Option<&Rule>;
}

/// A frame that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// For the innermost frame where it is, for others the instruction that is under way: within the call.
    pub(super) place: Place,
    pub(super) trust: Trust,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    /// Where it goes on: for all but the innermost, and what a signal interrupted, behind a call.
    ip: u64,
    /// The stack pointer; where it is not known, a lower bound.
    sp: u64,
    sp_is_known: bool,
    /// `None` where it was lost on the way.
    fp: Option<u64>,
    trust: Trust,
    /// What the instruction pointer points at is about to run, and no call was made there.
    is_exact: bool,
}

/// Why a step cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stuck {
    /// The function has no caller.
    Bottom,
    /// Memory at this address is needed, which was not captured.
    Memory(u64),
    /// What is said of the code cannot be used, or makes no sense.
    Unusable,
}

/// Most that a captured stack may lack: what lies farther away is no part of it.
const FARTHEST: u64 = 16 << 20;

/// Walks out from where the thread stands, at most `limit` frames.
pub(super) fn walk(
    capture: &Capture,
    limit: usize,
    code: &mut impl Code,
    found: &mut Vec<Found>,
) -> StackEnd {
    let registers = &capture.registers;
    let mut frame = Frame {
        ip: registers.ip,
        sp: registers.sp,
        sp_is_known: true,
        fp: Some(registers.fp),
        trust: Trust::Register,
        is_exact: true,
    };
    let stack = Stack(capture);
    found.clear();
    loop {
        let at = if frame.is_exact {
            frame.ip
        } else {
            frame.ip - 1
        };
        let Some(place) = code.place(at) else {
            if found.is_empty() {
                let nowhere = Place {
                    memory: at,
                    module: None,
                };
                found.push(Found {
                    place: nowhere,
                    trust: Trust::Register,
                });
            }
            return StackEnd::NoCode;
        };
        found.push(Found {
            place,
            trust: frame.trust,
        });
        let innermost = found.len() == 1;
        match step(&frame, place, innermost, &stack, code) {
            Ok(_) if found.len() >= limit => return StackEnd::Limit,
            Ok(next) => frame = next,
            // Code that keeps no frame pointer leaves its caller's there: whoever follows it passes over
            // frames, and cannot know.
            Err(Stuck::Bottom) if found.iter().any(is_by_frame_pointer) => return StackEnd::Unsure,
            Err(Stuck::Bottom) => return StackEnd::Bottom,
            Err(Stuck::Unusable) => return StackEnd::NoUnwindInfo,
            Err(Stuck::Memory(address)) => return stack.end(address),
        }
    }
}

fn is_by_frame_pointer(found: &Found) -> bool {
    found.trust == Trust::FramePointer
}

fn step(
    frame: &Frame,
    place: Place,
    innermost: bool,
    stack: &Stack<'_>,
    code: &mut impl Code,
) -> Result<Frame, Stuck> {
    if let Some((module, address)) = place.module {
        let by_rule = match code.rule(module, address) {
            Some(rule) => by_rule(rule, frame, innermost, stack),
            None if innermost => behind_system_call(module, address, frame, stack, code),
            None => Err(Stuck::Unusable),
        };
        if by_rule != Err(Stuck::Unusable) {
            return by_rule;
        }
    }
    by_frame_pointer(frame, stack, code)
}

/// glibc's `clone` ends its call frame information before the system call's instruction, because behind
/// it the child has another stack (sysdeps/unix/sysv/linux/x86_64/clone.S). For the parent what held
/// before the instruction still holds: it changes no register that matters.
fn behind_system_call(
    module: u32,
    address: u64,
    frame: &Frame,
    stack: &Stack<'_>,
    code: &mut impl Code,
) -> Result<Frame, Stuck> {
    for back in [arch::SYSCALL_LEN, arch::SYSCALL_LEN + 1] {
        if let Some(before) = address.checked_sub(back)
            && let Some(rule) = code.rule(module, before)
        {
            return by_rule(rule, frame, true, stack);
        }
    }
    Err(Stuck::Unusable)
}

fn by_rule(rule: &Rule, frame: &Frame, innermost: bool, stack: &Stack<'_>) -> Result<Frame, Stuck> {
    let registers = Known {
        frame,
        captured: innermost.then_some(stack.0),
    };
    let cfa = match &rule.cfa {
        Cfa::Register(register, offset) => registers
            .get(*register)
            .ok_or(Stuck::Unusable)?
            .wrapping_add_signed(*offset),
        Cfa::Expression(bytes) => evaluate(bytes, None, &registers, stack)?,
    };
    // The innermost function need not use the stack: its return address may be in a register.
    let grows = cfa > frame.sp || innermost && cfa == frame.sp;
    if !grows && !rule.is_signal {
        return Err(Stuck::Unusable);
    }
    let value = |saved: &Saved, same: Option<u64>| match saved {
        Saved::Unsaid | Saved::Same => same.ok_or(Stuck::Unusable),
        Saved::Undefined => Err(Stuck::Bottom),
        Saved::At(offset) => stack.word(cfa.wrapping_add_signed(*offset)),
        Saved::Value(offset) => Ok(cfa.wrapping_add_signed(*offset)),
        Saved::In(register) => registers.get(*register).ok_or(Stuck::Unusable),
        Saved::AtExpression(bytes) => stack.word(evaluate(bytes, Some(cfa), &registers, stack)?),
        Saved::ValueExpression(bytes) => evaluate(bytes, Some(cfa), &registers, stack),
    };
    let link = registers.link();
    let ip = match &rule.return_address {
        // Nobody says where it goes on: there is nothing.
        Saved::Unsaid if link.is_none() => return Err(Stuck::Bottom),
        saved => arch::code_address(value(saved, link)?),
    };
    if ip == 0 {
        return Err(Stuck::Bottom);
    }
    Ok(Frame {
        ip,
        sp: cfa,
        sp_is_known: true,
        // It may not be needed: then it does no harm that it is lost.
        fp: value(&rule.fp, frame.fp).ok(),
        trust: Trust::Cfi,
        is_exact: rule.is_signal,
    })
}

/// The frame pointer points at the caller's, and behind that is the return address.
fn by_frame_pointer(
    frame: &Frame,
    stack: &Stack<'_>,
    code: &mut impl Code,
) -> Result<Frame, Stuck> {
    let fp = frame.fp.ok_or(Stuck::Unusable)?;
    if fp == 0 && frame.trust == Trust::FramePointer {
        return Err(Stuck::Bottom); // The ABI's mark of the outermost frame, at the end of a chain.
    }
    // A register that is used for something else seldom looks like this.
    let end = fp.checked_add(16).ok_or(Stuck::Unusable)?;
    if fp % 8 != 0 || fp < frame.sp || fp - frame.sp > FARTHEST {
        return Err(Stuck::Unusable);
    }
    let (callers, ip) = (stack.word(fp)?, stack.word(fp + 8)?);
    let ip = arch::code_address(ip);
    if ip == 0 && callers == 0 {
        return Err(Stuck::Bottom);
    }
    if ip == 0 || code.place(ip - 1).is_none() {
        return Err(Stuck::Unusable);
    }
    Ok(Frame {
        ip,
        sp: end,
        // Where there is a link register, the record is not at the frame's end.
        sp_is_known: !arch::HAS_LINK_REGISTER,
        fp: Some(callers),
        trust: Trust::FramePointer,
        is_exact: false,
    })
}

/// The registers of a frame, as far as they are known.
struct Known<'a> {
    frame: &'a Frame,
    /// What was captured, for the innermost frame.
    captured: Option<&'a Capture>,
}

impl Known<'_> {
    fn get(&self, register: u16) -> Option<u64> {
        match register {
            arch::SP => self.frame.sp_is_known.then_some(self.frame.sp),
            arch::FP => self.frame.fp,
            arch::RETURN_ADDRESS if arch::HAS_LINK_REGISTER => self.link(),
            arch::RETURN_ADDRESS => Some(self.frame.ip),
            other => {
                let captured = arch::others(&self.captured?.registers);
                let found = captured.iter().find(|(number, _)| *number == other);
                found.map(|(_, value)| *value)
            }
        }
    }

    fn link(&self) -> Option<u64> {
        let link = self.captured?.registers.lr;
        arch::HAS_LINK_REGISTER.then_some(link)
    }
}

/// The captured memory.
struct Stack<'a>(&'a Capture);

impl Stack<'_> {
    fn word(&self, address: u64) -> Result<u64, Stuck> {
        let at = address
            .checked_sub(self.0.registers.sp)
            .and_then(|at| usize::try_from(at).ok());
        let bytes = at.and_then(|at| self.0.stack().get(at..at.checked_add(8)?));
        let bytes = bytes.ok_or(Stuck::Memory(address))?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
    }

    /// Why a stack ends where memory at this address is needed.
    fn end(&self, address: u64) -> StackEnd {
        let end = self
            .0
            .registers
            .sp
            .saturating_add(self.0.stack().len() as u64);
        let is_behind = address.saturating_add(8) > end && address.saturating_sub(end) < FARTHEST;
        if self.0.is_cut && is_behind {
            StackEnd::Captured
        } else {
            StackEnd::Unreadable
        }
    }
}

/// More operations than any compiler writes into one.
const LONGEST_EVALUATION: u32 = 1000;

fn evaluate(
    bytes: &[u8],
    initial: Option<u64>,
    registers: &Known<'_>,
    stack: &Stack<'_>,
) -> Result<u64, Stuck> {
    let encoding = Encoding {
        address_size: 8,
        format: Format::Dwarf32,
        version: 4,
    };
    let bytes = EndianSlice::new(bytes, LittleEndian);
    let mut evaluation = Evaluation::<_>::new(bytes, encoding);
    evaluation.set_max_iterations(LONGEST_EVALUATION);
    if let Some(value) = initial {
        evaluation.set_initial_value(value);
    }
    let mut result = evaluation.evaluate();
    loop {
        result = match result.map_err(|_| Stuck::Unusable)? {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = registers.get(register.0).ok_or(Stuck::Unusable)?;
                evaluation.resume_with_register(Value::Generic(value))
            }
            EvaluationResult::RequiresMemory {
                address, size: 8, ..
            } => evaluation.resume_with_memory(Value::Generic(stack.word(address)?)),
            _ => return Err(Stuck::Unusable),
        };
    }
    match evaluation.as_result().last().map(|piece| &piece.location) {
        Some(gimli::Location::Address { address }) => Ok(*address),
        _ => Err(Stuck::Unusable),
    }
}
