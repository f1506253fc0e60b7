// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules that need what the flow found, over a driver in the embedded tree: what is marked is found, and nothing else.

use callsites::embedded::{Era, materialise};
use callsites::tree::Tree;
use callsites::{AuditOptions, audit};
use camino::Utf8PathBuf;
use std::fs;

/// The findings in a driver of several files, each as its function and its name.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().join("tree")).unwrap();
    materialise(Era::V6_12, &root).unwrap();
    let paths: Vec<Utf8PathBuf> = files
        .iter()
        .map(|(name, text)| {
            let path = Utf8PathBuf::from("drivers/misc").join(name);
            fs::write(root.join(&path), text).unwrap();
            path
        })
        .collect();
    let tree = Tree::open(root.as_str()).unwrap();
    let report = audit(&tree, &AuditOptions::default()).unwrap();
    let own = report
        .findings
        .iter()
        .filter(|finding| paths.iter().any(|path| *path == finding.path));
    let mut found: Vec<String> = own
        .map(|finding| format!("{} {}", finding.function, finding.name))
        .collect();
    found.sort();
    found
}

fn of(text: &str) -> Vec<String> {
    findings(&[("quay.c", text)])
}

/// Pins with some flags, has a device access the pages in some direction, and marks them dirty.
fn io(flags: &str, direction: &str) -> String {
    format!(
        "int quay_io(struct device *dev, unsigned long start)
{{
	struct page *page;
	dma_addr_t dma;

	if (pin_user_pages_fast(start, 1, {flags}, &page) != 1)
		return -EFAULT;
	dma = dma_map_page(dev, page, 0, PAGE_SIZE, {direction});
	quay_wait();
	dma_unmap_page(dev, dma, PAGE_SIZE, {direction});
	unpin_user_pages_dirty_lock(&page, 1, true);
	return 0;
}}
"
    )
}

#[test]
fn pages_that_are_written_are_taken_for_writing() {
    assert_eq!(of(&io("0", "DMA_FROM_DEVICE")), ["quay_io write-missing"]);
    assert!(of(&io("FOLL_WRITE", "DMA_FROM_DEVICE")).is_empty());
    assert!(of(&io("flags", "DMA_FROM_DEVICE")).is_empty());
    assert!(of(&io("0", "DMA_TO_DEVICE")).is_empty());
    // Where the direction is chosen, and the dirtying with it, the flag has to be.
    let chosen = |flags| {
        let text = io(flags, "in ? DMA_FROM_DEVICE : DMA_TO_DEVICE");
        text.replace("1, true);", "1, in);")
    };
    assert_eq!(of(&chosen("0")), ["quay_io write-missing"]);
    assert!(of(&chosen("in ? FOLL_WRITE : 0")).is_empty());
    assert!(of(&io("0", "in ? DMA_FROM_DEVICE : DMA_TO_DEVICE")).is_empty());
    let by_cpu = "int quay_fill(unsigned long start, const void *from)
{
	struct page *page;
	void *to;

	if (pin_user_pages_fast(start, 1, FOLL_LONGTERM, &page) != 1)
		return -EFAULT;
	to = kmap_local_page(page);
	memcpy(to, from, PAGE_SIZE);
	kunmap_local(to);
	unpin_user_pages_dirty_lock(&page, 1, true);
	return 0;
}
";
    assert_eq!(of(by_cpu), ["quay_fill write-missing"]);
    assert!(of(&by_cpu.replace("memcpy(to, from", "memcpy(from, to")).is_empty());
}

/// A function that pins for writing and undoes that on its way of errors.
const UNDONE: &str = "struct quay { struct page **pages; };
int quay_more(void);
int quay_take(struct quay *quay, unsigned long start, int nr)
{
	int got = pin_user_pages_fast(start, nr, FOLL_WRITE, quay->pages);

	if (got != nr || quay_more()) {
		if (got > 0)
			unpin_user_pages(quay->pages, got);
		return -EFAULT;
	}
	return 0;
}
";

#[test]
fn who_only_undoes_need_not_dirty() {
    assert!(of(UNDONE).is_empty());
    let dropped = format!(
        "{UNDONE}void quay_drop(struct quay *quay, int nr)
{{
	unpin_user_pages(quay->pages, nr);
}}
"
    );
    assert_eq!(of(&dropped), ["quay_take dirty-never"]);
}

