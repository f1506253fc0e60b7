// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Hands its pages down through two helpers as a parameter; the last one gives them back. Every
 * caller of that helper passes pages of the same origin.
 *
 * audit: helper_arg_put_all put_page convert
 * audit: helper_arg_move get_user_pages_fast convert
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

static struct miscdevice helper_arg_misc;

static void helper_arg_put_all(struct page **pages, int nr, bool write)
{
	int i;

	for (i = 0; i < nr; i++) {
		if (write)
			set_page_dirty_lock(pages[i]);
		put_page(pages[i]);
	}
}

static int helper_arg_run(struct page **list, int nr, bool write)
{
	enum dma_data_direction dir = write ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	struct device *dev = &helper_arg_misc.this_device;
	dma_addr_t addr;
	int i, ret = 0;

	for (i = 0; i < nr && !ret; i++) {
		addr = dma_map_page(dev, list[i], 0, PAGE_SIZE, dir);
		if (dma_mapping_error(dev, addr)) {
			ret = -EIO;
			break;
		}
		ret = dma_run(dev, addr, PAGE_SIZE, dir);
		dma_unmap_page(dev, addr, PAGE_SIZE, dir);
	}

	helper_arg_put_all(list, nr, write);
	return ret;
}

static ssize_t helper_arg_move(unsigned long start, size_t count, bool write)
{
	int nr = DIV_ROUND_UP(offset_in_page(start) + count, PAGE_SIZE);
	struct page **pages;
	ssize_t ret;
	int got;

	pages = kcalloc(nr, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	got = get_user_pages_fast(start, nr, write ? FOLL_WRITE : 0, pages);
	if (got < 0)
		ret = got;
	else
		ret = helper_arg_run(pages, got, write);

	kfree(pages);
	return ret;
}

static ssize_t helper_arg_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	return helper_arg_move((unsigned long)buf, count, true);
}

static ssize_t helper_arg_write(struct file *file, const char __user *buf, size_t count,
				loff_t *ppos)
{
	return helper_arg_move((unsigned long)buf, count, false);
}

static const struct file_operations helper_arg_fops = {
	.owner = THIS_MODULE,
	.read = helper_arg_read,
	.write = helper_arg_write,
};

static struct miscdevice helper_arg_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "helper_arg",
	.fops = &helper_arg_fops,
};

static int __init helper_arg_init(void)
{
	return misc_register(&helper_arg_misc);
}

static void __exit helper_arg_exit(void)
{
	misc_deregister(&helper_arg_misc);
}

module_init(helper_arg_init);
module_exit(helper_arg_exit);
MODULE_LICENSE("Dual MIT/GPL");
