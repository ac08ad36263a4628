/* SPDX-License-Identifier: MIT */
/** What is stored of a chunk's exponentials, for the templates. capped, bent,
 *  kind, vectors and stream are constants where a function is inlined. */
#ifndef SMX_STORED_VEC_H
#define SMX_STORED_VEC_H

#include "exponents_vec.h"
#include "loss_kernels.h"

/** Of exponentials e and a slope, which is 1 without a softcap: (factor + bend
 *  (z - reference)) e slope less other v slope, v as smx_mass_kind has it, or
 *  one of these. */
enum stored {
    STORED_PRODUCT = SMX_MASS_WEIGHTED + 1, /* factor e (g - other) slope */
    STORED_LOG_PRODUCT,                     /* (g other - factor e) slope */
    STORED_VALUE,                           /* factor e */
    STORED_LOG /* factor (z - reference) - other: without exponentials */
};

/** Which of them, as far as a bend does not say: it goes with a mass alone. */
INLINE bool is_stored(bool bent, int kind, enum stored as)
{
    return !bent && kind == (int)as;
}

struct how {
    double factor, bend, other;
    const struct smx_mass *mass; /* of a product targets are its g */
};

INLINE bool kind_has_targets(int kind)
{
    return kind >= SMX_MASS_TARGETS && kind <= STORED_LOG_PRODUCT;
}

INLINE bool kind_has_weights(int kind)
{
    return kind == SMX_MASS_WEIGHTS || kind == SMX_MASS_WEIGHTED;
}

INLINE vd mass_at(const struct smx_mass *m, int kind, size_t i)
{
    vd v = vd_all(1);
    if (kind == SMX_MASS_TARGETS || kind == SMX_MASS_WEIGHTED)
        v = vd_widen(m->targets + i) * vd_all(m->keep) + vd_all(m->share);
    if (kind == SMX_MASS_WEIGHTS)
        v = vd_widen(m->weights + i);
    if (kind == SMX_MASS_WEIGHTED)
        v = vd_widen(m->weights + i) * v;
    return v;
}

/** A partial block: copies that may be read to their end. */
struct padded {
    float x[BLOCK], targets[BLOCK], weights[BLOCK];
    struct smx_mass mass;
};

INLINE void pad_operands(struct padded *p, const struct smx_mass *m, int kind,
                         const float *x, size_t i, size_t n)
{
    pad(p->x, x + i, n - i, 0);
    p->mass = *m;
    p->mass.targets = p->targets;
    p->mass.weights = p->weights;
    if (kind_has_targets(kind))
        pad(p->targets, m->targets + i, n - i, 0);
    if (kind_has_weights(kind))
        pad(p->weights, m->weights + i, n - i, 0);
}

/* Times factor, with a bend more; of x that are -INFINITY 0. */
INLINE vd raised(bool capped, bool bent, vd e, const float *x,
                 const struct smx_exponents *by, const struct how *how)
{
    if (!bent)
        return e * vd_all(how->factor);
    vl some = (vl)(e > vd_all(0));
    vd z = load_logits(capped, x, &by->cap, NULL) - vd_all(by->reference);
    e *= vd_all(how->factor) + z * vd_all(how->bend);
    return (vd)((vl)e & some);
}

/* No negative zeros where nothing is taken away. e: times factor. */
INLINE vd stored_of(bool capped, bool bent, int kind, vd e, vd slope,
                    const struct how *how, size_t i)
{
    vd d = e, other = vd_all(how->other);
    if (is_stored(bent, kind, STORED_VALUE))
        return e;
    if (is_stored(bent, kind, STORED_PRODUCT))
        d = e * (vd_widen(how->mass->targets + i) - other) + vd_all(0);
    else if (is_stored(bent, kind, STORED_LOG_PRODUCT))
        d = vd_widen(how->mass->targets + i) * other - e;
    else if (kind != SMX_MASS_NONE)
        d -= mass_at(how->mass, kind, i) * other;
    if (capped)
        d *= slope;
    return capped || kind == SMX_MASS_NONE ? d + vd_all(0) : d;
}

/* So many vectors at x, of whose operands the first is element i. */
INLINE void store_step(bool capped, bool bent, int kind, const float *x,
                       const struct smx_exponents *by, const struct how *how,
                       size_t i, int vectors, bool stream, float *out)
{
    const bool log = is_stored(bent, kind, STORED_LOG);
    const bool sloped = capped && !is_stored(bent, kind, STORED_VALUE);
    vd e[WIDE], slopes[WIDE];
    vh p[WIDE];
    if (log)
        load_vectors(capped, x, &by->cap, e, NULL, vectors);
    else
        load_power(capped, x, by, e, sloped ? slopes : NULL, vectors);
    EACH (v, vectors) {
        if (log)
            e[v] = (e[v] - vd_all(by->reference)) * vd_all(how->factor) -
                   vd_all(how->other);
        else
            e[v] =
                stored_of(capped, bent, kind,
                          raised(capped, bent, e[v], x + v * LANES, by, how),
                          sloped ? slopes[v] : vd_all(1), how, i + v * LANES);
        p[v] = vd_narrow(e[v]);
    }
    EACH (v, vectors)
        if (stream)
            vh_stream(out + v * LANES, p[v]);
        else
            vh_store(out + v * LANES, p[v]);
}

/* The block at i of which there are as many as are below n. */
INLINE void store_block(bool capped, bool bent, int kind, const float *x,
                        size_t i, size_t n, const struct smx_exponents *by,
                        const struct how *how, float *out)
{
    struct padded p;
    struct how own = *how;
    const float *from = x + i;
    float *to = out + i;
    bool whole = n - i >= BLOCK;
    if (!whole) {
        pad_operands(&p, how->mass, kind, x, i, n);
        own.mass = &p.mass;
        from = to = p.x;
    }
    store_step(capped, bent, kind, from, by, &own, whole ? i : 0, VECS, false,
               to);
    if (!whole)
        memcpy(out + i, p.x, (n - i) * sizeof *out);
}

/** n elements; stream: whole lines past the cache. */
INLINE void store_as(bool capped, bool bent, int kind, const float *x, size_t n,
                     const struct smx_exponents *by, const struct how *how,
                     bool stream, float *out)
{
    /* a bend reads each logit twice, and leaves fewer registers; a logarithm is
     * a short chain */
    const bool log = is_stored(bent, kind, STORED_LOG);
    const int vectors = capped ? WIDE : bent ? 2 * VECS : log ? VECS : WIDE;
    const size_t step = (size_t)vectors * LANES;
    size_t i = 0, first = stream ? before_line(out, sizeof *out, n) : 0;
    for (size_t end; i < n; i = end) {
        end = i < first ? first : n;
        for (; end - i >= step; i += step) {
            EACH (b, vectors / VECS) {
                if (bent || kind <= STORED_LOG_PRODUCT)
                    fetch_ahead(x + i + b * BLOCK);
                if (kind_has_targets(kind))
                    fetch_ahead(how->mass->targets + i + b * BLOCK);
            }
            store_step(capped, bent, kind, x + i, by, how, i, vectors, stream,
                       out + i);
        }
        for (; i < end; i += BLOCK)
            store_block(capped, bent, kind, x, i, end, by, how, out);
    }
}

#endif
