// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Keeps page frame numbers, as a table for an IOMMU does, and rebuilds each page from its number
 * when it gives it back. The releasing loop does more than release.
 *
 * audit: pfnmap_put_pfn put_page convert
 * audit: pfnmap_attach get_user_pages_fast convert
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define PFNMAP_SLOTS	16

struct pfnmap {
	unsigned long pfn[PFNMAP_SLOTS];
	dma_addr_t addr[PFNMAP_SLOTS];
	int used;
};

static struct miscdevice pfnmap_misc;

static void pfnmap_put_pfn(unsigned long pfn, bool dirty)
{
	struct page *page = pfn_to_page(pfn);

	if (dirty)
		set_page_dirty_lock(page);
	put_page(page);
}

static void pfnmap_detach(struct pfnmap *map)
{
	struct device *dev = &pfnmap_misc.this_device;

	while (map->used > 0) {
		map->used--;
		dma_unmap_page(dev, map->addr[map->used], PAGE_SIZE, DMA_BIDIRECTIONAL);
		pfnmap_put_pfn(map->pfn[map->used], true);
	}
}

static long pfnmap_attach(struct pfnmap *map, unsigned long start, unsigned long len)
{
	struct device *dev = &pfnmap_misc.this_device;
	unsigned long uva = start & PAGE_MASK;
	struct page *page;
	dma_addr_t addr;

	for (; uva < start + len && map->used < PFNMAP_SLOTS; uva += PAGE_SIZE) {
		if (get_user_pages_fast(uva, 1, FOLL_WRITE, &page) != 1) {
			pfnmap_detach(map);
			return -EFAULT;
		}
		addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
		if (dma_mapping_error(dev, addr)) {
			pfnmap_put_pfn(page_to_pfn(page), false);
			pfnmap_detach(map);
			return -EIO;
		}
		map->pfn[map->used] = page_to_pfn(page);
		map->addr[map->used] = addr;
		map->used++;
	}
	return 0;
}

static long pfnmap_kick(struct pfnmap *map)
{
	int i;

	for (i = 0; i < map->used; i++)
		dma_run(&pfnmap_misc.this_device, map->addr[i], PAGE_SIZE, DMA_FROM_DEVICE);
	return 0;
}

static long pfnmap_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pfnmap *map = file->private_data;
	struct user_range range;

	switch (cmd) {
	case RANGE_ATTACH:
		if (copy_from_user(&range, (void __user *)arg, sizeof(range)))
			return -EFAULT;
		return pfnmap_attach(map, range.start, range.len);
	case RANGE_KICK:
		return pfnmap_kick(map);
	case RANGE_DETACH:
		pfnmap_detach(map);
		return 0;
	}
	return -ENOTTY;
}

static int pfnmap_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(struct pfnmap), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int pfnmap_release(struct inode *inode, struct file *file)
{
	pfnmap_detach(file->private_data);
	kfree(file->private_data);
	return 0;
}

static const struct file_operations pfnmap_fops = {
	.owner = THIS_MODULE,
	.open = pfnmap_open,
	.release = pfnmap_release,
	.unlocked_ioctl = pfnmap_ioctl,
};

static struct miscdevice pfnmap_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pfnmap",
	.fops = &pfnmap_fops,
};

static int __init pfnmap_init(void)
{
	return misc_register(&pfnmap_misc);
}

static void __exit pfnmap_exit(void)
{
	misc_deregister(&pfnmap_misc);
}

module_init(pfnmap_init);
module_exit(pfnmap_exit);
MODULE_LICENSE("Dual MIT/GPL");
