/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_MUTEX_H
#define _LINUX_MUTEX_H

/* What may sleep says so; it is reported where a spinlock is held. */
void refimpl_might_sleep(const char *call);

/* One thread runs a driver, so that a lock is no more than its state. */
struct mutex {
	int held;
};

#define DEFINE_MUTEX(name)	struct mutex name = { 0 }

static inline void mutex_init(struct mutex *lock)
{
	lock->held = 0;
}

static inline void mutex_lock(struct mutex *lock)
{
	refimpl_might_sleep("mutex_lock");
	lock->held++;
}

static inline void mutex_unlock(struct mutex *lock)
{
	lock->held--;
}

#endif
