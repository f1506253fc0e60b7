/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_GFP_H
#define _LINUX_GFP_H

#include <linux/types.h>

#define GFP_ATOMIC	0x1u
#define GFP_KERNEL	0x2u

struct page;

struct page *alloc_page(gfp_t gfp);
void __free_page(struct page *page);

#endif
