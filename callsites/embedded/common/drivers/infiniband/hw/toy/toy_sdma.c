// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Builds packets out of fragments; a fragment says by a field called put_page whether its page must
 * be given back. The field, the parameter and the initialiser of that name are numbers: whoever
 * converts by name alone writes a function into a u16.
 *
 * audit: toy_sdma_free put_page convert
 * audit: toy_sdma_pin get_user_pages_fast convert
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#define TOY_SDMA_FRAGS	8

struct toy_sdma_frag {
	struct page *page;
	dma_addr_t addr;
	u16 put_page;
	u16 length;
};

struct toy_sdma_packet {
	struct toy_sdma_frag frag[TOY_SDMA_FRAGS];
	int nr;
};

static struct miscdevice toy_sdma_misc;

static void toy_sdma_init_frag(struct toy_sdma_packet *pkt, u16 i, u16 put_page, u16 length,
			       struct page *page, dma_addr_t addr)
{
	pkt->frag[i].put_page = put_page;
	pkt->frag[i].length = length;
	pkt->frag[i].page = page;
	pkt->frag[i].addr = addr;
}

static void toy_sdma_free(struct toy_sdma_packet *pkt)
{
	struct device *dev = &toy_sdma_misc.this_device;
	int i;

	for (i = 0; i < pkt->nr; i++) {
		if (!dma_mapping_error(dev, pkt->frag[i].addr))
			dma_unmap_page(dev, pkt->frag[i].addr, pkt->frag[i].length, DMA_TO_DEVICE);
		if (pkt->frag[i].put_page)
			put_page(pkt->frag[i].page);
	}
	kfree(pkt);
}

static int toy_sdma_pin(struct toy_sdma_packet *pkt, unsigned long start, int nr)
{
	struct device *dev = &toy_sdma_misc.this_device;
	struct page *pages[TOY_SDMA_FRAGS];
	dma_addr_t addr;
	int got, i, ret = 0;

	got = get_user_pages_fast(start, min_t(int, nr, TOY_SDMA_FRAGS), 0, pages);
	if (got <= 0)
		return -EFAULT;

	for (i = 0; i < got; i++) {
		addr = dma_map_page(dev, pages[i], 0, PAGE_SIZE, DMA_TO_DEVICE);
		if (dma_mapping_error(dev, addr))
			ret = -EIO;
		toy_sdma_init_frag(pkt, i, 1, PAGE_SIZE, pages[i], addr);
		pkt->nr++;
	}
	return ret;
}

static ssize_t toy_sdma_write(struct file *file, const char __user *buf, size_t count,
			      loff_t *ppos)
{
	struct toy_sdma_packet *pkt = kzalloc(sizeof(*pkt), GFP_KERNEL);
	int i, ret;

	if (!pkt)
		return -ENOMEM;
	ret = toy_sdma_pin(pkt, (unsigned long)buf,
			   DIV_ROUND_UP(offset_in_page(buf) + count, PAGE_SIZE));
	for (i = 0; i < pkt->nr && !ret; i++)
		ret = dma_run(&toy_sdma_misc.this_device, pkt->frag[i].addr, pkt->frag[i].length,
			      DMA_TO_DEVICE);
	toy_sdma_free(pkt);
	return ret ? ret : (ssize_t)count;
}

static const struct file_operations toy_sdma_fops = {
	.owner = THIS_MODULE,
	.write = toy_sdma_write,
};

static struct miscdevice toy_sdma_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "toy_sdma",
	.fops = &toy_sdma_fops,
};

static int __init toy_sdma_init(void)
{
	return misc_register(&toy_sdma_misc);
}

static void __exit toy_sdma_exit(void)
{
	misc_deregister(&toy_sdma_misc);
}

module_init(toy_sdma_init);
module_exit(toy_sdma_exit);
MODULE_LICENSE("Dual MIT/GPL");
