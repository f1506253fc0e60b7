// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Takes and gives back user pages for its own sake, and gives them back through the new name. Its
 * release is done already; what it calls to take them stays as it is in this age.
 *
 * audit: gup_benchmark_read get_user_pages_fast done
 * audit: gup_benchmark_read put_user_pages_dirty_lock done
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

static struct miscdevice gup_benchmark_misc;

static ssize_t gup_benchmark_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	int nr = DIV_ROUND_UP(offset_in_page(buf) + count, PAGE_SIZE);
	struct device *dev = &gup_benchmark_misc.this_device;
	struct page **pages;
	dma_addr_t addr;
	int got, i;

	pages = kcalloc(nr, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	got = get_user_pages_fast((unsigned long)buf, nr, FOLL_WRITE, pages);
	for (i = 0; i < got; i++) {
		addr = dma_map_page(dev, pages[i], 0, PAGE_SIZE, DMA_FROM_DEVICE);
		if (dma_mapping_error(dev, addr))
			break;
		dma_run(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
		dma_unmap_page(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	}
	if (got > 0)
		put_user_pages_dirty_lock(pages, got);

	kfree(pages);
	return got;
}

static const struct file_operations gup_benchmark_fops = {
	.owner = THIS_MODULE,
	.read = gup_benchmark_read,
};

static struct miscdevice gup_benchmark_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gup_benchmark",
	.fops = &gup_benchmark_fops,
};

static int __init gup_benchmark_init(void)
{
	return misc_register(&gup_benchmark_misc);
}

static void __exit gup_benchmark_exit(void)
{
	misc_deregister(&gup_benchmark_misc);
}

module_init(gup_benchmark_init);
module_exit(gup_benchmark_exit);
MODULE_LICENSE("Dual MIT/GPL");
