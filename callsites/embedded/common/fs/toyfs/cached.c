// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Twin that must stay: reads through the page cache. The references come from looking pages up in
 * the cache, and put_page() is how they go back, now and ever.
 *
 * audit: toyfs_cached_page put_page other
 * audit: toyfs_cached_read put_page other
 */
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

static struct page *toyfs_cached_page(struct address_space *mapping, pgoff_t index)
{
	struct page *page = find_get_page(mapping, index);

	if (page) {
		if (page_mapped(page) || PageDirty(page))
			return page;
		put_page(page);
	}

	page = find_or_create_page(mapping, index, GFP_KERNEL);
	if (page)
		unlock_page(page);
	return page;
}

static ssize_t toyfs_cached_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	size_t done = 0, len;
	struct page *page;
	unsigned long left;

	while (done < count) {
		page = toyfs_cached_page(file->f_inode->i_mapping, done / PAGE_SIZE);
		if (!page)
			return done ? (ssize_t)done : -ENOMEM;
		len = min_t(size_t, count - done, PAGE_SIZE);
		left = copy_to_user(buf + done, page_address(page), len);
		put_page(page);
		if (left)
			return done ? (ssize_t)done : -EFAULT;
		done += len;
	}
	return done;
}

static const struct file_operations toyfs_cached_fops = {
	.owner = THIS_MODULE,
	.read = toyfs_cached_read,
};

static struct file_system_type toyfs_cached_type = {
	.name = "toyfs_cached",
	.fops = &toyfs_cached_fops,
};

static int __init toyfs_cached_init(void)
{
	return register_filesystem(&toyfs_cached_type);
}

static void __exit toyfs_cached_exit(void)
{
	unregister_filesystem(&toyfs_cached_type);
}

module_init(toyfs_cached_init);
module_exit(toyfs_cached_exit);
MODULE_LICENSE("Dual MIT/GPL");
