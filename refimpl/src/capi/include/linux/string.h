/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_STRING_H
#define _LINUX_STRING_H

#include <linux/kernel.h>

#endif
