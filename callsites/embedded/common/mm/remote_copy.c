// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Copies into memory of another process: the CPU writes the data of a user page, which is as good
 * as a device writing it (case 5 of pin_user_pages.rst).
 *
 * audit: remote_copy_page get_user_pages_unlocked convert
 * audit: remote_copy_page put_page convert
 */
#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>

static int remote_copy_page(unsigned long uva, u8 pattern)
{
	struct page *page;
	void *data;

	if (get_user_pages_unlocked(uva, 1, &page, FOLL_WRITE) != 1)
		return -EFAULT;

	data = kmap(page);
	memset(data, pattern, PAGE_SIZE);
	kunmap(page);

	set_page_dirty_lock(page);
	put_page(page);
	return 0;
}

static ssize_t remote_copy_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	unsigned long uva = (unsigned long)buf & PAGE_MASK;
	unsigned long end = (unsigned long)buf + count;

	for (; uva < end; uva += PAGE_SIZE) {
		if (remote_copy_page(uva, 0x5a))
			return -EFAULT;
	}
	return count;
}

static const struct file_operations remote_copy_fops = {
	.owner = THIS_MODULE,
	.read = remote_copy_read,
};

static struct miscdevice remote_copy_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "remote_copy",
	.fops = &remote_copy_fops,
};

static int __init remote_copy_init(void)
{
	return misc_register(&remote_copy_misc);
}

static void __exit remote_copy_exit(void)
{
	misc_deregister(&remote_copy_misc);
}

module_init(remote_copy_init);
module_exit(remote_copy_exit);
MODULE_LICENSE("Dual MIT/GPL");
