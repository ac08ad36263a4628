/* SPDX-License-Identifier: MIT */
/* The loss kernels, compiled once an instruction set (loss_kernels.h says
 * what each does), in double as those of kernel_tmpl.c. */
#include "exponents_vec.h"
#include "focal_vec.h"
#include "tiers.h"
#include "simd/tile_vec.h"

/* ---- the mass --------------------------------------------------------- */

/* kind is a constant where this is inlined. */
INLINE vd mass_at(const struct smx_mass *m, enum smx_mass_kind kind, size_t i)
{
    vd v = vd_all(1);
    if (kind >= SMX_MASS_TARGETS)
        v = vd_widen(m->targets + i) * vd_all(m->keep) + vd_all(m->share);
    if (kind == SMX_MASS_WEIGHTS)
        v = vd_widen(m->weights + i);
    if (kind == SMX_MASS_WEIGHTED)
        v = vd_widen(m->weights + i) * v;
    return v;
}

/* A partial block: copies that may be read to their end. */
struct padded {
    float x[BLOCK], targets[BLOCK], weights[BLOCK];
    struct smx_mass mass;
};

INLINE void pad_mass(struct padded *p, const struct smx_mass *m,
                     enum smx_mass_kind kind, const float *x, size_t i,
                     size_t n)
{
    p->mass = *m;
    p->mass.targets = p->targets;
    p->mass.weights = p->weights;
    pad(p->x, x + i, n - i, 0);
    if (kind >= SMX_MASS_TARGETS)
        pad(p->targets, m->targets + i, n - i, 0);
    if (kind == SMX_MASS_WEIGHTS || kind == SMX_MASS_WEIGHTED)
        pad(p->weights, m->weights + i, n - i, 0);
}

INLINE void add_class_mass(vd cost[VECS], vd sum[VECS], int at, vd v, vd d)
{
    vl counts = v != vd_all(0);
    cost[at] += (vd)((vl)(v * d) & counts);
    sum[at] += v;
}

static const double LANE[BLOCK] = {0, 1, 2,  3,  4,  5,  6,  7,
                                   8, 9, 10, 11, 12, 13, 14, 15};

INLINE double mass_as(bool capped, enum smx_mass_kind kind, const float *x,
                      size_t n, const struct smx_exponents *by,
                      const struct smx_mass *m, double *cost)
{
    vd costs[VECS] = {{0}}, sums[VECS] = {{0}};
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK)
        EACH (v, VECS) {
            size_t at = i + v * LANES;
            if (v == 0 && kind >= SMX_MASS_TARGETS)
                fetch_ahead(m->targets + i);
            vd q = mass_at(m, kind, at);
            add_class_mass(costs, sums, v, q,
                           vd_all(by->reference) -
                               load_logits(capped, x + at, &by->cap, NULL));
        }
    if (i < n) {
        struct padded p;
        pad_mass(&p, m, kind, x, i, n);
        EACH (v, VECS) {
            vd q = mass_at(&p.mass, kind, v * LANES);
            vl used = vd_load(LANE + v * LANES) < vd_all((double)(n - i));
            q = (vd)((vl)q & used); /* what is behind weighs nothing */
            add_class_mass(costs, sums, v, q,
                           vd_all(by->reference) - load_logits(capped,
                                                               p.x + v * LANES,
                                                               &by->cap, NULL));
        }
    }
    *cost = block_sum(costs);
    return block_sum(sums);
}

static double mass(const float *x, size_t n, const struct smx_exponents *from,
                   const struct smx_mass *m, double *cost)
{
    const struct smx_exponents by = *from;
    bool capped = by.cap.possible;
#define AS(kind)                                                               \
    case kind:                                                                 \
        return capped ? mass_as(true, kind, x, n, &by, m, cost)                \
                      : mass_as(false, kind, x, n, &by, m, cost)
    switch (m->kind) {
        AS(SMX_MASS_EVEN);
        AS(SMX_MASS_WEIGHTS);
        AS(SMX_MASS_TARGETS);
        AS(SMX_MASS_WEIGHTED);
    case SMX_MASS_NONE:
        break;
    }
#undef AS
    return *cost = 0;
}

