// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Direct I/O in batches. Pages that the disk read are given back by release_pages(), after they
 * were all dirtied; pages that it wrote go straight back (case 1 of pin_user_pages.rst).
 *
 * audit: toyfs_direct_batch get_user_pages_fast convert
 * audit: toyfs_direct_batch release_pages convert
 */
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>

#define TOYFS_BATCH	4

static struct device toyfs_disk = { .name = "toyfs_disk" };

static int toyfs_submit(struct page *page, enum dma_data_direction dir)
{
	dma_addr_t addr = dma_map_page(&toyfs_disk, page, 0, PAGE_SIZE, dir);
	int ret;

	if (dma_mapping_error(&toyfs_disk, addr))
		return -EIO;
	ret = dma_run(&toyfs_disk, addr, PAGE_SIZE, dir);
	dma_unmap_page(&toyfs_disk, addr, PAGE_SIZE, dir);
	return ret;
}

static int toyfs_direct_batch(unsigned long uva, int nr, bool reading)
{
	enum dma_data_direction dir = reading ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	struct page *pages[TOYFS_BATCH];
	int got, i, ret = 0;

	got = get_user_pages_fast(uva, nr, reading ? FOLL_WRITE : 0, pages);
	if (got <= 0)
		return got ? got : -EFAULT;

	for (i = 0; i < got && !ret; i++)
		ret = toyfs_submit(pages[i], dir);
	if (reading) {
		for (i = 0; i < got; i++)
			set_page_dirty_lock(pages[i]);
	}
	release_pages(pages, got);
	return ret ? ret : got;
}

static ssize_t toyfs_direct_io(unsigned long start, size_t count, bool reading)
{
	int nr = DIV_ROUND_UP(offset_in_page(start) + count, PAGE_SIZE);
	unsigned long uva = start & PAGE_MASK;
	int ret;

	while (nr > 0) {
		ret = toyfs_direct_batch(uva, min_t(int, nr, TOYFS_BATCH), reading);
		if (ret < 0)
			return ret;
		uva += ret * PAGE_SIZE;
		nr -= ret;
	}
	return count;
}

static ssize_t toyfs_direct_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	return toyfs_direct_io((unsigned long)buf, count, true);
}

static ssize_t toyfs_direct_write(struct file *file, const char __user *buf, size_t count,
				  loff_t *ppos)
{
	return toyfs_direct_io((unsigned long)buf, count, false);
}

static const struct file_operations toyfs_direct_fops = {
	.owner = THIS_MODULE,
	.read = toyfs_direct_read,
	.write = toyfs_direct_write,
};

static struct file_system_type toyfs_direct_type = {
	.name = "toyfs_direct",
	.fops = &toyfs_direct_fops,
};

static int __init toyfs_direct_init(void)
{
	return register_filesystem(&toyfs_direct_type);
}

static void __exit toyfs_direct_exit(void)
{
	unregister_filesystem(&toyfs_direct_type);
}

module_init(toyfs_direct_init);
module_exit(toyfs_direct_exit);
MODULE_LICENSE("Dual MIT/GPL");
