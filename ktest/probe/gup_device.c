// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that nobody has: a platform device over a page that the command line keeps from the kernel (memmap=), whose driver's accesses
 * trap here, so that its reads and writes, its interrupts, and the pages that it hands over are real.
 *
 * struct model says what a device is: the name that its driver matches, and its registers with what a store to each does. What a
 * load finds is what show() has put there. A store is acted on after it was made and before the driver's next instruction. All
 * of that is atomic, on the one processor of the guest.
 *
 * The device here is the pipe of the Android emulator (drivers/platform/goldfish/goldfish_pipe.c): each pipe gives back
 * what was written to it. What a reader waits for wakes it by an interrupt.
 *
 * register_kmmio_probe() is exported, and kmmio_init(), which must have been called once, is not; a kprobe on its name tells where it
 * is. The mmiotrace tracer, which would call it again, must stay off.
 */
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mmiotrace.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

struct reg {
	unsigned int offset;
	/* After a store of this value; NULL where it is only kept. */
	void (*stored)(u32 value);
	/* After a load. */
	void (*loaded)(void);
};

struct model {
	const char *name;
	const struct reg *regs;
	/* Before the driver sees it. */
	int (*start)(void);
};

static unsigned long at = 0x1f000000;
module_param(at, ulong, 0444);
MODULE_PARM_DESC(at, "physical address of the registers, which no memory of the kernel's is");

/* What the tests ask: buffers handed over, and those of them that nobody can see are pinned. */
static unsigned long buffers, unpinned;
module_param(buffers, ulong, 0444);
module_param(unpinned, ulong, 0444);

static const struct model *model;
/* The same page, mapped once more: no access through it traps. */
static u32 *registers;
static struct kmmio_probe probe;
static unsigned long accessed;
static int line = -1;
static struct irq_work raise;

static void show(unsigned int offset, u32 value)
{
	WRITE_ONCE(registers[offset / 4], value);
}

static u32 shown(unsigned int offset)
{
	return READ_ONCE(registers[offset / 4]);
}

/* The interrupt comes after the access that led to it. */
static void interrupt(void)
{
	irq_work_queue(&raise);
}

static void raised(struct irq_work *work)
{
	generic_handle_irq(line);
}

static void before_access(struct kmmio_probe *p, struct pt_regs *regs, unsigned long address)
{
	accessed = address;
}

static void after_access(struct kmmio_probe *p, unsigned long condition, struct pt_regs *regs)
{
	const struct reg *reg;
	unsigned int offset = accessed - probe.addr;

	for (reg = model->regs; reg->stored || reg->loaded; reg++) {
		if (reg->offset != offset)
			continue;
		if (reg->stored)
			reg->stored(shown(offset));
		if (reg->loaded)
			reg->loaded();
	}
}

/* devm_ioremap(dev, offset, size): the driver's own mapping is the one that traps. */
static int mapping(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	*(bool *)instance->data = regs->si == at;
	return 0;
}

static int mapped(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	unsigned long address = regs_return_value(regs);

	if (*(bool *)instance->data && address && !probe.addr) {
		probe.addr = address;
		probe.len = PAGE_SIZE;
		probe.pre_handler = before_access;
		probe.post_handler = after_access;
		if (register_kmmio_probe(&probe))
			pr_err("gup_device: nothing traps\n");
	}
	return 0;
}

static struct kretprobe remap = {
	.kp.symbol_name = "devm_ioremap",
	.entry_handler = mapping,
	.handler = mapped,
	.data_size = sizeof(bool),
	.maxactive = 4,
};

static int start_traps(void)
{
	struct kprobe found = { .symbol_name = "kmmio_init" };
	int (*init)(void);
	int err = register_kprobe(&found);

	if (err)
		return err;
	init = (void *)found.addr;
	unregister_kprobe(&found);
	return init();
}

static int own_line(void)
{
	int irq = irq_alloc_desc(NUMA_NO_NODE);

	if (irq < 0)
		return irq;
	irq_set_chip_and_handler(irq, &dummy_irq_chip, handle_simple_irq);
	irq_clear_status_flags(irq, IRQ_NOREQUEST | IRQ_NOPROBE);
	return irq;
}

/* The pipe: numbers of registers and commands are those of goldfish_pipe_qemu.h (of goldfish_pipe.c before 5.0). */
enum {
	REG_CMD = 0,
	REG_SIGNAL_HIGH = 4, REG_SIGNAL_LOW = 8,
	REG_OPEN_HIGH = 20, REG_OPEN_LOW = 24,
	REG_VERSION = 36,
	REG_GET_SIGNALLED = 48,
};
enum { CMD_OPEN = 1, CMD_CLOSE, CMD_POLL, CMD_WRITE, CMD_WAKE_ON_WRITE, CMD_READ, CMD_WAKE_ON_READ };
enum { INVALID = -1, AGAIN = -2 };
enum { CAN_READ = 1, CAN_WRITE = 2 };
enum { WAKE_READ = 2 };

#define PIPES	64
#define BUFFERS	336
/* More than one command moves: 336 pages. */
#define ROOM	(4UL << 20)

struct command {
	s32 cmd, id, status, reserved;
	u32 count;
	s32 consumed;
	u64 ptrs[BUFFERS];
	u32 sizes[BUFFERS];
};

struct signal {
	u32 id, flags;
};

