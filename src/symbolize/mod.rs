//! What an address in a file of machine code means: functions, files and lines (feature `symbolize`).
//!
//! Names come from the debug information (DWARF), read by blazesym, and from the symbol tables, which
//! are read here. A [`Symbolizer`] is for one thread. It reads files that nobody has
//! vetted: bounds are checked, and a panic of the reader is an error; but such a file may still take
//! much time and memory, or be cut short while it is mapped, which ends the process (SIGBUS).
//! So programs have it in a child ([`protocol`]) that may end.
//!
//! ```no_run
//! use std::path::Path;
//! use tidline::model::Trust;
//! use tidline::symbolize::Symbolizer;
//!
//! let mut symbolizer = Symbolizer::new(&[]);
//! // The return address 0x1234, and a thread's start routine.
//! let places = [(0x1234, Trust::Cfi), (0x2000, Trust::Argument)];
//! let symbols = symbolizer.module(Path::new("/usr/bin/true"), &[], &places)?;
//! for function in &symbols[0].functions {
//!     println!("{} at {}:{:?}", function.name, function.file, function.line);
//! }
//! # Ok::<(), tidline::symbolize::SymbolizeError>(())
//! ```

mod debug_file;
mod elf;
mod jit;
mod names;
pub mod protocol;
mod symbols;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use blazesym::helper::ElfResolver;
use blazesym::symbolize::{CodeInfo, FindSymOpts, ResolvedSym, Symbolize};

use crate::model::{Function, Name, Symbol, SymbolSource, Trust};
use debug_file::{OpenError, Opened, Search};
pub use jit::{is_jit_map, jit_map, jit_maps};
use symbols::Covering;

/// Where debug information is looked for, unless other folders are given.
pub const DEBUG_DIRS: [&str; 2] = ["/usr/lib/debug", "/lib/debug"];

/// Debug information of so many modules is kept open: the next addresses are likely of one of them.
const KEPT: usize = 4;
/// So many functions are told of one place: as many as a trace file takes.
const MAX_FUNCTIONS: usize = 256;
/// Source files' paths are cut there, bytes.
const MAX_PATH: usize = 4096;

/// Why no symbol of a module can be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SymbolizeError {
    /// The file cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Io {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no ELF file, or a damaged one.
    #[error("cannot read {}: {problem}", path.display())]
    Elf {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is another one than what was recorded.
    #[error("{} is of another build: its build-id is {found}, and {wanted} is wanted", path.display())]
    OtherBuild {
        /// Its path.
        path: PathBuf,
        /// Its build-id, in hexadecimal.
        found: String,
        /// The one that was asked for.
        wanted: String,
    },
}

/// Looks addresses up.
#[derive(Default)]
pub struct Symbolizer {
    debug_dirs: Vec<PathBuf>,
    /// By build-id, the latest last.
    kept: Vec<(Vec<u8>, ElfResolver)>,
    remarks: Vec<String>,
}

