/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_UACCESS_H
#define _LINUX_UACCESS_H

#include <linux/types.h>

unsigned long copy_from_user(void *to, const void __user *from, unsigned long len);
unsigned long copy_to_user(void __user *to, const void *from, unsigned long len);

#endif
