/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_INIT_H
#define _LINUX_INIT_H

#include <linux/module.h>

#endif