/* ---- the gradient ----------------------------------------------------- */

/* What exponentials are multiplied with. */
struct rise {
    double factor, bend; /* times z - reference */
};

/* e times that; of x that are -INFINITY 0. bent: is there a bend? */
INLINE void raise(bool capped, bool bent, const float *x,
                  const struct smx_exponents *by, struct rise rise, vd *e,
                  int vectors)
{
    EACH (v, vectors) {
        vd factor = vd_all(rise.factor);
        if (bent)
            factor += (load_logits(capped, x + v * LANES, &by->cap, NULL) -
                       vd_all(by->reference)) *
                      vd_all(rise.bend);
        vl some = (vl)(e[v] > vd_all(0));
        e[v] *= factor;
        if (bent)
            e[v] = (vd)((vl)e[v] & some);
    }
}

/* No negative zeros where nothing is taken away. slope: NULL, or a softcap's.
 */
INLINE void grad_store_block(enum smx_mass_kind kind, const vd *e,
                             const vd *slope, int vectors,
                             const struct smx_mass *m, size_t i, double share,
                             float *out)
{
    EACH (v, vectors) {
        vd d = e[v];
        if (kind != SMX_MASS_NONE)
            d -= mass_at(m, kind, i + v * LANES) * vd_all(share);
        if (slope)
            d *= slope[v];
        if (slope || kind == SMX_MASS_NONE)
            d += vd_all(0);
        vh_store(out + v * LANES, vd_narrow(d));
    }
}

/* So many vectors, of whose mass the first is that of element i. */
INLINE void grad_store_step(bool capped, bool bent, enum smx_mass_kind kind,
                            const float *x, const struct smx_exponents *by,
                            struct rise rise, const struct smx_mass *m,
                            size_t i, double share, int vectors, float *out)
{
    vd e[WIDE], slopes[WIDE], *slope = capped ? slopes : NULL;
    load_power(capped, x, by, e, slope, vectors);
    raise(capped, bent, x, by, rise, e, vectors);
    grad_store_block(kind, e, slope, vectors, m, i, share, out);
}

INLINE void grad_store_as(bool capped, bool bent, enum smx_mass_kind kind,
                          const float *x, size_t n,
                          const struct smx_exponents *by, struct rise rise,
                          const struct smx_mass *m, double share, float *out)
{
    /* a bend reads each logit twice, and leaves fewer registers */
    const int vectors = bent && !capped ? 2 * VECS : WIDE;
    const size_t step = (size_t)vectors * LANES;
    size_t i = 0;
    for (; i + step <= n; i += step) {
        EACH (b, vectors / VECS) {
            fetch_ahead(x + i + b * BLOCK);
            if (kind >= SMX_MASS_TARGETS)
                fetch_ahead(m->targets + i + b * BLOCK);
        }
        grad_store_step(capped, bent, kind, x + i, by, rise, m, i, share,
                        vectors, out + i);
    }
    for (; i + BLOCK <= n; i += BLOCK)
        grad_store_step(capped, bent, kind, x + i, by, rise, m, i, share, VECS,
                        out + i);
    if (i < n) {
        struct padded p;
        float last[BLOCK];
        pad_mass(&p, m, kind, x, i, n);
        grad_store_step(capped, bent, kind, p.x, by, rise, &p.mass, 0, share,
                        VECS, last);
        memcpy(out + i, last, (n - i) * sizeof *out);
    }
}

