/* SPDX-License-Identifier: MIT */
/*
 * The promise of the same bits: hashes of every operation's outputs over
 * inputs made by integer arithmetic, held against golden.txt, for each
 * instruction set of this machine with 7, 1 and 2 threads. Links nothing but
 * the library, so that it can be built for another machine and compiler.
 *
 * usage: test_bits [--write | GOLDEN [THREADS [ELEMENTS]]]
 * --write puts the hashes on stdout; THREADS replaces them;
 * larger tensors than ELEMENTS are left out, for emulators.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/effort.h"
#include "bits_operands.h"

#define GOLDEN "tests/kernel/golden.txt"

/* outer, classes, inner: every path and the places where one begins */
static const size_t shapes[][3] = {
    {1, 1, 1},       {5, 2, 1},       {7, 3, 1},      {33, 4, 1},
    {9, 7, 1},       {64, 10, 1},     {17, 15, 1},    {5, 16, 1},
    {6, 17, 1},      {3, 31, 1},      {4, 32, 1},     {3, 33, 1},
    {3, 63, 1},      {2, 64, 1},      {3, 65, 1},     {7, 100, 1},
    {2, 1000, 1},    {1, 4096, 1},    {1, 4097, 1},   {2, 8191, 1},
    {1, 8193, 1},    {1, 16384, 1},   {1, 16385, 1},  {2, 70001, 1},
    {3, 5, 4},       {1, 10, 33},     {2, 129, 3},    {2, 1000, 16},
    {4096, 10, 1},   {1, 300007, 1},  {132, 1000, 1}, /* a row is divided while
                                                         the next one is summed
                                                       */
    {25, 128256, 1}, {1050, 8000, 1}, /* outputs that pass the caches by */
};

enum { SHAPES = sizeof shapes / sizeof *shapes };

/* ---- hashes ----------------------------------------------------------- */

/* FNV-1a over 32-bit words, finished as MurmurHash3 does. */
static uint64_t hash(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint32_t word;

    for (size_t i = 0; i + sizeof word <= bytes; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        h = (h ^ word) * UINT64_C(0x100000001b3);
        h ^= h >> 29;
    }
    return h * UINT64_C(0xff51afd7ed558ccd) ^ h >> 33;
}

/** An operation; hashes what it wrote; a status other than OK shows too. */
typedef uint64_t operation(struct smx_context *context, struct operands *o);

static uint64_t hash_values(const struct operands *o, size_t count,
                            enum smx_status status)
{
    return hash(status, o->out, count * smx_dtype_bytes(o->logits.dtype));
}

static uint64_t hash_rows(const struct operands *o, uint64_t h, const void *a)
{
    return hash(h, a, o->rows * smx_dtype_bytes(o->logits.dtype));
}

static uint64_t values_of(struct smx_context *context, struct operands *o,
                          bool log)
{
    struct smx_softmax_out out = {.size = sizeof out, .values = o->out};
    struct smx_softmax_options options = {.size = sizeof options, .log = log};

    return hash_values(o, o->elements,
                       smx_softmax(context, &o->logits, &options, &out, NULL));
}

static uint64_t do_softmax(struct smx_context *context, struct operands *o)
{
    return values_of(context, o, false);
}

static uint64_t do_log_softmax(struct smx_context *context, struct operands *o)
{
    return values_of(context, o, true);
}

static uint64_t do_options(struct smx_context *context, struct operands *o)
{
    struct smx_logits logits = o->logits;
    struct smx_softmax_out out = {.size = sizeof out, .values = o->out};

    logits.temperature = 0.7;
    logits.softcap = 30;
    logits.mask = o->mask;
    return hash_values(o, o->elements,
                       smx_softmax(context, &logits, NULL, &out, NULL));
}

static uint64_t do_summaries(struct smx_context *context, struct operands *o)
{
    struct smx_softmax_out out = {.size = sizeof out,
                                  .logsumexp = o->a,
                                  .entropy = o->b,
                                  .argmax = o->index};
    uint64_t h = smx_softmax(context, &o->logits, NULL, &out, NULL);

    h = hash_rows(o, h, o->a);
    h = hash_rows(o, h, o->b);
    return hash(h, o->index, o->rows * sizeof *o->index);
}

