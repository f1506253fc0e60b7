// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drivers that are built for many kernels: what this one does not compile is not judged, and a macro that stands for
//! a function is that function.

use callsites::report::{Era, Report, Verdict};
use callsites::tree::Tree;
use callsites::{AuditOptions, audit};
use camino::Utf8PathBuf;

fn audited(files: &[(&str, &str)]) -> Report {
    let files = files
        .iter()
        .map(|(path, text)| (Utf8PathBuf::from(*path), Some(text.as_bytes().to_vec())));
    let tree = Tree::embedded(Era::Pin).overlaid(files.collect());
    audit(&tree, &AuditOptions::default()).unwrap()
}

/// Line, call and verdict of the callsites of a file.
fn verdicts(report: &Report, path: &str) -> Vec<(u32, String, Verdict)> {
    let sites = report.callsites.iter().filter(|site| site.path == path);
    sites
        .map(|site| (site.line, site.call.clone(), site.verdict))
        .collect()
}

const USE: &str = "
struct crate { struct page *pages[16]; };
int crate_fill(struct device *dev, struct crate *c, unsigned long from)
{
	int i, got;

TAKE
	if (got < 0)
		return got;
	for (i = 0; i < got; i++)
		dma_map_page(dev, c->pages[i], 0, PAGE_SIZE, DMA_FROM_DEVICE);
	return got;
}
void crate_drain(struct crate *c, int n)
{
	int i;

	for (i = 0; i < n; i++)
		DROP(c->pages[i]);
}
";

#[test]
fn only_the_arm_that_is_compiled_is_judged() {
    let take = "#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 9, 0)
	got = get_user_pages_fast(from, 16, 1, c->pages);
#else
	got = get_user_pages_fast(from, 16, FOLL_WRITE, c->pages);
#endif";
    let text = USE.replace("TAKE", take).replace("DROP", "put_page");
    let report = audited(&[("drivers/misc/crate.c", &text)]);
    assert_eq!(
        verdicts(&report, "drivers/misc/crate.c"),
        [
            (10, "get_user_pages_fast".to_owned(), Verdict::Convert),
            (23, "put_page".to_owned(), Verdict::Convert)
        ]
    );
}

#[test]
fn a_macro_that_stands_for_a_function_is_that_function() {
    let header = "#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 9, 0)
#define crate_grab get_user_pages_fast
#define crate_drop put_page
#else
#define crate_grab(a, n, f, p) get_user_pages_fast(a, n, !!(f), p)
#define crate_drop put_page
#endif
";
    let text = USE
        .replace("TAKE", "	got = crate_grab(from, 16, FOLL_WRITE, c->pages);")
        .replace("DROP", "crate_drop");
    let text = format!("#include \"crate.h\"{text}");
    let report = audited(&[
        ("drivers/misc/crate.c", &text),
        ("drivers/misc/crate.h", header),
    ]);
    assert_eq!(
        verdicts(&report, "drivers/misc/crate.c"),
        [
            (7, "get_user_pages_fast".to_owned(), Verdict::Convert),
            (19, "put_page".to_owned(), Verdict::Convert)
        ]
    );
    assert_eq!(verdicts(&report, "drivers/misc/crate.h"), []);
}

#[test]
fn a_shim_for_older_kernels_hides_nothing() {
    let shim = "#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 6, 0)
static void unpin_user_page(struct page *page)
{
	put_page(page);
}
#endif
";
    let take = "	got = pin_user_pages_fast(from, 16, FOLL_WRITE, c->pages);";
    let text = USE.replace("TAKE", take).replace("DROP", "unpin_user_page");
    let report = audited(&[("drivers/misc/crate.c", &format!("{shim}{text}"))]);
    let done = verdicts(&report, "drivers/misc/crate.c");
    assert_eq!(done.len(), 2, "{done:?}");
    assert!(done.iter().all(|(_, _, verdict)| *verdict == Verdict::Done));
}
