// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Runs one driver of an embedded tree in user space: what a loader, a caller, a caller in trouble
 * and a machine in trouble do to it. Linked with the objects of the tree and with the reference
 * implementation, which counts.
 *
 *	exercise list			the modules, one a line
 *	exercise run VERSION MODULE REPORT
 *	exercise drive VERSION MODULE REPORT	a driver of one's own: with large folios as well
 */
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include <refimpl_control.h>

int printf(const char *format, ...);
int strcmp(const char *a, const char *b);

#define MOST	64

struct entry {
	const char *file;
	int (*init)(void);
	void (*leave)(void);
};

static struct entry modules[MOST];
static const struct file_operations *files[MOST];
static const struct proto_ops *protocols[MOST];
static struct mmu_notifier *notifiers[MOST];
static int nr_modules, nr_files, nr_protocols;

static struct entry *module_of(const char *file)
{
	int i;

	for (i = 0; i < nr_modules; i++) {
		if (!strcmp(modules[i].file, file))
			return &modules[i];
	}
	if (nr_modules == MOST)
		return &modules[0];
	modules[nr_modules].file = file;
	return &modules[nr_modules++];
}

void module_add_init(const char *file, int (*init)(void))
{
	module_of(file)->init = init;
}

void module_add_exit(const char *file, void (*leave)(void))
{
	module_of(file)->leave = leave;
}

int misc_register(struct miscdevice *misc)
{
	misc->this_device.name = misc->name;
	files[nr_files++] = misc->fops;
	return 0;
}

void misc_deregister(struct miscdevice *misc)
{
	(void)misc;
}

int register_filesystem(struct file_system_type *type)
{
	files[nr_files++] = type->fops;
	return 0;
}

int unregister_filesystem(struct file_system_type *type)
{
	(void)type;
	return 0;
}

int sock_register(const struct net_proto_family *family)
{
	protocols[nr_protocols++] = family->ops;
	return 0;
}

void sock_unregister(const struct net_proto_family *family)
{
	(void)family;
}

struct task_struct *get_current(void)
{
	static struct task_struct task;

	return &task;
}

int mmu_notifier_register(struct mmu_notifier *mn, struct mm_struct *mm)
{
	int i;

	mn->mm = mm;
	for (i = 0; i < MOST && notifiers[i]; i++)
		;
	if (i == MOST)
		return -ENOMEM;
	notifiers[i] = mn;
	refimpl_notifiers(1);
	return 0;
}

void mmu_notifier_unregister(struct mmu_notifier *mn, struct mm_struct *mm)
{
	int i;

	(void)mm;
	for (i = 0; i < MOST; i++) {
		if (notifiers[i] == mn) {
			notifiers[i] = NULL;
			refimpl_notifiers(-1);
		}
	}
}

static void invalidate_everything(void)
{
	int i;

	for (i = 0; i < MOST; i++) {
		if (notifiers[i])
			notifiers[i]->ops->invalidate_range(notifiers[i], notifiers[i]->mm, 0, ~0UL);
	}
}

/* A stretch of memory that a caller passes: how much of it is there, and how much is asked for. */
struct buffer {
	unsigned long pages;
	unsigned long offset;
	unsigned long len;
	int of_file;
	int writable;
	unsigned int order;
};

static const struct buffer buffers[] = {
	{ 1, 0, PAGE_SIZE, 1, 1, 0 },
	{ 4, 0, 4 * PAGE_SIZE, 1, 1, 0 },
	{ 4, 100, 3 * PAGE_SIZE, 1, 1, 0 },
	{ 3, 0, 3 * PAGE_SIZE, 0, 1, 0 },
	{ 8, 0, 8 * PAGE_SIZE, 1, 1, 0 },
	/* In trouble: part of it, all of it missing, not writable. */
	{ 2, 0, 4 * PAGE_SIZE, 1, 1, 0 },
	{ 0, 0, 2 * PAGE_SIZE, 1, 1, 0 },
	{ 2, 0, 2 * PAGE_SIZE, 1, 0, 0 },
};

/* Folios of four pages, from the first page on and from within one. */
static const struct buffer large[] = {
	{ 8, 0, 8 * PAGE_SIZE, 0, 1, 2 },
	{ 8, PAGE_SIZE + 100, 4 * PAGE_SIZE, 0, 1, 2 },
};

