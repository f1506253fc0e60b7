// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reasons as a cover letter can have them: whole sentences, with long lists of places cut short.

use regex::Regex;
use std::sync::LazyLock;

/// Places of a list that are shown: enough to look at one and to see that there are more.
const SHOWN: usize = 2;

/// `reason` with every list of more than three places ("alloc_page mm/a.c:12, …") shortened to two and a number.
pub fn shortened(reason: &str) -> String {
    static LIST: LazyLock<Regex> = LazyLock::new(|| {
        let place = r"[A-Za-z_]\w* [\w./+-]+\.[chS]:\d+";
        Regex::new(&format!("{place}(?:, {place}){{3,}}")).expect("a constant")
    });
    LIST.replace_all(reason, |list: &regex::Captures<'_>| {
        let places: Vec<&str> = list[0].split(", ").collect();
        format!(
            "{} and {} more",
            places[..SHOWN].join(", "),
            places.len() - SHOWN
        )
    })
    .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_places_is_shortened_and_the_sentence_stays_whole() {
        let reason = "drops references on user pages (iov_iter_get_pages fs/toy/file.c:9) and on others (alloc_page \
                      mm/a.c:1, alloc_page mm/b.c:2, alloc_pages mm/c.c:3, find_page mm/d.c:4), so a human must split it";
        assert_eq!(
            shortened(reason),
            "drops references on user pages (iov_iter_get_pages fs/toy/file.c:9) and on others (alloc_page mm/a.c:1, \
             alloc_page mm/b.c:2 and 2 more), so a human must split it"
        );
    }

    #[test]
    fn a_short_list_stays() {
        let reason =
            "not user pages: alloc_page mm/a.c:1, alloc_page mm/b.c:2, alloc_page mm/c.c:3";
        assert_eq!(shortened(reason), reason);
    }
}
