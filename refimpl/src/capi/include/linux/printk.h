/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_PRINTK_H
#define _LINUX_PRINTK_H

/* Nobody reads the log of a driver in user space: the arguments are checked and thrown away. */
static inline __attribute__((format(printf, 1, 2))) int no_printk(const char *format, ...)
{
	(void)format;
	return 0;
}

#define KERN_ERR
#define KERN_INFO
#define printk(...)		no_printk(__VA_ARGS__)
#define pr_err(...)		no_printk(__VA_ARGS__)
#define pr_warn(...)		no_printk(__VA_ARGS__)
#define pr_info(...)		no_printk(__VA_ARGS__)
#define pr_debug(...)		no_printk(__VA_ARGS__)
#define dev_err(dev, ...)	((void)(dev), no_printk(__VA_ARGS__))
#define dev_info(dev, ...)	((void)(dev), no_printk(__VA_ARGS__))

#endif