static struct pipe {
	struct command *command;
	/* What was written and not yet read, in a ring; both only grow. */
	u8 *bytes;
	size_t written, read;
	bool waits;
} pipes[PIPES];

static void *shared(unsigned int low, unsigned int high)
{
	u64 address = (u64)shown(high) << 32 | shown(low);

	return address ? phys_to_virt(address) : NULL;
}

static bool may_be_pinned(struct page *page)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
	return folio_maybe_dma_pinned(page_folio(page));
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 7, 0)
	return page_maybe_dma_pinned(page);
#else
	return false;
#endif
}

/* Moves what fits between the pipe and the buffers of its command. */
static s32 transfer(struct pipe *pipe, bool out)
{
	struct command *command = pipe->command;
	u32 i, count = min_t(u32, command->count, BUFFERS);
	s32 moved = 0;

	for (i = 0; i < count; i++) {
		u8 *place = phys_to_virt(command->ptrs[i]);
		u32 n;

		buffers++;
		unpinned += !may_be_pinned(virt_to_page(place));
		for (n = 0; n < command->sizes[i]; n++) {
			if (out && pipe->written - pipe->read == ROOM)
				return moved;
			if (!out && pipe->written == pipe->read)
				return moved;
			if (out)
				pipe->bytes[pipe->written++ % ROOM] = place[n];
			else
				place[n] = pipe->bytes[pipe->read++ % ROOM];
			moved++;
		}
	}
	return moved;
}

static s32 done(struct pipe *pipe, s32 cmd)
{
	struct signal *signal = shared(REG_SIGNAL_LOW, REG_SIGNAL_HIGH);

	switch (cmd) {
	case CMD_CLOSE:
		pipe->command = NULL;
		pipe->written = pipe->read = 0;
		pipe->waits = false;
		return 0;
	case CMD_POLL:
		return CAN_WRITE | (pipe->written > pipe->read ? CAN_READ : 0);
	case CMD_WRITE:
	case CMD_READ:
		pipe->command->consumed = transfer(pipe, cmd == CMD_WRITE);
		if (cmd == CMD_WRITE && pipe->waits && signal) {
			pipe->waits = false;
			signal->id = pipe - pipes;
			signal->flags = WAKE_READ;
			show(REG_GET_SIGNALLED, 1);
			interrupt();
		}
		return pipe->command->consumed ?: AGAIN;
	case CMD_WAKE_ON_READ:
		pipe->waits = true;
		return 0;
	default:
		return INVALID;
	}
}

static void commanded(u32 id)
{
	struct pipe *pipe = &pipes[id % PIPES];
	u64 *opened = shared(REG_OPEN_LOW, REG_OPEN_HIGH);
	s32 cmd;

	if (id >= PIPES || (!pipe->command && !opened))
		return;
	/* The first command of a pipe says where the next ones are. */
	if (!pipe->command) {
		pipe->command = phys_to_virt(*opened);
		pipe->command->status = pipe->bytes ? 0 : INVALID;
		return;
	}
	cmd = pipe->command->cmd;
	if (cmd == CMD_CLOSE) {
		struct command *command = pipe->command;

		command->status = done(pipe, cmd);
		return;
	}
	pipe->command->status = done(pipe, cmd);
}

static void versioned(u32 version)
{
	show(REG_VERSION, 2);
}

static void signalled(void)
{
	show(REG_GET_SIGNALLED, 0);
}

static const struct reg pipe_regs[] = {
	{ .offset = REG_CMD, .stored = commanded },
	{ .offset = REG_VERSION, .stored = versioned },
	{ .offset = REG_GET_SIGNALLED, .loaded = signalled },
	{ }
};

static int pipe_start(void)
{
	/* The tests open a few pipes; others are refused. */
	int i;

	for (i = 0; i < 4; i++) {
		pipes[i].bytes = vmalloc(ROOM);
		if (!pipes[i].bytes)
			return -ENOMEM;
	}
	return 0;
}

static const struct model pipe_model = {
	.name = "goldfish_pipe",
	.regs = pipe_regs,
	.start = pipe_start,
};

static int __init gup_device_init(void)
{
	struct resource resources[2] = { };
	struct platform_device *device;
	int err;

	model = &pipe_model;
	registers = (u32 *)ioremap(at, PAGE_SIZE);
	if (!registers)
		return -ENOMEM;
	memset(registers, 0, PAGE_SIZE);
	err = model->start();
	if (err)
		return err;
	line = own_line();
	if (line < 0)
		return line;
	init_irq_work(&raise, raised);
	err = start_traps();
	if (err)
		return err;
	err = register_kretprobe(&remap);
	if (err)
		return err;
	resources[0].start = at;
	resources[0].end = at + PAGE_SIZE - 1;
	resources[0].flags = IORESOURCE_MEM;
	resources[1].start = line;
	resources[1].end = line;
	resources[1].flags = IORESOURCE_IRQ;
	device = platform_device_register_simple(model->name, PLATFORM_DEVID_NONE, resources, 2);
	unregister_kretprobe(&remap);
	if (IS_ERR(device))
		return PTR_ERR(device);
	if (!probe.addr) {
		pr_err("gup_device: no driver mapped the registers\n");
		return -ENODEV;
	}
	return 0;
}
module_init(gup_device_init);

MODULE_LICENSE("GPL v2");
MODULE_DESCRIPTION("A device that nobody has, for tests");
