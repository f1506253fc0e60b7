// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A pipe whose pages stand in an array inside a struct: one function takes them, a later one gives
 * them back through a static function that merely bears the name of an API (release_user_pages was
 * once proposed as one). Calls of that name are calls of this file's own function, no callsites.
 *
 * audit: release_user_pages put_page convert
 * audit: ringpipe_start get_user_pages_fast convert
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#define RINGPIPE_PAGES	8

struct ringpipe {
	struct page *pages[RINGPIPE_PAGES];
	dma_addr_t addr[RINGPIPE_PAGES];
	int nr;
	int mapped;
	bool is_write;
};

static struct miscdevice ringpipe_misc;

static void release_user_pages(struct page **pages, int nr, bool is_write, int consumed)
{
	int i;

	for (i = 0; i < nr; i++) {
		if (!is_write && i < consumed)
			set_page_dirty_lock(pages[i]);
		put_page(pages[i]);
	}
}

static int ringpipe_start(struct ringpipe *pipe, unsigned long start, size_t count, bool is_write)
{
	enum dma_data_direction dir = is_write ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	int nr = DIV_ROUND_UP(offset_in_page(start) + count, PAGE_SIZE);
	struct device *dev = &ringpipe_misc.this_device;
	int got;

	if (pipe->nr)
		return -EBUSY;
	got = get_user_pages_fast(start, min_t(int, nr, RINGPIPE_PAGES),
				  is_write ? 0 : FOLL_WRITE, pipe->pages);
	if (got <= 0)
		return got ? got : -EFAULT;

	pipe->nr = got;
	pipe->is_write = is_write;
	for (pipe->mapped = 0; pipe->mapped < got; pipe->mapped++) {
		dma_addr_t addr = dma_map_page(dev, pipe->pages[pipe->mapped], 0, PAGE_SIZE, dir);

		if (dma_mapping_error(dev, addr))
			return -EIO;
		pipe->addr[pipe->mapped] = addr;
	}
	return 0;
}

static int ringpipe_finish(struct ringpipe *pipe)
{
	enum dma_data_direction dir = pipe->is_write ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	struct device *dev = &ringpipe_misc.this_device;
	int i, consumed = 0;

	for (i = 0; i < pipe->mapped; i++) {
		if (!dma_run(dev, pipe->addr[i], PAGE_SIZE, dir))
			consumed++;
		dma_unmap_page(dev, pipe->addr[i], PAGE_SIZE, dir);
	}
	release_user_pages(pipe->pages, pipe->nr, pipe->is_write, consumed);
	pipe->nr = 0;
	pipe->mapped = 0;
	return consumed;
}

static ssize_t ringpipe_move(struct file *file, unsigned long start, size_t count, bool is_write)
{
	struct ringpipe *pipe = file->private_data;
	int ret = ringpipe_start(pipe, start, count, is_write);
	int done = ringpipe_finish(pipe);

	return ret ? ret : (ssize_t)(done * PAGE_SIZE);
}

static ssize_t ringpipe_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	return ringpipe_move(file, (unsigned long)buf, count, false);
}

static ssize_t ringpipe_write(struct file *file, const char __user *buf, size_t count,
			      loff_t *ppos)
{
	return ringpipe_move(file, (unsigned long)buf, count, true);
}

static int ringpipe_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(struct ringpipe), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int ringpipe_close(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static const struct file_operations ringpipe_fops = {
	.owner = THIS_MODULE,
	.open = ringpipe_open,
	.release = ringpipe_close,
	.read = ringpipe_read,
	.write = ringpipe_write,
};

static struct miscdevice ringpipe_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringpipe",
	.fops = &ringpipe_fops,
};

static int __init ringpipe_init(void)
{
	return misc_register(&ringpipe_misc);
}

static void __exit ringpipe_exit(void)
{
	misc_deregister(&ringpipe_misc);
}

module_init(ringpipe_init);
module_exit(ringpipe_exit);
MODULE_LICENSE("Dual MIT/GPL");
