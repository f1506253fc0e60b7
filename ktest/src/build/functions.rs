// SPDX-License-Identifier: MIT OR Apache-2.0
//! The functions of an object by what they do, wherever in it they lie: two objects show which functions a patch changed.
//!
//! A hash covers a function's bytes and what each relocation in it means (a symbol's name, a string's text, a function and the place in
//! it). On x86-64, arm64 and 32-bit PowerPC the assembler resolves calls within a section itself; such a call counts as its target's name. A line number
//! that a macro puts into the code is code, so that a patch that moves lines may change more functions than it edits.

use super::elf::{
    EM_AARCH64, EM_PPC, EM_S390, EM_X86_64, Object, Relocation, STT_FUNC, STT_SECTION, Symbol,
    parse, text,
};
use camino::Utf8Path;
use std::collections::{BTreeMap, BTreeSet};

/// Hashes by function.
pub(crate) type Functions = BTreeMap<String, blake3::Hash>;

/// The functions of an object file; none where there is no file. An error where it is of another kind than [`super::elf`] reads.
pub(crate) fn of_file(object: &Utf8Path) -> Result<Functions, &'static str> {
    match std::fs::read(object) {
        Ok(bytes) => of(&bytes),
        Err(_) => Ok(Functions::new()),
    }
}

/// Names of functions that are in only one of the two, or differ; sorted.
pub(crate) fn differing(before: &Functions, now: &Functions) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let differ = |name: &&&String| before.get(**name) != now.get(**name);
    names
        .iter()
        .filter(differ)
        .map(|name| (*name).clone())
        .collect()
}

fn of(bytes: &[u8]) -> Result<Functions, &'static str> {
    let object = parse(bytes)?;
    let mut pieces: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for symbol in object
        .symbols
        .iter()
        .filter(|s| s.kind == STT_FUNC && s.size > 0)
    {
        if let Some(told) = tell(&object, symbol) {
            pieces
                .entry(base_name(symbol.name).to_owned())
                .or_default()
                .push(told);
        }
    }
    let hashed = |(name, mut pieces): (String, Vec<String>)| {
        pieces.sort();
        (name, blake3::hash(pieces.join("\n").as_bytes()))
    };
    Ok(pieces.into_iter().map(hashed).collect())
}

/// Without what the compiler adds to the name of a part or a copy: `f` of `f.isra.0`, `f.cold`, `f.constprop.1`.
pub(super) fn base_name(name: &str) -> &str {
    name.split('.')
        .next()
        .filter(|base| !base.is_empty())
        .unwrap_or(name)
}

/// A function's bytes and what they refer to, written down.
fn tell(object: &Object<'_>, function: &Symbol<'_>) -> Option<String> {
    let section = object.sections.get(function.section)?;
    let (start, end) = (function.value, function.value + function.size);
    let mut bytes = section.data.get(start as usize..end as usize)?.to_vec();
    let mut told = Vec::new();
    let inside = |relocation: &&Relocation| (start..end).contains(&relocation.offset);
    let mut patched = BTreeSet::new();
    for relocation in object
        .relocations
        .get(function.section)?
        .iter()
        .filter(inside)
    {
        let at = relocation.offset - start;
        patched.insert(at as usize);
        told.push(format!(
            "{at} {} {}",
            relocation.kind,
            meaning(object, relocation)
        ));
    }
    match object.machine {
        EM_X86_64 => calls(object, function, &mut bytes, &patched, &mut told),
        EM_PPC | EM_AARCH64 => branches(object, function, &mut bytes, &patched, &mut told),
        _ => {}
    }
    told.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    Some(told.join("\n"))
}

