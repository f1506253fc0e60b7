// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Reads a device straight into the caller's buffer. The pages live in a local array and never
 * leave the function that took them; the device writes them, and they are dirtied before they go.
 *
 * audit: onebuf_read get_user_pages_fast convert
 * audit: onebuf_read put_page convert
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>

#define ONEBUF_PAGES	8

static struct miscdevice onebuf_misc;

static int onebuf_fill(struct device *dev, struct page *page)
{
	dma_addr_t addr;
	int ret;

	addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	if (dma_mapping_error(dev, addr))
		return -EIO;
	ret = dma_run(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	dma_unmap_page(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	return ret;
}

static ssize_t onebuf_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	struct page *pages[ONEBUF_PAGES];
	int nr = DIV_ROUND_UP(offset_in_page(buf) + count, PAGE_SIZE);
	int got, i, ret = 0;

	if (!count || nr > ONEBUF_PAGES)
		return -EINVAL;

	got = get_user_pages_fast((unsigned long)buf, nr, FOLL_WRITE, pages);
	if (got <= 0)
		return got ? got : -EFAULT;

	for (i = 0; i < got && !ret; i++)
		ret = onebuf_fill(&onebuf_misc.this_device, pages[i]);

	for (i = 0; i < got; i++) {
		set_page_dirty_lock(pages[i]);
		put_page(pages[i]);
	}

	return ret ? ret : (ssize_t)min_t(size_t, count, got * PAGE_SIZE - offset_in_page(buf));
}

static const struct file_operations onebuf_fops = {
	.owner = THIS_MODULE,
	.read = onebuf_read,
};

static struct miscdevice onebuf_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "onebuf",
	.fops = &onebuf_fops,
};

static int __init onebuf_init(void)
{
	return misc_register(&onebuf_misc);
}

static void __exit onebuf_exit(void)
{
	misc_deregister(&onebuf_misc);
}

module_init(onebuf_init);
module_exit(onebuf_exit);
MODULE_LICENSE("Dual MIT/GPL");
