/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_TYPES_H
#define _LINUX_TYPES_H

#include <linux/compiler.h>

#define NULL		((void *)0)

typedef _Bool		bool;
#define true		1
#define false		0

typedef unsigned char		u8;
typedef unsigned short		u16;
typedef unsigned int		u32;
typedef unsigned long long	u64;
typedef int			s32;
typedef long long		s64;
typedef __SIZE_TYPE__		size_t;
typedef long			ssize_t;
typedef long long		loff_t;
typedef u64			dma_addr_t;
typedef unsigned long		pgoff_t;
typedef unsigned int		gfp_t;

#endif
