/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_NET_H
#define _LINUX_NET_H

#include <linux/types.h>

struct socket {
	void *sk;
};

struct proto_ops {
	int (*create)(struct socket *sock);
	int (*release)(struct socket *sock);
	int (*sendmsg)(struct socket *sock, const void __user *buf, size_t len);
	int (*recvmsg)(struct socket *sock, void __user *buf, size_t len);
};

struct net_proto_family {
	const char *name;
	const struct proto_ops *ops;
};

int sock_register(const struct net_proto_family *family);
void sock_unregister(const struct net_proto_family *family);

#endif
