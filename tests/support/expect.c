/* SPDX-License-Identifier: MIT */
#include "expect.h"

#include <math.h>
#include <stdio.h>

#include "ulp.h"

struct smx_context *expect_context;

int expect_start(void **state)
{
    (void)state;
    return smx_context_create(&expect_context, NULL) != SMX_OK;
}

int expect_stop(void **state)
{
    (void)state;
    smx_context_free(expect_context);
    expect_context = NULL;
    return 0;
}

static struct smx_logits logits_of(const void *data, enum smx_dtype dtype,
                                   size_t rows, size_t classes)
{
    return (struct smx_logits){.size = sizeof(struct smx_logits),
                               .data = data,
                               .dtype = dtype,
                               .outer = rows,
                               .classes = classes,
                               .inner = 1};
}

struct smx_logits logits_float(const float *data, size_t rows, size_t classes)
{
    return logits_of(data, SMX_FLOAT32, rows, classes);
}

struct smx_logits logits_double(const double *data, size_t rows, size_t classes)
{
    return logits_of(data, SMX_FLOAT64, rows, classes);
}

void expect_ulp(enum smx_dtype dtype, long double got, long double want,
                long double scale, double ulps, const char *what,
                const char *file, int line)
{
    double error = ulp_error(dtype, got, want, scale);

    if (error <= ulps)
        return;
    print_error("%s is %.17Lg, want %.17Lg: %g ulp, not %g\n", what, got, want,
                error, ulps);
    _fail(file, line);
}

void expect_close(long double got, long double want, long double tolerance,
                  const char *what, const char *file, int line)
{
    if (got == want || fabsl(got - want) <= tolerance * fabsl(want) + 1e-300L)
        return;
    print_error("%s is %.17Lg, want %.17Lg\n", what, got, want);
    _fail(file, line);
}

void expect_status(enum smx_status got, enum smx_status want, const char *what,
                   const char *file, int line)
{
    if (got == want)
        return;
    print_error("%s: got \"%s\", want \"%s\"\n", what, smx_status_string(got),
                smx_status_string(want));
    _fail(file, line);
}
