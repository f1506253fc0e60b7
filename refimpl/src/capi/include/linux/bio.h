/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_BIO_H
#define _LINUX_BIO_H

#include <linux/dma-mapping.h>
#include <linux/uio.h>

#define REQ_OP_READ		0
#define REQ_OP_WRITE		1
#define BIO_MAX_VECS		64U

/* Its device works when it is submitted, and is done when the call returns. */
struct bio {
	unsigned int bi_opf;
	unsigned short bi_vcnt;
	unsigned short bi_max_vecs;
	bool bi_pinned;
	void *bi_private;
	struct bio_vec bi_io_vec[BIO_MAX_VECS];
};

struct block_device;

struct bvec_iter_all {
	int at;
};

#define bio_op(bio)		((bio)->bi_opf)
#define bio_data_dir(bio)	((bio)->bi_opf == REQ_OP_WRITE ? WRITE : READ)
#define bio_for_each_segment_all(bvl, bio, iter) \
	for ((iter).at = 0; (bvl) = &(bio)->bi_io_vec[(iter).at], (iter).at < (bio)->bi_vcnt; \
	     (iter).at++)

static inline struct bio *bio_alloc(struct block_device *bdev, unsigned short nr_vecs,
				    unsigned int opf, gfp_t gfp)
{
	struct bio *bio = kzalloc(sizeof(*bio), gfp);

	(void)bdev;
	if (bio) {
		bio->bi_opf = opf;
		bio->bi_max_vecs = min((unsigned int)nr_vecs, BIO_MAX_VECS);
	}
	return bio;
}

static inline void bio_put(struct bio *bio)
{
	kfree(bio);
}

static inline int bio_add_page(struct bio *bio, struct page *page, unsigned int len,
			       unsigned int offset)
{
	if (bio->bi_vcnt == bio->bi_max_vecs)
		return 0;
	bio->bi_io_vec[bio->bi_vcnt++] = (struct bio_vec){ page, len, offset };
	return len;
}

static inline bool bio_add_folio(struct bio *bio, struct folio *folio, size_t len, size_t off)
{
	return bio_add_page(bio, (struct page *)folio, len, off) > 0;
}

/* Pins (until 6.4: references) on the pages of a user iterator, none on those of others. */
static inline int bio_iov_iter_get_pages(struct bio *bio, struct iov_iter *iter)
{
	while (iov_iter_count(iter) && bio->bi_vcnt < bio->bi_max_vecs) {
		struct page *list[1], **pages = list;
		size_t offset;
		ssize_t got;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
		bio->bi_pinned = iov_iter_extract_will_pin(iter);
		got = iov_iter_extract_pages(iter, &pages, PAGE_SIZE, 1, 0, &offset);
#else
		bio->bi_pinned = user_backed_iter(iter);
		got = __iov_iter_pages(iter, &pages, PAGE_SIZE, 1, &offset, get_user_pages_fast);
#endif
		if (got <= 0)
			return bio->bi_vcnt ? 0 : (int)got;
		bio_add_page(bio, list[0], got, offset);
	}
	return 0;
}

static inline void bio_set_pages_dirty(struct bio *bio)
{
	int i;

	for (i = 0; i < bio->bi_vcnt; i++)
		set_page_dirty_lock(bio->bi_io_vec[i].bv_page);
}

static inline void bio_release_pages(struct bio *bio, bool mark_dirty)
{
	int i;

	for (i = 0; bio->bi_pinned && i < bio->bi_vcnt; i++) {
		struct page *page = bio->bi_io_vec[i].bv_page;

		if (mark_dirty)
			set_page_dirty_lock(page);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
		unpin_user_page(page);
#else
		put_page(page);
#endif
	}
}

static inline int submit_bio_wait(struct bio *bio)
{
	enum dma_data_direction dir = bio_data_dir(bio) == WRITE ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	struct device *disk = NULL;
	int i, ret = 0;

	for (i = 0; i < bio->bi_vcnt && !ret; i++) {
		struct bio_vec *bv = &bio->bi_io_vec[i];
		dma_addr_t addr = dma_map_page(disk, bv->bv_page, bv->bv_offset, bv->bv_len, dir);

		if (dma_mapping_error(disk, addr))
			return -EIO;
		ret = dma_run(disk, addr, bv->bv_len, dir);
		dma_unmap_page(disk, addr, bv->bv_len, dir);
	}
	return ret;
}

#endif
