/* SPDX-License-Identifier: MIT */
/**
 * In-range rows: those whose exponentials are float32 with room to spare, taken
 * relative to 0 and times 2^54. They take half the time of others.
 *
 * exp(x / T) 2^54 = s + s q. t = 16 log2(e) x / T = k + f, k an integer,
 * |f| <= 1/2; s = 2^(k/16) rounded to 12 bits, from a table of 16 and the
 * exponent; q, a polynomial of the third degree, makes up for f and for what
 * the table rounded. s + s q is never rounded: sums and products take its two
 * halves, so that they keep 5 bits more than are answered; a product of s
 * with 12 bits is exact.
 *
 * Source       Tang 1989, "Table-driven implementation of the exponential
 *              function in IEEE floating-point arithmetic"; Cody and Waite
 *              1980 for the step in parts.
 */
#ifndef SMX_SPLIT_H
#define SMX_SPLIT_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bounds of x / T. What is lower counts as the lowest, whose probability is
 * below half of the least float32 in a row that is in-range. It lies between
 * two steps, so that its s q is not denormal, which would take many times as
 * long.
 */
#define SMX_SPLIT_LOWEST (-118.98)
#define SMX_SPLIT_HIGHEST 46.0

/* Above the exponential of that, which counts nothing in a product. */
#define SMX_SPLIT_NOTHING 0x1p-117f

/* The mean of an in-range row's exponentials is above the least, their sum
 * below the most: both halves of what it is divided by are float32 with digits
 * to spare.
 */
#define SMX_SPLIT_LEAST 0x1p34
#define SMX_SPLIT_MOST 0x1p120

/* Adding it to t leaves k in the low bits of a float32, and 16 * 54 more. */
#define SMX_SPLIT_MAGIC (0x1.8p23f + 864)

/* Above every k of a row in range, and by less than 2^12. */
#define SMX_SPLIT_ABOVE 1064.0f

/* No k of a row in range is further from 0. */
#define SMX_SPLIT_STEPS 2752.0

/** What the kernels need to know of a temperature. */
struct smx_split_exp {
    bool possible;
    float lowest, highest;        /* of x */
    float scale;                  /* x to t */
    float step, step_low;         /* t to x: the leading 24 bits, 12 more */
    float step_high, step_middle; /* halves of the 24: products of any of the
                                     three and k, 12 bits too, are exact */
    float table[16];  /* the floats whose bits are those of 2^(j/16), rounded
                         to 12 bits, less j << 19: adding k << 19 to entry
                         k mod 16 gives the bits of 2^(k/16) */
    float rest[16];   /* log of 2^(j/16) rounded, less j / 16 */
    float c1, c2, c3; /* q of f in units of x */
};

/** The leading 12 bits: a product of two such is exact. */
static inline float smx_twelve_bits(double v)
{
    float rounded = (float)v;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    bits &= 0xfffff000;
    memcpy(&rounded, &bits, sizeof bits);
    return rounded;
}

/** The power of two in [v / 2, v] of a positive, normal v. */
static inline double smx_binade(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits &= UINT64_C(0x7ff0000000000000);
    memcpy(&v, &bits, sizeof bits);
    return v;
}

/* What these exponentials are times as much of. */
#define SMX_SPLIT_UNIT 0x1p-54

struct smx_split_exp smx_split_exp_of(double temperature);

/** Is a row of classes logits below the highest in-range, given its sum? */
static inline bool smx_sum_in_range(double sum, size_t classes)
{
    /* its largest logit is above -13.9, 105 above the lowest */
    return sum > SMX_SPLIT_LEAST * (double)classes && sum < SMX_SPLIT_MOST;
}

/* Classes of rows that are not worth a call each, and rows a call. */
#define SMX_NARROW ((size_t)32)
#define SMX_NARROW_ROWS ((size_t)128)

/** The largest of some logits, NaN aside, and the least of them; -INFINITY:
 *  there is a NaN, or it is not known. */
struct smx_extent {
    float max, min;
};

/** Exponentials that wait to be divided by their sum. out may be high. */
struct smx_cached_exp {
    const float *high, *rest;
    double sum;
    float *out;
    bool normal; /* no quotient is denormal */
};

/** Are quotients by sum of exponentials, of logits down to min, normal floats,
 *  and far from the largest? */
static inline bool smx_divides_normally(const struct smx_split_exp *split,
                                        float min, double sum)
{
    double least = (double)min * split->scale / 16 + 54; /* binades */
    int whole = ilogb(sum);
    return whole >= 0 && least - whole > -123;
}

