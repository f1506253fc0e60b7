// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a type can hold: pages, records, or numbers alone.

use super::Program;
use crate::index::ir::TypeRef;
use refimpl::api::followed;

/// Records of numbers are looked into so deep: a key in an iterator in a request. Deeper ones count as more than numbers.
const DEEP: u8 = 4;

/// Whether the name of a type is that of a struct or union.
pub(crate) fn names_record(name: &str) -> bool {
    name.starts_with("struct ") || name.starts_with("union ") || name.contains("::")
}

/// Whether a value of that type can be a page, its address or its frame number. Counts, sizes, offsets and flags
/// are not: arithmetic would carry pages into all of them.
pub(crate) fn holds_pages(ty: &TypeRef) -> bool {
    let number = matches!(
        ty.name.as_str(),
        "int"
            | "unsigned int"
            | "unsigned"
            | "bool"
            | "_Bool"
            | "char"
            | "unsigned char"
            | "short"
            | "unsigned short"
            | "long long"
            | "signed int"
            | "loff_t"
            | "off_t"
            | "size_t"
            | "ssize_t"
            | "sector_t"
            | "pgoff_t"
            | "gfp_t"
            | "blkcnt_t"
            | "atomic_t"
            | "atomic_long_t"
            | "spinlock_t"
            | "umode_t"
            | "pgprot_t"
            | "vm_fault_t"
            | "time64_t"
            | "ktime_t"
            | "u8"
            | "u16"
            | "u32"
            | "s8"
            | "s16"
            | "s32"
            | "s64"
            | "__u8"
            | "__u16"
            | "__u32"
            | "__s32"
            | "__s64"
            | "uint"
            | "uint8_t"
            | "uint16_t"
            | "uint32_t"
            | "int32_t"
            | "int64_t"
            | "__le16"
            | "__be16"
            | "__wsum"
            | "__sum16"
            | "void"
    ) || ty.name.starts_with("enum ");
    !number || ty.pointers > 0 || ty.arrays > 0 || ty.function
}

impl Program {
    /// Whether a value of that type is a number, or a record of nothing but numbers. An unknown type is none.
    pub(crate) fn is_number(&self, ty: &TypeRef, file: u32) -> bool {
        self.is_number_within(ty, file, DEEP)
    }

    fn is_number_within(&self, ty: &TypeRef, file: u32, depth: u8) -> bool {
        if followed().is_carrier(&ty.name) {
            return false;
        }
        let ty = self.expand(ty, file);
        if ty.pointers > 0 || ty.arrays > 0 || ty.function || ty.name.is_empty() {
            return false;
        }
        if !names_record(&ty.name) {
            return true;
        }
        let Some(record) = self.record(&ty.name, file) else {
            return false;
        };
        let mut members = record.fields.iter();
        depth > 0
            && !record.fields.is_empty()
            && members.all(|member| self.is_number_within(&member.ty, file, depth - 1))
    }
}
