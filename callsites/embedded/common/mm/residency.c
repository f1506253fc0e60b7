// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Twin that must stay: asks what kind of pages lie behind a range. It looks at struct page only and
 * never at the data, so that a plain reference is all it needs (case 4 of pin_user_pages.rst).
 *
 * audit: residency_count get_user_pages_fast keep
 * audit: residency_count put_page keep
 */
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

static int residency_count(unsigned long uva, unsigned long end)
{
	struct page *page;
	int dirty = 0;

	for (; uva < end; uva += PAGE_SIZE) {
		if (get_user_pages_fast(uva, 1, 0, &page) != 1)
			return -EFAULT;
		if (PageDirty(page))
			dirty++;
		put_page(page);
	}
	return dirty;
}

static long residency_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct user_range range;

	if (cmd != RANGE_ATTACH)
		return -ENOTTY;
	if (copy_from_user(&range, (void __user *)arg, sizeof(range)))
		return -EFAULT;
	return residency_count(range.start & PAGE_MASK, range.start + range.len);
}

static const struct file_operations residency_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = residency_ioctl,
};

static struct miscdevice residency_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "residency",
	.fops = &residency_fops,
};

static int __init residency_init(void)
{
	return misc_register(&residency_misc);
}

static void __exit residency_exit(void)
{
	misc_deregister(&residency_misc);
}

module_init(residency_init);
module_exit(residency_exit);
MODULE_LICENSE("Dual MIT/GPL");
