// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the calls of a trace on real pages, and says what is to be seen afterwards.
 *
 * /dev/gup_probe takes one command at a time by write(2); a read(2) then gives one line,
 *
 *	RETURN ACQUIRED RELEASED SLOT:REFCOUNT:PINCOUNT:MAPCOUNT:FLAGS ...
 *
 * with pins counted since the file was opened, and one entry for each slot that holds a page. Pages are named by slot only. The
 * guest's program (ktest/guest/src/targets/conformance.rs) turns the lines of a trace into commands; what a line means
 * stands in refimpl/src/conformance.rs.
 *
 * A test tool: it trusts its user, who is root in a guest that is thrown away. Builds against 6.1 and later.
 */
#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/memfd.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#if __has_include(<linux/folio_batch.h>)
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmstat.h>

#define SLOTS	256
#define AREAS	16
#define FOLIOS	16
/* An area's pages start at this page of the file. */
#define AREA_SHIFT	8
/* More than a call asks for. */
#define SGS	16
/* What a batch holds in every version. */
#define BATCH	15
#define LINE	4096
#define ANSWER	16384

struct area {
	unsigned int order, count;
	struct page *heads[FOLIOS];
	/* The reference of alloc_pages() is still there. */
	bool owned;
};

struct probe {
	struct mutex lock;
	struct page *slots[SLOTS];
	struct area areas[AREAS];
	long acquired, released;
	int zero;
	long returned;
	/* Too much for a kernel's stack. */
	struct page *pages[SLOTS];
	struct folio *folios[SLOTS];
	struct scatterlist sg[SGS];
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
	struct bio_vec bvecs[SGS];
#endif
	char *word[SLOTS];
	char line[LINE];
	char answer[ANSWER];
};

static struct page *zero_page(void)
{
	return ZERO_PAGE(0);
}

/* The counters of all nodes with what single processors have not yet handed in. */
static long stat(enum node_stat_item item)
{
	long sum = 0;
	int nid, cpu;

	for_each_online_node(nid) {
		pg_data_t *pgdat = NODE_DATA(nid);

		sum += atomic_long_read(&pgdat->vm_stat[item]);
		for_each_online_cpu(cpu)
			sum += per_cpu_ptr(pgdat->per_cpu_nodestats, cpu)->vm_node_stat_diff[item];
	}
	return sum;
}

/* Pages on their way to the LRU lists have one reference more; hand this processor's in. */
static void drain(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	struct folio_batch batch;

	folio_batch_init(&batch);
	__folio_batch_release(&batch);
#else
	struct pagevec batch;

	pagevec_init(&batch);
	__pagevec_release(&batch);
#endif
}

static atomic_t *pincount_of(struct folio *folio)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return folio_test_large(folio) ? &folio->_pincount : NULL;
#else
	return folio_test_large(folio) ? folio_pincount_ptr(folio) : NULL;
#endif
}

static int mapcount_of(struct folio *folio)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	return folio_mapcount(folio);
#else
	int sum, i;

	if (!folio_test_large(folio))
		return atomic_read(&folio->_mapcount) + 1;
	sum = folio_entire_mapcount(folio);
	for (i = 0; i < folio_nr_pages(folio); i++)
		sum += atomic_read(&folio_page(folio, i)->_mapcount) + 1;
	return sum;
#endif
}

