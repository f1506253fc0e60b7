// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Registers a stretch of user memory for an adapter. The pages pass from a local list into a
 * scatterlist, batch by batch, and are given back by walking that scatterlist; adapters call both
 * ends from files of their own.
 *
 * audit: ib_region_put_pages put_page convert
 * audit: ib_region_get get_user_pages_fast convert
 */
#include <linux/err.h>
#include <linux/ib_region.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#define IB_REGION_BATCH	4

static void ib_region_put_pages(struct ib_region *region, bool dirty)
{
	struct scatterlist *sg;
	struct page *page;
	int i;

	for_each_sg(region->table.sgl, sg, region->npages, i) {
		page = sg_page(sg);
		if (dirty)
			set_page_dirty_lock(page);
		put_page(page);
	}
	sg_free_table(&region->table);
}

struct ib_region *ib_region_get(struct device *dev, unsigned long start, size_t len, bool writable)
{
	int nr = DIV_ROUND_UP(offset_in_page(start) + len, PAGE_SIZE);
	unsigned long uva = start & PAGE_MASK;
	struct page *list[IB_REGION_BATCH];
	struct ib_region *region;
	struct scatterlist *sg;
	int ret, i;

	region = kzalloc(sizeof(*region), GFP_KERNEL);
	if (!region)
		return ERR_PTR(-ENOMEM);
	region->dev = dev;
	region->writable = writable;
	ret = sg_alloc_table(&region->table, nr, GFP_KERNEL);
	if (ret)
		goto free_region;

	sg = region->table.sgl;
	while (region->npages < nr) {
		ret = get_user_pages_fast(uva, min_t(int, nr - region->npages, IB_REGION_BATCH),
					  writable ? FOLL_WRITE : 0, list);
		if (ret <= 0) {
			ret = ret ? ret : -EFAULT;
			goto put_pages;
		}
		for (i = 0; i < ret; i++, sg = sg_next(sg))
			sg_set_page(sg, list[i], PAGE_SIZE, 0);
		region->npages += ret;
		uva += ret * PAGE_SIZE;
	}

	region->mapped = dma_map_sg(dev, region->table.sgl, region->npages, DMA_BIDIRECTIONAL);
	if (!region->mapped) {
		ret = -EIO;
		goto put_pages;
	}
	return region;

put_pages:
	ib_region_put_pages(region, false);
free_region:
	kfree(region);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(ib_region_get);

void ib_region_release(struct ib_region *region)
{
	dma_unmap_sg(region->dev, region->table.sgl, region->mapped, DMA_BIDIRECTIONAL);
	ib_region_put_pages(region, region->writable);
	kfree(region);
}
EXPORT_SYMBOL_GPL(ib_region_release);

MODULE_LICENSE("Dual MIT/GPL");
