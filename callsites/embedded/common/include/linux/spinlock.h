/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _LINUX_SPINLOCK_H
#define _LINUX_SPINLOCK_H

/* Told to the memory manager, which reports what sleeps under it. */
void preempt_disable(void);
void preempt_enable(void);

typedef struct {
	int held;
} spinlock_t;

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->held = 0;
}

static inline void spin_lock(spinlock_t *lock)
{
	preempt_disable();
	lock->held++;
}

static inline void spin_unlock(spinlock_t *lock)
{
	lock->held--;
	preempt_enable();
}

#endif