/* Pages under an iterator of user memory; what the functions count is bytes. */
static long by_iterator(struct probe *probe, const char *call, unsigned long start, int nr, bool write)
{
	struct page **pages = probe->pages, **made = NULL;
	struct iov_iter iter;
	long got = -ENOSYS;
	size_t offset;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	iov_iter_ubuf(&iter, write ? ITER_DEST : ITER_SOURCE, (void __user *)start, nr * PAGE_SIZE);
#else
	iov_iter_ubuf(&iter, write ? READ : WRITE, (void __user *)start, nr * PAGE_SIZE);
#endif
	if (!strcmp(call, "iov_iter_get_pages2")) {
		got = iov_iter_get_pages2(&iter, pages, nr * PAGE_SIZE, nr, &offset);
	} else if (!strcmp(call, "iov_iter_get_pages_alloc2")) {
		got = iov_iter_get_pages_alloc2(&iter, &made, nr * PAGE_SIZE, &offset);
		if (got > 0)
			memcpy(pages, made, got / PAGE_SIZE * sizeof(*pages));
		kvfree(made);
	}
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	else if (!strcmp(call, "iov_iter_extract_pages"))
		got = iov_iter_extract_pages(&iter, &pages, nr * PAGE_SIZE, nr, 0, &offset);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	else if (!strcmp(call, "extract_iter_to_sg")) {
		struct sg_table table = { .sgl = probe->sg };
		unsigned int i;

		sg_init_table(probe->sg, SGS);
		got = extract_iter_to_sg(&iter, nr * PAGE_SIZE, &table, SGS, 0);
		for (i = 0; got > 0 && i < table.nents; i++)
			pages[i] = sg_page(&probe->sg[i]);
	}
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
	else if (!strcmp(call, "iov_iter_extract_bvecs")) {
		unsigned short vecs = 0;
		unsigned int i, at, n = 0;

		got = iov_iter_extract_bvecs(&iter, probe->bvecs, nr * PAGE_SIZE, &vecs, SGS, 0, 0);
		for (i = 0; got > 0 && i < vecs; i++)
			for (at = 0; at < probe->bvecs[i].bv_len; at += PAGE_SIZE)
				pages[n++] = probe->bvecs[i].bv_page + at / PAGE_SIZE;
	}
#endif
	return got > 0 ? got / (long)PAGE_SIZE : got;
}

static long acquire(const char *call, unsigned long start, int nr, unsigned int flags,
		    struct page **pages)
{
	struct mm_struct *mm = current->mm;
	long got;

	if (!strcmp(call, "get_user_pages_unlocked"))
		return get_user_pages_unlocked(start, nr, pages, flags);
	if (!strcmp(call, "pin_user_pages_unlocked"))
		return pin_user_pages_unlocked(start, nr, pages, flags);
	if (!strcmp(call, "get_user_pages_fast"))
		return get_user_pages_fast(start, nr, flags, pages);
	if (!strcmp(call, "get_user_pages_fast_only"))
		return get_user_pages_fast_only(start, nr, flags, pages);
	if (!strcmp(call, "pin_user_pages_fast"))
		return pin_user_pages_fast(start, nr, flags, pages);
	if (!strcmp(call, "get_user_page_fast_only"))
		return get_user_page_fast_only(start, flags, pages);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	if (!strcmp(call, "pin_user_pages_fast_only"))
		return pin_user_pages_fast_only(start, nr, flags, pages);
#endif

	mmap_read_lock(mm);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	if (!strcmp(call, "get_user_pages"))
		got = get_user_pages(start, nr, flags, pages);
	else if (!strcmp(call, "pin_user_pages"))
		got = pin_user_pages(start, nr, flags, pages);
	else if (!strcmp(call, "get_user_pages_remote"))
		got = get_user_pages_remote(mm, start, nr, flags, pages, NULL);
	else if (!strcmp(call, "pin_user_pages_remote"))
		got = pin_user_pages_remote(mm, start, nr, flags, pages, NULL);
	else if (!strcmp(call, "get_user_page_vma_remote")) {
		struct vm_area_struct *vma;

		pages[0] = get_user_page_vma_remote(mm, start, flags, &vma);
		got = IS_ERR(pages[0]) ? PTR_ERR(pages[0]) : 1;
	}
#else
	if (!strcmp(call, "get_user_pages"))
		got = get_user_pages(start, nr, flags, pages, NULL);
	else if (!strcmp(call, "pin_user_pages"))
		got = pin_user_pages(start, nr, flags, pages, NULL);
	else if (!strcmp(call, "get_user_pages_remote"))
		got = get_user_pages_remote(mm, start, nr, flags, pages, NULL, NULL);
	else if (!strcmp(call, "pin_user_pages_remote"))
		got = pin_user_pages_remote(mm, start, nr, flags, pages, NULL, NULL);
#endif
	else
		got = -ENOSYS;
	mmap_read_unlock(mm);
	return got;
}

/* Notes what an acquire brought; a slot that is taken or not there is a mistake of the trace. */
static long note(struct probe *probe, unsigned int slot, struct page **pages, long got)
{
	long i;

	for (i = 0; i < got; i++) {
		if (slot + i >= SLOTS || probe->slots[slot + i])
			return -EXFULL;
		probe->slots[slot + i] = pages[i];
	}
	return got;
}

