/* SPDX-License-Identifier: MIT */
/* The order of narrow rows (lanes.h), compiled once an instruction set: each
 * class is put in its place among the largest before it. Whatever another
 * process writes to the logits meanwhile, no class is named that a row has
 * not. */
#include "lanes_vec.h"
#include "tiers.h"

/* ---- float64 ------------------------------------------------------------- */

struct largest { /* so far, the largest first */
    LINES double z[SMX_LANES_CLASSES][LANES];
    LINES int64_t class[SMX_LANES_CLASSES][LANES];
};

INLINE vl load_classes(const int64_t *p)
{
    return (vl)vd_load((const void *)p);
}

INLINE void store_classes(int64_t *p, vl v)
{
    vd_store((void *)p, (vd)v);
}

INLINE vl choose_class(vl which, vl a, vl b)
{
    return (which & a) | (~which & b);
}

/* Those below class c move back by a place, from the last of k on; of equals
 * the first stays in front. */
INLINE void insert_class(struct largest *l, int c, int k, vd z)
{
    int i = c < k ? c : k - 1;
    vl class = (vl){0} + c, here = ~(vl){0};
    if (c < k) {
        vd_store(l->z[i], z);
        store_classes(l->class[i], class);
    } else {
        here = ~(vl)(vd_load(l->z[i]) >= z);
    }
    for (; i > 0; i--) {
        vd z_before = vd_load(l->z[i - 1]), z_here = vd_load(l->z[i]);
        vl class_before = load_classes(l->class[i - 1]);
        vl class_here = load_classes(l->class[i]);
        vl before = ~(vl)(z_before >= z);
        z_here = vd_where(here, z, z_here);
        class_here = choose_class(here, class, class_here);
        vd_store(l->z[i], vd_where(before, z_before, z_here));
        store_classes(l->class[i],
                      choose_class(before, class_before, class_here));
        here = before;
    }
    vd_store(l->z[0], vd_where(here, z, vd_load(l->z[0])));
    store_classes(l->class[0],
                  choose_class(here, class, load_classes(l->class[0])));
}

INLINE void order_doubles(const struct group *g, int k,
                          int64_t classes[][LANES])
{
    struct largest l;
    CLASSES(c, g)
    insert_class(&l, c, k, vd_load(g->z[c]));
    memcpy(classes, l.class, (size_t)k * sizeof *classes);
}

/* ---- float32 ------------------------------------------------------------- */

/* A float32 leaves 29 bits of a double, whose last 5 say which class it is, so
 * that no two are equal: of equals the first is the larger. */
#define CLASS_BITS 31

/* No float32 is less, but for -INFINITY, which has no such bits. */
#define LESS_THAN_ALL (-0x1p200)

INLINE vl flip_if_negative(vl key)
{
    return key ^ ((vl)((vd)key < vd_all(0)) & CLASS_BITS);
}

/* -0 is 0. */
INLINE vd key_of(vd z, int c)
{
    vl bits = (vl)vd_max(z + vd_all(0), vd_all(LESS_THAN_ALL));
    return (vd)flip_if_negative(bits | (CLASS_BITS - c));
}

INLINE vl class_of(vd key, int classes)
{
    vl class = CLASS_BITS - (flip_if_negative((vl)key) & CLASS_BITS);
    return class & (class < classes);
}

/* Keys that registers hold, if there are no more. */
#define HELD 8

/* most: a constant where this is inlined. */
INLINE void order_keys(const struct group *g, int k, int most,
                       int64_t classes[][LANES])
{
    vd largest[SMX_LANES_CLASSES];
    EACH (i, most)
        largest[i] = vd_all(-INF);
    CLASSES(c, g)
    {
        vd key = key_of(vd_load(g->z[c]), c);
        EACH (i, most) {
            if (i == k)
                break;
            vd larger = vd_max(largest[i], key);
            key = (vd)((vl)largest[i] ^ (vl)key ^ (vl)larger);
            largest[i] = larger;
        }
    }
    EACH (i, most) {
        if (i == k)
            break;
        store_classes(classes[i], class_of(largest[i], g->classes));
    }
}

/* ---- both ---------------------------------------------------------------- */

/* Of LANES rows, no more than LANES classes each: what a register writes behind
 * a row is the next row's place, which is written after it. */
INLINE void store_turned(int64_t classes[][LANES], size_t k, int64_t *order,
                         const int64_t *end)
{
    vd square[LANES];
    EACH (i, LANES)
        square[i] = vd_load((const void *)classes[i]);
    TURN(vd, square)
    EACH (r, LANES) {
        if (end - order >= LANES)
            vd_store((void *)order, square[r]);
        else
            vd_store_part((void *)order, square[r], k);
        order += k;
    }
}

static void store_order(int64_t classes[][LANES], size_t rows, size_t k,
                        int64_t *order, const int64_t *end)
{
    if (rows == LANES && k <= LANES) {
        store_turned(classes, k, order, end);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < k; i++)
            *order++ = classes[i][r];
}

void TIER(lanes_order)(const struct smx_logits *rows, size_t first,
                       size_t count, size_t most, int64_t *order)
{
    struct group g;
    LINES double z[SMX_LANES_CLASSES][LANES];
    LINES int64_t classes[SMX_LANES_CLASSES][LANES] = {{0}};
    const int64_t *end = order + count * most;
    int k = (int)most;
    g.logits = rows;
    g.z = z;
    g.classes = (int)rows->classes;
    for (size_t r = 0; r < count; r += LANES, order += LANES * most) {
        size_t row = first + r, inner = rows->inner;
        place_group(&g, row / inner, row % inner, count - r);
        bool wide = rows->dtype == SMX_FLOAT64;
        gather_group(wide, &g, rows->data, z);
        if (wide)
            order_doubles(&g, k, classes);
        else if (k <= HELD)
            order_keys(&g, k, HELD, classes);
        else
            order_keys(&g, k, SMX_LANES_CLASSES, classes);
        store_order(classes, g.count, most, order, end);
    }
}
