/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Tells the memory manager where each call stands. Goes in front of a driver, after the headers
 * that declare the functions, so that a declaration is never rewritten. A macro of a name that is
 * used as a field or a variable is left alone by the preprocessor: it only takes calls.
 *
 * Arguments are worked out before the place is told, since they may hold such calls themselves.
 */
#ifndef _REFIMPL_SITES_H
#define _REFIMPL_SITES_H

#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#ifdef REFIMPL_DRIVER
#include <linux/bio.h>
#include <linux/file.h>
#endif

void refimpl_as(const char *name);
void refimpl_at(const char *path, unsigned int line, const char *function);

#define __REFIMPL_HERE refimpl_at(__FILE__, __LINE__, __func__)

#define __REFIMPL_1(fn, a) \
	({ __auto_type __a = (a); __REFIMPL_HERE; fn(__a); })
#define __REFIMPL_2(fn, a, b) \
	({ __auto_type __a = (a); __auto_type __b = (b); __REFIMPL_HERE; fn(__a, __b); })
#define __REFIMPL_3(fn, a, b, c) \
	({ __auto_type __a = (a); __auto_type __b = (b); __auto_type __c = (c); \
	   __REFIMPL_HERE; fn(__a, __b, __c); })
#define __REFIMPL_N(fn, ...) \
	({ __REFIMPL_HERE; fn(__VA_ARGS__); })
