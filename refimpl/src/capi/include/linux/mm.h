/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a driver may ask of pages, in the form that the version of the run has it: what that
 * version lacks is not declared, so that a driver which uses it does not compile.
 */
#ifndef _LINUX_MM_H
#define _LINUX_MM_H

#include <linux/kernel.h>
#include <linux/gfp.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/version.h>

#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x)		(((x) + PAGE_SIZE - 1) & PAGE_MASK)
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)

/* Nothing outside mm looks into it; the size is here so that neighbours can be reached. */
struct page {
	unsigned long opaque[8];
};

/* A folio is its first page. */
struct folio {
	struct page page;
};

struct file;
struct vm_area_struct;

#define FOLL_WRITE		0x01
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define FOLL_FORCE		0x08
#define FOLL_LONGTERM		0x100
#else
#define FOLL_FORCE		0x10
#define FOLL_LONGTERM		0x10000
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define __VMAS
#else
#define __VMAS			, struct vm_area_struct **vmas
#endif

void *page_address(const struct page *page);
struct page *virt_to_page(const void *address);
unsigned long page_to_pfn(const struct page *page);
struct page *pfn_to_page(unsigned long pfn);
struct page *compound_head(struct page *page);
#define nth_page(page, n)	((page) + (n))

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
struct page *alloc_pages(gfp_t gfp, unsigned int order);

static inline void __free_pages(struct page *page, unsigned int order)
{
	(void)order;
	__free_page(page);
}

/* Their references go back with put_page(), until 5.5 also with put_user_page*(). */
long get_user_pages(unsigned long start, unsigned long nr_pages, unsigned int gup_flags,
		    struct page **pages __VMAS);
long get_user_pages_unlocked(unsigned long start, unsigned long nr_pages, struct page **pages,
			     unsigned int gup_flags);
int get_user_pages_fast(unsigned long start, int nr_pages, unsigned int gup_flags,
			struct page **pages);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
long get_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
			   unsigned int gup_flags, struct page **pages, int *locked);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 9, 0)
long get_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
			   unsigned int gup_flags, struct page **pages,
			   struct vm_area_struct **vmas, int *locked);
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 8, 0)
int get_user_pages_fast_only(unsigned long start, int nr_pages, unsigned int gup_flags,
			     struct page **pages);
#endif

/* The mmap lock is never dropped here. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
static inline long get_user_pages_locked(unsigned long start, unsigned long nr_pages,
					 unsigned int gup_flags, struct page **pages, int *locked)
{
	(void)locked;
	return get_user_pages_unlocked(start, nr_pages, pages, gup_flags);
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 2, 0)
static inline long get_user_pages_longterm(unsigned long start, unsigned long nr_pages,
					   unsigned int gup_flags, struct page **pages,
					   struct vm_area_struct **vmas)
{
	return get_user_pages(start, nr_pages, gup_flags | FOLL_LONGTERM, pages, vmas);
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 6, 0)
void put_user_page(struct page *page);
void put_user_pages(struct page **pages, unsigned long npages);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 4, 0)
void put_user_pages_dirty_lock(struct page **pages, unsigned long npages, bool make_dirty);
#else
void put_user_pages_dirty(struct page **pages, unsigned long npages);
void put_user_pages_dirty_lock(struct page **pages, unsigned long npages);
#endif
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 7, 0)
/* Their references are pins, which everybody can see, and go back with unpin_*(). */
long pin_user_pages(unsigned long start, unsigned long nr_pages, unsigned int gup_flags,
		    struct page **pages __VMAS);
int pin_user_pages_fast(unsigned long start, int nr_pages, unsigned int gup_flags,
			struct page **pages);
void unpin_user_page(struct page *page);
void unpin_user_pages(struct page **pages, unsigned long npages);
void unpin_user_pages_dirty_lock(struct page **pages, unsigned long npages, bool make_dirty);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 8, 0)
long pin_user_pages_unlocked(unsigned long start, unsigned long nr_pages, struct page **pages,
			     unsigned int gup_flags);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 8, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
static inline long pin_user_pages_locked(unsigned long start, unsigned long nr_pages,
					 unsigned int gup_flags, struct page **pages, int *locked)
{
	(void)locked;
	return pin_user_pages_unlocked(start, nr_pages, pages, gup_flags);
}
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 8, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
int pin_user_pages_fast_only(unsigned long start, int nr_pages, unsigned int gup_flags,
			     struct page **pages);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
long pin_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
			   unsigned int gup_flags, struct page **pages, int *locked);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 9, 0)
long pin_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
			   unsigned int gup_flags, struct page **pages,
			   struct vm_area_struct **vmas, int *locked);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
void unpin_user_page_range_dirty_lock(struct page *page, unsigned long npages, bool make_dirty);
#endif
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 16, 0)
struct folio *page_folio(struct page *page);
unsigned int folio_order(struct folio *folio);
void folio_put(struct folio *folio);
bool folio_maybe_dma_pinned(struct folio *folio);
#define folio_page(folio, n)	(&(folio)->page + (n))
#define folio_nr_pages(folio)	(1L << folio_order(folio))
#define folio_size(folio)	(PAGE_SIZE << folio_order(folio))
#define folio_test_dirty(folio)	(PageDirty(&(folio)->page) != 0)

static inline void folio_get(struct folio *folio)
{
	get_page(&folio->page);
}

static inline void folio_put_refs(struct folio *folio, int refs)
{
	while (refs-- > 0)
		folio_put(folio);
}

static inline void folio_lock(struct folio *folio)
{
	lock_page(&folio->page);
}

static inline void folio_unlock(struct folio *folio)
{
	unlock_page(&folio->page);
}

static inline bool folio_mark_dirty(struct folio *folio)
{
	return set_page_dirty(&folio->page);
}
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
void folio_add_pin(struct folio *folio);
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
long refimpl_memfd_pin(void *mapping, unsigned long first, unsigned long last,
		       struct folio **folios, unsigned int max);
void unpin_user_folio(struct folio *folio, unsigned long npages);
void unpin_folios(struct folio **folios, unsigned long nfolios);

static inline void unpin_folio(struct folio *folio)
{
	unpin_user_folio(folio, 1);
}
#endif

#endif
