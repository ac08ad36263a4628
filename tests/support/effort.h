/* SPDX-License-Identifier: MIT */
/** How much a test repeats itself. */
#ifndef EFFORT_H
#define EFFORT_H

#if defined(__SANITIZE_THREAD__)
#define EFFORT_DIVISOR 10
#elif defined(__SANITIZE_ADDRESS__)
#define EFFORT_DIVISOR 4
#elif defined(__has_feature)
#define EFFORT_DIVISOR                                                         \
    (__has_feature(thread_sanitizer)    ? 10                                   \
     : __has_feature(address_sanitizer) ? 4                                    \
                                        : 1)
#else
#define EFFORT_DIVISOR 1
#endif

/** Draws or repetitions of `full`: less under a sanitizer, which is as much
 *  slower and looks at the code, not at its values. At least 1. */
static inline int effort(int full)
{
    return full > EFFORT_DIVISOR ? full / EFFORT_DIVISOR : 1;
}

#endif