INLINE void grad_store_of(bool capped, const float *x, size_t n,
                          const struct smx_exponents *by, struct rise rise,
                          const struct smx_mass *m, double share, float *out)
{
#define AS(kind)                                                               \
    case kind:                                                                 \
        grad_store_as(capped, false, kind, x, n, by, rise, m, share, out);     \
        break
    switch (m->kind) {
        AS(SMX_MASS_NONE);
        AS(SMX_MASS_EVEN);
        AS(SMX_MASS_WEIGHTS);
        AS(SMX_MASS_TARGETS);
        AS(SMX_MASS_WEIGHTED);
    }
#undef AS
}

/* Apart, so that their registers cost the others nothing. */
static __attribute__((noinline)) void
store_capped_grad(const float *x, size_t n, const struct smx_exponents *from,
                  struct rise rise, const struct smx_mass *m, double share,
                  float *out)
{
    const struct smx_exponents by = *from;
    grad_store_of(true, x, n, &by, rise, m, share, out);
}

static __attribute__((noinline)) void
store_bent_grad(const float *x, size_t n, const struct smx_exponents *from,
                struct rise rise, const struct smx_mass *m, double share,
                float *out)
{
    const struct smx_exponents by = *from;
    if (by.cap.possible)
        grad_store_as(true, true, m->kind, x, n, &by, rise, m, share, out);
    else if (m->kind == SMX_MASS_NONE)
        grad_store_as(false, true, SMX_MASS_NONE, x, n, &by, rise, m, share,
                      out);
    else
        grad_store_as(false, true, m->kind, x, n, &by, rise, m, share, out);
}

static void store_grad(const float *x, size_t n,
                       const struct smx_exponents *from, double factor,
                       double bend, const struct smx_mass *m, double share,
                       float *out)
{
    const struct smx_exponents by = {.reference = from->reference,
                                     .scale = from->scale};
    const struct rise rise = {factor, bend};
    if (bend != 0)
        store_bent_grad(x, n, from, rise, m, share, out);
    else if (from->cap.possible)
        store_capped_grad(x, n, from, rise, m, share, out);
    else
        grad_store_of(false, x, n, &by, rise, m, share, out);
}

/* ---- the product with the Jacobian --------------------------------------- */

INLINE void add_dot(bool log, vd sums[2 * VECS], const vd *e, const float *g,
                    int vectors)
{
    EACH (v, vectors) {
        vd upstream = vd_widen(g + v * LANES);
        sums[v % VECS] += e[v];
        sums[VECS + v % VECS] += log ? upstream : e[v] * upstream;
    }
}

INLINE double dot_as(bool capped, bool log, const float *x, const float *g,
                     size_t n, const struct smx_exponents *by, double *other)
{
    vd sums[2 * VECS] = {{0}}, e[WIDE];
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        EACH (b, WIDE / VECS)
            fetch_ahead(g + i + b * BLOCK);
        load_power(capped, x + i, by, e, NULL, WIDE);
        add_dot(log, sums, e, g + i, WIDE);
    }
    for (; i < n; i += BLOCK) {
        float last[BLOCK], upstream[BLOCK];
        pad(last, x + i, n - i, -__builtin_inff());
        pad(upstream, g + i, n - i, 0);
        load_power(capped, last, by, e, NULL, VECS);
        add_dot(log, sums, e, upstream, VECS);
    }
    *other = block_sum(sums + VECS);
    return block_sum(sums);
}

static double dot(const float *x, const float *g, size_t n,
                  const struct smx_exponents *from, bool log, double *other)
{
    const struct smx_exponents by = *from;
    if (by.cap.possible)
        return log ? dot_as(true, true, x, g, n, &by, other)
                   : dot_as(true, false, x, g, n, &by, other);
    return log ? dot_as(false, true, x, g, n, &by, other)
               : dot_as(false, false, x, g, n, &by, other);
}

