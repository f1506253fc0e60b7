// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * An adapter that has its memory regions made and released by the core: it calls no function of
 * mm itself, and the audit lists nothing in it.
 */
#include <linux/err.h>
#include <linux/ib_region.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

static struct miscdevice toy_mr_misc;

static long toy_mr_kick(struct ib_region *region)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(region->table.sgl, sg, region->mapped, i)
		dma_run(region->dev, sg->dma_address, sg->length, DMA_FROM_DEVICE);
	return 0;
}

static long toy_mr_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ib_region *region = file->private_data;
	struct user_range range;

	if (cmd == RANGE_ATTACH) {
		if (region)
			return -EBUSY;
		if (copy_from_user(&range, (void __user *)arg, sizeof(range)))
			return -EFAULT;
		region = ib_region_get(&toy_mr_misc.this_device, range.start, range.len, true);
		if (IS_ERR(region))
			return PTR_ERR(region);
		file->private_data = region;
		return 0;
	}
	if (!region)
		return -EINVAL;

	switch (cmd) {
	case RANGE_KICK:
		return toy_mr_kick(region);
	case RANGE_DETACH:
		ib_region_release(region);
		file->private_data = NULL;
		return 0;
	}
	return -ENOTTY;
}

static int toy_mr_release(struct inode *inode, struct file *file)
{
	if (file->private_data)
		ib_region_release(file->private_data);
	return 0;
}

static const struct file_operations toy_mr_fops = {
	.owner = THIS_MODULE,
	.release = toy_mr_release,
	.unlocked_ioctl = toy_mr_ioctl,
};

static struct miscdevice toy_mr_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "toy_mr",
	.fops = &toy_mr_fops,
};

static int __init toy_mr_init(void)
{
	return misc_register(&toy_mr_misc);
}

static void __exit toy_mr_exit(void)
{
	misc_deregister(&toy_mr_misc);
}

module_init(toy_mr_init);
module_exit(toy_mr_exit);
MODULE_LICENSE("Dual MIT/GPL");
