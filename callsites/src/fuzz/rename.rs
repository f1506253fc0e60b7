// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same functions with other names for their parameters and local variables.

use super::dice::Dice;
use super::rewrite;
use crate::index::ir::{FileFacts, Function, Stmt};
use crate::index::{Wanted, parse};
use crate::lex::{Kind, Mode, Token, tokens};
use camino::Utf8Path;
use std::collections::{BTreeMap, BTreeSet};

/// Gives locals that have one meaning in the whole file another name.
///
/// A name that is also a member's, a label's, a tag's or a macro's stays: whether `member` in `container_of(p, struct s,
/// member)` is the local or the field is what only the macro knows.
pub fn renamed(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let facts = parse(Utf8Path::new("file.c"), bytes, &Wanted::All);
    let all = tokens(bytes, 0, bytes.len(), Mode::File);
    let other = other_meanings(bytes, &all, &facts);
    let mut places = Vec::new();
    for function in &facts.functions {
        let span = function.span.start..function.span.end;
        let mut names = BTreeMap::new();
        for name in locals(function) {
            if !other.contains(name.as_bytes()) && !dice.once_in(4) {
                names.insert(name.as_bytes(), format!("other_{}", names.len()));
            }
        }
        let inside = all.iter().filter(|token| span.contains(&token.start));
        let found = inside
            .filter(|token| token.kind == Kind::Ident)
            .filter_map(|token| {
                let name = names.get(token.text(bytes))?;
                Some((*token, name.clone().into_bytes()))
            });
        places.extend(found);
    }
    rewrite::renamed(bytes, places)
}

/// Names of parameters and of variables that are declared in the body.
fn locals(function: &Function) -> BTreeSet<&str> {
    let mut names: BTreeSet<&str> = function.params.iter().map(|p| p.name.as_str()).collect();
    declared(&function.body, &mut names);
    names.remove("");
    names
}

fn declared<'a>(stmts: &'a [Stmt], names: &mut BTreeSet<&'a str>) {
    for stmt in stmts {
        match stmt {
            Stmt::Decl(declarations, _) => {
                names.extend(declarations.iter().map(|d| d.name.as_str()))
            }
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => declared(inner, names),
            Stmt::If {
                then, otherwise, ..
            } => {
                declared(std::slice::from_ref(then), names);
                if let Some(otherwise) = otherwise {
                    declared(std::slice::from_ref(otherwise), names);
                }
            }
            Stmt::Loop { init, body, .. } => {
                if let Some(init) = init {
                    declared(std::slice::from_ref(init), names);
                }
                declared(std::slice::from_ref(body), names);
            }
            Stmt::Switch { body, .. } => declared(std::slice::from_ref(body), names),
            Stmt::Arms(arms, _) => arms.iter().for_each(|(_, inner)| declared(inner, names)),
            _ => {}
        }
    }
}

/// Names that mean something else than a local somewhere in the file.
fn other_meanings<'a>(
    bytes: &'a [u8],
    all: &'a [Token],
    facts: &'a FileFacts,
) -> BTreeSet<&'a [u8]> {
    let mut names: BTreeSet<&[u8]> = BTreeSet::new();
    for record in &facts.records {
        names.extend(record.fields.iter().map(|field| field.name.as_bytes()));
    }
    names.extend(facts.outline.iter().map(|item| item.name.as_bytes()));
    names.extend(facts.globals.iter().map(|global| global.name.as_bytes()));
    for token in all.iter().filter(|token| token.kind == Kind::Directive) {
        // What a preprocessor line names may be a macro, and what a macro's body names may be a local of its caller's.
        let text = token.text(bytes);
        let words = text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        names.extend(words.filter(|word| !word.is_empty()));
    }
    for three in all.windows(3) {
        let [before, name, after] = three else {
            continue;
        };
        if name.kind != Kind::Ident {
            continue;
        }
        let marks: [&[u8]; 2] = [b".", b"->"];
        let tags: [&[u8]; 4] = [b"struct", b"union", b"enum", b"goto"];
        let member = marks.iter().any(|mark| before.is(bytes, mark));
        let tag = before.kind == Kind::Ident && tags.contains(&before.text(bytes));
        // `f(x)` where x is also declared may be a macro of that name; `x:` may be a label.
        let other = [&b":"[..], b"("].iter().any(|mark| after.is(bytes, mark));
        if member || tag || other {
            names.insert(name.text(bytes));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locals_get_other_names_and_what_has_another_meaning_stays() {
        let file = "#define M(a) (a + implied)\nstruct s { int field; };\nint f(struct s *p, int field)\n{\n\tint implied = 1, mine;\n\n\
                    \tmine = p->field + field;\nout:\n\treturn mine;\n}\n";
        let found: BTreeSet<String> = (0..40)
            .map(|seed| String::from_utf8(renamed(file.as_bytes(), &mut Dice::new(seed))).unwrap())
            .collect();
        let text: String = found.iter().cloned().collect();
        assert!(
            text.contains("= other_1->") || text.contains("= other_0->"),
            "{text}"
        );
        assert!(
            found
                .iter()
                .all(|text| text.contains("->field + field") && text.contains("int implied = 1"))
        );
        assert!(text.contains("return other_"), "{text}");
    }
}
