// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The transport of messages by DMA. Its release() is reached only through struct zc_transport, with
 * pages that another file took.
 *
 * audit: zc_dma_release put_page convert
 */
#include <linux/mm.h>

#include "zc.h"

static struct device zc_dma_device = { .name = "zc_dma" };

static int zc_dma_post(struct zc_message *msg)
{
	enum dma_data_direction dir = msg->inbound ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	dma_addr_t addr;
	int i, ret = 0;

	for (i = 0; i < msg->nr && !ret; i++) {
		addr = dma_map_page(&zc_dma_device, msg->frags[i], 0, PAGE_SIZE, dir);
		if (dma_mapping_error(&zc_dma_device, addr))
			return -EIO;
		ret = dma_run(&zc_dma_device, addr, PAGE_SIZE, dir);
		dma_unmap_page(&zc_dma_device, addr, PAGE_SIZE, dir);
	}
	return ret;
}

static void zc_dma_release(struct zc_message *msg)
{
	int i;

	for (i = 0; i < msg->nr; i++) {
		if (msg->inbound)
			set_page_dirty_lock(msg->frags[i]);
		put_page(msg->frags[i]);
	}
	msg->nr = 0;
}

const struct zc_transport zc_dma_transport = {
	.post = zc_dma_post,
	.release = zc_dma_release,
};
