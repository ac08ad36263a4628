/* SPDX-License-Identifier: MIT */
/** Short ways to say logits and to judge what came of them. */
#ifndef EXPECT_H
#define EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "softmax.h"

struct smx_logits logits_float(const float *data, size_t rows, size_t classes);
struct smx_logits logits_double(const double *data, size_t rows,
                                size_t classes);

/** What is not the default of a softmax: OPTIONS(.log = true). */
#define OPTIONS(...)                                                           \
    (&(const struct smx_softmax_options){                                      \
        .size = sizeof(struct smx_softmax_options), __VA_ARGS__})

/** Within ulps units in the last place of max(|want|, |scale|). */
#define assert_ulp(dtype, got, want, scale, ulps)                              \
    expect_ulp(dtype, got, want, scale, ulps, #got, __FILE__, __LINE__)

void expect_ulp(enum smx_dtype dtype, long double got, long double want,
                long double scale, double ulps, const char *what,
                const char *file, int line);

/** |got - want| <= tolerance * max(|want|, 1e-300). */
#define assert_close(got, want, tolerance)                                     \
    expect_close(got, want, tolerance, #got, __FILE__, __LINE__)

void expect_close(long double got, long double want, long double tolerance,
                  const char *what, const char *file, int line);

/** Fail with the status's sentence unless it is the one wanted. */
#define assert_status(status, want)                                            \
    expect_status(status, want, #status, __FILE__, __LINE__)

void expect_status(enum smx_status got, enum smx_status want, const char *what,
                   const char *file, int line);

/** Group fixtures: one context with all defaults in expect_context. */
extern struct smx_context *expect_context;
int expect_start(void **state);
int expect_stop(void **state);

#endif
