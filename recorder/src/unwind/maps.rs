//! `/proc/PID/maps` to the places of a process where code can be: pure, from bytes.

use tidline::model::Name;

/// A file as the kernel numbers it: its device (major in the upper half) and its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileKey {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping<'a> {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) executable: bool,
    /// Where in the file it begins.
    pub(super) offset: u64,
    /// Inode 0 for memory of no file.
    pub(super) key: FileKey,
    /// As in the text, escapes and ` (deleted)` included.
    path: &'a [u8],
}

/// A line of proc_pid_maps(5), such as
/// `7f10-7f20 r-xp 00001000 fe:01 1234                /usr/lib/libc.so.6`.
fn mapping(line: &[u8]) -> Option<Mapping<'_>> {
    let mut rest = line;
    let mut field = || {
        let end = rest.iter().position(|byte| *byte == b' ');
        let (field, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind.get(1..).unwrap_or_default();
        std::str::from_utf8(field).ok()
    };
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = field()?.split_once('-')?;
    let executable = field()?.as_bytes().get(2) == Some(&b'x');
    let offset = hex(field()?)?;
    let (major, minor) = field()?.split_once(':')?;
    let inode = field()?.parse().ok()?;
    let (start, end) = (hex(start)?, hex(end)?);
    Some(Mapping {
        start,
        end,
        executable,
        offset,
        key: FileKey {
            device: hex(major)? << 32 | hex(minor)?,
            inode,
        },
        path: rest.trim_ascii_start(),
    })
    .filter(|it| it.start < it.end)
}

const DELETED: &[u8] = b" (deleted)";

/// A path without the mark of a file that is deleted. (One whose name ends so is taken for such.)
pub(super) fn without_mark(path: &[u8]) -> &[u8] {
    path.strip_suffix(DELETED).unwrap_or(path)
}

/// The kernel writes a newline in a path as `\012`, and nothing else so (`seq_file_path`).
fn path(text: &[u8]) -> Name {
    const NEWLINE: &[u8] = br"\012";
    let text = without_mark(text);
    if !text.windows(NEWLINE.len()).any(|at| at == NEWLINE) {
        return Name::from(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(NEWLINE) {
            bytes.push(b'\n');
            rest = behind;
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    Name::from(&bytes[..])
}

/// Where a process can have code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// Executable memory, by address.
    regions: Vec<Region>,
    files: Vec<MappedFile>,
}

/// Executable memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where in the file it begins.
    offset: u64,
    pub(super) of: Of,
}

/// What executable memory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A part of a file: an index into [`Table::files`].
    File(usize),
    /// The kernel's own code for programs.
    Vdso,
    /// No file: what a JIT compiler makes, for example.
    Nothing,
}

/// A file of which a part is executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MappedFile {
    pub(super) key: FileKey,
    /// As the process sees it.
    pub(super) path: Name,
    pub(super) is_deleted: bool,
    /// From its first mapped byte to behind its last.
    pub(super) extent: (u64, u64),
    /// An executable part: the name of its link in `map_files`.
    pub(super) code: (u64, u64),
}

impl Region {
    /// Where in the file an address of it is.
    pub(super) fn file_offset(&self, address: u64) -> u64 {
        (address - self.start).wrapping_add(self.offset)
    }
}

impl Table {
    /// From the text. Lines that are none are left out.
    pub(super) fn parse(text: &[u8]) -> Table {
        let mut table = Table::default();
        // The mappings of one file that follow each other: whose they are, from where to where, and
        // its number if any was executable yet.
        let mut run: Option<(FileKey, u64, u64, Option<usize>)> = None;
        for line in text.split(|byte| *byte == b'\n') {
            let Some(it) = mapping(line) else { continue };
            if it.key.inode == 0 {
                run = None;
                table.push_other(&it);
                continue;
            }
            let (_, low, high, file) = match &mut run {
                Some(run) if run.0 == it.key => run,
                run => run.insert((it.key, it.start, it.end, None)),
            };
            *high = it.end;
            if it.executable {
                let index = *file.get_or_insert(table.files.len());
                if index == table.files.len() {
                    table.files.push(MappedFile {
                        key: it.key,
                        path: path(it.path),
                        is_deleted: it.path.ends_with(DELETED),
                        extent: (*low, *high),
                        code: (it.start, it.end),
                    });
                }
                table.push(&it, Of::File(index));
            }
            if let Some(index) = *file {
                table.files[index].extent = (*low, *high);
            }
        }
        // The kernel lists them by address; a look-up depends on it.
        table.regions.sort_by_key(|region| region.start);
        table
    }

    fn push_other(&mut self, it: &Mapping<'_>) {
        if it.executable {
            let of = match it.path {
                b"[vdso]" => Of::Vdso,
                _ => Of::Nothing,
            };
            self.push(it, of);
        }
    }

