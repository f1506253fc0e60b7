/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_IB_REGION_H
#define _LINUX_IB_REGION_H

#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

/* A stretch of a caller's memory that an adapter may reach until it is released. */
struct ib_region {
	struct device *dev;
	struct sg_table table;
	int npages;
	int mapped;
	bool writable;
};

struct ib_region *ib_region_get(struct device *dev, unsigned long start, size_t len, bool writable);
void ib_region_release(struct ib_region *region);

#endif
