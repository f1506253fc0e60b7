// SPDX-License-Identifier: MIT OR Apache-2.0
//! As much of a relocatable ELF object as telling its functions apart needs, of 32 and 64 bits and in either byte order: elf(5).
//!
//! Objects whose relocations keep their addends in the code (SHT_REL: 32-bit x86 and Arm) and those of MIPS, whose relocations
//! have a form of their own, are refused: their functions would seem to differ where only something else moved.

/// Executable.
const SHF_EXECINSTR: u64 = 4;
/// Strings that the linker may merge.
const SHF_STRINGS: u64 = 0x20;
const SHT_SYMTAB: u32 = 2;
const SHT_RELA: u32 = 4;
const SHT_REL: u32 = 9;
const EM_MIPS: u16 = 8;
const EM_PPC64: u16 = 21;
/// A function.
pub(super) const STT_FUNC: u8 = 2;
/// A section's own symbol.
pub(super) const STT_SECTION: u8 = 3;
/// 32-bit PowerPC.
pub(super) const EM_PPC: u16 = 20;
pub(super) const EM_S390: u16 = 22;
/// arm64.
pub(super) const EM_AARCH64: u16 = 183;
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

/// Where fields lie and how they are read.
#[derive(Debug, Clone, Copy)]
struct Layout {
    wide: bool,
    big: bool,
}

impl Layout {
    /// `wide` of a 64-bit object, else `narrow`.
    fn at(self, wide: usize, narrow: usize) -> usize {
        if self.wide { wide } else { narrow }
    }

    /// The number in `length` bytes.
    fn number(self, bytes: &[u8], at: usize, length: usize) -> Option<usize> {
        let field = bytes.get(at..at.checked_add(length)?)?;
        let add = |value: usize, byte: &u8| value << 8 | usize::from(*byte);
        Some(if self.big {
            field.iter().fold(0, add)
        } else {
            field.iter().rev().fold(0, add)
        })
    }

    /// The address, offset or size that stands at `wide` in 64 bits and at `narrow` in 32.
    fn word(self, bytes: &[u8], wide: usize, narrow: usize) -> Option<usize> {
        self.number(bytes, self.at(wide, narrow), self.at(8, 4))
    }
}

/// Why an object's functions cannot be told apart.
pub(super) fn parse(bytes: &[u8]) -> Result<Object<'_>, &'static str> {
    let layout = match bytes.get(..6) {
        Some([0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2)]) => Layout {
            wide: *class == 2,
            big: *order == 2,
        },
        _ => return Err("it is no ELF object"),
    };
    let object = sections(bytes, layout).ok_or("it is a broken ELF object")?;
    if object.machine == EM_MIPS {
        return Err("relocations of MIPS are not read");
    }
    if object
        .sections
        .iter()
        .any(|section| section.kind == SHT_REL)
    {
        return Err("its relocations keep their addends in the code");
    }
    Ok(object)
}

fn sections(bytes: &[u8], layout: Layout) -> Option<Object<'_>> {
    let number = |bytes: &[u8], at, length| layout.number(bytes, at, length);
    let start = layout.word(bytes, 40, 32)?;
    let size = number(bytes, layout.at(58, 46), 2)?;
    let count = number(bytes, layout.at(60, 48), 2)?;
    let names = number(bytes, layout.at(62, 50), 2)?;
    let header = |index: usize| {
        let at = start.checked_add(index.checked_mul(size)?)?;
        bytes.get(at..)?.get(..layout.at(64, 40))
    };
    let data = |header: &[u8]| {
        const SHT_NOBITS: usize = 8;
        if number(header, 4, 4)? == SHT_NOBITS {
            return Some(&bytes[..0]);
        }
        bytes
            .get(layout.word(header, 24, 16)?..)?
            .get(..layout.word(header, 32, 20)?)
    };
    let strings = data(header(names)?)?;
    let sections = (0..count)
        .map(|index| {
            let header = header(index)?;
            Some(Section {
                name: text(strings, number(header, 0, 4)?)?,
                kind: u32::try_from(number(header, 4, 4)?).ok()?,
                flags: layout.word(header, 8, 8)? as u64,
                link: number(header, layout.at(40, 24), 4)?,
                info: number(header, layout.at(44, 28), 4)?,
                data: data(header)?,
            })
        })
        .collect::<Option<Vec<Section<'_>>>>()?;
    let mut symbols = Vec::new();
    let mut relocations = vec![Vec::new(); sections.len()];
    for section in &sections {
        if section.kind == SHT_SYMTAB {
            let strings = sections.get(section.link)?.data;
            for entry in section.data.chunks_exact(layout.at(24, 16)) {
                symbols.push(Symbol {
                    name: text(strings, number(entry, 0, 4)?)?,
                    kind: entry[layout.at(4, 12)] & 0xf,
                    section: number(entry, layout.at(6, 14), 2)?,
                    value: layout.word(entry, 8, 4)? as u64,
                    size: layout.word(entry, 16, 8)? as u64,
                });
            }
        }
        if section.kind == SHT_RELA {
            for entry in section.data.chunks_exact(layout.at(24, 12)) {
                let info = layout.word(entry, 8, 4)?;
                let bits = layout.at(32, 8);
                let addend = layout.word(entry, 16, 8)?;
                relocations.get_mut(section.info)?.push(Relocation {
                    offset: layout.word(entry, 0, 0)? as u64,
                    kind: u32::try_from(info & ((1 << bits) - 1)).ok()?,
                    symbol: info >> bits,
                    addend: if layout.wide {
                        addend as i64
                    } else {
                        i64::from(addend as u32 as i32)
                    },
                });
            }
        }
    }
    let machine = u16::try_from(number(bytes, 18, 2)?).ok()?;
    if machine == EM_PPC64 {
        through_descriptors(&sections, &mut symbols, &relocations);
    }
    Some(Object {
        machine,
        sections,
        symbols,
        relocations,
    })
}

/// The first ABI of 64-bit PowerPC names a function's descriptor in .opd; its first word is where the code is.
fn through_descriptors(
    sections: &[Section<'_>],
    symbols: &mut [Symbol<'_>],
    relocations: &[Vec<Relocation>],
) {
    let Some(opd) = sections.iter().position(|section| section.name == ".opd") else {
        return;
    };
    for index in 0..symbols.len() {
        let Symbol { section, value, .. } = symbols[index];
        let first = relocations[opd].iter().find(|r| r.offset == value);
        let code = first.and_then(|r| Some((symbols.get(r.symbol)?, r.addend)));
        if let (true, Some((code, addend))) = (section == opd, code) {
            let (section, value) = (code.section, code.value.wrapping_add_signed(addend));
            if symbols[index].kind == STT_FUNC {
                symbols[index].section = section;
                symbols[index].value = value;
            }
        }
    }
}

/// The string that begins at `at`, up to its NUL.
pub(super) fn text(strings: &[u8], at: usize) -> Option<&str> {
    let rest = strings.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}
