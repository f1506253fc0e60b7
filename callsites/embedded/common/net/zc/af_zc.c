// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Sends and receives without a copy. The pages are taken here and belong to the message; its
 * transport gives them back, in another file, through a function pointer.
 *
 * audit: zc_message_new get_user_pages_fast convert
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/slab.h>

#include "zc.h"

static struct zc_message *zc_message_new(unsigned long start, size_t len, bool inbound)
{
	int nr = DIV_ROUND_UP(offset_in_page(start) + len, PAGE_SIZE);
	struct zc_message *msg;
	int got;

	if (nr > ZC_FRAGS)
		return ERR_PTR(-EINVAL);
	msg = kzalloc(sizeof(*msg), GFP_KERNEL);
	if (!msg)
		return ERR_PTR(-ENOMEM);

	got = get_user_pages_fast(start, nr, inbound ? FOLL_WRITE : 0, msg->frags);
	if (got <= 0) {
		kfree(msg);
		return ERR_PTR(-EFAULT);
	}
	msg->transport = &zc_dma_transport;
	msg->inbound = inbound;
	msg->nr = got;
	return msg;
}

static int zc_move(unsigned long start, size_t len, bool inbound)
{
	struct zc_message *msg = zc_message_new(start, len, inbound);
	int ret;

	if (IS_ERR(msg))
		return PTR_ERR(msg);
	ret = msg->transport->post(msg);
	msg->transport->release(msg);
	kfree(msg);
	return ret;
}

static int zc_sendmsg(struct socket *sock, const void __user *buf, size_t len)
{
	return zc_move((unsigned long)buf, len, false);
}

static int zc_recvmsg(struct socket *sock, void __user *buf, size_t len)
{
	return zc_move((unsigned long)buf, len, true);
}

static const struct proto_ops zc_ops = {
	.sendmsg = zc_sendmsg,
	.recvmsg = zc_recvmsg,
};

static const struct net_proto_family zc_family = {
	.name = "zc",
	.ops = &zc_ops,
};

static int __init zc_init(void)
{
	return sock_register(&zc_family);
}

static void __exit zc_exit(void)
{
	sock_unregister(&zc_family);
}

module_init(zc_init);
module_exit(zc_exit);
MODULE_LICENSE("Dual MIT/GPL");