static uint64_t do_top_k(struct smx_context *context, struct operands *o)
{
    size_t k = o->logits.classes < TOP ? o->logits.classes : TOP;
    struct smx_softmax_out out = {
        .size = sizeof out, .values = o->out, .indices = o->index};
    struct smx_softmax_options options = {.size = sizeof options, .top_k = k};
    enum smx_status status =
        smx_softmax(context, &o->logits, &options, &out, NULL);

    return hash(hash_values(o, o->rows * k, status), o->index,
                o->rows * k * sizeof *o->index);
}

/** The first, the last and the one between. */
static uint64_t do_chosen(struct smx_context *context, struct operands *o)
{
    int64_t last = (int64_t)o->logits.classes - 1;
    int64_t chosen[TOP] = {0, last, last / 2};
    size_t count = o->rows * TOP, h = 0;

    for (int log = 0; log < 2; log++) {
        struct smx_softmax_out out = {
            .size = sizeof out, .values = o->out, .rank = o->index};
        struct smx_softmax_options options = {.size = sizeof options,
                                              .log = log,
                                              .chosen = chosen,
                                              .chosen_count = TOP};
        h += hash_values(
            o, count, smx_softmax(context, &o->logits, &options, &out, NULL));
    }
    return hash(h, o->index, count * sizeof *o->index);
}

static struct smx_criterion by_labels(const struct operands *o)
{
    return (struct smx_criterion){.size = sizeof(struct smx_criterion),
                                  .labels = o->y,
                                  .ignore = true,
                                  .ignore_index = -100};
}

/** Everything at once. */
static struct smx_criterion by_targets(const struct operands *o)
{
    return (struct smx_criterion){.size = sizeof(struct smx_criterion),
                                  .targets = o->t,
                                  .weights = o->w,
                                  .label_smoothing = 0.125,
                                  .z_loss = 0.0625};
}

static uint64_t loss_of(struct smx_context *context, struct operands *o,
                        struct smx_criterion k)
{
    double divisor = 0, accuracy = 0;
    size_t rows = 0;
    uint64_t h = 0;

    for (int r = SMX_REDUCTION_MEAN; r <= SMX_REDUCTION_NONE; r++) {
        struct smx_loss_out out = {.size = sizeof out,
                                   .loss = o->a,
                                   .divisor = &divisor,
                                   .rows = &rows,
                                   .accuracy = &accuracy};

        k.reduction = (enum smx_reduction)r;
        h += smx_loss(context, &o->logits, &k, &out, NULL);
        h = r == SMX_REDUCTION_NONE
                ? hash_rows(o, h, o->a)
                : hash(h, o->a, smx_dtype_bytes(o->logits.dtype));
        h = hash(h, &divisor, sizeof divisor);
        h = hash(h, &accuracy, sizeof accuracy) + rows;
    }
    return h;
}

static uint64_t do_loss(struct smx_context *context, struct operands *o)
{
    return loss_of(context, o, by_labels(o));
}

static uint64_t do_loss_weighted(struct smx_context *context,
                                 struct operands *o)
{
    struct smx_criterion k = by_labels(o);

    k.weights = o->w;
    k.label_smoothing = 0.125;
    k.z_loss = 0.0625;
    return loss_of(context, o, k);
}

static uint64_t do_loss_targets(struct smx_context *context, struct operands *o)
{
    return loss_of(context, o, by_targets(o));
}

static uint64_t do_gradient(struct smx_context *context, struct operands *o)
{
    struct smx_criterion k = by_labels(o);

    return hash_values(
        o, o->elements,
        smx_gradient(context, &o->logits, &k, NULL, o->out, NULL, NULL));
}

static uint64_t do_gradient_none(struct smx_context *context,
                                 struct operands *o)
{
    struct smx_criterion k = by_labels(o);
    struct smx_loss_out loss = {.size = sizeof loss, .loss = o->a};
    enum smx_status status;

    k.weights = o->w;
    k.label_smoothing = 0.125;
    k.z_loss = 0.0625;
    k.reduction = SMX_REDUCTION_NONE;
    status = smx_gradient(context, &o->logits, &k, o->g, o->out, &loss, NULL);
    return hash_rows(o, hash_values(o, o->elements, status), o->a);
}

static uint64_t do_gradient_targets(struct smx_context *context,
                                    struct operands *o)
{
    struct smx_criterion k = by_targets(o);

