/* SPDX-License-Identifier: MIT */
/* The kernels of load.h, compiled once an instruction set. */
#include "tiers.h"

static bool mask_floats(const float *x, const uint8_t *mask, size_t n,
                        float instead, float *out)
{
    vi nonfinite = {0};
    const vi other = (vi)vf_all(instead);
    size_t i = 0;
    for (; n - i >= FLOATS; i += FLOATS) {
        vi counts = (vi)(vi_bytes(mask + i) != 0);
        vf z = vf_load(x + i);
        if (i % BLOCK == 0)
            fetch_ahead(x + i);
        nonfinite |= vf_nonfinite(z);
        vf_store(out + i, (vf)(((vi)z & counts) | (other & ~counts)));
    }
    bool below = !vi_any(nonfinite);
    for (; i < n; i++) {
        below &= x[i] < __builtin_inff();
        out[i] = mask[i] ? x[i] : instead;
    }
    return below;
}

static bool mask_doubles(const double *x, const uint8_t *mask, size_t n,
                         double instead, double *out)
{
    vl fine = ~(vl){0};
    const vl other = (vl)vd_all(instead);
    double lowest = instead < 0 ? instead : -DBL_MAX;
    size_t i = 0;
    for (; n - i >= LANES; i += LANES) {
        vl counts = (vl)(vl_bytes(mask + i) != 0);
        vd z = vd_load(x + i);
        fine &= (vl)(z < vd_all(__builtin_inf())) & (vl)(z >= vd_all(lowest));
        vd_store(out + i, (vd)(((vl)z & counts) | (other & ~counts)));
    }
    bool below = !vl_any(~fine);
    for (; i < n; i++) {
        below &= x[i] < __builtin_inf() && x[i] >= lowest;
        out[i] = mask[i] ? x[i] : instead;
    }
    return below;
}

/* ---- a class axis that is not the last ---------------------------------- */

/* The lanes of two vectors in turns: of their first halves, of their second. */
#define FIRST_2 0, 2
#define SECOND_2 1, 3
#define FIRST_4 0, 4, 1, 5
#define SECOND_4 2, 6, 3, 7
#define FIRST_8 0, 8, 1, 9, 2, 10, 3, 11
#define SECOND_8 4, 12, 5, 13, 6, 14, 7, 15
#define FIRST_16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SECOND_16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

/* A square of n lines, [i][j] to [j][i], in log2 n rounds; steps: between the
 * lines; stream: they are registers. */
