// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Takes and gives back user pages for its own sake, as pins. Nothing is left to convert.
 *
 * audit: gup_test_read pin_user_pages_fast done
 * audit: gup_test_read unpin_user_pages_dirty_lock done
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

static struct miscdevice gup_test_misc;

static ssize_t gup_test_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	int nr = DIV_ROUND_UP(offset_in_page(buf) + count, PAGE_SIZE);
	struct device *dev = &gup_test_misc.this_device;
	struct page **pages;
	dma_addr_t addr;
	int got, i;

	pages = kcalloc(nr, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	got = pin_user_pages_fast((unsigned long)buf, nr, FOLL_WRITE, pages);
	for (i = 0; i < got; i++) {
		addr = dma_map_page(dev, pages[i], 0, PAGE_SIZE, DMA_FROM_DEVICE);
		if (dma_mapping_error(dev, addr))
			break;
		dma_run(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
		dma_unmap_page(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	}
	if (got > 0)
		unpin_user_pages_dirty_lock(pages, got, true);

	kfree(pages);
	return got;
}

static const struct file_operations gup_test_fops = {
	.owner = THIS_MODULE,
	.read = gup_test_read,
};

static struct miscdevice gup_test_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gup_test",
	.fops = &gup_test_fops,
};

static int __init gup_test_init(void)
{
	return misc_register(&gup_test_misc);
}

static void __exit gup_test_exit(void)
{
	misc_deregister(&gup_test_misc);
}

module_init(gup_test_init);
module_exit(gup_test_exit);
MODULE_LICENSE("Dual MIT/GPL");