    return hash_values(
        o, o->elements,
        smx_gradient(context, &o->logits, &k, o->g, o->out, NULL, NULL));
}

/** The loss and its gradient, of rows that are weighed. */
static uint64_t gradient_of(struct smx_context *context, struct operands *o,
                            struct smx_criterion k)
{
    double loss = 0;
    struct smx_loss_out out = {.size = sizeof out, .loss = &loss};
    uint64_t h;

    if (o->elements > 400000) /* what is computed in double-double takes long */
        return 0;
    for (size_t r = 0; r < o->rows; r++)
        put(o->a, o->logits.dtype, r, (double)(r % 5) / 4);
    k.size = sizeof k;
    k.row_weights = o->a;
    h = hash_values(
        o, o->elements,
        smx_gradient(context, &o->logits, &k, NULL, o->out, &out, NULL));
    return hash(h, &loss, sizeof loss);
}

static uint64_t do_teacher(struct smx_context *context, struct operands *o)
{
    return gradient_of(context, o, (struct smx_criterion){.teacher = o->g});
}

static uint64_t do_teacher_reverse(struct smx_context *context,
                                   struct operands *o)
{
    struct smx_criterion k = {.teacher = o->t,
                              .divergence = SMX_DIVERGENCE_REVERSE_KL,
                              .teacher_temperature = 0.5,
                              .z_loss = 0.0625,
                              .entropy_weight = 0.25};

    return gradient_of(context, o, k);
}

static uint64_t do_teacher_jsd(struct smx_context *context, struct operands *o)
{
    struct smx_criterion k = {
        .teacher = o->g, .divergence = SMX_DIVERGENCE_JSD, .beta = 0.25};

    return gradient_of(context, o, k);
}

static uint64_t do_focal(struct smx_context *context, struct operands *o)
{
    struct smx_criterion k = by_labels(o);

    k.focal = 1.5;
    return gradient_of(context, o, k);
}

static uint64_t do_entropy_weight(struct smx_context *context,
                                  struct operands *o)
{
    struct smx_criterion k = by_targets(o);

    k.entropy_weight = 0.5;
    return gradient_of(context, o, k);
}

static uint64_t do_entropy_weight_labels(struct smx_context *context,
                                         struct operands *o)
{
    struct smx_criterion k = by_labels(o);

    k.entropy_weight = 0.5;
    return gradient_of(context, o, k);
}

static uint64_t do_vjp(struct smx_context *context, struct operands *o)
{
    return hash_values(o, o->elements,
                       smx_vjp(context, &o->logits, false, o->g, o->out, NULL));
}

static uint64_t do_log_vjp(struct smx_context *context, struct operands *o)
{
    return hash_values(o, o->elements,
                       smx_vjp(context, &o->logits, true, o->g, o->out, NULL));
}

static uint64_t do_jacobian(struct smx_context *context, struct operands *o)
{
    if (!small(o))
        return 0;
    return hash_values(o, o->elements * o->logits.classes,
                       smx_jacobian(context, &o->logits, false, o->out, NULL));
}

/** All that a softcap changes, by labels and by targets. */
static uint64_t do_capped(struct smx_context *context, struct operands *o)
{
    struct operands capped = *o;
    uint64_t h = 0;

    if (o->elements > 40000) /* float64 takes long */
        return 0;
    capped.logits.softcap = 5;
    capped.logits.temperature = 0.75;
    h += values_of(context, &capped, true);
    h = 31 * h + do_summaries(context, &capped);
    h = 31 * h + do_loss(context, &capped);
    h = 31 * h + do_gradient(context, &capped);
    h = 31 * h + do_gradient_none(context, &capped);
    h = 31 * h + do_gradient_targets(context, &capped);
    h = 31 * h + do_vjp(context, &capped);
    return 31 * h + do_log_vjp(context, &capped);
}

