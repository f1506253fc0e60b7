// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Twin that must stay: one user page, and beside the reference of get_user_pages*() a plain one of
 * get_page() for whoever looks at it meanwhile. The page is the same, the references are not: the
 * first goes back by the new name, the second by put_page() for ever.
 *
 * audit: snapshot_attach get_user_pages_fast convert
 * audit: snapshot_hide put_page never-convert
 * audit: snapshot_detach put_page convert
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

struct snapshot {
	struct page *page;
	struct page *shown;
	dma_addr_t addr;
};

static struct miscdevice snapshot_misc;

static int snapshot_attach(struct snapshot *snap, unsigned long uva)
{
	struct device *dev = &snapshot_misc.this_device;

	if (snap->page)
		return -EBUSY;
	if (get_user_pages_fast(uva, 1, FOLL_WRITE, &snap->page) != 1) {
		snap->page = NULL;
		return -EFAULT;
	}
	snap->addr = dma_map_page(dev, snap->page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	return 0;
}

static int snapshot_show(struct snapshot *snap)
{
	if (!snap->page || snap->shown)
		return -EINVAL;
	get_page(snap->page);
	snap->shown = snap->page;
	return 0;
}

static void snapshot_hide(struct snapshot *snap)
{
	if (!snap->shown)
		return;
	put_page(snap->shown);
	snap->shown = NULL;
}

static void snapshot_detach(struct snapshot *snap)
{
	if (!snap->page)
		return;
	dma_unmap_page(&snapshot_misc.this_device, snap->addr, PAGE_SIZE, DMA_FROM_DEVICE);
	set_page_dirty_lock(snap->page);
	put_page(snap->page);
	snap->page = NULL;
}

static int snapshot_kick(struct snapshot *snap)
{
	struct device *dev = &snapshot_misc.this_device;

	if (!snap->page || dma_mapping_error(dev, snap->addr))
		return -EIO;
	return dma_run(dev, snap->addr, PAGE_SIZE, DMA_FROM_DEVICE);
}

static long snapshot_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct snapshot *snap = file->private_data;
	struct user_range range;

	switch (cmd) {
	case RANGE_ATTACH:
		if (copy_from_user(&range, (void __user *)arg, sizeof(range)))
			return -EFAULT;
		return snapshot_attach(snap, range.start);
	case RANGE_KICK:
		return snapshot_kick(snap);
	case RANGE_SHOW:
		return snapshot_show(snap);
	case RANGE_HIDE:
		snapshot_hide(snap);
		return 0;
	case RANGE_DETACH:
		snapshot_detach(snap);
		return 0;
	}
	return -ENOTTY;
}

static int snapshot_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(struct snapshot), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int snapshot_release(struct inode *inode, struct file *file)
{
	struct snapshot *snap = file->private_data;

	snapshot_detach(snap);
	snapshot_hide(snap);
	kfree(snap);
	return 0;
}

static const struct file_operations snapshot_fops = {
	.owner = THIS_MODULE,
	.open = snapshot_open,
	.release = snapshot_release,
	.unlocked_ioctl = snapshot_ioctl,
};

static struct miscdevice snapshot_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "snapshot",
	.fops = &snapshot_fops,
};

static int __init snapshot_init(void)
{
	return misc_register(&snapshot_misc);
}

static void __exit snapshot_exit(void)
{
	misc_deregister(&snapshot_misc);
}

module_init(snapshot_init);
module_exit(snapshot_exit);
MODULE_LICENSE("Dual MIT/GPL");
