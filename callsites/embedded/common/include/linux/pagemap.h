/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_PAGEMAP_H
#define _LINUX_PAGEMAP_H

#include <linux/mm.h>

struct address_space;

/* Both take a reference that put_page() gives back; the second one returns the page locked. */
struct page *find_get_page(struct address_space *mapping, pgoff_t index);
struct page *find_or_create_page(struct address_space *mapping, pgoff_t index, gfp_t gfp);

#endif
