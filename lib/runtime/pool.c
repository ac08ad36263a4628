/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* What slices wrote past the caches (vf_stream) is there for others to see. */
#if defined(__x86_64__)
#define END_STREAMS() __builtin_ia32_sfence()
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define END_STREAMS() ((void)0) /* there are none */
#define PAUSE() __asm__ volatile("yield")
#else
#define END_STREAMS() ((void)0)
#define PAUSE() ((void)0)
#endif

/* Slices that have not been taken yet. */
struct range {
    atomic_size_t next;
    size_t end;
};

/* A call whose slices are shared; lives on its caller's stack. Each side begins
 * with its own, in every sweep the same, for its caches hold them, then helps
 * the other. */
struct loop {
    struct loop *next;
    void (*slice)(void *argument, size_t i);
    void *argument;
    atomic_size_t helpers; /* threads of the pool inside it */
    struct range of_caller, of_helpers;
};

struct smx_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;    /* a loop that may be helped, or the end */
    pthread_cond_t left;    /* a helper left its loop */
    struct loop *loops;     /* the one to help next is first */
    size_t callers;         /* that are inside their loops */
    size_t helping;         /* threads of the pool that are inside one */
    atomic_uint posted;     /* number of times that help was called for; idle
                               threads spin until it changes */
    atomic_size_t spinners; /* threads that spin now, fewer than threads */
    size_t reserved;        /* of these, as many as a post counts on: the next
                              must signal to others */
    bool ending;
    size_t threads; /* that may compute at once, a caller's included */
    size_t started;
    pthread_t thread[];
};

static bool range_step(struct loop *loop, struct range *range)
{
    size_t i = atomic_fetch_add(&range->next, 1);
    if (i >= range->end)
        return false;
    loop->slice(loop->argument, i);
    return true;
}

/* One slice; false when none is left. */
static bool caller_step(struct loop *loop)
{
    return range_step(loop, &loop->of_caller) ||
           range_step(loop, &loop->of_helpers);
}

static bool helper_step(struct loop *loop)
{
    return range_step(loop, &loop->of_helpers) ||
           range_step(loop, &loop->of_caller);
}

static void loop_unlink(struct smx_pool *pool, struct loop *loop)
{
    struct loop **link = &pool->loops;
    while (*link && *link != loop)
        link = &(*link)->next;
    if (*link)
        *link = loop->next;
}

static void loop_append(struct smx_pool *pool, struct loop *loop)
{
    struct loop **link = &pool->loops;
    while (*link)
        link = &(*link)->next;
    loop->next = NULL;
    *link = loop;
}

/* A loop that may take one more thread. Callers compute too, and together with
 * those who help them they are not to be more than threads: several callers at
 * once leave less of the pool to each, instead of threads that take turns. */
static struct loop *loop_to_help(struct smx_pool *pool)
{
    return pool->callers + pool->helping < pool->threads ? pool->loops : NULL;
}

/* One slice of a loop, which then goes to the back: callers get turns, so a
 * long one does not starve a short one. More where nothing else waits. */
static void help_loop(struct smx_pool *pool, struct loop *loop)
{
    loop_unlink(pool, loop);
    bool alone = !pool->loops;
    unsigned posted = atomic_load(&pool->posted);
    pool->helping++;
    atomic_fetch_add(&loop->helpers, 1);
    loop_append(pool, loop);
    pthread_mutex_unlock(&pool->lock);
    bool more = helper_step(loop);
    while (more && alone && atomic_load(&pool->posted) == posted)
        more = helper_step(loop);
    END_STREAMS();
    pthread_mutex_lock(&pool->lock);
    pool->helping--;
    if (!more)
        loop_unlink(pool, loop);
    /* the last access: the caller may return as soon as it sees 0 */
    if (atomic_fetch_sub(&loop->helpers, 1) == 1)
        pthread_cond_broadcast(&pool->left);
}

/* Some 20 us: a wake-up costs as much, and calls often follow each other. */
#define SPINS 1000

static void spin(struct smx_pool *pool, unsigned posted)
{
    pool->spinners++;
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < SPINS && atomic_load(&pool->posted) == posted; i++)
        PAUSE();
    pthread_mutex_lock(&pool->lock);
    pool->spinners--;
    if (pool->reserved)
        pool->reserved--;
}

/* Nothing to do: look out for a while, then sleep. Called with the lock. */
static void idle(struct smx_pool *pool)
{
    unsigned posted = atomic_load(&pool->posted);
    spin(pool, posted);
    while (atomic_load(&pool->posted) == posted && !pool->ending)
        pthread_cond_wait(&pool->work, &pool->lock);
}