static unsigned long map(const struct buffer *buffer)
{
	if (buffer->order)
		return refimpl_user_folios(buffer->pages >> buffer->order, buffer->order) +
		       buffer->offset;
	return refimpl_user_map(buffer->pages, buffer->of_file, buffer->writable) + buffer->offset;
}

static void attach_and_kick(const struct file_operations *fops, struct file *file,
			    const struct buffer *buffer)
{
	struct user_range range = { .start = map(buffer), .len = buffer->len };
	unsigned long arg = refimpl_user_map(1, 0, 1);

	copy_to_user((void __user *)arg, &range, sizeof(range));
	fops->unlocked_ioctl(file, RANGE_ATTACH, arg);
	fops->unlocked_ioctl(file, RANGE_KICK, 0);
	fops->unlocked_ioctl(file, RANGE_SHOW, 0);
	invalidate_everything();
	fops->unlocked_ioctl(file, RANGE_KICK, 0);
}

static void use_file(const struct file_operations *fops, const struct buffer *buffer)
{
	struct inode inode = { .i_mapping = refimpl_file() };
	struct file file = { .f_inode = &inode };
	loff_t pos = 0;

	if (fops->open && fops->open(&inode, &file))
		return;
	if (fops->read) {
		fops->read(&file, (char __user *)map(buffer), buffer->len, &pos);
		/* What the first one left in a cache is there now. */
		fops->read(&file, (char __user *)map(buffer), buffer->len, &pos);
	}
	if (fops->write)
		fops->write(&file, (const char __user *)map(buffer), buffer->len, &pos);
	if (fops->unlocked_ioctl) {
		attach_and_kick(fops, &file, buffer);
		fops->unlocked_ioctl(&file, RANGE_HIDE, 0);
		fops->unlocked_ioctl(&file, RANGE_DETACH, 0);
		/* And once more, so that close() finds everything still there. */
		attach_and_kick(fops, &file, buffer);
	}
	if (fops->release)
		fops->release(&inode, &file);
}

static void use_protocol(const struct proto_ops *ops, const struct buffer *buffer)
{
	struct socket sock = { .sk = NULL };

	if (ops->create && ops->create(&sock))
		return;
	if (ops->sendmsg)
		ops->sendmsg(&sock, (const void __user *)map(buffer), buffer->len);
	if (ops->recvmsg)
		ops->recvmsg(&sock, (void __user *)map(buffer), buffer->len);
	if (ops->release)
		ops->release(&sock);
}

static void use_everything(const struct buffer *buffer)
{
	int i;

	for (i = 0; i < nr_files; i++)
		use_file(files[i], buffer);
	for (i = 0; i < nr_protocols; i++)
		use_protocol(protocols[i], buffer);
}

static void exercise(void)
{
	unsigned int nth;
	unsigned long i;

	for (i = 0; i < ARRAY_SIZE(buffers); i++)
		use_everything(&buffers[i]);

	for (nth = 1; nth <= 5; nth++) {
		refimpl_fail(REFIMPL_FAIL_DMA, nth);
		use_everything(&buffers[1]);
		refimpl_fail(REFIMPL_FAIL_DMA, 0);
		refimpl_fail(REFIMPL_FAIL_ALLOC, nth);
		use_everything(&buffers[1]);
		refimpl_fail(REFIMPL_FAIL_ALLOC, 0);
	}
}

static int run(const char *version, const char *file, const char *report, int own)
{
	unsigned long i;
	struct entry *module = module_of(file);

	if (!module->init || refimpl_start(version))
		return 2;
	if (module->init())
		return 3;
	exercise();
	for (i = 0; own && i < ARRAY_SIZE(large); i++)
		use_everything(&large[i]);
	if (module->leave)
		module->leave();
	return refimpl_finish(file, report) ? 4 : 0;
}

int main(int argc, char **argv)
{
	int i;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (i = 0; i < nr_modules; i++)
			printf("%s\n", modules[i].file);
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "run"))
		return run(argv[2], argv[3], argv[4], 0);
	if (argc == 5 && !strcmp(argv[1], "drive"))
		return run(argv[2], argv[3], argv[4], 1);
	return 2;
}
