/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_MUTEX_H
#define _LINUX_MUTEX_H

/* One thread runs this tree, so that a lock is no more than its state. */
struct mutex {
	int held;
};

static inline void mutex_init(struct mutex *lock)
{
	lock->held = 0;
}

static inline void mutex_lock(struct mutex *lock)
{
	lock->held++;
}

static inline void mutex_unlock(struct mutex *lock)
{
	lock->held--;
}

#endif