impl Symbolizer {
    /// One that looks for debug information in these folders, which are laid out as `/usr/lib/debug`
    /// is; in [`DEBUG_DIRS`] if there are none.
    #[must_use]
    pub fn new(debug_dirs: &[PathBuf]) -> Self {
        let mut debug_dirs = debug_dirs.to_vec();
        if debug_dirs.is_empty() {
            debug_dirs.extend(DEBUG_DIRS.map(PathBuf::from));
        }
        Symbolizer {
            debug_dirs,
            kept: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// What is to be told beside the symbols, since this was last asked: debug files that were
    /// refused, and debug information that could not be read.
    pub fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// The symbols of ELF virtual addresses in a module's file, in their order.
    ///
    /// A return address is looked up one byte earlier, where the call is: of what [`Trust`]
    /// says that it is neither the instruction pointer nor an argument. A place without a symbol has
    /// one that says [`SymbolSource::Nothing`]. The file is refused if it has another build-id than
    /// `build_id`, unless that is empty.
    ///
    /// # Errors
    /// If the file cannot be read, is no ELF file, or is another one.
    pub fn module(
        &mut self,
        path: &Path,
        build_id: &[u8],
        places: &[(u64, Trust)],
    ) -> Result<Vec<Symbol>, SymbolizeError> {
        let mut elf = open(path)?;
        let its = elf.build_id();
        if !build_id.is_empty() && its != build_id {
            return Err(SymbolizeError::OtherBuild {
                path: path.into(),
                found: debug_file::shown(&its),
                wanted: debug_file::shown(build_id),
            });
        }
        let addresses: Vec<u64> = places.iter().map(|place| looked_up(*place)).collect();
        let mut functions = elf.functions(&addresses);
        let link = elf.debug_link();
        let is_complete = elf.has(".debug_info") && link.is_none();
        let search = Search {
            dirs: &self.debug_dirs,
            path,
            build_id: &its,
            link,
        };
        let separate = match is_complete {
            true => None,
            false => search.find(&mut self.remarks),
        };
        let debug = match separate {
            Some((path, mut file)) => {
                for (mine, its) in functions.iter_mut().zip(file.functions(&addresses)) {
                    Covering::merge(mine, its);
                }
                self.debug_information(&path, &mut file, &its)
            }
            // A link is followed here, and not there: it might lead to what was refused.
            None if is_complete => self.debug_information(path, &mut elf, &its),
            None => None,
        };
        let found = self.look_up(debug, path, &addresses, &functions);
        Ok(found)
    }

    /// The reader of a file's debug information, if it has some that can be read.
    fn debug_information(
        &mut self,
        path: &Path,
        file: &mut Opened,
        build_id: &[u8],
    ) -> Option<(Vec<u8>, ElfResolver)> {
        let is_kept = |kept: &(Vec<u8>, ElfResolver)| kept.0 == build_id && !build_id.is_empty();
        if let Some(index) = self.kept.iter().position(is_kept) {
            return Some(self.kept.remove(index));
        }
        if !file.has(".debug_info") {
            return None;
        }
        let opened = file.unpacks().and_then(|()| {
            let dirs = &self.debug_dirs;
            let open = || ElfResolver::open_with_debug_dirs(path, dirs);
            match catch_unwind(AssertUnwindSafe(open)) {
                Ok(opened) => opened.map_err(|error| format!("{error:#}")),
                Err(_) => Err("its reader failed".into()),
            }
        });
        match opened {
            Ok(reader) => Some((build_id.to_vec(), reader)),
            Err(problem) => {
                self.remark_unreadable(path, &problem);
                None
            }
        }
    }

    fn look_up(
        &mut self,
        mut debug: Option<(Vec<u8>, ElfResolver)>,
        path: &Path,
        addresses: &[u64],
        functions: &[Option<Covering>],
    ) -> Vec<Symbol> {
        let mut symbols = Vec::with_capacity(addresses.len());
        for (address, covering) in addresses.iter().zip(functions) {
            let found = debug.as_ref().map(|(_, reader)| {
                let look = || resolve(reader, *address, covering.as_ref());
                catch_unwind(AssertUnwindSafe(look))
            });
            symbols.push(match found {
                None => symbol(None, covering.as_ref()),
                Some(Ok(found)) => found,
                Some(Err(_)) => {
                    debug = None;
                    self.remark_unreadable(path, "its reader failed");
                    symbol(None, covering.as_ref())
                }
            });
        }
        if let Some(debug) = debug.filter(|(build_id, _)| !build_id.is_empty()) {
            if self.kept.len() >= KEPT {
                self.kept.remove(0);
            }
            self.kept.push(debug);
        }
        symbols
    }

    fn remark_unreadable(&mut self, path: &Path, problem: &str) {
        self.remarks.push(format!(
            "the debug information of {} cannot be read: {problem}",
            path.display()
        ));
    }
}

fn open(path: &Path) -> Result<Opened, SymbolizeError> {
    debug_file::open(path).map_err(|error| match error {
        OpenError::Io(source) => SymbolizeError::Io {
            path: path.into(),
            source,
        },
        OpenError::Elf(problem) => SymbolizeError::Elf {
            path: path.into(),
            problem,
        },
    })
}

/// The byte whose function is meant.
fn looked_up((address, trust): (u64, Trust)) -> u64 {
    match trust {
        // The reader of debug information adds one.
        Trust::Register | Trust::Argument => address.min(u64::MAX - 1),
        _ => address.saturating_sub(1),
    }
}

fn resolve(reader: &ElfResolver, address: u64, covering: Option<&Covering>) -> Symbol {
    // An error is about this place alone: a name that is no UTF-8, a damaged entry.
    let found = reader.find_sym(address, &FindSymOpts::CodeInfoAndInlined);
    let found = found.ok().and_then(Result::ok);
    // Where it knows no function, the reader takes the last symbol before, however far that is.
    let found = found.filter(|found| covering.is_some() || found.code_info.is_some());
    symbol(found.as_ref(), covering)
}

/// A symbol of what the debug information and the symbol tables say. Of a function in several pieces the
/// former has no address, so the names that it has come from the latter's.
fn symbol(found: Option<&ResolvedSym<'_>>, covering: Option<&Covering>) -> Symbol {
    let aliases = covering.map_or(&[][..], |covering| &covering.aliases);
    let named = found.map(|found| names::plain(found.name));
    let Some(name) = names::choose(named, aliases) else {
        return Symbol {
            source: SymbolSource::Nothing,
            functions: Vec::new(),
        };
    };
    let mut functions = Vec::new();
    let inlined = found.map_or(&[][..], |found| &found.inlined);
    for inlined in inlined.iter().rev().take(MAX_FUNCTIONS - 1) {
        let name = names::demangled(&inlined.name);
        functions.push(function(&name, inlined.code_info.as_ref()));
    }
    let place = found.and_then(|found| found.code_info.as_deref());
    functions.push(function(&name, place));
    let has_lines = place.is_some() || !inlined.is_empty();
    let source = match has_lines {
        true => SymbolSource::DebugInfo,
        false => SymbolSource::SymbolTable,
    };
    Symbol { source, functions }
}

fn function(name: &str, place: Option<&CodeInfo<'_>>) -> Function {
    let file = place.map(|place| place.to_path().into_owned());
    let file = file.unwrap_or_default();
    let file = file.as_os_str().as_encoded_bytes();
    Function {
        name: name.into(),
        file: Name::from(&file[..file.len().min(MAX_PATH)]),
        line: place.and_then(|place| place.line).filter(|line| *line > 0),
    }
}
