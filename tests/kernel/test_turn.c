/* SPDX-License-Identifier: MIT */
/* Rows whose classes lie apart come to lie side by side in a copy, and back:
 * every element in its place and nothing beside them, around the squares that
 * are turned in registers, past the cache and not, on every instruction set. */
#include "../support/expect.h"

#include <string.h>

#include "../support/random.h"
#include "engine/kernels.h"
#include "engine/load.h"

enum { MOST = 40, GAP = 24, SIDE = MOST + GAP, N = SIDE * SIDE, TRIALS = 500 };

static struct random seed;

/* Any bits, NaN's too, must come through. */
struct tensors {
    _Alignas(64) unsigned char from[N * sizeof(double)];
    _Alignas(64) unsigned char to[N * sizeof(double)];
    unsigned char want[N * sizeof(double)];
};

static struct smx_turn draw(struct tensors *t)
{
    struct smx_turn turn = {.rows = 1 + random_below(&seed, MOST),
                            .classes = 1 + random_below(&seed, MOST),
                            .back = random_below(&seed, 2),
                            .stream = random_below(&seed, 2)};
    bool whole = random_below(&seed, 2); /* lines, which may be streamed */
    if (whole)
        turn.rows = (turn.rows + 15) / 16 * 16;
    turn.apart = turn.rows + (whole ? 0 : random_below(&seed, GAP));
    turn.length = turn.classes + random_below(&seed, GAP);
    turn.from = t->from;
    turn.to = t->to;
    for (size_t i = 0; i < sizeof t->from; i++)
        t->from[i] = (unsigned char)random_below(&seed, 256);
    memset(t->to, 7, sizeof t->to);
    memset(t->want, 7, sizeof t->want);
    return turn;
}

static void rows_are_turned(const struct smx_load_kernels *kernels, size_t size)
{
    static struct tensors t;
    struct smx_turn turn = draw(&t);
    for (size_t r = 0; r < turn.rows; r++)
        for (size_t c = 0; c < turn.classes; c++) {
            size_t tensor = c * turn.apart + r, copy = r * turn.length + c;
            memcpy(t.want + (turn.back ? tensor : copy) * size,
                   t.from + (turn.back ? copy : tensor) * size, size);
        }
    kernels->turn(size == sizeof(float) ? SMX_FLOAT32 : SMX_FLOAT64, &turn);
    assert_memory_equal(t.to, t.want, sizeof t.to);
}

static void on_every_tier(size_t size)
{
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (int t = 0; t < TRIALS && smx_isa_available((enum smx_isa)isa); t++)
            rows_are_turned(smx_kernels_of((enum smx_isa)isa)->load, size);
}

static void floats_are_turned(void **state)
{
    (void)state;
    on_every_tier(sizeof(float));
}

static void doubles_are_turned(void **state)
{
    (void)state;
    on_every_tier(sizeof(double));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_are_turned),
        cmocka_unit_test(doubles_are_turned),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
