//! Looking symbols up in another process: what is asked of it, and what it answers.
//!
//! A hostile ELF file may crash whoever reads it, or take all memory or time. So the recorder and the
//! viewer have a child of their own read it, which may end. They write a [`Request`] to it and read an
//! [`Answer`]; each is its length in four bytes, the lowest first, and then so many bytes. The child
//! is the same program, so that the form is nobody else's business. What comes out of the child
//! is as little trusted as the file that it read: [`read`] takes no more than [`MAX_LEN`].

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bincode::{Decode, Encode, config};

use super::{Symbolizer, jit_maps};
use crate::model::{Function, Symbol, SymbolSource, Trust};

/// No message is longer, bytes.
pub const MAX_LEN: usize = 64 << 20;
/// So many places at most are asked for at a time: what is known of them stays below [`MAX_LEN`].
pub const MAX_PLACES: usize = 1000;
/// A JIT compiler's list is read up to so many bytes.
const MAX_JIT_MAP: u64 = 64 << 20;

/// The symbols of places in one module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// The module's file.
    pub path: String,
    /// Whether it is a JIT compiler's list, and the addresses are the process's.
    pub jit: bool,
    /// The build-id that it must have; empty if any will do.
    pub build_id: Vec<u8>,
    places: Vec<(u64, bool)>,
}

impl Request {
    /// One about these addresses.
    #[must_use]
    pub fn new(path: String, jit: bool, build_id: &[u8], places: &[(u64, Trust)]) -> Request {
        let exact = |trust| matches!(trust, Trust::Register | Trust::Argument);
        Request {
            path,
            jit,
            build_id: build_id.to_vec(),
            places: places
                .iter()
                .map(|(address, trust)| (*address, exact(*trust)))
                .collect(),
        }
    }

    /// The answer to it.
    #[must_use]
    pub fn answer(&self, symbolizer: &mut Symbolizer) -> Answer {
        let path = Path::new(&self.path);
        let symbols = if self.jit {
            self.in_jit_map(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))
        } else {
            let trust = |exact| if exact { Trust::Register } else { Trust::Cfi };
            let places = self.places.iter();
            let places: Vec<_> = places.map(|(at, exact)| (*at, trust(*exact))).collect();
            symbolizer
                .module(path, &self.build_id, &places)
                .map_err(|error| error.to_string())
        };
        Answer {
            symbols: symbols.map(|symbols| symbols.iter().map(Wire::from).collect()),
            remarks: symbolizer.remarks(),
        }
    }

    fn in_jit_map(&self, path: &Path) -> io::Result<Vec<Symbol>> {
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut text = Vec::new();
        File::open(path)?.take(MAX_JIT_MAP).read_to_end(&mut text)?;
        let addresses: Vec<u64> = self
            .places
            .iter()
            .map(|(at, exact)| at.saturating_sub((!exact).into()))
            .collect();
        let nothing = || Symbol {
            source: SymbolSource::Nothing,
            functions: Vec::new(),
        };
        let found = jit_maps(&text, &addresses).into_iter();
        Ok(found.map(|symbol| symbol.unwrap_or_else(nothing)).collect())
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    symbols: Result<Vec<Wire>, String>,
    /// What is to be told beside.
    pub remarks: Vec<String>,
}

impl Answer {
    /// The symbols, one for each place; or why there are none.
    pub fn symbols(self) -> Result<Vec<Symbol>, String> {
        Ok(self.symbols?.into_iter().map(Symbol::from).collect())
    }
}

/// A symbol on its way.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Wire {
    source: u8,
    functions: Vec<(Vec<u8>, Vec<u8>, u32)>,
}

