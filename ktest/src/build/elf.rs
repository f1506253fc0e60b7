// SPDX-License-Identifier: MIT OR Apache-2.0
//! As much of a relocatable 64-bit ELF object (little endian) as telling its functions apart needs: elf(5).

/// Executable.
const SHF_EXECINSTR: u64 = 4;
/// Strings that the linker may merge.
const SHF_STRINGS: u64 = 0x20;
const SHT_SYMTAB: u32 = 2;
const SHT_RELA: u32 = 4;
/// A function.
pub(super) const STT_FUNC: u8 = 2;
/// A section's own symbol.
pub(super) const STT_SECTION: u8 = 3;
/// x86-64.
pub(super) const EM_X86_64: u16 = 62;

#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    kind: u32,
    flags: u64,
    info: usize,
    link: usize,
    pub(super) data: &'a [u8],
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol<'a> {
    pub(super) name: &'a str,
    pub(super) kind: u8,
    pub(super) section: usize,
    pub(super) value: u64,
    pub(super) size: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Relocation {
    pub(super) offset: u64,
    pub(super) kind: u32,
    pub(super) symbol: usize,
    pub(super) addend: i64,
}

#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) machine: u16,
    pub(super) sections: Vec<Section<'a>>,
    pub(super) symbols: Vec<Symbol<'a>>,
    /// Of each section.
    pub(super) relocations: Vec<Vec<Relocation>>,
}

impl Section<'_> {
    pub(super) fn is_code(&self) -> bool {
        self.flags & SHF_EXECINSTR != 0
    }

    pub(super) fn is_strings(&self) -> bool {
        self.flags & SHF_STRINGS != 0
    }
}

/// `None` for what is no such object, or a broken one.
pub(super) fn parse(bytes: &[u8]) -> Option<Object<'_>> {
    if bytes.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (start, size, count) = (
        number(bytes, 40, 8)?,
        number(bytes, 58, 2)?,
        number(bytes, 60, 2)?,
    );
    let names = number(bytes, 62, 2)?;
    let header = |index: usize| bytes.get(start + index * size..)?.get(..64);
    let data = |header: &[u8]| {
        const SHT_NOBITS: usize = 8;
        if number(header, 4, 4)? == SHT_NOBITS {
            return Some(&bytes[..0]);
        }
        bytes
            .get(number(header, 24, 8)?..)?
            .get(..number(header, 32, 8)?)
    };
    let strings = data(header(names)?)?;
    let sections = (0..count)
        .map(|index| {
            let header = header(index)?;
            Some(Section {
                name: text(strings, number(header, 0, 4)?)?,
                kind: u32::try_from(number(header, 4, 4)?).ok()?,
                flags: number(header, 8, 8)? as u64,
                link: number(header, 40, 4)?,
                info: number(header, 44, 4)?,
                data: data(header)?,
            })
        })
        .collect::<Option<Vec<Section<'_>>>>()?;
    let mut symbols = Vec::new();
    let mut relocations = vec![Vec::new(); sections.len()];
    for section in &sections {
        if section.kind == SHT_SYMTAB {
            let strings = sections.get(section.link)?.data;
            for entry in section.data.chunks_exact(24) {
                symbols.push(Symbol {
                    name: text(strings, number(entry, 0, 4)?)?,
                    kind: entry[4] & 0xf,
                    section: number(entry, 6, 2)?,
                    value: number(entry, 8, 8)? as u64,
                    size: number(entry, 16, 8)? as u64,
                });
            }
        }
        if section.kind == SHT_RELA {
            for entry in section.data.chunks_exact(24) {
                relocations.get_mut(section.info)?.push(Relocation {
                    offset: number(entry, 0, 8)? as u64,
                    kind: u32::try_from(number(entry, 8, 4)?).ok()?,
                    symbol: number(entry, 12, 4)?,
                    addend: i64::from_le_bytes(entry[16..24].try_into().ok()?),
                });
            }
        }
    }
    Some(Object {
        machine: u16::try_from(number(bytes, 18, 2)?).ok()?,
        sections,
        symbols,
        relocations,
    })
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(length)?)?.iter().rev();
    Some(field.fold(0, |value, byte| value << 8 | usize::from(*byte)))
}

/// The string that begins at `at`, up to its NUL.
pub(super) fn text(strings: &[u8], at: usize) -> Option<&str> {
    let rest = strings.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}
