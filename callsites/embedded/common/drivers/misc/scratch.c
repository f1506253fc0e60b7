// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Twin that must stay: the same loop as its neighbours, over pages of its own. Whoever converts by
 * the look of the loop breaks it.
 *
 * audit: scratch_free put_page other
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define SCRATCH_PAGES	4

struct scratch {
	struct page *pages[SCRATCH_PAGES];
	int nr;
};

static struct miscdevice scratch_misc;

static void scratch_free(struct scratch *scratch)
{
	int i;

	for (i = 0; i < scratch->nr; i++)
		put_page(scratch->pages[i]);
	kfree(scratch);
}

static struct scratch *scratch_alloc(void)
{
	struct scratch *scratch = kzalloc(sizeof(*scratch), GFP_KERNEL);
	struct page *page;

	if (!scratch)
		return NULL;
	while (scratch->nr < SCRATCH_PAGES) {
		page = alloc_page(GFP_KERNEL);
		if (!page) {
			scratch_free(scratch);
			return NULL;
		}
		scratch->pages[scratch->nr++] = page;
	}
	return scratch;
}

static ssize_t scratch_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	struct device *dev = &scratch_misc.this_device;
	struct scratch *scratch = scratch_alloc();
	size_t len = min_t(size_t, count, PAGE_SIZE);
	ssize_t ret = len;
	dma_addr_t addr;

	if (!scratch)
		return -ENOMEM;
	addr = dma_map_page(dev, scratch->pages[0], 0, PAGE_SIZE, DMA_FROM_DEVICE);
	if (dma_mapping_error(dev, addr)) {
		ret = -EIO;
		goto out;
	}
	dma_run(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	dma_unmap_page(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	if (copy_to_user(buf, page_address(scratch->pages[0]), len))
		ret = -EFAULT;
out:
	scratch_free(scratch);
	return ret;
}

static const struct file_operations scratch_fops = {
	.owner = THIS_MODULE,
	.read = scratch_read,
};

static struct miscdevice scratch_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "scratch",
	.fops = &scratch_fops,
};

static int __init scratch_init(void)
{
	return misc_register(&scratch_misc);
}

static void __exit scratch_exit(void)
{
	misc_deregister(&scratch_misc);
}

module_init(scratch_init);
module_exit(scratch_exit);
MODULE_LICENSE("Dual MIT/GPL");
