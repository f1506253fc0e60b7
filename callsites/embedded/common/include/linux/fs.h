/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_FS_H
#define _LINUX_FS_H

#include <linux/types.h>

struct address_space;
struct module;

struct inode {
	struct address_space *i_mapping;
};

struct file {
	void *private_data;
	struct inode *f_inode;
};

struct file_operations {
	struct module *owner;
	ssize_t (*read)(struct file *file, char __user *buf, size_t count, loff_t *ppos);
	ssize_t (*write)(struct file *file, const char __user *buf, size_t count, loff_t *ppos);
	long (*unlocked_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	int (*open)(struct inode *inode, struct file *file);
	int (*release)(struct inode *inode, struct file *file);
};

struct file_system_type {
	const char *name;
	const struct file_operations *fops;
};

int register_filesystem(struct file_system_type *type);
int unregister_filesystem(struct file_system_type *type);

/* What every ioctl of this tree takes: a stretch of the caller's memory. */
struct user_range {
	u64 start;
	u64 len;
};

#define RANGE_ATTACH	0x7001	/* arg: struct user_range */
#define RANGE_KICK	0x7002	/* let the device use what was attached */
#define RANGE_SHOW	0x7003	/* lend what was attached to somebody else */
#define RANGE_HIDE	0x7004	/* and take it back */
#define RANGE_DETACH	0x7005

#endif