static long pin_memfd(struct probe *probe, int fd, loff_t start, loff_t end, unsigned int slot)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	struct folio **folios = probe->folios;
	pgoff_t offset;
	struct file *file = fget(fd);
	long got, i;

	if (!file)
		return -EBADF;
	got = memfd_pin_folios(file, start, end, folios, 64, &offset);
	fput(file);
	for (i = 0; i < got; i++)
		probe->pages[i] = folio_page(folios[i], 0);
	return note(probe, slot, probe->pages, got);
#else
	return -ENOSYS;
#endif
}

static struct page *page_at(struct probe *probe, unsigned int slot)
{
	return slot < SLOTS ? probe->slots[slot] : NULL;
}

static long one_page(const char *call, struct page *page, int number)
{
	struct folio *folio = page_folio(page);
	long result = 0;

	if (!strcmp(call, "put_page"))
		put_page(page);
	else if (!strcmp(call, "unpin_user_page"))
		unpin_user_page(page);
	else if (!strcmp(call, "folio_put"))
		folio_put(folio);
	else if (!strcmp(call, "folio_put_refs"))
		folio_put_refs(folio, number);
	else if (!strcmp(call, "get_page"))
		while (number-- > 0)
			get_page(page);
	else if (!strcmp(call, "put_pages"))
		while (number-- > 0)
			put_page(page);
	else if (!strcmp(call, "set_page_dirty"))
		result = set_page_dirty(page);
	else if (!strcmp(call, "folio_mark_dirty"))
		result = folio_mark_dirty(folio);
	else if (!strcmp(call, "set_page_dirty_lock"))
		result = set_page_dirty_lock(page);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	else if (!strcmp(call, "unpin_folio"))
		unpin_folio(folio);
	else if (!strcmp(call, "unpin_user_folio"))
		unpin_user_folio(folio, number);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	else if (!strcmp(call, "folio_add_pins"))
		result = folio_add_pins(folio, number);
#endif
	else if (!strcmp(call, "clean")) {
		folio_lock(folio);
		result = folio_clear_dirty_for_io(folio);
		folio_unlock(folio);
	} else
		result = -ENOSYS;
	return result;
}

/* As many references as belong there and no pin; the last one goes the usual way, so that nothing is left of a free folio. */
static void repair(struct probe *probe, struct page *page, int base)
{
	struct folio *folio = page_folio(page);
	atomic_t *pins = pincount_of(folio);

	if (&folio->page == zero_page())
		base += probe->zero;
	if (pins)
		atomic_set(pins, 0);
	set_page_count(&folio->page, base + 1);
	put_page(&folio->page);
}

static long batch(const char *call, struct page **pages, unsigned long nr)
{
	struct folio_batch batch;
	unsigned long i;

	folio_batch_init(&batch);
	for (i = 0; i < nr && i < BATCH; i++)
		folio_batch_add(&batch, page_folio(pages[i]));
	if (strcmp(call, "folios_put")) {
		folio_batch_release(&batch);
		return 0;
	}
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	folios_put(&batch);
#else
	folios_put(batch.folios, folio_batch_count(&batch));
#endif
	return 0;
}

/* What a caller does that passes on what an acquire returned. */
static long error_as_count(struct probe *probe, const char *call, long error)
{
	if (!strcmp(call, "unpin_user_pages"))
		unpin_user_pages(probe->pages, -error);
	else if (!strcmp(call, "unpin_user_pages_dirty_lock"))
		unpin_user_pages_dirty_lock(probe->pages, -error, false);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	else if (!strcmp(call, "unpin_folios"))
		unpin_folios(probe->folios, -error);
#endif
	else
		return -ENOSYS;
	return 0;
}

static long many(struct probe *probe, const char *call, unsigned long nr, bool dirty)
{
	struct page **pages = probe->pages;

	if (!strcmp(call, "folios_put") || !strcmp(call, "folio_batch_release"))
		return batch(call, pages, nr);
	if (!strcmp(call, "release_pages"))
		release_pages(pages, nr);
	else if (!strcmp(call, "unpin_user_pages"))
		unpin_user_pages(pages, nr);
	else if (!strcmp(call, "unpin_user_pages_dirty_lock"))
		unpin_user_pages_dirty_lock(pages, nr, dirty);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	else if (!strcmp(call, "unpin_folios")) {
		unsigned long i;

		for (i = 0; i < nr; i++)
			probe->folios[i] = pages[i] ? page_folio(pages[i]) : NULL;
		unpin_folios(probe->folios, nr);
	}
#endif
	else
		return -ENOSYS;
	return 0;
}