#define SQUARE(name, number, n, rounds)                                        \
    INLINE void name(const number *from, size_t from_step, number *to,         \
                     size_t to_step, bool stream)                              \
    {                                                                          \
        typedef number line __attribute__((vector_size(n * sizeof(number))));  \
        typedef line there                                                     \
            __attribute__((aligned(sizeof(number)), may_alias));               \
        line a[n], b[n];                                                       \
        EACH (i, n)                                                            \
            a[i] = *(const there *)(from + (size_t)i * from_step);             \
        EACH (round, rounds) {                                                 \
            EACH (i, n / 2) {                                                  \
                line x = a[i], y = a[i + n / 2];                               \
                b[2 * i] = __builtin_shufflevector(x, y, FIRST_##n);           \
                b[2 * i + 1] = __builtin_shufflevector(x, y, SECOND_##n);      \
            }                                                                  \
            EACH (i, n)                                                        \
                a[i] = b[i];                                                   \
        }                                                                      \
        EACH (i, n) {                                                          \
            vf whole = {0};                                                    \
            memcpy(&whole, &a[i], sizeof a[i]);                                \
            if (stream)                                                        \
                vf_stream((void *)(to + (size_t)i * to_step), whole);          \
            else                                                               \
                *(there *)(to + (size_t)i * to_step) = a[i];                   \
        }                                                                      \
    }

#if LANES == 8
SQUARE(square_floats, float, 16, 4)
SQUARE(square_doubles, double, 8, 3)
#elif LANES == 4
SQUARE(square_floats, float, 8, 3)
SQUARE(square_doubles, double, 4, 2)
#else
#define square_floats square_some_floats
#define square_doubles square_some_doubles
#endif
SQUARE(square_some_floats, float, 4, 2)
SQUARE(square_some_doubles, double, 2, 1)

/* Where the square after that at i begins: the last one ends with the line. */
INLINE size_t next_square(size_t i, size_t side, size_t n)
{
    return i + 2 * side <= n || i + side == n ? i + side : n - side;
}

/* The lines of the tensor that the next squares need are on their way while
 * these are turned: strides are too long for the processor to see them. */
INLINE void fetch_classes(const struct smx_turn *turn, size_t element,
                          size_t class, size_t side)
{
    const char *tensor = turn->back ? turn->to : turn->from;
    if (turn->apart == turn->rows)
        return;
    for (size_t c = class; c < class + side && c < turn->classes; c++)
        for (size_t i = 0; i < turn->rows * element; i += CACHE_LINE)
            __builtin_prefetch(tensor + c * turn->apart * element + i);
}

/* Class by class, so that the lines of the tensor, whose strides may collide in
 * the cache, are touched once. side: of squares that fit; 1: none does. */
INLINE void turn_squares(bool floats, size_t side, bool back, bool stream,
                         const struct smx_turn *turn)
{
    size_t element = floats ? sizeof(float) : sizeof(double);
    size_t from_step = back ? turn->length : turn->apart;
    size_t to_step = back ? turn->apart : turn->length;
    for (size_t c = 0; c < turn->classes;
         c = next_square(c, side, turn->classes)) {
        if (!stream)
            fetch_classes(turn, element, c + side, side);
        for (size_t r = 0; r < turn->rows;
             r = next_square(r, side, turn->rows)) {
            size_t tensor = c * turn->apart + r, copy = r * turn->length + c;
            const void *from =
                (const char *)turn->from + (back ? copy : tensor) * element;
            void *to = (char *)turn->to + (back ? tensor : copy) * element;
            if (side == 1)
                memcpy(to, from, element);
            else if (floats && side == FLOATS)
                square_floats(from, from_step, to, to_step, stream);
            else if (floats)
                square_some_floats(from, from_step, to, to_step, false);
            else if (side == LANES)
                square_doubles(from, from_step, to, to_step, stream);
            else
                square_some_doubles(from, from_step, to, to_step, false);
        }
    }
}

INLINE void turn_back_or_not(bool floats, size_t side,
                             const struct smx_turn *turn)
{
    bool stream = turn->stream && (floats ? FLOATS : LANES) == side;
    size_t bytes = side * (floats ? sizeof(float) : sizeof(double));
    stream = stream && (uintptr_t)turn->to % bytes == 0 &&
             turn->apart % side == 0 && turn->rows % side == 0;
    if (!turn->back)
        turn_squares(floats, side, false, false, turn);
    else if (stream)
        turn_squares(floats, side, true, true, turn);
    else
        turn_squares(floats, side, true, false, turn);
}

INLINE void turn_in_squares(bool floats, const struct smx_turn *turn)
{
    const size_t side = floats ? FLOATS : LANES, some = floats ? 4 : 2;
    size_t least = turn->rows < turn->classes ? turn->rows : turn->classes;
    if (least >= side)
        turn_back_or_not(floats, side, turn);
    else if (least >= some)
        turn_back_or_not(floats, some, turn);
    else
        turn_back_or_not(floats, 1, turn);
}

static void turn_rows(enum smx_dtype dtype, const struct smx_turn *turn)
{
    if (dtype == SMX_FLOAT32)
        turn_in_squares(true, turn);
    else
        turn_in_squares(false, turn);
}

const struct smx_load_kernels TIER(load_kernels) = {
    .mask_floats = mask_floats,
    .mask_doubles = mask_doubles,
    .turn = turn_rows,
};
