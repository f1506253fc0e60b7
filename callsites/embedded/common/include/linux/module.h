/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_MODULE_H
#define _LINUX_MODULE_H

#define __init
#define __exit
#define THIS_MODULE		((struct module *)0)
#define EXPORT_SYMBOL_GPL(symbol)
#define MODULE_LICENSE(text)
#define MODULE_DESCRIPTION(text)

void module_add_init(const char *file, int (*init)(void));
void module_add_exit(const char *file, void (*leave)(void));

/* There is no loader: each module tells of itself before main() begins. */
#define module_init(fn) \
	static void __attribute__((constructor)) __add_##fn(void) { module_add_init(__FILE__, fn); }
#define module_exit(fn) \
	static void __attribute__((constructor)) __add_##fn(void) { module_add_exit(__FILE__, fn); }

#endif
