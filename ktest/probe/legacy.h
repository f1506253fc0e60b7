/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tree's own fs/direct-io.c as part of a module, for a kernel that was built without it. Modules may not call two of the
 * functions that it needs: one that writes alone need, and one that is looked up in the running kernel.
 */
#include <linux/kprobes.h>

static void (*legacy_add_pin)(struct folio *folio);

static int __maybe_unused legacy_look_up(void)
{
	struct kprobe probe = { .symbol_name = "folio_add_pin" };
	int error = register_kprobe(&probe);

	if (error)
		return error;
	legacy_add_pin = (void *)probe.addr;
	unregister_kprobe(&probe);
	return 0;
}

#define folio_add_pin(folio) legacy_add_pin(folio)
#define kiocb_invalidate_post_direct_write(kiocb, bytes) do { } while (0)
#undef module_init
#define module_init(function)
#include "direct-io.c"
#undef module_init
#define module_init(function) int init_module(void) __copy(function) __attribute__((alias(#function)))

static int __init legacy_init(void)
{
	int error = legacy_look_up();

	return error ? error : dio_init();
}
