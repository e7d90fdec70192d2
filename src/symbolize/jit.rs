//! What a JIT compiler says of the code that it made: `/tmp/perf-PID.map`.
//!
//! Each line is `START SIZE NAME`, the numbers in hexadecimal (Linux,
//! `tools/perf/Documentation/jit-interface.txt`). The compiler appends to the file and takes
//! nothing back, so of two that cover an address the later one is right.

use crate::model::{Function, Name, Symbol, SymbolSource};

/// Names are cut there, bytes.
const MAX_NAME: usize = 4096;

/// Whether a path is that of such a file.
#[must_use]
pub fn is_jit_map(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let pid = name
        .strip_prefix(b"perf-")
        .and_then(|rest| rest.strip_suffix(b".map"));
    pid.is_some_and(|pid| !pid.is_empty() && pid.iter().all(u8::is_ascii_digit))
}

/// The code that covers an address, by the text of such a file.
///
/// ```
/// use tidline::symbolize::jit_map;
///
/// let text = b"7f0000001000 40 Interpreter\n7f0000001040 100 LMain;::run()V\n";
/// let symbol = jit_map(text, 0x7f00_0000_1044).unwrap();
/// assert_eq!(symbol.functions[0].name, "LMain;::run()V".into());
/// assert_eq!(jit_map(text, 0x7f00_0000_0fff), None);
/// ```
#[must_use]
pub fn jit_map(text: &[u8], address: u64) -> Option<Symbol> {
    jit_maps(text, &[address]).pop().flatten()
}

/// The same for several addresses, in their order.
#[must_use]
pub fn jit_maps(text: &[u8], addresses: &[u64]) -> Vec<Option<Symbol>> {
    let mut order: Vec<usize> = (0..addresses.len()).collect();
    order.sort_unstable_by_key(|index| addresses[*index]);
    let mut names: Vec<Option<&[u8]>> = vec![None; addresses.len()];
    for (start, size, name) in text.split(|byte| *byte == b'\n').filter_map(line) {
        let end = start.saturating_add(size);
        let from = order.partition_point(|index| addresses[*index] < start);
        let covered = order[from..].iter();
        for index in covered.take_while(|index| addresses[**index] < end) {
            names[*index] = Some(name);
        }
    }
    let symbol = |name: &[u8]| Symbol {
        source: SymbolSource::JitMap,
        functions: vec![Function {
            name: name[..name.len().min(MAX_NAME)].into(),
            file: Name::default(),
            line: None,
        }],
    };
    names.into_iter().map(|name| name.map(symbol)).collect()
}

fn line(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let start = hex(words.next()?)?;
    let size = hex(words.next()?)?;
    let name = words.next()?.trim_ascii();
    (!name.is_empty()).then_some((start, size, name))
}

fn hex(digits: &[u8]) -> Option<u64> {
    let digits = digits.strip_prefix(b"0x").unwrap_or(digits);
    let digits = std::str::from_utf8(digits).ok()?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &[u8], address: u64) -> Option<String> {
        let symbol = jit_map(text, address)?;
        assert_eq!(symbol.source, SymbolSource::JitMap);
        assert_eq!(symbol.functions.len(), 1);
        Some(symbol.functions[0].name.to_string())
    }

    #[test]
    fn paths() {
        assert!(is_jit_map(b"/tmp/perf-42.map"));
        assert!(is_jit_map(b"/proc/1/root/tmp/perf-7.map"));
        for other in [
            "/tmp/perf-.map",
            "/tmp/perf-4x.map",
            "perf-4.maps",
            "/tmp/perf-4.map/x",
        ] {
            assert!(!is_jit_map(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn the_last_line_that_covers_an_address_has_its_name() {
        let text = b"100 10 old\n108 8 new one\n0x200 0x10 hex\r\n";
        assert_eq!(name(text, 0xff), None);
        assert_eq!(name(text, 0x100).unwrap(), "old");
        assert_eq!(name(text, 0x107).unwrap(), "old");
        assert_eq!(name(text, 0x108).unwrap(), "new one");
        assert_eq!(name(text, 0x110), None);
        assert_eq!(name(text, 0x20f).unwrap(), "hex");
        let all = jit_maps(text, &[0x20f, 0x1000, 0x100]);
        let found = |symbol: &Option<Symbol>| symbol.is_some();
        assert_eq!(
            all.iter().map(found).collect::<Vec<_>>(),
            [true, false, true]
        );
    }

    #[test]
    fn lines_that_say_nothing_are_passed_over() {
        let text = b"\nx\n100\n100 10\n100 10 \nzz 10 a\n+100 10 b\n100 -1 c\n\xff\n\
            fffffffffffffff0 ffffffffffffffff top\n11111111111111111 1 long\n";
        assert_eq!(name(text, 0x100), None);
        assert_eq!(name(text, u64::MAX - 1).unwrap(), "top");
    }
}