/* Something has been posted for so many threads: what lookouts will not see
 * wakes others. Called with the lock. */
static void call_for(struct smx_pool *pool, size_t threads)
{
    atomic_fetch_add(&pool->posted, 1);
    for (; threads && pool->reserved < pool->spinners; threads--)
        pool->reserved++;
    for (; threads; threads--)
        pthread_cond_signal(&pool->work);
}

static void *work(void *argument)
{
    struct smx_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct loop *loop = loop_to_help(pool);
        if (loop)
            help_loop(pool, loop);
        else if (pool->ending)
            break;
        else
            idle(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum smx_status smx_pool_create(struct smx_pool **out, size_t threads)
{
    *out = NULL;
    if (threads == 0)
        threads = 1;
    if (threads > 4096)
        return SMX_EARGUMENT;
    struct smx_pool *pool =
        calloc(1, sizeof *pool + threads * sizeof pool->thread[0]);
    if (!pool)
        return SMX_ENOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->left, NULL);
    pool->threads = threads;
    for (; pool->started < threads - 1; pool->started++)
        if (pthread_create(&pool->thread[pool->started], NULL, work, pool)) {
            smx_pool_free(pool);
            return SMX_ETHREAD;
        }
    *out = pool;
    return SMX_OK;
}

void smx_pool_free(struct smx_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->started; i++)
        pthread_join(pool->thread[i], NULL);
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

size_t smx_pool_threads(const struct smx_pool *pool)
{
    return pool->threads;
}

size_t smx_pool_slices(const struct smx_pool *pool, size_t count, size_t most)
{
    size_t slices = count / most + (count % most != 0);
    size_t even = slices + pool->threads - 1;
    even -= even % pool->threads;
    return slices >= pool->threads && even <= count ? even : slices;
}

/* Until no helper is inside the loop, which nobody can find any more. Who falls
 * asleep here may be woken on the helper's processor: the last slice may take
 * longer than a look-out. */
static void await_helpers(struct smx_pool *pool, struct loop *loop)
{
    for (int i = 0; i < 4 * SPINS && atomic_load(&loop->helpers); i++)
        PAUSE();
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&loop->helpers))
        pthread_cond_wait(&pool->left, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void smx_pool_for(struct smx_pool *pool, size_t slices,
                  void (*slice)(void *, size_t), void *argument)
{
    size_t own = slices / pool->threads;
    if (pool->threads == 1 || slices < 2) {
        for (size_t i = 0; i < slices; i++)
            slice(argument, i);
        if (slices > 1) /* one is too little to be streamed */
            END_STREAMS();
        return;
    }
    struct loop loop = {.slice = slice,
                        .argument = argument,
                        .of_caller = {0, own},
                        .of_helpers = {own, slices}};
    pthread_mutex_lock(&pool->lock);
    pool->callers++;
    loop_append(pool, &loop);
    call_for(pool, (slices < pool->threads ? slices : pool->threads) - 1);
    pthread_mutex_unlock(&pool->lock);
    while (caller_step(&loop))
        ;
    END_STREAMS();
    pthread_mutex_lock(&pool->lock);
    pool->callers--;
    loop_unlink(pool, &loop);
    if (pool->loops) /* another's, which may be helped now */
        call_for(pool, 1);
    pthread_mutex_unlock(&pool->lock);
    await_helpers(pool, &loop);
}

struct each {
    void (*item)(void *argument, size_t i);
    void *argument;
    size_t count, slices;
};

static void run_items(void *argument, size_t slice)
{
    const struct each *each = argument;
    size_t end, i = smx_pool_slice(each->count, each->slices, slice, &end);
    for (; i < end; i++)
        each->item(each->argument, i);
}

void smx_pool_each(struct smx_pool *pool, size_t count, size_t most,
                   void (*item)(void *, size_t), void *argument)
{
    struct each each = {item, argument, count,
                        smx_pool_slices(pool, count, most + !most)};
    smx_pool_for(pool, each.slices, run_items, &each);
}

/* Slices that take less than a wake-up. */
#define GLANCE ((size_t)8)

void smx_pool_for_scan(struct smx_pool *pool, size_t slices,
                       void (*slice)(void *, size_t), void *argument)
{
    size_t all = slices < pool->threads ? slices : pool->threads;
    if (slices > GLANCE || atomic_load(&pool->spinners) + 1 >= all)
        smx_pool_for(pool, slices, slice, argument);
    else
        for (size_t i = 0; i < slices; i++)
            slice(argument, i);
}