#[test]
fn records_on_the_stack_are_told_apart() {
    let text = "struct quay { struct page *pages[4]; int nr; };
static void quay_drop(struct quay *quay)
{
	unpin_user_pages(quay->pages, quay->nr);
}
int quay_pin(unsigned long start)
{
	struct quay quay = {};

	quay.nr = pin_user_pages_fast(start, 4, 0, quay.pages);
	if (quay.nr <= 0)
		return -EFAULT;
	quay_drop(&quay);
	return 0;
}
int quay_peek(unsigned long start)
{
	struct quay quay;

	if (get_user_pages_fast(start, 1, 0, &quay.pages[0]) != 1)
		return -EFAULT;
	put_page(quay.pages[0]);
	return 0;
}
";
    assert!(of(text).is_empty(), "{:?}", of(text));
    let given = text.replace("put_page(quay.pages[0]);", "quay_drop(&quay);");
    assert!(!of(&given).is_empty());
}

#[test]
fn helpers_of_another_file_have_helpers_of_their_own() {
    let helpers = "static int quay_more(unsigned long start, int nr, struct page **pages)
{
	int got = pin_user_pages_fast(start, nr, 0, pages);

	if (got == nr)
		return 0;
	if (got > 0)
		unpin_user_pages(pages, got);
	return -EFAULT;
}
struct page **quay_array(unsigned long start, int nr)
{
	struct page **pages = kvmalloc_array(nr, sizeof(*pages), GFP_KERNEL);

	if (pages && quay_more(start, nr, pages)) {
		kvfree(pages);
		return NULL;
	}
	return pages;
}
";
    let driver = "int quay_more(void);
int quay_open(unsigned long start, int nr)
{
	struct page **pages = quay_array(start, nr);
	int ret;

	if (!pages)
		return -ENOMEM;
	ret = quay_more();
	if (!ret)
		unpin_user_pages(pages, nr);
	kvfree(pages);
	return ret;
}
";
    let files = |driver| findings(&[("quay_mem.c", helpers), ("quay.c", driver)]);
    assert_eq!(files(driver), ["quay_open leak-on-error-path"]);
    let good = driver.replace("	if (!ret)\n", "");
    let good = files(&good);
    assert!(good.is_empty(), "{good:?}");
}

#[test]
fn the_device_is_done_before_a_helper_drops_the_pages() {
    let text = "struct quay { struct page **pages; int nr; dma_addr_t dma; };
int quay_take(struct quay *quay, unsigned long start, int nr)
{
	quay->nr = pin_user_pages_fast(start, nr, FOLL_LONGTERM, quay->pages);
	return quay->nr == nr ? 0 : -EFAULT;
}
static void quay_unpin(struct quay *quay)
{
	int i;

	for (i = 0; i < quay->nr; i++)
		unpin_user_page(quay->pages[i]);
}
void quay_drop(struct device *dev, struct quay *quay)
{
	quay_unpin(quay);
	dma_unmap_page(dev, quay->dma, PAGE_SIZE, DMA_TO_DEVICE);
}
";
    assert_eq!(of(text), ["quay_drop still-mapped"]);
}

#[test]
fn a_direction_that_is_only_compared_is_not_the_one_there_is() {
    let drop = |release: &str| {
        format!(
            "struct quay {{ struct page **pages; int nr; enum dma_data_direction dir; }};
int quay_map(struct quay *quay, unsigned long start, int nr, enum dma_data_direction dir)
{{
	int got;

	quay->dir = dir;
	got = pin_user_pages_fast(start, nr, dir == DMA_TO_DEVICE ? 0 : FOLL_WRITE, quay->pages);
	if (got < 0)
		return got;
	quay->nr = got;
	return 0;
}}
void quay_unmap(struct quay *quay)
{{
	{release}
	quay->nr = 0;
}}
"
        )
    };
    let forgets = drop("unpin_user_pages(quay->pages, quay->nr);");
    assert_eq!(of(&forgets), ["quay_map dirty-never"]);
    let tells =
        drop("unpin_user_pages_dirty_lock(quay->pages, quay->nr, quay->dir != DMA_TO_DEVICE);");
    assert!(of(&tells).is_empty());
}

