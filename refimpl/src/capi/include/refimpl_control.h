/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* For the program that runs drivers against the reference implementation. */
#ifndef _REFIMPL_CONTROL_H
#define _REFIMPL_CONTROL_H

struct address_space;

enum refimpl_failure {
	REFIMPL_FAIL_DMA = 1,		/* dma_map_page() */
	REFIMPL_FAIL_ALLOC = 2,		/* kmalloc() and its kin, alloc_page() */
};

/* Begins with empty memory under the rules of a kernel version ("6.12"); -1 if that is no version. */
int refimpl_start(const char *version);

/*
 * Maps pages of user memory and returns their address: of a file of its own where wanted, else
 * anonymous. What lies behind it is never mapped.
 */
unsigned long refimpl_user_map(unsigned long pages, int of_file, int writable);

/* Maps anonymous memory that faults in folios of 2^order pages, and returns its address. */
unsigned long refimpl_user_folios(unsigned long folios, unsigned int order);

/* A file with nothing in its cache yet. */
struct address_space *refimpl_file(void);

/* From now on the nth such call fails, counted from 1, and only that one; 0 for none. */
void refimpl_fail(enum refimpl_failure what, unsigned int nth);

/* How many MMU notifiers there are more (or fewer). */
void refimpl_notifiers(int more);

/* Looks for what was never given back and writes the report; 0, or -1 if it could not be written. */
int refimpl_finish(const char *module, const char *report);

#endif
