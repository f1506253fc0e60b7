// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct reads of the old kind (fs/direct-io.c), which some file systems still do.
 *
 * /dev/gup_direct_io takes "FD ADDRESS PAGES" by write(2) and reads so many pages, from the start of the block device that is
 * open as FD, into the memory at ADDRESS.
 *
 * Where the kernel was built without fs/direct-io.c, WITH_LEGACY brings the tree's own in (legacy.h); where it was built with it, or
 * always has it, the kernel's is called. Builds against 6.1 and later.
 */
#include <linux/blkdev.h>
#include <linux/buffer_head.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/version.h>
#ifdef WITH_LEGACY
#include "legacy.h"
#else
static int legacy_init(void)
{
	return 0;
}
#endif

/* Block n of the device is block n of the file. */
static int same_block(struct inode *inode, sector_t block, struct buffer_head *bh, int create)
{
	bh->b_bdev = I_BDEV(inode);
	bh->b_blocknr = block;
	set_buffer_mapped(bh);
	return 0;
}

static ssize_t direct(struct file *file, unsigned long address, size_t bytes)
{
	struct inode *inode = file->f_mapping->host;
	struct iov_iter iter;
	struct kiocb kiocb;

	if (!S_ISBLK(inode->i_mode))
		return -ENOTBLK;
	init_sync_kiocb(&kiocb, file);
	kiocb.ki_flags |= IOCB_DIRECT;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	iov_iter_ubuf(&iter, ITER_DEST, (void __user *)address, bytes);
#else
	iov_iter_ubuf(&iter, READ, (void __user *)address, bytes);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return __blockdev_direct_IO(&kiocb, inode, I_BDEV(inode), &iter, same_block, NULL, 0);
#else
	return __blockdev_direct_IO(&kiocb, inode, I_BDEV(inode), &iter, same_block, NULL, NULL, 0);
#endif
}

static ssize_t dio_write(struct file *unused, const char __user *from, size_t bytes, loff_t *at)
{
	unsigned long address;
	unsigned int fd, pages;
	char line[64];
	struct file *file;
	ssize_t done;

	if (bytes >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, bytes))
		return -EFAULT;
	line[bytes] = 0;
	if (sscanf(line, "%u %lu %u", &fd, &address, &pages) != 3)
		return -EINVAL;
	file = fget(fd);
	if (!file)
		return -EBADF;
	done = direct(file, address, (size_t)pages << PAGE_SHIFT);
	fput(file);
	if (done < 0)
		return done;
	return done == (ssize_t)pages << PAGE_SHIFT ? bytes : -EIO;
}

static const struct file_operations dio_fops = {
	.owner = THIS_MODULE,
	.write = dio_write,
};

static struct miscdevice dio_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gup_direct_io",
	.fops = &dio_fops,
};

static int __init gup_direct_io_init(void)
{
	int error = legacy_init();

	return error ? error : misc_register(&dio_device);
}

/* There is no way back: the slab cache of fs/direct-io.c has nobody who frees it. */
module_init(gup_direct_io_init);
MODULE_DESCRIPTION("Direct I/O of the old kind, on request");
MODULE_LICENSE("GPL");
