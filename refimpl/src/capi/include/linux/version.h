/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_VERSION_H
#define _LINUX_VERSION_H

/* LINUX_VERSION_CODE comes from the command line: the version whose rules apply. */
#define KERNEL_VERSION(a, b, c)	(((a) << 16) + ((b) << 8) + (c))

#endif
