// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A union holds one page or a list of pages; both members come from the same kind of call, so that
 * both releases belong to the conversion.
 *
 * audit: eitherway_take get_user_pages_fast convert
 * audit: eitherway_take get_user_pages_fast convert
 * audit: eitherway_put put_page convert
 * audit: eitherway_put put_page convert
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

struct eitherway_job {
	bool single;
	int nr;
	union {
		struct page *one;
		struct page **list;
	} u;
};

static struct miscdevice eitherway_misc;

static int eitherway_take(struct eitherway_job *job, unsigned long start, int nr)
{
	int got;

	job->single = nr == 1;
	if (job->single) {
		got = get_user_pages_fast(start, 1, FOLL_WRITE, &job->u.one);
	} else {
		job->u.list = kcalloc(nr, sizeof(*job->u.list), GFP_KERNEL);
		if (!job->u.list)
			return -ENOMEM;
		got = get_user_pages_fast(start, nr, FOLL_WRITE, job->u.list);
	}
	job->nr = got > 0 ? got : 0;
	return job->nr == nr ? 0 : -EFAULT;
}

static void eitherway_put(struct eitherway_job *job)
{
	int i;

	if (job->single) {
		if (job->nr) {
			set_page_dirty_lock(job->u.one);
			put_page(job->u.one);
		}
		return;
	}

	for (i = 0; i < job->nr; i++) {
		set_page_dirty_lock(job->u.list[i]);
		put_page(job->u.list[i]);
	}
	kfree(job->u.list);
}

static struct page *eitherway_nth(struct eitherway_job *job, int i)
{
	return job->single ? job->u.one : job->u.list[i];
}

static ssize_t eitherway_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	struct device *dev = &eitherway_misc.this_device;
	struct eitherway_job job = { .single = true };
	dma_addr_t addr;
	int i, ret;

	ret = eitherway_take(&job, (unsigned long)buf,
			     DIV_ROUND_UP(offset_in_page(buf) + count, PAGE_SIZE));
	for (i = 0; i < job.nr && !ret; i++) {
		addr = dma_map_page(dev, eitherway_nth(&job, i), 0, PAGE_SIZE, DMA_FROM_DEVICE);
		if (dma_mapping_error(dev, addr)) {
			ret = -EIO;
			break;
		}
		ret = dma_run(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
		dma_unmap_page(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	}
	eitherway_put(&job);
	return ret;
}

static const struct file_operations eitherway_fops = {
	.owner = THIS_MODULE,
	.read = eitherway_read,
};

static struct miscdevice eitherway_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "eitherway",
	.fops = &eitherway_fops,
};

static int __init eitherway_init(void)
{
	return misc_register(&eitherway_misc);
}

static void __exit eitherway_exit(void)
{
	misc_deregister(&eitherway_misc);
}

module_init(eitherway_init);
module_exit(eitherway_exit);
MODULE_LICENSE("Dual MIT/GPL");