/* The trace has stopped at a difference: whatever its counts are, no folio of it shall be freed twice or used again. */
static long abandon(struct probe *probe)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++) {
		struct folio *folio;

		if (!probe->slots[i])
			continue;
		folio = page_folio(probe->slots[i]);
		if (pincount_of(folio))
			atomic_set(pincount_of(folio), 0);
		set_page_count(&folio->page, &folio->page == zero_page() ? probe->zero : 1 << 24);
	}
	return 0;
}

static long alloc(struct probe *probe, unsigned int at, unsigned int order, unsigned int count)
{
	struct area *area;

	if (at >= AREAS || count > FOLIOS || order > 8 || probe->areas[at].count)
		return -EINVAL;
	area = &probe->areas[at];
	area->order = order;
	for (; area->count < count; area->count++) {
		gfp_t gfp = GFP_KERNEL | __GFP_ZERO | (order ? __GFP_COMP : 0);

		area->heads[area->count] = alloc_pages(gfp, order);
		if (!area->heads[area->count])
			return -ENOMEM;
	}
	area->owned = true;
	return 0;
}

static void close_area(struct area *area)
{
	unsigned int i;

	for (i = 0; area->owned && i < area->count; i++)
		put_page(area->heads[i]);
	area->owned = false;
}

static unsigned int words(char *line, char **found, unsigned int most)
{
	unsigned int count = 0;
	char *word;

	while (count < most && (word = strsep(&line, " \n")))
		if (*word)
			found[count++] = word;
	return count;
}

static long command(struct probe *probe)
{
	char **word = probe->word;
	struct page **pages = probe->pages;
	unsigned int count = words(probe->line, word, SLOTS);
	unsigned long long number[5] = {};
	unsigned int i, first, nr = 0;
	const char *call;
	bool dirty;

	if (!count)
		return -EINVAL;
	call = word[0];
	for (i = 0; i < ARRAY_SIZE(number) && i + 1 < count; i++)
		if (strcmp(word[i + 1], "-") && kstrtoull(word[i + 1], 0, &number[i]) &&
		    strcmp(call, "error_as_count"))
			return -EINVAL;

	if (!strcmp(call, "abandon"))
		return abandon(probe);
	if (!strcmp(call, "error_as_count"))
		return count < 3 ? -EINVAL : error_as_count(probe, word[1], number[1]);
	if (!strcmp(call, "alloc"))
		return alloc(probe, number[0], number[1], number[2]);
	if (!strcmp(call, "close")) {
		if (number[0] >= AREAS)
			return -EINVAL;
		close_area(&probe->areas[number[0]]);
		return 0;
	}
	if (!strcmp(call, "memfd_pin_folios"))
		return pin_memfd(probe, number[0], number[1], number[2], number[3]);
	if (!strcmp(call, "peek")) {
		long got = get_user_pages_unlocked(number[0], 1, pages, 0);

		if (got == 1)
			put_page(pages[0]);
		return got == 1 ? note(probe, number[1], pages, 1) - 1 : got;
	}
	if (strstr(call, "get_user_page") || strstr(call, "pin_user_pages") == call || strstr(call, "iter_")) {
		long got;

		if (number[1] > SLOTS)
			return -EINVAL;
		if (strstr(call, "iter_"))
			got = by_iterator(probe, call, number[0], number[1], number[2] & 1);
		else
			got = acquire(call, number[0], number[1],
			      (number[2] & 1 ? FOLL_WRITE : 0) | (number[2] & 2 ? FOLL_LONGTERM : 0), pages);
		return note(probe, number[3], pages, got);
	}

	dirty = !strcmp(call, "unpin_user_pages_dirty_lock");
	if (dirty || !strcmp(call, "unpin_user_pages") || !strcmp(call, "release_pages") ||
	    !strcmp(call, "folios_put") || !strcmp(call, "folio_batch_release") ||
	    !strcmp(call, "unpin_folios")) {
		first = dirty ? 2 : 1;
		for (i = first; i < count; i++, nr++) {
			unsigned int slot;

			pages[nr] = NULL;
			if (!strcmp(word[i], "-"))
				continue;
			if (kstrtouint(word[i], 0, &slot) || !page_at(probe, slot))
				return -EINVAL;
			pages[nr] = page_at(probe, slot);
		}
		return many(probe, call, nr, dirty && number[0]);
	}
	if (!strcmp(call, "unpin_user_page_range_dirty_lock")) {
		struct page *page = page_at(probe, number[1]);

		if (!page)
			return -EINVAL;
		unpin_user_page_range_dirty_lock(page, number[2], number[0]);
		return 0;
	}
	if (!page_at(probe, number[0]))
		return -EINVAL;
	if (!strcmp(call, "repair")) {
		int base;

		if (count < 3 || kstrtoint(word[2], 0, &base))
			return -EINVAL;
		repair(probe, page_at(probe, number[0]), base);
		return 0;
	}
	return one_page(call, page_at(probe, number[0]), number[1]);
}