/** x of a step of t. */
static inline double smx_split_step(const struct smx_split_exp *split)
{
    return (double)split->step + split->step_low;
}

/** Of what exponentials of x in range are multiplied with, factor + bend x, the
 *  size of the larger term. */
static inline double smx_bent_size(const struct smx_split_exp *split,
                                   double factor, double bend)
{
    return fmax(fabs(factor),
                fabs(bend * smx_split_step(split)) * SMX_SPLIT_STEPS);
}

/** The sum of an upstream gradient times exponentials, or of that alone, and
 *  the largest of its magnitudes. */
struct smx_split_dot {
    double sum;
    float size;
};

/** out = down (e factor (g - other)), of the logarithm down (g other - e
 *  factor). */
struct smx_split_product {
    enum smx_split_kind {
        SMX_SPLIT_SOFTMAX,
        SMX_SPLIT_LOG,     /* other is a power of two */
        SMX_SPLIT_WARM_LOG /* any */
    } kind;
    bool stream; /* past the cache */
    double factor, other;
    float down; /* a power of two that keeps small numbers normal until then */
};

/** Kernels for one chunk (kernels.h), one table an instruction set. */
struct smx_split_kernels {
    /** Are all x[i] below highest? false for NaN. */
    bool (*below)(const float *x, size_t n, float highest);

    /** Sum of the exponentials of x and the extent of x, any floats. If its
     *  largest is below highest, the sum is NaN where x has one, else its
     *  relative error is below 2^-26.5. moment: NULL, or where the sum of these
     *  times t is put. Fetches into the cache what lies behind. */
    double (*sum)(const float *x, size_t n, const struct smx_split_exp *split,
                  struct smx_extent *extent, double *moment);

    /** The same, and both halves of every exponential; rest: whole blocks
     *  of 16. before: n others to divide meanwhile, which may lie in high and
     *  rest themselves; or NULL. */
    double (*keep)(const float *x, size_t n, const struct smx_split_exp *split,
                   struct smx_extent *extent, double *moment, float *high,
                   float *rest, const struct smx_cached_exp *before);

    /** out[i] = (high[i] + rest[i]) / sum. */
    void (*divide)(const struct smx_cached_exp *cached, size_t n);

    /** out[i] = (factor + bend x[i]) * exponential of x[i]; min: no x is lower;
     *  stream: past the cache. out may be x. */
    void (*put)(const float *x, size_t n, const struct smx_split_exp *split,
                double factor, double bend, float min, bool stream, float *out);

    /** out[i] = factor[0] * exponential of x[0][i] less that of the other;
     *  out may be one of x; stream: past the cache. */
    void (*difference)(const float *const x[2], size_t n,
                       const struct smx_split_exp split[2],
                       const double factor[2], bool stream, float *out);

    /** Of kept exponentials, high NULL: of g alone; and their products with g
     *  in out, which may be g. Errors: below 2^-26 of the sum of magnitudes,
     *  and of the terms of each product beside its rounding. */
    struct smx_split_dot (*dot)(const float *high, const float *rest,
                                const float *g, size_t n);
    void (*multiply)(const float *high, const float *rest, const float *g,
                     size_t n, const struct smx_split_product *how, float *out);

    /** A copy, past the cache. */
    void (*stream)(const float *x, size_t n, float *out);

    /** Softmax of at most smx_narrow_rows (narrow.h) rows of at most SMX_NARROW
     * classes, all below highest; false when one is not in-range, and nothing
     * is written. sums: of each row, or NULL.
     */
    bool (*narrow)(const float *x, size_t rows, size_t classes,
                   const struct smx_split_exp *split, float *out, double *sums);

    /** The same of rows that lie side by side, their classes step elements
     *  apart; returns how many have been written: all, or those before some of
     *  which one is not in range. */
    size_t (*columns)(const float *x, size_t step, size_t rows, size_t classes,
                      const struct smx_split_exp *split, float *out);
};

/** Is x worth a sum? Where some are out-of-range, one look more is better than
 * a sum in vain. */
static inline bool smx_expect_in_range(const struct smx_split_kernels *kernels,
                                       const struct smx_split_exp *split,
                                       bool out_of_range, const float *x,
                                       size_t n)
{
    return split->possible &&
           (!out_of_range || kernels->below(x, n, split->highest));
}

#endif