/// Replaces the distance in calls and jumps to another function of the same section by that function's name.
fn calls(
    object: &Object<'_>,
    function: &Symbol<'_>,
    bytes: &mut [u8],
    patched: &BTreeSet<usize>,
    told: &mut Vec<String>,
) {
    const CALL: u8 = 0xe8;
    const JUMP: u8 = 0xe9;
    const CONDITIONAL: u8 = 0x0f;
    for at in 0..bytes.len().saturating_sub(4) {
        let long = at > 0 && bytes[at - 1] == CONDITIONAL && bytes[at] & 0xf0 == 0x80;
        if patched.contains(&(at + 1)) || !(matches!(bytes[at], CALL | JUMP) || long) {
            continue;
        }
        let distance =
            i32::from_le_bytes([bytes[at + 1], bytes[at + 2], bytes[at + 3], bytes[at + 4]]);
        let from = function.value as i64 + at as i64 + 5;
        let target = from + i64::from(distance);
        if let Some(name) = neighbour(object, function, target) {
            told.push(format!("{at} calls {name}"));
            bytes[at + 1..at + 5].fill(0);
        }
    }
}

/// The same where branches are words that hold the distance from themselves: 32-bit PowerPC (big endian) and arm64.
fn branches(
    object: &Object<'_>,
    function: &Symbol<'_>,
    bytes: &mut [u8],
    patched: &BTreeSet<usize>,
    told: &mut Vec<String>,
) {
    for at in (0..bytes.len().saturating_sub(3)).step_by(4) {
        let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        // Shifted up and down again: the highest bit of the distance is its sign.
        let (is_branch, distance, rest) = if object.machine == EM_PPC {
            const DISTANCE: u32 = 0x03ff_fffc;
            const ABSOLUTE: u32 = 2;
            let word = u32::from_be_bytes(four);
            let is_branch = word >> 26 == 18 && word & ABSOLUTE == 0;
            let distance = ((word & DISTANCE) << 6) as i32 >> 6;
            (is_branch, distance, (word & !DISTANCE).to_be_bytes())
        } else {
            const DISTANCE: u32 = 0x03ff_ffff;
            let word = u32::from_le_bytes(four);
            let is_branch = matches!(word >> 26, 0b00_0101 | 0b10_0101);
            let distance = ((word & DISTANCE) << 6) as i32 >> 4;
            (is_branch, distance, (word & !DISTANCE).to_le_bytes())
        };
        if patched.contains(&at) || !is_branch {
            continue;
        }
        let target = function.value as i64 + at as i64 + i64::from(distance);
        if let Some(name) = neighbour(object, function, target) {
            told.push(format!("{at} calls {name}"));
            bytes[at..at + 4].copy_from_slice(&rest);
        }
    }
}

/// The other function of the same section that begins at `target`.
fn neighbour<'a>(object: &Object<'a>, function: &Symbol<'_>, target: i64) -> Option<&'a str> {
    let named = object.symbols.iter().find(|symbol| {
        let there = symbol.kind == STT_FUNC && symbol.section == function.section;
        there && symbol.value as i64 == target && symbol.value != function.value
    });
    named.map(|symbol| base_name(symbol.name))
}

