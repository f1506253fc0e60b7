// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Wants all of its pages or none: an error path gives back as many as came, and counts from the
 * first to that number, not to the one that was asked for.
 *
 * audit: partial_write get_user_pages_fast convert
 * audit: partial_write put_page convert
 * audit: partial_write put_page convert
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

static struct miscdevice partial_misc;

static int partial_send(struct page *page)
{
	struct device *dev = &partial_misc.this_device;
	dma_addr_t addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	int ret;

	if (dma_mapping_error(dev, addr))
		return -EIO;
	ret = dma_run(dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	dma_unmap_page(dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	return ret;
}

static ssize_t partial_write(struct file *file, const char __user *buf, size_t count, loff_t *ppos)
{
	int nr = DIV_ROUND_UP(offset_in_page(buf) + count, PAGE_SIZE);
	struct page **pages;
	ssize_t ret = count;
	int got, i;

	pages = kcalloc(nr, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	got = get_user_pages_fast((unsigned long)buf, nr, 0, pages);
	if (got < 0) {
		ret = got;
		goto out_free;
	}
	if (got < nr) {
		for (i = 0; i < got; i++)
			put_page(pages[i]);
		ret = -EFAULT;
		goto out_free;
	}

	for (i = 0; i < nr; i++) {
		if (partial_send(pages[i])) {
			ret = -EIO;
			break;
		}
	}

	for (i = 0; i < nr; i++)
		put_page(pages[i]);
out_free:
	kfree(pages);
	return ret;
}

static const struct file_operations partial_fops = {
	.owner = THIS_MODULE,
	.write = partial_write,
};

static struct miscdevice partial_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "partial",
	.fops = &partial_fops,
};

static int __init partial_init(void)
{
	return misc_register(&partial_misc);
}

static void __exit partial_exit(void)
{
	misc_deregister(&partial_misc);
}

module_init(partial_init);
module_exit(partial_exit);
MODULE_LICENSE("Dual MIT/GPL");
