// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Twin that must stay: a device with page tables of its own, which an MMU notifier invalidates. It
 * looks a page up, tells the device where it is, and gives the reference back at once; nothing is
 * held while the device works (case 3 of pin_user_pages.rst).
 *
 * audit: mirror_fault get_user_pages_fast keep
 * audit: mirror_fault put_page keep
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

struct mirror {
	struct mmu_notifier notifier;
	struct mutex lock;
	unsigned long uva;
	dma_addr_t addr;
	bool valid;
};

static struct miscdevice mirror_misc;

static void mirror_forget(struct mirror *mirror)
{
	if (mirror->valid)
		dma_unmap_page(&mirror_misc.this_device, mirror->addr, PAGE_SIZE,
			       DMA_BIDIRECTIONAL);
	mirror->valid = false;
}

static void mirror_invalidate(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start,
			      unsigned long end)
{
	struct mirror *mirror = container_of(mn, struct mirror, notifier);

	mutex_lock(&mirror->lock);
	if (mirror->uva >= start && mirror->uva < end)
		mirror_forget(mirror);
	mutex_unlock(&mirror->lock);
}

static const struct mmu_notifier_ops mirror_notifier_ops = {
	.invalidate_range = mirror_invalidate,
};

static int mirror_fault(struct mirror *mirror)
{
	struct device *dev = &mirror_misc.this_device;
	struct page *page;
	int ret = 0;

	if (get_user_pages_fast(mirror->uva, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;

	mutex_lock(&mirror->lock);
	mirror_forget(mirror);
	mirror->addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, mirror->addr))
		ret = -EIO;
	else
		mirror->valid = true;
	set_page_dirty_lock(page);
	put_page(page);
	mutex_unlock(&mirror->lock);
	return ret;
}

static int mirror_kick(struct mirror *mirror)
{
	int ret;

	if (!mirror->valid) {
		ret = mirror_fault(mirror);
		if (ret)
			return ret;
	}
	return dma_run(&mirror_misc.this_device, mirror->addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
}

static long mirror_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct mirror *mirror = file->private_data;
	struct user_range range;

	switch (cmd) {
	case RANGE_ATTACH:
		if (copy_from_user(&range, (void __user *)arg, sizeof(range)))
			return -EFAULT;
		mirror->uva = range.start & PAGE_MASK;
		return 0;
	case RANGE_KICK:
		return mirror_kick(mirror);
	case RANGE_DETACH:
		mirror_forget(mirror);
		return 0;
	}
	return -ENOTTY;
}

static int mirror_open(struct inode *inode, struct file *file)
{
	struct mirror *mirror = kzalloc(sizeof(*mirror), GFP_KERNEL);
	int ret;

	if (!mirror)
		return -ENOMEM;
	mutex_init(&mirror->lock);
	mirror->notifier.ops = &mirror_notifier_ops;
	ret = mmu_notifier_register(&mirror->notifier, current->mm);
	if (ret) {
		kfree(mirror);
		return ret;
	}
	file->private_data = mirror;
	return 0;
}

static int mirror_release(struct inode *inode, struct file *file)
{
	struct mirror *mirror = file->private_data;

	mirror_forget(mirror);
	mmu_notifier_unregister(&mirror->notifier, current->mm);
	kfree(mirror);
	return 0;
}

static const struct file_operations mirror_fops = {
	.owner = THIS_MODULE,
	.open = mirror_open,
	.release = mirror_release,
	.unlocked_ioctl = mirror_ioctl,
};

static struct miscdevice mirror_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mirror",
	.fops = &mirror_fops,
};

static int __init mirror_init(void)
{
	return misc_register(&mirror_misc);
}

static void __exit mirror_exit(void)
{
	misc_deregister(&mirror_misc);
}

module_init(mirror_init);
module_exit(mirror_exit);
MODULE_LICENSE("Dual MIT/GPL");
