// SPDX-License-Identifier: MIT OR Apache-2.0
//! A report, or a verdict, in which every text stays on its line: a file whose name holds a line end is one line of
//! output, not two.

use super::visible::{hidden, line};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::io;

/// The whole itself where nothing in it needs to be changed, as in every tree that was not made to deceive.
///
/// # Errors
/// Of what JSON has no form for, such as a number that is infinite where a text has to be changed.
pub fn shown<T: Serialize + DeserializeOwned + Clone>(whole: &T) -> io::Result<Cow<'_, T>> {
    let mut seen = Seen(false);
    serde_json::to_writer(&mut seen, whole)?;
    if !seen.0 {
        return Ok(Cow::Borrowed(whole));
    }
    // By way of a value, so that no text is forgotten.
    let mut value = serde_json::to_value(whole)?;
    clean(&mut value);
    Ok(Cow::Owned(serde_json::from_value(value)?))
}

fn clean(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(shown) = line(text) {
                *text = shown;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        _ => {}
    }
}

/// Looks at JSON as it is written, for a text that does not stay on its line.
struct Seen(bool);

impl io::Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An escape is written by itself, and those of a quote, a backslash and a tab harm nobody.
        let escape = bytes.first() == Some(&b'\\') && !matches!(bytes, [_, b'"' | b'\\' | b't']);
        let text = || String::from_utf8_lossy(bytes);
        self.0 |=
            escape || (!bytes.is_ascii() || bytes.contains(&0x7f)) && text().chars().any(hidden);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