INLINE void vjp_block(bool log, const vd *e, const vd *slope, const float *g,
                      int vectors, double factor, double other, float *out)
{
    EACH (v, vectors) {
        vd d = vd_widen(g + v * LANES), p = e[v] * vd_all(factor);
        d = log ? d * vd_all(other) - p : p * (d - vd_all(other)) + vd_all(0);
        if (slope)
            d = d * slope[v] + vd_all(0);
        vh_store(out + v * LANES, vd_narrow(d));
    }
}

INLINE void store_vjp_as(bool capped, bool log, const float *x, const float *g,
                         size_t n, const struct smx_exponents *by,
                         double factor, double other, float *out)
{
    vd e[WIDE], slopes[WIDE], *slope = capped ? slopes : NULL;
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        EACH (b, WIDE / VECS) {
            fetch_ahead(x + i + b * BLOCK);
            fetch_ahead(g + i + b * BLOCK);
        }
        load_power(capped, x + i, by, e, slope, WIDE);
        vjp_block(log, e, slope, g + i, WIDE, factor, other, out + i);
    }
    for (; i < n; i += BLOCK) {
        float last[BLOCK], upstream[BLOCK];
        pad(last, x + i, n - i, -__builtin_inff());
        pad(upstream, g + i, n - i, 0);
        load_power(capped, last, by, e, slope, VECS);
        vjp_block(log, e, slope, upstream, VECS, factor, other, last);
        memcpy(out + i, last, (n - i < BLOCK ? n - i : BLOCK) * sizeof *out);
    }
}

static void store_vjp(const float *x, const float *g, size_t n,
                      const struct smx_exponents *from, bool log, double factor,
                      double other, float *out)
{
    const struct smx_exponents by = *from;
    if (by.cap.possible)
        log ? store_vjp_as(true, true, x, g, n, &by, factor, other, out)
            : store_vjp_as(true, false, x, g, n, &by, factor, other, out);
    else
        log ? store_vjp_as(false, true, x, g, n, &by, factor, other, out)
            : store_vjp_as(false, false, x, g, n, &by, factor, other, out);
}

/* ---- rows ------------------------------------------------------------- */

/* m 2^k with 1 <= m < 2. */
INLINE vd log_total(vd total)
{
    vd k = vu_number((vu)total >> 52) - vd_all(1023 + 54);
    vd m = (vd)(((vu)total & (UINT64_MAX >> 12)) | (vu)vd_all(1));
    return vd_log1p(m - vd_all(1)) + k * vd_all(0x1.62e42fefa39efp-1);
}

static void log_totals(const double *totals, size_t n, double *logs)
{
    VECTORS (i, n)
        put_vector(logs, i, n, log_total(get_part(totals, i, n)));
}

static void log1p_all(double *x, size_t n)
{
    VECTORS (i, n)
        put_vector(x, i, n, vd_log1p(get_part(x, i, n)));
}

static void focus_all(const double *nats, size_t n, double focal, double *loss,
                      double *gradient)
{
    VECTORS (i, n) {
        const struct label_focus focus = vd_focus(get_part(nats, i, n), focal);
        put_vector(loss, i, n, focus.loss);
        put_vector(gradient, i, n, focus.gradient);
    }
}

static double sum_doubles(const double *x, size_t n)
{
    vd sum[VECS] = {{0}};
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK)
        EACH (v, VECS)
            sum[v] += vd_load(x + i + v * LANES);
    double last[BLOCK] = {0};
    memcpy(last, x + i, (n - i) * sizeof *x);
    EACH (v, VECS)
        sum[v] += vd_load(last + v * LANES);
    return block_sum(sum);
}

const struct smx_loss_kernels TIER(loss_kernels) = {
    .mass = mass,
    .grad_store = store_grad,
    .narrow_keep = TIER(narrow_keep),
    .narrow_sum = TIER(narrow_sum),
    .narrow_put = TIER(narrow_put),
    .columns = TIER(label_columns),
    .dot = dot,
    .vjp = store_vjp,
    .log1p = log1p_all,
    .log_totals = log_totals,
    .focus = focus_all,
    .total = sum_doubles,
};