#[test]
fn who_undoes_what_a_helper_took_need_not_dirty() {
    let text = |good: &str| {
        format!(
            "static int quay_pin(unsigned long start, int nr, struct page ***out, int *number)
{{
	struct page **pages = kvcalloc(nr, sizeof(*pages), GFP_KERNEL);
	int got;

	if (!pages)
		return -ENOMEM;
	got = pin_user_pages_fast(start, nr, FOLL_WRITE, pages);
	if (got <= 0) {{
		kvfree(pages);
		return -EFAULT;
	}}
	*out = pages;
	*number = got;
	return 0;
}}
int quay_attach(struct quay *quay, unsigned long start, int nr)
{{
	struct page **pages;
	int number, ret;

	ret = quay_pin(start, nr, &pages, &number);
	if (ret)
		return ret;
	ret = quay_bind(quay, pages, number);
	{good}
	unpin_user_pages(pages, number);
	kvfree(pages);
	return ret;
}}
"
        )
    };
    assert!(of(&text("if (!ret)\n\t\treturn 0;")).is_empty());
    assert_eq!(of(&text("quay_wait(quay);")), ["quay_pin dirty-never"]);
}

#[test]
fn pins_that_last_until_the_file_is_closed_are_long_term() {
    let text = |flags: &str, closes: &str| {
        format!(
            "struct quay {{ struct page **pages; unsigned long nr; }};
static void quay_clear(struct quay *quay)
{{
	if (!quay->pages)
		return;
	unpin_user_pages_dirty_lock(quay->pages, quay->nr, true);
	kvfree(quay->pages);
	quay->pages = NULL;
}}
static int quay_set(struct quay *quay, unsigned long start, unsigned long nr)
{{
	long got;

	if (quay->pages)
		return -EBUSY;
	quay->pages = kvcalloc(nr, sizeof(struct page *), GFP_KERNEL);
	if (!quay->pages)
		return -ENOMEM;
	got = pin_user_pages_fast(start, nr, {flags}, quay->pages);
	if (got != nr) {{
		if (got > 0)
			unpin_user_pages(quay->pages, got);
		kvfree(quay->pages);
		quay->pages = NULL;
		return -EFAULT;
	}}
	quay->nr = nr;
	return 0;
}}
static long quay_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{{
	if (cmd == 1)
		return quay_set(file->private_data, arg, 16);
	quay_clear(file->private_data);
	return 0;
}}
{closes}
"
        )
    };
    let closes = "static int quay_close(struct inode *inode, struct file *file)
{
	quay_clear(file->private_data);
	return 0;
}
";
    let missing = ["quay_set longterm-missing"];
    assert_eq!(of(&text("FOLL_WRITE", closes)), missing);
    assert!(of(&text("FOLL_WRITE | FOLL_LONGTERM", closes)).is_empty());
    // Nobody is seen to hold them until then.
    assert!(of(&text("FOLL_WRITE", "")).is_empty());
    // What a comment says is not code.
    let spoken = closes.replace(
        "(struct inode",
        " /* { quay_set() FOLL_LONGTERM */ (struct inode",
    );
    assert_eq!(of(&text("FOLL_WRITE", &spoken)), missing);
    let spoken = text("/* FOLL_LONGTERM */ FOLL_WRITE", closes);
    assert_eq!(of(&spoken), missing);
    let only_spoken = closes.replace(
        "quay_clear(file->private_data)",
        "/* quay_clear() */ quay_shut(inode)",
    );
    assert!(of(&text("FOLL_WRITE", &only_spoken)).is_empty());
}

#[test]
fn macros_that_take_nothing_are_read_where_they_are_used() {
    let text = "#define QUAY_CHECK(x) ((x) < 0 ? (x) : 0)
int quay_sum(unsigned long start)
{
	struct page *pages[8];
	int got = pin_user_pages_fast(start, ARRAY_SIZE(pages), 0, pages);

	if (QUAY_CHECK(got))
		return got;
	unpin_user_pages(pages, got);
	return 0;
}
";
    assert!(of(text).is_empty());
    let blind = text.replace("(x) < 0 ? (x) : 0", "(x) == 1 ? (x) : 0");
    assert_eq!(of(&blind), ["quay_sum errno-as-count"]);
}

#[test]
fn a_file_that_takes_no_page_of_a_user_may_refer_to_slab_memory() {
    let text = |allocate: &str| {
        format!(
            "int quay_send(struct sk_buff *skb, size_t length)
{{
	void *head = {allocate}(length, GFP_KERNEL);
	struct page *page;

	if (!head)
		return -ENOMEM;
	page = virt_to_page(head);
	get_page(page);
	skb_fill_page_desc(skb, 0, page, offset_in_page(head), length);
	return 0;
}}
"
        )
    };
    assert_eq!(of(&text("kmalloc")), ["quay_send slab-reference"]);
    assert!(of(&text("alloc_pages_exact")).is_empty());
}
