// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the words of kernel C are: qualifiers, base types, attributes.
//!
//! These are the C language, GNU's extensions and the kernel's compiler headers (include/linux/compiler_types.h,
//! compiler_attributes.h, init.h, linkage.h, 6.12); nothing of any driver.

/// Keywords that can begin or continue a statement and are never a name.
pub(crate) fn is_keyword(word: &[u8]) -> bool {
    matches!(
        word,
        b"if"
            | b"else"
            | b"for"
            | b"while"
            | b"do"
            | b"switch"
            | b"case"
            | b"default"
            | b"return"
            | b"goto"
            | b"break"
            | b"continue"
            | b"sizeof"
            | b"typedef"
    ) || is_base_type(word)
        || is_tag_keyword(word)
        || is_qualifier(word)
}

/// `struct`, `union`, `enum`.
pub(crate) fn is_tag_keyword(word: &[u8]) -> bool {
    matches!(word, b"struct" | b"union" | b"enum")
}

/// Words of which C's own types are made.
pub(crate) fn is_base_type(word: &[u8]) -> bool {
    matches!(
        word,
        b"void"
            | b"char"
            | b"short"
            | b"int"
            | b"long"
            | b"float"
            | b"double"
            | b"signed"
            | b"unsigned"
            | b"_Bool"
            | b"bool"
            | b"__signed__"
            | b"__int128"
    )
}

/// `typeof` in its spellings.
pub(crate) fn is_typeof(word: &[u8]) -> bool {
    matches!(
        word,
        b"typeof" | b"__typeof__" | b"__typeof" | b"typeof_unqual" | b"__typeof_unqual__"
    )
}

/// `sizeof` and its kin: no value flows out of what they hold.
pub(crate) fn is_sizeof(word: &[u8]) -> bool {
    matches!(
        word,
        b"sizeof" | b"__alignof__" | b"_Alignof" | b"alignof" | b"__alignof"
    )
}

/// Storage classes and qualifiers.
pub(crate) fn is_qualifier(word: &[u8]) -> bool {
    matches!(
        word,
        b"const"
            | b"volatile"
            | b"static"
            | b"extern"
            | b"inline"
            | b"register"
            | b"restrict"
            | b"__restrict"
            | b"__restrict__"
            | b"__inline"
            | b"__inline__"
            | b"__always_inline"
            | b"__const"
            | b"__volatile__"
            | b"_Noreturn"
            | b"__extension__"
            | b"auto"
    )
}

/// Attributes that stand bare, besides those beginning with two underscores.
pub(crate) fn is_bare_attribute(word: &[u8]) -> bool {
    matches!(
        word,
        b"noinline"
            | b"noinline_for_stack"
            | b"noinline_for_tracing"
            | b"noinstr"
            | b"asmlinkage"
            | b"notrace"
            | b"nokprobe_inline"
            | b"fastcall"
            | b"inline_map"
            | b"randomized_struct_fields_start"
            | b"randomized_struct_fields_end"
            | b"____cacheline_aligned"
            | b"____cacheline_aligned_in_smp"
            | b"____cacheline_internodealigned_in_smp"
            | b"uninitialized_var"
    )
}

/// Attributes that take arguments and may stand before or after a declarator.
pub(crate) fn is_attribute_with_arguments(word: &[u8]) -> bool {
    matches!(
        word,
        b"__attribute__"
            | b"__attribute"
            | b"__printf"
            | b"__scanf"
            | b"__releases"
            | b"__acquires"
            | b"__releases_shared"
            | b"__acquires_shared"
            | b"__cond_acquires"
            | b"__cond_releases"
            | b"__must_hold"
            | b"__must_hold_shared"
            | b"__section"
            | b"__aligned"
            | b"__alloc_size"
            | b"__realloc_size"
            | b"__malloc"
            | b"__counted_by"
            | b"__counted_by_le"
            | b"__counted_by_be"
            | b"__guarded_by"
            | b"__pt_guarded_by"
            | b"__free"
            | b"__cleanup"
            | b"__nonstring"
            | b"__mode"
            | b"__alias"
            | b"__copy"
            | b"__assume_aligned"
            | b"__compiletime_error"
            | b"__compiletime_warning"
            | b"__diagnose_as"
            | b"__overloadable"
            | b"__nonnull"
            | b"__target"
            | b"__no_sanitize"
            | b"__init_or_module"
            | b"_Alignas"
            | b"alignas"
            | b"__declspec"
            | b"_Pragma"
            | b"__pass_object_size"
    )
}

/// A word that looks like an attribute when it stands beside a name.
pub(crate) fn looks_like_attribute(word: &[u8]) -> bool {
    (word.starts_with(b"__") && !word.ends_with(b"_t") && !is_kernel_type(word))
        || is_bare_attribute(word)
}

/// Scalar types of the kernel that look like plain names.
pub(crate) fn is_kernel_type(word: &[u8]) -> bool {
    let plain = word.strip_prefix(b"__").unwrap_or(word);
    matches!(
        plain,
        b"u8"
            | b"u16"
            | b"u32"
            | b"u64"
            | b"u128"
            | b"s8"
            | b"s16"
            | b"s32"
            | b"s64"
            | b"le16"
            | b"le32"
            | b"le64"
            | b"be16"
            | b"be32"
            | b"be64"
            | b"sum16"
            | b"wsum"
            | b"poll_t"
            | b"uint"
            | b"ulong"
            | b"ushort"
            | b"uchar"
            | b"auto_type"
    ) || (word.ends_with(b"_t") && word.len() > 2)
}

/// Which argument of a macro is a type (include/linux/container_of.h, list.h, minmax.h, rbtree.h, 6.12).
pub(crate) fn type_argument(name: &str) -> Option<usize> {
    match name {
        "container_of"
        | "container_of_const"
        | "container_of_safe"
        | "list_entry"
        | "list_first_entry"
        | "list_last_entry"
        | "list_first_entry_or_null"
        | "list_entry_rcu"
        | "list_entry_safe"
        | "list_first_or_null_rcu"
        | "hlist_entry"
        | "hlist_entry_safe"
        | "llist_entry"
        | "rb_entry"
        | "rb_entry_safe"
        | "va_arg"
        | "struct_size_t" => Some(1),
        "min_t" | "max_t" | "clamp_t" | "swap_t" | "offsetof" | "sizeof_field"
        | "typeof_member" | "kmalloc_obj" | "kzalloc_obj" | "DECLARE_FLEX_ARRAY"
        | "__typecheck" | "typecheck" | "typecheck_fn" => Some(0),
        _ => None,
    }
}

/// The kernel's convention for macros that are the head of a loop, or that run the statement behind them
/// (scoped_guard(), include/linux/cleanup.h, 6.12).
pub(crate) fn is_iterator(word: &[u8]) -> bool {
    let mut parts = word.split(|byte| *byte == b'_');
    parts.any(|part| part.eq_ignore_ascii_case(b"each") || part.eq_ignore_ascii_case(b"foreach"))
        || word
            .windows(b"for_every".len())
            .any(|window| window.eq_ignore_ascii_case(b"for_every"))
        || word.starts_with(b"scoped_")
        || word.starts_with(b"with_")
}
