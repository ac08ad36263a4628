// SPDX-License-Identifier: MIT
/* One piece of work again and again, for who counts its instructions.
 * usage: count_insns ISA WORK TIMES; it prints the elements of one time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../server/number/base64.h"
#include "../../server/number/isa.h"
#include "../../server/number/scan.h"
#include "../../server/number/write.h"
#include "softmax.h"

enum { COUNT = 32000, ROWS_MOST = COUNT / 10 };

static float floats[COUNT];
static double doubles[COUNT];
static union {
    double doubles[COUNT];
    float floats[COUNT];
    char text[(size_t)COUNT * NUMBER_MAX_TEXT];
} out;
static char text[SCAN_BEFORE + (size_t)COUNT * NUMBER_MAX_TEXT];
static int64_t labels[ROWS_MOST];
static struct smx_context *context;

/* Sums of uniform numbers, about N(0, 2). */
static void fill(void)
{
    uint64_t state = 1;
    for (int i = 0; i < COUNT; i++) {
        double sum = -6;
        for (int k = 0; k < 12; k++) {
            state = state * UINT64_C(6364136223846793005) + 1;
            sum += (double)(state >> 11) * 0x1p-53;
        }
        doubles[i] = 2 * sum;
        floats[i] = (float)doubles[i];
    }
    for (int r = 0; r < ROWS_MOST; r++)
        labels[r] = r % 10;
}

/* WORK: softmax, loss or gradient, 32 or 64, classes. */
static size_t run_kernel(const char *work)
{
    char name[16];
    int bits;
    size_t classes;
    if (sscanf(work, "%15[a-z]%d/%zu", name, &bits, &classes) != 3)
        return 0;
    double loss;
    struct smx_logits logits = {.size = sizeof logits,
                                .data =
                                    bits == 64 ? (const void *)doubles : floats,
                                .dtype = bits == 64 ? SMX_FLOAT64 : SMX_FLOAT32,
                                .outer = COUNT / classes,
                                .classes = classes,
                                .inner = 1};
    struct smx_criterion criterion = {.size = sizeof criterion,
                                      .labels = labels};
    struct smx_softmax_out softmax = {.size = sizeof softmax, .values = &out};
    struct smx_loss_out losses = {.size = sizeof losses, .loss = &loss};
    enum smx_status status;
    if (strcmp(name, "softmax") == 0)
        status = smx_softmax(context, &logits, NULL, &softmax, NULL);
    else if (strcmp(name, "loss") == 0)
        status = smx_loss(context, &logits, &criterion, &losses, NULL);
    else
        status = smx_gradient(context, &logits, &criterion, NULL, &out, &losses,
                              NULL);
    return status == SMX_OK ? COUNT : 0;
}

/* Text of all numbers, for reading: 7 or 17 digits. */
static size_t write_text(int digits)
{
    size_t bytes = 0;
    for (int i = 0; i < COUNT; i++)
        bytes += (size_t)snprintf(text + SCAN_BEFORE + bytes, 32, "%.*f,",
                                  digits - 1, fabs(doubles[i]));
    return bytes;
}

static size_t run_read(bool wide, size_t bytes)
{
    static struct stretch stretch;
    const struct scanner *scanner = scan_get();
    size_t count = 0;
    for (size_t at = 0; at + SCAN_BLOCK <= bytes; at += stretch.bytes) {
        scanner->read(text + SCAN_BEFORE + at, bytes - at, &stretch);
        if (stretch.count == 0 || !stretch.plain)
            break;
        count += wide ? scanner->float64s(&stretch, 0, out.doubles)
                      : scanner->float32s(&stretch, 0, out.floats);
    }
    return count;
}

static size_t run_codec(const char *work, size_t bytes)
{
    const struct number_rows rows = {COUNT + 1, COUNT + 1};
    if (strcmp(work, "write32") == 0)
        number_write_block_float32(out.text, floats, COUNT, rows);
    else if (strcmp(work, "write64") == 0)
        number_write_block_float64(out.text, doubles, COUNT, rows);
    else if (strcmp(work, "base64") == 0)
        base64_encode(out.text, (const unsigned char *)floats, sizeof floats);
    else
        return run_read(strncmp(work, "read64", 6) == 0, bytes);
    return COUNT;
}

int main(int argc, char **argv)
{
    struct smx_config config = {.size = sizeof config, .threads = 1};
    if (argc != 4)
        return 2;
    for (int i = SMX_ISA_BASE; i <= SMX_ISA_NEON; i++)
        if (strcmp(argv[1], smx_isa_name((enum smx_isa)i)) == 0)
            config.isa = (enum smx_isa)i;
    if (smx_context_create(&context, &config) != SMX_OK)
        return 1;
    number_isa_force(config.isa);
    fill();
    const char *slash = strchr(argv[2], '/');
    bool kernel = slash && strncmp(argv[2], "read", 4) != 0;
    size_t bytes = slash && !kernel
                       ? write_text((int)strtol(slash + 1, NULL, 10))
                       : 0,
           count = 0;
    for (long i = strtol(argv[3], NULL, 10); i > 0; i--)
        count = kernel ? run_kernel(argv[2]) : run_codec(argv[2], bytes);
    printf("%zu\n", count);
    smx_context_free(context);
    return 0;
}
