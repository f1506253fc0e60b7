/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Files by number: each number is a memfd of its own, with nothing in its cache yet. */
#ifndef _LINUX_FILE_H
#define _LINUX_FILE_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/err.h>

struct address_space *refimpl_file(void);

static inline struct file *fget(unsigned int fd)
{
	struct file *file = kzalloc(sizeof(*file) + sizeof(struct inode), GFP_KERNEL);

	(void)fd;
	if (!file)
		return NULL;
	file->f_inode = (struct inode *)(file + 1);
	file->f_inode->i_mapping = refimpl_file();
	return file;
}

static inline void fput(struct file *file)
{
	kfree(file);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
/* The pages of such a file come one by one: each is a folio of its own. */
static inline long memfd_pin_folios(struct file *memfd, loff_t start, loff_t end,
				    struct folio **folios, unsigned int max_folios,
				    pgoff_t *offset)
{
	if (start < 0 || start > end || !max_folios)
		return -EINVAL;
	*offset = start & ~PAGE_MASK;
	return refimpl_memfd_pin(memfd->f_inode->i_mapping, start >> PAGE_SHIFT,
				 end >> PAGE_SHIFT, folios, max_folios);
}
#endif

#endif