    fn push(&mut self, it: &Mapping<'_>, of: Of) {
        self.regions.push(Region {
            start: it.start,
            end: it.end,
            offset: if of == Of::Vdso { 0 } else { it.offset },
            of,
        });
    }

    /// The executable memory that an address is in.
    pub(super) fn region(&self, address: u64) -> Option<&Region> {
        let behind = self.regions.partition_point(|it| it.start <= address);
        let region = self.regions.get(behind.checked_sub(1)?)?;
        (address < region.end).then_some(region)
    }

    pub(super) fn files(&self) -> &[MappedFile] {
        &self.files
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] = b"\
55d0a0000000-55d0a0001000 r--p 00000000 fe:01 77                         /opt/a b\\012c (deleted)
55d0a0001000-55d0a0003000 r-xp 00001000 fe:01 77                         /opt/a b\\012c (deleted)
55d0a0003000-55d0a0004000 rw-p 00003000 fe:01 77                         /opt/a b\\012c (deleted)
55d0a1000000-55d0a1021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000010000 rwxp 00000000 00:00 0
7f1000000000-7f1000001000 r--p 00000000 fe:01 78                         /lib/\xff.so
7f1000001000-7f1000002000 r-xp 00001000 fe:01 78                         /lib/\xff.so
7f2000000000-7f2000001000 r--p 00000000 fe:01 79                         /usr/share/data
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

    #[test]
    fn what_is_executable_is_found_by_address_with_its_file() {
        let table = Table::parse(TEXT);
        let file = |inode, path: &[u8], extent, code| MappedFile {
            key: FileKey {
                device: 0xfe_0000_0001,
                inode,
            },
            path: Name::from(path),
            is_deleted: inode == 77,
            extent,
            code,
        };
        let expected = [
            file(
                77,
                b"/opt/a b\nc",
                (0x55d0_a000_0000, 0x55d0_a000_4000),
                (0x55d0_a000_1000, 0x55d0_a000_3000),
            ),
            file(
                78,
                b"/lib/\xff.so",
                (0x7f10_0000_0000, 0x7f10_0000_2000),
                (0x7f10_0000_1000, 0x7f10_0000_2000),
            ),
        ];
        assert_eq!(table.files(), expected);
        let of = |address| table.region(address).map(|region| region.of);
        assert_eq!(of(0x55d0_a000_0fff), None);
        assert_eq!(of(0x55d0_a000_1000), Some(Of::File(0)));
        assert_eq!(of(0x55d0_a000_2fff), Some(Of::File(0)));
        assert_eq!(of(0x55d0_a000_3000), None);
        assert_eq!(of(0x7f00_0000_8000), Some(Of::Nothing));
        assert_eq!(of(0x7f10_0000_1000), Some(Of::File(1)));
        assert_eq!(of(0x7f20_0000_0000), None);
        assert_eq!(of(0x7ffd_0000_1fff), Some(Of::Vdso));
        assert_eq!(of(0xffff_ffff_ff60_0000), Some(Of::Nothing));
        assert_eq!((of(0), of(u64::MAX)), (None, None));
        let region = table.region(0x55d0_a000_1234).unwrap();
        assert_eq!(region.file_offset(0x55d0_a000_1234), 0x1234);
    }

    #[test]
    fn one_file_mapped_at_two_places_is_two() {
        let text =
            b"1000-2000 r-xp 0 0:1 5 /a\n3000-4000 r--p 0 0:1 6 /b\n5000-6000 r-xp 0 0:1 5 /a\n";
        let table = Table::parse(text);
        let extents: Vec<_> = table.files().iter().map(|file| file.extent).collect();
        assert_eq!(extents, [(0x1000, 0x2000), (0x5000, 0x6000)]);
    }

    #[test]
    fn lines_that_are_none_are_left_out() {
        let bad = b"\n1000 r-xp\nx-y r-xp 0 0:0 0\n2000-1000 r-xp 0 0:0 0 \n1-2 r-xp 0 00 0\n";
        assert_eq!(Table::parse(bad).regions, []);
    }

    proptest! {
        #[test]
        fn any_text_gives_a_table(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            Table::parse(&text);
        }

        #[test]
        fn any_numbers_give_a_table(numbers in proptest::collection::vec(any::<(u64, u64, u64)>(), 0..20), at: u64) {
            let lines: Vec<_> = numbers.iter().map(|(a, b, c)| format!("{a:x}-{b:x} r-xp {c:x} {c:x}:1 {} /f\n", c % 3)).collect();
            let table = Table::parse(lines.concat().as_bytes());
            if let Some(region) = table.region(at) {
                region.file_offset(at);
            }
        }
    }
}
