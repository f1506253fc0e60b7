/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_DMA_MAPPING_H
#define _LINUX_DMA_MAPPING_H

#include <linux/device.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

enum dma_data_direction {
	DMA_BIDIRECTIONAL = 0,
	DMA_TO_DEVICE = 1,
	DMA_FROM_DEVICE = 2,
	DMA_NONE = 3,
};

dma_addr_t dma_map_page(struct device *dev, struct page *page, size_t offset, size_t size,
			enum dma_data_direction dir);
void dma_unmap_page(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir);
int dma_mapping_error(struct device *dev, dma_addr_t addr);

/* Lets the device move one mapped stretch; it has finished when this returns. */
int dma_run(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir);

static inline dma_addr_t dma_map_single(struct device *dev, void *ptr, size_t size,
					enum dma_data_direction dir)
{
	return dma_map_page(dev, virt_to_page(ptr), offset_in_page(ptr), size, dir);
}

static inline void dma_unmap_single(struct device *dev, dma_addr_t addr, size_t size,
				    enum dma_data_direction dir)
{
	dma_unmap_page(dev, addr, size, dir);
}

static inline void dma_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
				enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		dma_unmap_page(dev, sg->dma_address, sg->length, dir);
}

static inline int dma_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
			     enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		sg->dma_address = dma_map_page(dev, sg_page(sg), sg->offset, sg->length, dir);
		if (dma_mapping_error(dev, sg->dma_address)) {
			dma_unmap_sg(dev, sgl, i, dir);
			return 0;
		}
	}
	return nents;
}

static inline int dma_map_sgtable(struct device *dev, struct sg_table *sgt,
				  enum dma_data_direction dir, unsigned long attrs)
{
	(void)attrs;
	return dma_map_sg(dev, sgt->sgl, sgt->orig_nents, dir) ? 0 : -EIO;
}

static inline void dma_unmap_sgtable(struct device *dev, struct sg_table *sgt,
				     enum dma_data_direction dir, unsigned long attrs)
{
	(void)attrs;
	dma_unmap_sg(dev, sgt->sgl, sgt->orig_nents, dir);
}

#endif