static ssize_t probe_write(struct file *file, const char __user *from, size_t bytes, loff_t *at)
{
	struct probe *probe = file->private_data;

	if (bytes >= LINE)
		return -EINVAL;
	mutex_lock(&probe->lock);
	if (copy_from_user(probe->line, from, bytes)) {
		mutex_unlock(&probe->lock);
		return -EFAULT;
	}
	probe->line[bytes] = 0;
	/* "look" only looks. */
	probe->returned = strncmp(probe->line, "look", 4) ? command(probe) : 0;
	mutex_unlock(&probe->lock);
	return bytes;
}

static ssize_t probe_read(struct file *file, char __user *to, size_t bytes, loff_t *at)
{
	struct probe *probe = file->private_data;
	size_t used;
	unsigned int i;

	mutex_lock(&probe->lock);
	drain();
	used = scnprintf(probe->answer, ANSWER, "%ld %ld %ld", probe->returned,
			 stat(NR_FOLL_PIN_ACQUIRED) - probe->acquired,
			 stat(NR_FOLL_PIN_RELEASED) - probe->released);
	for (i = 0; i < SLOTS; i++) {
		struct folio *folio;
		atomic_t *pins;
		int refs;

		if (!probe->slots[i])
			continue;
		folio = page_folio(probe->slots[i]);
		pins = pincount_of(folio);
		refs = folio_ref_count(folio);
		if (&folio->page == zero_page())
			refs -= probe->zero;
		used += scnprintf(probe->answer + used, ANSWER - used, " %u:%d:%d:%d:%s%s%s%s", i, refs,
				  pins ? atomic_read(pins) : 0, mapcount_of(folio),
				  folio_test_dirty(folio) ? "d" : "",
				  folio_test_locked(folio) ? "l" : "",
				  folio_maybe_dma_pinned(folio) ? "p" : "",
				  folio_test_dirty(folio) || folio_test_locked(folio) ||
				  folio_maybe_dma_pinned(folio) ? "" : "-");
	}
	used = min(used, bytes);
	if (copy_to_user(to, probe->answer, used))
		used = -EFAULT;
	mutex_unlock(&probe->lock);
	return used;
}

static int probe_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct probe *probe = file->private_data;
	unsigned long at = vma->vm_pgoff >> AREA_SHIFT, address = vma->vm_start;
	struct area *area;
	unsigned int i, j;
	int error;

	if (at >= AREAS)
		return -EINVAL;
	area = &probe->areas[at];
	for (i = 0; i < area->count; i++)
		for (j = 0; j < 1U << area->order && address < vma->vm_end; j++, address += PAGE_SIZE) {
			error = vm_insert_page(vma, address, area->heads[i] + j);
			if (error)
				return error;
		}
	return 0;
}

static int probe_open(struct inode *inode, struct file *file)
{
	struct probe *probe = kvzalloc(sizeof(*probe), GFP_KERNEL);

	if (!probe)
		return -ENOMEM;
	mutex_init(&probe->lock);
	drain();
	probe->acquired = stat(NR_FOLL_PIN_ACQUIRED);
	probe->released = stat(NR_FOLL_PIN_RELEASED);
	probe->zero = page_ref_count(zero_page());
	/* Whoever marked it dirty before has left the flag there. */
	ClearPageDirty(zero_page());
	file->private_data = probe;
	return 0;
}

/* What a trace that stopped half way still holds stays held: its counts are not to be trusted. */
static int probe_release(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);
	return 0;
}

static const struct file_operations probe_fops = {
	.owner = THIS_MODULE,
	.open = probe_open,
	.read = probe_read,
	.write = probe_write,
	.mmap = probe_mmap,
	.release = probe_release,
};

static struct miscdevice probe_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gup_probe",
	.fops = &probe_fops,
};

module_misc_device(probe_device);
MODULE_DESCRIPTION("Makes the calls of a trace on real pages");
MODULE_LICENSE("GPL");
