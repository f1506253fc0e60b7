// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files as an editor names them: `file:///a/b%20c.c` (RFC 8089, RFC 3986).

use callsites::formats::uri_path;
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// The absolute path that a URI names, without "." and ".."; None where it names no file of this machine.
pub(crate) fn path(uri: &str) -> Option<Utf8PathBuf> {
    let (scheme, rest) = uri.split_once(':')?;
    let rest = rest.strip_prefix("//")?;
    let (host, path) = rest.split_at(rest.find('/')?);
    let is_here = host.is_empty() || host.eq_ignore_ascii_case("localhost");
    if !scheme.eq_ignore_ascii_case("file") || !is_here || path.contains(['?', '#']) {
        return None;
    }
    let path = decoded(path)?;
    let mut out = Utf8PathBuf::from("/");
    for component in Utf8Path::new(&path).components() {
        match component {
            Utf8Component::Normal(name) => out.push(name),
            Utf8Component::ParentDir => drop(out.pop()),
            Utf8Component::RootDir | Utf8Component::CurDir | Utf8Component::Prefix(_) => {}
        }
    }
    Some(out)
}

/// The URI of an absolute path.
pub(crate) fn of(path: &Utf8Path) -> String {
    format!("file://{}", uri_path(path.as_str()))
}

/// Without percent signs; None where that is no UTF-8, or where it holds a NUL, which no path does.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        out.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(out)
        .ok()
        .filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_file_of_this_machine_or_nothing() {
        let named = |uri: &str| path(uri).map(Utf8PathBuf::into_string);
        for (uri, expected) in [
            ("file:///t/a.c", "/t/a.c"),
            ("FILE://localhost/t/a.c", "/t/a.c"),
            ("file:///t/%61%20b%25.c", "/t/a b%.c"),
            ("file:///t/x/../../../etc/./passwd", "/etc/passwd"),
            ("file:///t/%2e%2e/a.c", "/a.c"),
            ("file:///t//a.c", "/t/a.c"),
        ] {
            assert_eq!(named(uri).as_deref(), Some(expected), "{uri}");
        }
        for uri in [
            "",
            "file",
            "file:",
            "file:t/a.c",
            "file://host/t/a.c",
            "file://",
            "untitled:Untitled-1",
            "git:///t/a.c",
            "file:///t/a.c?x",
            "file:///t/a.c#x",
            "file:///t/%00.c",
            "file:///t/%ff.c",
            "file:///t/%4",
            "file:///t/%zz",
            "file:///t/%",
        ] {
            assert_eq!(named(uri), None, "{uri}");
        }
    }

    #[test]
    fn what_a_path_becomes_leads_back_to_it() {
        for name in ["/t/a.c", "/t/a b%#?;\u{e9}\n.c", "/t/%2e/x.c"] {
            let path_of = Utf8Path::new(name);
            let uri = of(path_of);
            assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
            assert_eq!(path(&uri).as_deref(), Some(path_of));
        }
    }
}
