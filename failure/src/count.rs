// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers in messages.

use std::fmt::Display;

/// A number and what is counted: "1 patch", "2 patches".
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, one: &str) -> String {
    let ending = match one {
        _ if number == N::from(1) => "",
        _ if one.ends_with("ch") || one.ends_with('s') => "es",
        _ => "s",
    };
    format!("{number} {one}{ending}")
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_no_plural_and_an_ending_in_s_gets_an_e() {
        assert_eq!(counted(1, "user page"), "1 user page");
        assert_eq!(counted(0, "user page"), "0 user pages");
        assert_eq!(counted(2, "patch"), "2 patches");
        assert_eq!(counted(1, "oops"), "1 oops");
        assert_eq!(counted(2u64, "oops"), "2 oopses");
    }
}
