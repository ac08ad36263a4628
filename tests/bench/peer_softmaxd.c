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

static enum smx_status compute(struct peer_case *c)
{
    double loss;
    struct smx_logits logits = {.size = sizeof logits,
                                .data = c->logits,
                                .dtype = c->wide ? SMX_FLOAT64 : SMX_FLOAT32,
                                .outer = c->rows,
                                .classes = c->classes,
                                .inner = 1};
    struct smx_criterion criterion = {.size = sizeof criterion,
                                      .labels = c->teacher ? NULL : c->labels,
                                      .teacher = c->teacher,
                                      .ignore = true,
                                      .ignore_index = -100};
    struct smx_softmax_out softmax = {
        .size = sizeof softmax, .values = c->out, .early = true};
    struct smx_loss_out out = {.size = sizeof out, .loss = &loss};

    switch (c->op) {
    case PEER_SOFTMAX:
        return smx_softmax(context, &logits, NULL, &softmax, NULL);
    case PEER_LOSS:
        return smx_loss(context, &logits, &criterion, &out, NULL);
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
