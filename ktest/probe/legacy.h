/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tree's own fs/direct-io.c as part of a module, for a kernel that was built without it. Some of the functions that it needs
 * are not for modules: they are looked up in the running kernel. One is needed by writes alone, which nobody asks for.
 */
#include <linux/bio.h>
#include <linux/kprobes.h>

static void (*legacy_add_pin)(struct folio *folio);
static void (*legacy_set_dirty)(struct bio *bio);
static void (*legacy_check_dirty)(struct bio *bio);
static void (*legacy_schedule)(void);

static void *legacy_look_up(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	void *found;

	if (register_kprobe(&probe))
		return NULL;
	found = probe.addr;
	unregister_kprobe(&probe);
	return found;
}

#define folio_add_pin(folio) legacy_add_pin(folio)
#define bio_set_pages_dirty(bio) legacy_set_dirty(bio)
#define bio_check_pages_dirty(bio) legacy_check_dirty(bio)
#define blk_io_schedule() legacy_schedule()
#define kiocb_invalidate_post_direct_write(kiocb, bytes) do { } while (0)
/* A module has one init function, which calls this file's. */
#pragma push_macro("module_init")
#undef module_init
#define module_init(function)
#include "direct-io.c"
#pragma pop_macro("module_init")

static int __init legacy_init(void)
{
	legacy_add_pin = legacy_look_up("folio_add_pin");
	legacy_set_dirty = legacy_look_up("bio_set_pages_dirty");
	legacy_check_dirty = legacy_look_up("bio_check_pages_dirty");
	legacy_schedule = legacy_look_up("blk_io_schedule");
	if (!legacy_add_pin || !legacy_set_dirty || !legacy_check_dirty || !legacy_schedule)
		return -ENOENT;
	return dio_init();
}