fn meaning(object: &Object<'_>, relocation: &Relocation) -> String {
    let Some(symbol) = object.symbols.get(relocation.symbol) else {
        return "nothing".into();
    };
    // The compiler's own label says nothing; what it stands at does.
    if symbol.kind != STT_SECTION && !symbol.name.starts_with(".L") {
        return format!("{}{:+}", base_name(symbol.name), relocation.addend);
    }
    let Some(section) = object.sections.get(symbol.section) else {
        return "nothing".into();
    };
    // A place relative to the next instruction lies four bytes behind the field (R_X86_64_PC32, R_X86_64_PLT32), on s390 two
    // (R_390_PC32DBL, R_390_PLT32DBL).
    let behind = match (object.machine, relocation.kind) {
        (EM_X86_64, 2 | 4) => 4,
        (EM_S390, 19 | 20) => -2,
        _ => 0,
    };
    let place = symbol.value as i64 + relocation.addend + behind;
    let string = || text(section.data, usize::try_from(place).ok()?);
    if let (true, Some(string)) = (section.is_strings(), string()) {
        return format!("{string:?}");
    }
    let within = |f: &&Symbol<'_>| {
        let range = f.value as i64..(f.value + f.size) as i64;
        f.kind == STT_FUNC && f.section == symbol.section && range.contains(&place)
    };
    match object.symbols.iter().find(within) {
        Some(f) if section.is_code() => {
            format!("{}{:+}", base_name(f.name), place - f.value as i64)
        }
        _ => format!(
            "{}{:+}",
            section.name,
            symbol.value as i64 + relocation.addend
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"
int other(int a); extern int table[4]; void say(const char *s);
static __attribute__((noinline)) int inner(int a) { return a ? other(a) * 3 : 7; }
int first(int a) { say("one"); return inner(a) + table[a]; }
int last(int a) { say("two"); return inner(a + 1) + other(a); }
"#;

    /// The functions of `c` as `compiler`, told `flags`, makes them.
    fn made_by(compiler: &str, flags: &[&str], c: &str) -> Result<Functions, &'static str> {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(root.join("a.c"), c).unwrap();
        proc::Command::new(compiler)
            .args(flags)
            .args(["-O2", "-c", "a.c", "-o", "a.o"])
            .current_dir(root)
            .run()
            .unwrap();
        of_file(&root.join("a.o"))
    }

    /// The same with the host's compiler.
    fn compiled(c: &str) -> Functions {
        made_by("cc", &["-fno-pic", "-fcf-protection=none"], c).unwrap()
    }

    #[test]
    fn only_the_function_that_was_edited_differs_though_the_others_move() {
        let before = compiled(BEFORE);
        assert_eq!(before.len(), 3);
        let edited = BEFORE.replace("other(a) * 3", "other(a + 5) * 11 + other(3)");
        assert_eq!(differing(&before, &compiled(&edited)), ["inner"]);
        let text = BEFORE.replace("\"two\"", "\"three\"");
        assert_eq!(differing(&before, &compiled(&text)), ["last"]);
        let comment = format!("/* a line */\n{BEFORE}");
        assert!(differing(&before, &compiled(&comment)).is_empty());
    }

    #[test]
    fn another_callee_is_another_function() {
        let edited = BEFORE.replace("inner(a + 1) + other(a)", "inner(a + 1) + first(a)");
        assert_eq!(differing(&compiled(BEFORE), &compiled(&edited)), ["last"]);
    }

    /// Passes over what is not installed here.
    #[test]
    fn objects_of_either_byte_order_and_of_32_bits_are_told_apart_as_well() {
        let edited = BEFORE.replace("other(a) * 3", "other(a + 5) * 11 + other(3)");
        let text = BEFORE.replace("\"two\"", "\"three\"");
        for (compiler, flags) in [
            ("powerpc64-linux-gnu-gcc", &[][..]),
            ("powerpc64-linux-gnu-gcc", &["-mabi=elfv2"]),
            ("powerpc-linux-gnu-gcc", &["-fno-pic"]),
            ("aarch64-linux-gnu-gcc", &[]),
            ("clang-16", &["--target=s390x-linux-gnu"]),
        ] {
            if crate::host::require(compiler, "this test").is_err() {
                continue;
            }
            let made = |c: &str| made_by(compiler, flags, c).unwrap();
            let before = made(BEFORE);
            assert_eq!(before.len(), 3, "{compiler} {flags:?}");
            let differ = |c: &str| differing(&before, &made(c));
            assert_eq!(differ(&edited), ["inner"], "{compiler} {flags:?}");
            assert_eq!(differ(&text), ["last"], "{compiler} {flags:?}");
        }
    }

    #[test]
    fn an_object_that_cannot_be_read_says_why() {
        assert_eq!(of(b"not an object"), Err("it is no ELF object"));
        for cut in [
            &b"\x7fELF\x02\x01 and no more"[..],
            b"\x7fELF\x01\x02 and no more",
        ] {
            assert_eq!(of(cut), Err("it is a broken ELF object"));
        }
        if crate::host::require("clang-16", "this test").is_ok() {
            let i386 = made_by("clang-16", &["--target=i386-linux-gnu"], BEFORE);
            assert_eq!(i386, Err("its relocations keep their addends in the code"));
        }
    }
}
