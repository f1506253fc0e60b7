// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Walks its pages with an iterator macro of its own, and gives a single page back from the body of
 * another macro. The function of the second release is the macro.
 *
 * audit: macroloop_drop put_page convert
 * audit: macroloop_take get_user_pages_fast convert
 * audit: macroloop_put put_page convert
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#define MACROLOOP_PAGES	8

struct macroloop_job {
	struct page *pages[MACROLOOP_PAGES];
	int nr;
};

#define macroloop_for_each(page, i, job) \
	for ((i) = 0; (i) < (job)->nr && ((page) = (job)->pages[i], 1); (i)++)

#define macroloop_drop(job, i) \
	put_page((job)->pages[i])

static struct miscdevice macroloop_misc;

static int macroloop_take(struct macroloop_job *job, unsigned long start, int nr)
{
	int got = get_user_pages_fast(start, nr, FOLL_WRITE, job->pages);

	if (got > 0)
		job->nr = got;
	return got > 0 ? 0 : -EFAULT;
}

static void macroloop_put(struct macroloop_job *job)
{
	struct page *page;
	int i;

	macroloop_for_each(page, i, job) {
		set_page_dirty_lock(page);
		put_page(page);
	}
}

static int macroloop_run(struct macroloop_job *job)
{
	struct device *dev = &macroloop_misc.this_device;
	struct page *page;
	dma_addr_t addr;
	int i;

	macroloop_for_each(page, i, job) {
		addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
		if (dma_mapping_error(dev, addr))
			return -EIO;
		dma_run(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
		dma_unmap_page(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	}
	return 0;
}

static ssize_t macroloop_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	int nr = DIV_ROUND_UP(offset_in_page(buf) + count, PAGE_SIZE);
	struct macroloop_job job = { .nr = 0 };
	int ret;

	if (nr > MACROLOOP_PAGES)
		return -EINVAL;
	ret = macroloop_take(&job, (unsigned long)buf, nr);
	if (ret)
		return ret;

	if (job.nr < nr) {
		/* Nothing has been written yet, so that nothing need be dirtied. */
		while (job.nr > 0) {
			job.nr--;
			macroloop_drop(&job, job.nr);
		}
		return -EFAULT;
	}

	ret = macroloop_run(&job);
	macroloop_put(&job);
	return ret;
}

static const struct file_operations macroloop_fops = {
	.owner = THIS_MODULE,
	.read = macroloop_read,
};

static struct miscdevice macroloop_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "macroloop",
	.fops = &macroloop_fops,
};

static int __init macroloop_init(void)
{
	return misc_register(&macroloop_misc);
}

static void __exit macroloop_exit(void)
{
	misc_deregister(&macroloop_misc);
}

module_init(macroloop_init);
module_exit(macroloop_exit);
MODULE_LICENSE("Dual MIT/GPL");
