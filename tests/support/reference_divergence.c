/* SPDX-License-Identifier: MIT */
#include "reference_divergence.h"

#include <math.h>
#include <stdlib.h>

void reference_divergence_init(struct reference_divergence *d,
                               const struct smx_logits *logits,
                               const struct smx_criterion *criterion)
{
    d->criterion = criterion;
    d->logits = *logits;
    d->logits.data = criterion->teacher;
    d->logits.softcap = 0;
    if (criterion->teacher_temperature != 0)
        d->logits.temperature = criterion->teacher_temperature;
    row_init(&d->teacher, &d->logits);
    d->slope = must(calloc(logits->classes, sizeof *d->slope));
    d->size = must(calloc(logits->classes, sizeof *d->size));
}

void reference_divergence_free(struct reference_divergence *d)
{
    free(d->slope);
    free(d->size);
    row_free(&d->teacher);
}

static bool is_near(long double x, long double y)
{
    return fabsl(x - y) <= 1;
}

/* Of class c, d of a less that of b. Logits that are near each other have an
 * exact difference, which is small beside what is lost of their d. */
static long double d_ratio(const struct row *a, const struct row *b, size_t c)
{
    const struct smx_logits *l = a->logits, *m = b->logits;
    long double t = l->temperature ? l->temperature : 1;

    if (l->softcap == 0 && m->softcap == 0 &&
        l->temperature == m->temperature && is_near(a->logit[c], b->logit[c]) &&
        is_near(a->logit[a->argmax], b->logit[b->argmax]))
        return ((a->logit[c] - b->logit[c]) -
                (a->logit[a->argmax] - b->logit[b->argmax])) /
               t;
    return a->d[c] - b->d[c];
}

/* log_z of a less that of b, which cancel where a and b nearly agree: then the
 * log of sum p_b exp(d_a - d_b). */
static long double offset_of(const struct row *a, const struct row *b)
{
    struct sum sum = {0, 0};

    for (size_t c = 0; c < a->classes; c++) {
        long double d = isinf(b->d[c]) ? 0 : d_ratio(a, b, c);

        if (!(fabsl(d) < 1) || isinf(a->d[c]) != isinf(b->d[c]))
            return a->log_z - b->log_z;
        sum_add(&sum, b->p[c] * expm1l(d));
    }
    return log1pl(sum_get(&sum));
}

/* log a - log b of class c. */
static long double log_ratio(const struct row *a, const struct row *b,
                             long double offset, size_t c)
{
    return d_ratio(a, b, c) - offset;
}

/* exp(-t) - 1 + t */
static long double gap(long double t)
{
    long double term = t * t / 2, sum = term;

    if (fabsl(t) > 1)
        return expm1l(-t) + t;
    for (int n = 3; n < 26; n++) {
        term *= -t / n;
        sum += term;
    }
    return sum;
}

/* KL(a || b) as a sum of terms that are not negative. */
static long double kl(const struct row *a, const struct row *b)
{
    struct sum sum = {0, 0};
    long double offset = offset_of(a, b);

    if (a->dead)
        return 0;
    for (size_t c = 0; c < a->classes; c++) {
        long double t;

        if (isinf(a->d[c])) {
            sum_add(&sum, b->p[c]);
            continue;
        }
        if (isinf(b->d[c]))
            return INFINITY;
        t = log_ratio(a, b, offset, c);
        if (a->p[c] == 0 || t < -1)
            sum_add(&sum, b->p[c] + (a->p[c] == 0 ? 0 : a->p[c] * (t - 1)));
        else
            sum_add(&sum, a->p[c] * gap(t));
    }
    return sum_get(&sum);
}