/* Of a function that a header makes of others: what it calls is told by its name. */
#define __REFIMPL_AS(fn, ...) \
	({ __REFIMPL_HERE; refimpl_as(#fn); fn(__VA_ARGS__); })

#define get_user_pages(...)		__REFIMPL_N(get_user_pages, __VA_ARGS__)
#define get_user_pages_unlocked(...)	__REFIMPL_N(get_user_pages_unlocked, __VA_ARGS__)
#define get_user_pages_fast(...)	__REFIMPL_N(get_user_pages_fast, __VA_ARGS__)
#define pin_user_pages(...)		__REFIMPL_N(pin_user_pages, __VA_ARGS__)
#define pin_user_pages_unlocked(...)	__REFIMPL_N(pin_user_pages_unlocked, __VA_ARGS__)
#define pin_user_pages_fast(...)	__REFIMPL_N(pin_user_pages_fast, __VA_ARGS__)

#define get_user_pages_remote(...)	__REFIMPL_N(get_user_pages_remote, __VA_ARGS__)
#define get_user_pages_fast_only(...)	__REFIMPL_N(get_user_pages_fast_only, __VA_ARGS__)
#define get_user_pages_longterm(...)	__REFIMPL_AS(get_user_pages_longterm, __VA_ARGS__)
#define pin_user_pages_remote(...)	__REFIMPL_N(pin_user_pages_remote, __VA_ARGS__)
#define pin_user_pages_fast_only(...)	__REFIMPL_N(pin_user_pages_fast_only, __VA_ARGS__)
#define memfd_pin_folios(...)		__REFIMPL_AS(memfd_pin_folios, __VA_ARGS__)
#define iov_iter_extract_pages(...)	__REFIMPL_AS(iov_iter_extract_pages, __VA_ARGS__)
#define get_user_pages_locked(...)	__REFIMPL_AS(get_user_pages_locked, __VA_ARGS__)
#define pin_user_pages_locked(...)	__REFIMPL_AS(pin_user_pages_locked, __VA_ARGS__)
#define extract_iter_to_sg(...)		__REFIMPL_AS(extract_iter_to_sg, __VA_ARGS__)
#define iov_iter_get_pages(...)		__REFIMPL_AS(iov_iter_get_pages, __VA_ARGS__)
#define iov_iter_get_pages_alloc(...)	__REFIMPL_AS(iov_iter_get_pages_alloc, __VA_ARGS__)
#define iov_iter_get_pages2(...)	__REFIMPL_AS(iov_iter_get_pages2, __VA_ARGS__)
#define iov_iter_get_pages_alloc2(...)	__REFIMPL_AS(iov_iter_get_pages_alloc2, __VA_ARGS__)
#define bio_iov_iter_get_pages(...)	__REFIMPL_AS(bio_iov_iter_get_pages, __VA_ARGS__)

#define alloc_pages(gfp, order)		__REFIMPL_2(alloc_pages, gfp, order)
#define alloc_page(gfp)			__REFIMPL_1(alloc_page, gfp)
#define __free_page(page)		__REFIMPL_1(__free_page, page)
#define find_get_page(m, i)		__REFIMPL_2(find_get_page, m, i)
#define find_or_create_page(m, i, gfp)	__REFIMPL_3(find_or_create_page, m, i, gfp)
#define get_page(page)			__REFIMPL_1(get_page, page)

#define put_page(page)			__REFIMPL_1(put_page, page)
#define release_pages(pages, nr)	__REFIMPL_2(release_pages, pages, nr)
#define put_user_page(page)		__REFIMPL_1(put_user_page, page)
#define put_user_pages(pages, nr)	__REFIMPL_2(put_user_pages, pages, nr)
#define put_user_pages_dirty(pages, nr)	__REFIMPL_2(put_user_pages_dirty, pages, nr)
#define put_user_pages_dirty_lock(...)	__REFIMPL_N(put_user_pages_dirty_lock, __VA_ARGS__)
#define unpin_user_page(page)		__REFIMPL_1(unpin_user_page, page)
#define unpin_user_pages(pages, nr)	__REFIMPL_2(unpin_user_pages, pages, nr)
#define unpin_user_pages_dirty_lock(pages, nr, dirty) \
	__REFIMPL_3(unpin_user_pages_dirty_lock, pages, nr, dirty)
#define unpin_user_page_range_dirty_lock(page, nr, dirty) \
	__REFIMPL_3(unpin_user_page_range_dirty_lock, page, nr, dirty)

#define __free_pages(page, order)	__REFIMPL_AS(__free_pages, page, order)
#define folio_get(folio)		__REFIMPL_AS(folio_get, folio)
#define folio_put(folio)		__REFIMPL_1(folio_put, folio)
#define folio_put_refs(folio, n)	__REFIMPL_AS(folio_put_refs, folio, n)
#define folio_add_pin(folio)		__REFIMPL_1(folio_add_pin, folio)
#define unpin_folio(folio)		__REFIMPL_AS(unpin_folio, folio)
#define unpin_folios(folios, n)		__REFIMPL_2(unpin_folios, folios, n)
#define unpin_user_folio(folio, n)	__REFIMPL_2(unpin_user_folio, folio, n)
#define bio_release_pages(...)		__REFIMPL_AS(bio_release_pages, __VA_ARGS__)
#define bio_set_pages_dirty(bio)	__REFIMPL_AS(bio_set_pages_dirty, bio)
#define submit_bio_wait(bio)		__REFIMPL_AS(submit_bio_wait, bio)

#define folio_mark_dirty(folio)		__REFIMPL_AS(folio_mark_dirty, folio)
#define folio_lock(folio)		__REFIMPL_AS(folio_lock, folio)
#define folio_unlock(folio)		__REFIMPL_AS(folio_unlock, folio)
#define kmalloc(...)			__REFIMPL_AS(kmalloc, __VA_ARGS__)
#define kzalloc(...)			__REFIMPL_AS(kzalloc, __VA_ARGS__)
#define kcalloc(...)			__REFIMPL_AS(kcalloc, __VA_ARGS__)
#define copy_from_user(...)		__REFIMPL_N(copy_from_user, __VA_ARGS__)
#define copy_to_user(...)		__REFIMPL_N(copy_to_user, __VA_ARGS__)
#define mutex_lock(lock)		__REFIMPL_AS(mutex_lock, lock)
#define set_page_dirty(page)		__REFIMPL_1(set_page_dirty, page)
#define set_page_dirty_lock(page)	__REFIMPL_1(set_page_dirty_lock, page)
#define lock_page(page)			__REFIMPL_1(lock_page, page)
#define unlock_page(page)		__REFIMPL_1(unlock_page, page)

#define dma_map_page(...)		__REFIMPL_N(dma_map_page, __VA_ARGS__)
#define dma_unmap_page(...)		__REFIMPL_N(dma_unmap_page, __VA_ARGS__)
#define dma_map_single(...)		__REFIMPL_AS(dma_map_single, __VA_ARGS__)
#define dma_unmap_single(...)		__REFIMPL_AS(dma_unmap_single, __VA_ARGS__)
#define dma_map_sg(...)			__REFIMPL_AS(dma_map_sg, __VA_ARGS__)
#define dma_unmap_sg(...)		__REFIMPL_AS(dma_unmap_sg, __VA_ARGS__)
#define dma_map_sgtable(...)		__REFIMPL_AS(dma_map_sgtable, __VA_ARGS__)
#define dma_unmap_sgtable(...)		__REFIMPL_AS(dma_unmap_sgtable, __VA_ARGS__)
#define dma_run(dev, addr, size, dir) \
	__REFIMPL_N(dma_run, dev, addr, size, dir)

#endif
