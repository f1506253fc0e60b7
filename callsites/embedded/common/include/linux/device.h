/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_DEVICE_H
#define _LINUX_DEVICE_H

#include <linux/types.h>

struct device {
	const char *name;
};

#endif
