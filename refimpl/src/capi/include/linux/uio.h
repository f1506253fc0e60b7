/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_UIO_H
#define _LINUX_UIO_H

#include <linux/mm.h>
#include <linux/scatterlist.h>

/* The data go to the iterator's memory, or come from it. */
#define ITER_DEST		0
#define ITER_SOURCE		1
#define READ			ITER_DEST
#define WRITE			ITER_SOURCE

struct bio_vec {
	struct page *bv_page;
	unsigned int bv_len;
	unsigned int bv_offset;
};

/* One stretch of user memory, or an array of bio_vecs. */
struct iov_iter {
	bool user;
	bool data_source;
	size_t count;
	unsigned long at;
	const struct bio_vec *bvec;
	size_t iov_offset;
};

static inline void iov_iter_ubuf(struct iov_iter *i, unsigned int direction, void __user *buf,
				 size_t count)
{
	*i = (struct iov_iter){ .user = true, .data_source = direction, .count = count,
				.at = (unsigned long)buf };
}

static inline int import_ubuf(int direction, void __user *buf, size_t len, struct iov_iter *i)
{
	iov_iter_ubuf(i, direction, buf, len);
	return 0;
}

static inline void iov_iter_bvec(struct iov_iter *i, unsigned int direction,
				 const struct bio_vec *bvec, unsigned long nr_segs, size_t count)
{
	(void)nr_segs;
	*i = (struct iov_iter){ .data_source = direction, .count = count, .bvec = bvec };
}

static inline bool user_backed_iter(const struct iov_iter *i)
{
	return i->user;
}

static inline bool iov_iter_extract_will_pin(const struct iov_iter *i)
{
	return i->user;
}

static inline size_t iov_iter_count(const struct iov_iter *i)
{
	return i->count;
}

static inline unsigned int iov_iter_rw(const struct iov_iter *i)
{
	return i->data_source;
}

static inline void iov_iter_advance(struct iov_iter *i, size_t size)
{
	size = min(size, i->count);
	i->count -= size;
	i->at += i->user ? size : 0;
	for (i->iov_offset += i->user ? 0 : size; i->iov_offset && i->iov_offset >= i->bvec->bv_len;
	     i->bvec++)
		i->iov_offset -= i->bvec->bv_len;
}

/* The pages of a stretch of user memory by `take`; those of bio_vecs as they are, without a reference. */
static inline ssize_t __iov_iter_pages(struct iov_iter *i, struct page ***pages, size_t maxsize,
				       unsigned int maxpages, size_t *offset,
				       int (*take)(unsigned long, int, unsigned int, struct page **))
{
	size_t from = i->user ? offset_in_page(i->at) : i->bvec->bv_offset + i->iov_offset;
	size_t size = min(maxsize, i->count);
	unsigned int nr;
	int got;

	if (!size)
		return 0;
	if (!i->user)
		size = min(size, i->bvec->bv_len - i->iov_offset);
	nr = min(DIV_ROUND_UP(offset_in_page(from) + size, PAGE_SIZE), (size_t)maxpages);
	if (!*pages)
		*pages = kcalloc(nr, sizeof(**pages), GFP_KERNEL);
	if (!*pages)
		return -ENOMEM;
	if (i->user)
		got = take(i->at & PAGE_MASK, nr, i->data_source ? 0 : FOLL_WRITE, *pages);
	else
		for (got = 0; got < (int)nr; got++)
			(*pages)[got] = i->bvec->bv_page + (from >> PAGE_SHIFT) + got;
	if (got <= 0)
		return got ? got : -EFAULT;
	*offset = offset_in_page(from);
	size = min(size, got * PAGE_SIZE - *offset);
	iov_iter_advance(i, size);
	return size;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
static inline ssize_t iov_iter_extract_pages(struct iov_iter *i, struct page ***pages,
					     size_t maxsize, unsigned int maxpages,
					     unsigned int extraction_flags, size_t *offset0)
{
	(void)extraction_flags;
	return __iov_iter_pages(i, pages, maxsize, maxpages, offset0, pin_user_pages_fast);
}
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
/* Behind the entries that the table has; when not all of it can be had, what came is given back. */
static inline ssize_t extract_iter_to_sg(struct iov_iter *iter, size_t maxsize,
					 struct sg_table *sgtable, unsigned int sg_max,
					 unsigned int extraction_flags)
{
	unsigned int before = sgtable->nents;
	ssize_t done = 0;

	while (maxsize && sg_max-- && iov_iter_count(iter)) {
		struct page *list[1], **pages = list;
		size_t offset;
		ssize_t got = iov_iter_extract_pages(iter, &pages, min(maxsize, PAGE_SIZE), 1,
						     extraction_flags, &offset);

		if (got <= 0) {
			while (iter->user && sgtable->nents > before)
				unpin_user_page(sg_page(&sgtable->sgl[--sgtable->nents]));
			return got;
		}
		sg_set_page(&sgtable->sgl[sgtable->nents++], list[0], got, offset);
		maxsize -= got;
		done += got;
	}
	return done;
}
#endif

static inline int __get_or_reference(unsigned long start, int nr, unsigned int flags,
				     struct page **pages)
{
	return get_user_pages_fast(start, nr, flags, pages);
}

/* Of bio_vecs each page gets a reference. */
static inline ssize_t __iov_iter_get_pages(struct iov_iter *i, struct page **pages, size_t maxsize,
					   unsigned int maxpages, size_t *start)
{
	ssize_t done = __iov_iter_pages(i, &pages, maxsize, maxpages, start, __get_or_reference);
	ssize_t page;

	for (page = 0; !i->user && page * (ssize_t)PAGE_SIZE < done + (ssize_t)*start; page++)
		get_page(pages[page]);
	return done;
}

static inline ssize_t __iov_iter_get_pages_alloc(struct iov_iter *i, struct page ***pages,
						 size_t maxsize, size_t *start)
{
	ssize_t done;

	*pages = kcalloc(DIV_ROUND_UP(min(maxsize, i->count), PAGE_SIZE) + 1, sizeof(**pages),
			 GFP_KERNEL);
	if (!*pages)
		return -ENOMEM;
	done = __iov_iter_get_pages(i, *pages, maxsize, ~0U, start);
	if (done <= 0) {
		kfree(*pages);
		*pages = NULL;
	}
	return done;
}

/* Until 5.19 the names have no 2 and the iterator stays where it is. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0)
static inline ssize_t iov_iter_get_pages2(struct iov_iter *i, struct page **pages, size_t maxsize,
					  unsigned int maxpages, size_t *start)
{
	return __iov_iter_get_pages(i, pages, maxsize, maxpages, start);
}

static inline ssize_t iov_iter_get_pages_alloc2(struct iov_iter *i, struct page ***pages,
						size_t maxsize, size_t *start)
{
	return __iov_iter_get_pages_alloc(i, pages, maxsize, start);
}
#else
static inline ssize_t iov_iter_get_pages(struct iov_iter *i, struct page **pages, size_t maxsize,
					 unsigned int maxpages, size_t *start)
{
	struct iov_iter stays = *i;

	return __iov_iter_get_pages(&stays, pages, maxsize, maxpages, start);
}

static inline ssize_t iov_iter_get_pages_alloc(struct iov_iter *i, struct page ***pages,
					       size_t maxsize, size_t *start)
{
	struct iov_iter stays = *i;

	return __iov_iter_get_pages_alloc(&stays, pages, maxsize, start);
}
#endif

#endif
