// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A single page that the device rings: taken by one ioctl, kept in the context for as long as the
 * caller likes, written by the device meanwhile, and given back by another ioctl or by close().
 *
 * audit: doorbell_drop put_page convert
 * audit: doorbell_attach get_user_pages_fast convert
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

struct doorbell {
	struct mutex lock;
	struct page *bell;
	dma_addr_t addr;
};

static struct miscdevice doorbell_misc;

static void doorbell_drop(struct doorbell *db)
{
	if (!db->bell)
		return;

	dma_unmap_page(&doorbell_misc.this_device, db->addr, PAGE_SIZE, DMA_FROM_DEVICE);
	set_page_dirty_lock(db->bell);
	put_page(db->bell);
	db->bell = NULL;
}

static int doorbell_attach(struct doorbell *db, unsigned long uva)
{
	struct device *dev = &doorbell_misc.this_device;
	struct page *page;
	int got;

	if (db->bell)
		return -EBUSY;

	got = get_user_pages_fast(uva, 1, FOLL_WRITE, &page);
	if (got != 1)
		return -EFAULT;

	db->bell = page;
	db->addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	return 0;
}

static int doorbell_ring(struct doorbell *db)
{
	struct device *dev = &doorbell_misc.this_device;

	if (!db->bell || dma_mapping_error(dev, db->addr))
		return -EIO;
	return dma_run(dev, db->addr, sizeof(u64), DMA_FROM_DEVICE);
}

static long doorbell_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct doorbell *db = file->private_data;
	struct user_range range;
	long ret = 0;

	if (cmd == RANGE_ATTACH && copy_from_user(&range, (void __user *)arg, sizeof(range)))
		return -EFAULT;

	mutex_lock(&db->lock);
	switch (cmd) {
	case RANGE_ATTACH:
		ret = doorbell_attach(db, range.start);
		break;
	case RANGE_KICK:
		ret = doorbell_ring(db);
		break;
	case RANGE_DETACH:
		doorbell_drop(db);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&db->lock);
	return ret;
}

static int doorbell_open(struct inode *inode, struct file *file)
{
	struct doorbell *db = kzalloc(sizeof(*db), GFP_KERNEL);

	if (!db)
		return -ENOMEM;
	mutex_init(&db->lock);
	file->private_data = db;
	return 0;
}

static int doorbell_release(struct inode *inode, struct file *file)
{
	struct doorbell *db = file->private_data;

	doorbell_drop(db);
	kfree(db);
	return 0;
}

static const struct file_operations doorbell_fops = {
	.owner = THIS_MODULE,
	.open = doorbell_open,
	.release = doorbell_release,
	.unlocked_ioctl = doorbell_ioctl,
};

static struct miscdevice doorbell_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "doorbell",
	.fops = &doorbell_fops,
};

static int __init doorbell_init(void)
{
	return misc_register(&doorbell_misc);
}

static void __exit doorbell_exit(void)
{
	misc_deregister(&doorbell_misc);
}

module_init(doorbell_init);
module_exit(doorbell_exit);
MODULE_LICENSE("Dual MIT/GPL");
