/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_SCATTERLIST_H
#define _LINUX_SCATTERLIST_H

#include <linux/errno.h>
#include <linux/mm.h>

/* Entries lie in one array: there are no chains. */
struct scatterlist {
	unsigned long page_link;
	unsigned int offset;
	unsigned int length;
	dma_addr_t dma_address;
};

struct sg_table {
	struct scatterlist *sgl;
	unsigned int nents;
	unsigned int orig_nents;
};

static inline void sg_set_page(struct scatterlist *sg, struct page *page, unsigned int len,
			       unsigned int offset)
{
	sg->page_link = (unsigned long)page;
	sg->offset = offset;
	sg->length = len;
}

static inline struct page *sg_page(struct scatterlist *sg)
{
	return (struct page *)sg->page_link;
}

static inline struct scatterlist *sg_next(struct scatterlist *sg)
{
	return sg + 1;
}

#define sg_dma_address(sg)	((sg)->dma_address)
#define sg_dma_len(sg)		((sg)->length)

#define for_each_sg(sglist, sg, nr, __i) \
	for (__i = 0, sg = (sglist); __i < (int)(nr); __i++, sg = sg_next(sg))
#define for_each_sgtable_sg(sgt, sg, i) \
	for_each_sg((sgt)->sgl, sg, (sgt)->orig_nents, i)
#define for_each_sgtable_dma_sg(sgt, sg, i) \
	for_each_sg((sgt)->sgl, sg, (sgt)->nents, i)

static inline void sg_init_table(struct scatterlist *sgl, unsigned int nents)
{
	memset(sgl, 0, nents * sizeof(*sgl));
}

static inline int sg_alloc_table(struct sg_table *table, unsigned int nents, gfp_t gfp)
{
	table->sgl = kcalloc(nents, sizeof(*table->sgl), gfp);
	if (!table->sgl)
		return -ENOMEM;
	table->nents = nents;
	table->orig_nents = nents;
	return 0;
}

static inline void sg_free_table(struct sg_table *table)
{
	kfree(table->sgl);
	table->sgl = NULL;
}

/* Neighbours become one entry: a loop over entries is no loop over pages. */
static inline int sg_alloc_table_from_pages(struct sg_table *table, struct page **pages,
					    unsigned int n_pages, unsigned int offset,
					    unsigned long size, gfp_t gfp)
{
	unsigned int i, nents = 0;

	if (sg_alloc_table(table, n_pages, gfp))
		return -ENOMEM;
	for (i = 0; i < n_pages; i++) {
		unsigned int from = i ? 0 : offset;
		unsigned long len = min(PAGE_SIZE - from, size);
		struct scatterlist *last = nents ? &table->sgl[nents - 1] : NULL;

		if (last && pages[i] == pages[i - 1] + 1)
			last->length += len;
		else
			sg_set_page(&table->sgl[nents++], pages[i], len, from);
		size -= len;
	}
	table->nents = nents;
	table->orig_nents = nents;
	return 0;
}

/* Page by page through the entries. */
struct sg_page_iter {
	struct scatterlist *sg;
	unsigned int nents;
	unsigned long at;
};

static inline bool __sg_page_iter_next(struct sg_page_iter *piter)
{
	piter->at++;
	while (piter->nents) {
		if (piter->at < (piter->sg->offset + piter->sg->length + PAGE_SIZE - 1) >> PAGE_SHIFT)
			return true;
		piter->at = 0;
		piter->sg++;
		piter->nents--;
	}
	return false;
}

static inline struct page *sg_page_iter_page(struct sg_page_iter *piter)
{
	return sg_page(piter->sg) + piter->at;
}

#define for_each_sg_page(sglist, piter, nr, pgoffset) \
	for (*(piter) = (struct sg_page_iter){ (sglist), (nr), (unsigned long)(pgoffset) - 1 }; \
	     __sg_page_iter_next(piter);)
#define for_each_sgtable_page(sgt, piter, pgoffset) \
	for_each_sg_page((sgt)->sgl, piter, (sgt)->orig_nents, pgoffset)

#endif
