/* SPDX-License-Identifier: MIT */
/* libsoftmax as a peer. usage: peer_softmaxd [ISA] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "softmax.h"

static struct smx_context *context;
static enum smx_isa isa;

static void release(void)
{
    smx_context_free(context);
    context = NULL;
}

static bool prepare(struct peer_case *c)
{
    struct smx_config config = {
        .size = sizeof config, .threads = c->threads, .isa = isa};

    return smx_context_create(&context, &config) == SMX_OK;
}

static struct smx_logits logits_of(const struct peer_case *c)
{
    bool apart = c->option == PEER_AXIS;
    bool masked = c->option == PEER_MASK || c->option == PEER_MASK_CLASS;

    return (struct smx_logits){.size = sizeof(struct smx_logits),
                               .data = c->logits,
                               .dtype = c->wide ? SMX_FLOAT64 : SMX_FLOAT32,
                               .outer = apart ? 1 : c->rows,
                               .classes = c->classes,
                               .inner = apart ? c->rows : 1,
                               .temperature =
                                   c->option == PEER_TEMPERATURE ? 0.7 : 0,
                               .softcap = c->option == PEER_SOFTCAP ? 30 : 0,
                               .mask = masked ? c->mask : NULL,
                               .mask_per_class = c->option == PEER_MASK_CLASS};
}

static struct smx_criterion criterion_of(const struct peer_case *c)
{
    bool targets = c->option == PEER_TARGETS;
    size_t row_bytes = c->rows * (c->wide ? 8 : 4);

    return (struct smx_criterion){
        .size = sizeof(struct smx_criterion),
        .labels = targets || c->op == PEER_DISTILL ? NULL : c->labels,
        .targets = targets ? c->second : NULL,
        .teacher = c->op == PEER_DISTILL ? c->second : NULL,
        .row_weights = c->option == PEER_ROW_WEIGHTS ? c->weights : NULL,
        .weights =
            c->option == PEER_WEIGHTS ? (char *)c->weights + row_bytes : NULL,
        .ignore = true,
        .ignore_index = -100,
        .label_smoothing = c->option == PEER_SMOOTHING ? 0.1 : 0,
        .z_loss = c->option == PEER_Z_LOSS ? 1e-4 : 0,
        .entropy_weight = c->option == PEER_BONUS ? 0.1 : 0,
        .focal = c->option == PEER_FOCAL ? 2 : 0};
}

static enum smx_status compute_softmax(struct peer_case *c)
{
    bool top = c->option == PEER_TOP_K;
    const struct smx_logits logits = logits_of(c);
    const struct smx_softmax_options options = {.size = sizeof options,
                                                .log = c->option == PEER_LOG,
                                                .top_k = top ? PEER_TOP : 0};
    const struct smx_softmax_out out = {
        .size = sizeof out,
        .values = c->out,
        .early = true,
        .indices = top ? c->classes_out : NULL,
        .logsumexp = c->option == PEER_LOGSUMEXP ? c->numbers : NULL,
        .entropy = c->option == PEER_ENTROPY ? c->numbers : NULL,
        .argmax = c->option == PEER_ARGMAX ? c->classes_out : NULL};

    return smx_softmax(context, &logits, &options, &out, NULL);
}

static enum smx_status compute(struct peer_case *c)
{
    double loss, accuracy;
    const struct smx_logits logits = logits_of(c);
    const struct smx_criterion criterion = criterion_of(c);
    const struct smx_loss_out out = {
        .size = sizeof out,
        .loss = &loss,
        .early = true,
        .logsumexp = c->option == PEER_LOGSUMEXP ? c->numbers : NULL,
        .entropy = c->option == PEER_ENTROPY ? c->numbers : NULL,
        .argmax = c->option == PEER_ARGMAX ? c->classes_out : NULL,
        .accuracy = c->option == PEER_ACCURACY ? &accuracy : NULL};

    switch (c->op) {
    case PEER_SOFTMAX:
        return compute_softmax(c);
    case PEER_LOSS:
        return smx_loss(context, &logits, &criterion, &out, NULL);
    case PEER_PRODUCT:
        return smx_vjp_early(context, &logits, c->option == PEER_LOG, c->second,
                             c->out, NULL);
    default:
        return smx_gradient(context, &logits, &criterion, NULL, c->out, &out,
                            NULL);
    }
}

static void run(struct peer_case *c)
{
    enum smx_status status = compute(c);

    if (status == SMX_OK)
        return;
    fprintf(stderr, "peer_softmaxd: %s\n", smx_status_string(status));
    exit(1);
}

int main(int argc, char **argv)
{
    const struct peer peer = {prepare, run, release};

    for (int i = SMX_ISA_BASE; i <= SMX_ISA_NEON; i++)
        if (argc > 1 && strcmp(argv[1], smx_isa_name((enum smx_isa)i)) == 0)
            isa = (enum smx_isa)i;
    return peer_main(&peer);
}
