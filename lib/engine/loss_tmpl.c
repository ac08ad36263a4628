/* SPDX-License-Identifier: MIT */
/* The loss kernels, compiled once an instruction set (loss_kernels.h says
 * what each does), in double as those of kernel_tmpl.c. */
#include "focal_vec.h"
#include "stored_vec.h"
#include "tiers.h"
#include "simd/tile_vec.h"

/* ---- the mass --------------------------------------------------------- */

/* Of a block, the first n of which weigh something. */
INLINE void add_masses(bool capped, enum smx_mass_kind kind, const float *x,
                       const struct smx_exponents *by, const struct smx_mass *m,
                       size_t i, size_t n, vd costs[VECS], vd sums[VECS])
{
    EACH (v, VECS) {
        size_t at = (size_t)v * LANES;
        vd mass = mass_at(m, kind, i + at);
        vd d =
            vd_all(by->reference) - load_logits(capped, x + at, &by->cap, NULL);
        if (n < BLOCK)
            mass = (vd)((vl)mass & vl_below(n > at ? n - at : 0));
        costs[v] += (vd)((vl)(mass * d) & (vl)(mass != vd_all(0)));
        sums[v] += mass;
    }
}

INLINE double mass_as(bool capped, enum smx_mass_kind kind, const float *x,
                      size_t n, const struct smx_exponents *by,
                      const struct smx_mass *m, double *cost)
{
    vd costs[VECS] = {{0}}, sums[VECS] = {{0}};
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        if (kind >= SMX_MASS_TARGETS)
            fetch_ahead(m->targets + i);
        add_masses(capped, kind, x + i, by, m, i, BLOCK, costs, sums);
    }
    if (i < n) {
        struct padded p;
        pad_operands(&p, m, kind, x, i, n);
        add_masses(capped, kind, p.x, by, &p.mass, 0, n - i, costs, sums);
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

INLINE void store_grad_of(bool capped, const float *x, size_t n,
                          const struct smx_exponents *by, const struct how *how,
                          float *out)
{
#define AS(kind)                                                               \
    case kind:                                                                 \
        store_as(capped, false, kind, x, n, by, how, false, out);              \
        break
    switch (how->mass->kind) {
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
                  struct how how, float *out)
{
    const struct smx_exponents by = *from;
    store_grad_of(true, x, n, &by, &how, out);
}

static __attribute__((noinline)) void
store_bent_grad(const float *x, size_t n, const struct smx_exponents *from,
                struct how how, float *out)
{
    const struct smx_exponents by = *from;
    int kind = how.mass->kind;
    if (by.cap.possible)
        store_as(true, true, kind, x, n, &by, &how, false, out);
    else if (kind == SMX_MASS_NONE)
        store_as(false, true, SMX_MASS_NONE, x, n, &by, &how, false, out);
    else
        store_as(false, true, kind, x, n, &by, &how, false, out);
}

static void store_grad(const float *x, size_t n,
                       const struct smx_exponents *from, double factor,
                       double bend, const struct smx_mass *m, double share,
                       float *out)
{
    const struct smx_exponents by = {.reference = from->reference,
                                     .scale = from->scale};
    const struct how how = {factor, bend, share, m};
    if (bend != 0)
        store_bent_grad(x, n, from, how, out);
    else if (from->cap.possible)
        store_capped_grad(x, n, from, how, out);
    else
        store_grad_of(false, x, n, &by, &how, out);
}

/* ---- the product with the Jacobian --------------------------------------- */

static void store_vjp(const float *x, const float *g, size_t n,
                      const struct smx_exponents *from, bool log, double factor,
                      double other, float *out)
{
    const struct smx_exponents by = *from;
    const struct smx_mass upstream = {.targets = g};
    const struct how how = {factor, 0, other, &upstream};
#define AS(kind)                                                               \
    by.cap.possible                                                            \
        ? store_as(true, false, kind, x, n, &by, &how, false, out)             \
        : store_as(false, false, kind, x, n, &by, &how, false, out)
    log ? AS(STORED_LOG_PRODUCT) : AS(STORED_PRODUCT);
#undef AS
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
    .vjp = store_vjp,
    .log1p = log1p_all,
    .log_totals = log_totals,
    .focus = focus_all,
    .total = sum_doubles,
};