impl From<&Symbol> for Wire {
    fn from(symbol: &Symbol) -> Wire {
        let function = |it: &Function| {
            let (name, file) = (it.name.as_bytes().to_vec(), it.file.as_bytes().to_vec());
            (name, file, it.line.unwrap_or(0))
        };
        Wire {
            source: match symbol.source {
                SymbolSource::DebugInfo => 1,
                SymbolSource::SymbolTable => 2,
                SymbolSource::JitMap => 3,
                _ => 0,
            },
            functions: symbol.functions.iter().map(function).collect(),
        }
    }
}

impl From<Wire> for Symbol {
    fn from(wire: Wire) -> Symbol {
        let function = |(name, file, line): (Vec<u8>, Vec<u8>, u32)| Function {
            name: name[..].into(),
            file: file[..].into(),
            line: (line > 0).then_some(line),
        };
        Symbol {
            source: match wire.source {
                1 => SymbolSource::DebugInfo,
                2 => SymbolSource::SymbolTable,
                3 => SymbolSource::JitMap,
                _ => SymbolSource::Nothing,
            },
            functions: wire.functions.into_iter().map(function).collect(),
        }
    }
}

/// A message's bytes, its length in front.
///
/// # Errors
/// If it is longer than [`MAX_LEN`].
pub fn encode<T: Encode>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    bincode::encode_into_std_write(message, &mut bytes, config::standard())
        .map_err(io::Error::other)?;
    let length = bytes.len() - 4;
    if length > MAX_LEN {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

/// Reads a message whose length was read.
///
/// # Errors
/// If it cannot be read, is too long, or is not one.
pub fn read_body<T: Decode<()>>(length: [u8; 4], from: &mut impl Read) -> io::Result<T> {
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_LEN {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let limited = config::standard().with_limit::<MAX_LEN>();
    match bincode::decode_from_slice(&bytes, limited) {
        Ok((message, used)) if used == length => Ok(message),
        Ok(_) => Err(io::Error::other("bytes behind a message")),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Reads a message; `None` where there is no further one.
///
/// # Errors
/// As [`read_body`].
pub fn read<T: Decode<()>>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => read_body(length, from).map(Some),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the child does: answers requests until there are no more.
///
/// # Errors
/// If its pipes fail.
pub fn serve(
    debug_dirs: &[PathBuf],
    requests: &mut impl Read,
    answers: &mut impl Write,
) -> io::Result<()> {
    let mut symbolizer = Symbolizer::new(debug_dirs);
    while let Some(request) = read::<Request>(requests)? {
        answers.write_all(&encode(&request.answer(&mut symbolizer))?)?;
        answers.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let places = [(0x1000, Trust::Cfi), (u64::MAX, Trust::Argument)];
        Request::new("/proc/self/fd/7".into(), false, &[1, 2], &places)
    }

    #[test]
    fn messages_come_back_as_they_were() {
        let symbol = Symbol {
            source: SymbolSource::DebugInfo,
            functions: vec![
                Function {
                    name: "a<b>".into(),
                    file: b"/src/\xff.rs".into(),
                    line: Some(7),
                },
                Function {
                    name: "main".into(),
                    file: "".into(),
                    line: None,
                },
            ],
        };
        let answer = Answer {
            symbols: Ok(vec![Wire::from(&symbol)]),
            remarks: vec!["x".into()],
        };
        let mut bytes = encode(&request()).unwrap();
        bytes.extend(encode(&answer).unwrap());
        let mut from = &bytes[..];
        assert_eq!(read::<Request>(&mut from).unwrap(), Some(request()));
        let back = read::<Answer>(&mut from).unwrap().unwrap();
        assert_eq!(back.symbols().unwrap(), [symbol]);
        assert_eq!(read::<Answer>(&mut from).unwrap(), None);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let good = encode(&request()).unwrap();
        for length in 4..good.len() {
            assert!(read::<Request>(&mut &good[..length]).is_err(), "{length}");
        }
        assert!(read::<Answer>(&mut &[0xff; 40][..]).is_err());
        let mut long = good.clone();
        long[0] += 1;
        long.push(0);
        assert!(read::<Request>(&mut &long[..]).is_err());
    }
}