/* log(a / m) of class c where m = w b + (1 - w) a. */
static long double log_share(const struct row *a, const struct row *b,
                             long double offset, long double w, size_t c)
{
    long double t;

    if (b->p[c] == 0)
        return -log1pl(-w);
    t = log_ratio(b, a, -offset, c);
    if (t > 1000 && w > 0) /* e^t may be out of range */
        return -t - logl(w + (1 - w) * expl(-t));
    return fabsl(t) < 1 || (t < 0 && w < 0.5L) ? -log1pl(w * expm1l(t))
                                               : -logl((1 - w) + w * expl(t));
}

/* A term of KL(p || m), l = log(p / m), that is not negative; where there is no
 * q, m does not sum to 1. */
static long double mixed_term(const struct row *p, const struct row *q,
                              long double b, long double l, size_t c)
{
    if (q->dead || l < -1)
        return p->p[c] * l + (q->dead ? 0 : b * (q->p[c] - p->p[c]));
    return p->p[c] == 0 ? b * q->p[c] : p->p[c] * gap(l);
}

static void load_jsd(struct reference_divergence *d, const struct row *p)
{
    const struct row *q = &d->teacher;
    long double b = d->criterion->beta, offset = offset_of(p, q);
    struct sum mixed_p = {0, 0}, mixed_q = {0, 0};
    long double value; /* KL(p || m) */

    for (size_t c = 0; c < p->classes; c++) {
        long double lp = p->p[c] == 0 ? 0 : log_share(p, q, offset, b, c);
        long double lq = q->p[c] == 0 ? 0 : log_share(q, p, -offset, 1 - b, c);

        sum_add(&mixed_p, p->dead ? 0 : mixed_term(p, q, b, lp, c));
        sum_add(&mixed_q, q->dead ? 0 : mixed_term(q, p, 1 - b, lq, c));
        d->slope[c] = (1 - b) * p->p[c] * lp;
        d->size[c] = 0;
        if (p->p[c] != 0) /* log p - log m */
            d->size[c] = (1 - b) * p->p[c] *
                         (fabsl(p->log_p[c]) + fabsl(p->log_p[c] - lp));
    }
    value = sum_get(&mixed_p);
    for (size_t c = 0; c < p->classes; c++) {
        d->slope[c] -= (1 - b) * p->p[c] * value;
        d->size[c] += (1 - b) * p->p[c] * fabsl(value);
    }
    d->value = (1 - b) * value + b * sum_get(&mixed_q);
}

static void load_forward(struct reference_divergence *d, const struct row *p)
{
    const struct row *q = &d->teacher;

    d->value = kl(q, p);
    for (size_t c = 0; c < p->classes; c++) {
        d->slope[c] = (q->dead ? 0 : p->p[c]) - q->p[c];
        d->size[c] = fmaxl(p->p[c], q->p[c]);
    }
}

static void load_reverse(struct reference_divergence *d, const struct row *p)
{
    const struct row *q = &d->teacher;
    long double offset = offset_of(p, q);

    d->value = kl(p, q);
    for (size_t c = 0; c < p->classes; c++) {
        bool both = !isinf(p->d[c]) && !isinf(q->d[c]);
        long double t = both ? log_ratio(p, q, offset, c) : 0;

        d->slope[c] = d->size[c] = 0;
        if (!both || p->p[c] == 0)
            continue;
        d->slope[c] = p->p[c] * (t - d->value);
        d->size[c] = p->p[c] * (fabsl(p->log_p[c]) + fabsl(q->log_p[c]));
    }
}

void reference_divergence_load(struct reference_divergence *d,
                               const struct row *row, size_t r)
{
    enum smx_divergence kind = d->criterion->divergence;
    double beta = d->criterion->beta;

    row_load(&d->teacher, r);
    if (kind == SMX_DIVERGENCE_JSD && beta > 0 && beta < 1)
        load_jsd(d, row);
    else if (kind == SMX_DIVERGENCE_REVERSE_KL ||
             (kind == SMX_DIVERGENCE_JSD && beta == 1))
        load_reverse(d, row);
    else
        load_forward(d, row);
}
