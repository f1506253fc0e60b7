/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_MM_H
#define _LINUX_MM_H

#include <linux/kernel.h>
#include <linux/gfp.h>
#include <linux/sched.h>

#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)

struct vm_area_struct;

/* Nothing outside mm looks into it; the size is here so that neighbours can be reached. */
struct page {
	unsigned long opaque[8];
};

#define FOLL_WRITE		0x01
#define FOLL_FORCE		0x10

void *page_address(const struct page *page);
struct page *virt_to_page(const void *address);
unsigned long page_to_pfn(const struct page *page);
struct page *pfn_to_page(unsigned long pfn);
struct page *compound_head(struct page *page);

int PageDirty(struct page *page);
int PageReserved(struct page *page);
int page_mapped(struct page *page);
void lock_page(struct page *page);
void unlock_page(struct page *page);
int set_page_dirty(struct page *page);
int set_page_dirty_lock(struct page *page);

void get_page(struct page *page);
void put_page(struct page *page);
void release_pages(struct page **pages, int nr);

long get_user_pages(unsigned long start, unsigned long nr_pages, unsigned int gup_flags,
		    struct page **pages, struct vm_area_struct **vmas);
long get_user_pages_unlocked(unsigned long start, unsigned long nr_pages, struct page **pages,
			     unsigned int gup_flags);
int get_user_pages_fast(unsigned long start, int nr_pages, int write, struct page **pages);

/*
 * Pages of get_user_pages*() go back through these. They do what put_page() does, and mark the
 * place: a later kernel can then count such references apart.
 */
void put_user_page(struct page *page);
void put_user_pages(struct page **pages, unsigned long npages);
void put_user_pages_dirty(struct page **pages, unsigned long npages);
void put_user_pages_dirty_lock(struct page **pages, unsigned long npages);

#endif
