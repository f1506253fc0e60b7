/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _NET_ZC_H
#define _NET_ZC_H

#include <linux/dma-mapping.h>

#define ZC_FRAGS	8

struct zc_transport;

/* One message on its way, with the caller's pages that hold it. */
struct zc_message {
	const struct zc_transport *transport;
	struct page *frags[ZC_FRAGS];
	int nr;
	bool inbound;
};

struct zc_transport {
	int (*post)(struct zc_message *msg);
	void (*release)(struct zc_message *msg);
};

extern const struct zc_transport zc_dma_transport;

#endif