static const struct {
    const char *name;
    operation *run;
} operations[] = {
    {"softmax", do_softmax},
    {"log_softmax", do_log_softmax},
    {"softmax_options", do_options},
    {"capped", do_capped},
    {"summaries", do_summaries},
    {"top_k", do_top_k},
    {"chosen", do_chosen},
    {"loss", do_loss},
    {"loss_weighted", do_loss_weighted},
    {"loss_targets", do_loss_targets},
    {"gradient", do_gradient},
    {"gradient_none", do_gradient_none},
    {"gradient_targets", do_gradient_targets},
    {"teacher", do_teacher},
    {"teacher_reverse", do_teacher_reverse},
    {"teacher_jsd", do_teacher_jsd},
    {"focal", do_focal},
    {"entropy_weight", do_entropy_weight},
    {"entropy_weight_labels", do_entropy_weight_labels},
    {"vjp", do_vjp},
    {"log_vjp", do_log_vjp},
    {"jacobian", do_jacobian},
};

enum { OPERATIONS = sizeof operations / sizeof *operations };

/* ---- golden file ------------------------------------------------------ */

static void line_of(char *line, size_t room, int op, const struct operands *o,
                    uint64_t h)
{
    const struct smx_logits *l = &o->logits;

    snprintf(line, room, "%s %s %zux%zux%zu %016" PRIx64 "\n",
             operations[op].name,
             l->dtype == SMX_FLOAT32 ? "float32" : "float64", l->outer,
             l->classes, l->inner, h);
}

/** Of tensors of millions of elements only what has a way of its own. */
static bool worth(int op, const struct operands *o)
{
    return o->elements <= 1000000 || (o->logits.dtype == SMX_FLOAT32 &&
                                      (operations[op].run == do_softmax ||
                                       operations[op].run == do_chosen ||
                                       operations[op].run == do_gradient));
}

static size_t most_elements = SIZE_MAX;

/** Every line in order: written, or held against the file. */
static int visit(struct smx_context *context, FILE *golden)
{
    char got[128], want[128];
    int wrong = 0;

    for (int dtype = SMX_FLOAT32; dtype <= SMX_FLOAT64; dtype++)
        for (int s = 0; s < SHAPES; s++) {
            struct operands o;

            operands_init(&o, (enum smx_dtype)dtype, shapes[s]);
            for (int op = 0; op < OPERATIONS; op++) {
                if (!worth(op, &o))
                    continue;
                if (o.elements > most_elements) {
                    wrong += !fgets(want, sizeof want, golden);
                    continue;
                }
                line_of(got, sizeof got, op, &o,
                        operations[op].run(context, &o));
                if (!golden) {
                    fputs(got, stdout);
                    continue;
                }
                if (!fgets(want, sizeof want, golden))
                    want[0] = '\0';
                if (strcmp(got, want) != 0 && wrong++ < 5)
                    printf("got  %swant %s", got, want);
            }
            operands_free(&o);
        }
    return wrong;
}

static bool check(const char *path, enum smx_isa isa, size_t threads)
{
    struct smx_config config = {
        .size = sizeof config, .threads = threads, .isa = isa};
    struct smx_context *context;
    FILE *golden = fopen(path, "r");
    enum smx_status status = smx_context_create(&context, &config);
    int wrong = -1;

    printf("[ RUN      ] bits_%s_%zu_threads\n", smx_isa_name(isa), threads);
    if (golden && status == SMX_OK)
        wrong = visit(context, golden);
    printf("%s bits_%s_%zu_threads\n", wrong ? "[  FAILED  ]" : "[       OK ]",
           smx_isa_name(isa), threads);
    if (wrong)
        printf("%s: %d lines differ, %s\n", path, wrong,
               smx_status_string(status));
    fflush(stdout);
    smx_context_free(context);
    if (golden)
        fclose(golden);
    return wrong == 0;
}

static int write_hashes(void)
{
    struct smx_context *context;

    if (smx_context_create(&context, NULL) != SMX_OK)
        return 1;
    visit(context, NULL);
    smx_context_free(context);
    return 0;
}

int main(int argc, char **argv)
{
    size_t threads[] = {7, 1, 2}, runs = effort(3);
    const char *path = argc > 1 ? argv[1] : GOLDEN;
    bool fine = true;

    if (strcmp(path, "--write") == 0)
        return write_hashes();
    if (argc > 2) {
        threads[0] = strtoul(argv[2], NULL, 10);
        runs = 1;
    }
    if (argc > 3)
        most_elements = strtoul(argv[3], NULL, 10);
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (size_t t = 0; t < runs; t++)
            if (smx_isa_available((enum smx_isa)isa))
                fine &= check(path, (enum smx_isa)isa, threads[t]);
    return fine ? 0 : 1;
}
