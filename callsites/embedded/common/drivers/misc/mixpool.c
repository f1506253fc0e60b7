// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A buffer holds either the caller's pages or pages of its own, told apart by a flag that the
 * releasing loop asks for dirtying only: its put_page() serves both. Nothing here can be converted
 * before a human has split that loop.
 *
 * audit: mixpool_take_user get_user_pages_fast convert
 * audit: mixpool_free put_page mixed
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#define MIXPOOL_PAGES	8

struct mixpool_buf {
	struct page *pages[MIXPOOL_PAGES];
	int nr;
	bool from_user;
};

static struct miscdevice mixpool_misc;

static int mixpool_take_user(struct mixpool_buf *buf, unsigned long start, int nr)
{
	int got = get_user_pages_fast(start, nr, FOLL_WRITE, buf->pages);

	if (got <= 0)
		return -EFAULT;
	buf->nr = got;
	buf->from_user = true;
	return 0;
}

static int mixpool_take_own(struct mixpool_buf *buf, int nr)
{
	for (buf->nr = 0; buf->nr < nr; buf->nr++) {
		buf->pages[buf->nr] = alloc_page(GFP_KERNEL);
		if (!buf->pages[buf->nr])
			return -ENOMEM;
	}
	return 0;
}

static void mixpool_free(struct mixpool_buf *buf)
{
	int i;

	for (i = 0; i < buf->nr; i++) {
		if (buf->from_user)
			set_page_dirty_lock(buf->pages[i]);
		put_page(buf->pages[i]);
	}
	kfree(buf);
}

static ssize_t mixpool_move(unsigned long start, size_t count, bool user)
{
	int nr = DIV_ROUND_UP(offset_in_page(start) + count, PAGE_SIZE);
	struct device *dev = &mixpool_misc.this_device;
	struct mixpool_buf *buf;
	dma_addr_t addr;
	int i, ret;

	if (nr > MIXPOOL_PAGES)
		return -EINVAL;
	buf = kzalloc(sizeof(*buf), GFP_KERNEL);
	if (!buf)
		return -ENOMEM;

	if (user)
		ret = mixpool_take_user(buf, start, nr);
	else
		ret = mixpool_take_own(buf, nr);

	for (i = 0; i < buf->nr && !ret; i++) {
		addr = dma_map_page(dev, buf->pages[i], 0, PAGE_SIZE, DMA_FROM_DEVICE);
		if (dma_mapping_error(dev, addr)) {
			ret = -EIO;
			break;
		}
		ret = dma_run(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
		dma_unmap_page(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	}

	mixpool_free(buf);
	return ret ? ret : (ssize_t)count;
}

static ssize_t mixpool_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	return mixpool_move((unsigned long)buf, count, true);
}

static ssize_t mixpool_write(struct file *file, const char __user *buf, size_t count,
			     loff_t *ppos)
{
	return mixpool_move((unsigned long)buf, count, false);
}

static const struct file_operations mixpool_fops = {
	.owner = THIS_MODULE,
	.read = mixpool_read,
	.write = mixpool_write,
};

static struct miscdevice mixpool_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mixpool",
	.fops = &mixpool_fops,
};

static int __init mixpool_init(void)
{
	return misc_register(&mixpool_misc);
}

static void __exit mixpool_exit(void)
{
	misc_deregister(&mixpool_misc);
}

module_init(mixpool_init);
module_exit(mixpool_exit);
MODULE_LICENSE("Dual MIT/GPL");
