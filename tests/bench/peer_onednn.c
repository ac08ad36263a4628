/* SPDX-License-Identifier: MIT */
/* oneDNN 2's softmax along the last axis, float32. */
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_t softmax;
static dnnl_memory_t from, to;

static void must(dnnl_status_t status)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "peer_onednn: status %d\n", (int)status);
    exit(1);
}

static void release(void)
{
    if (!softmax)
        return;
    must(dnnl_primitive_destroy(softmax));
    must(dnnl_memory_destroy(from));
    must(dnnl_memory_destroy(to));
    softmax = NULL;
}

static bool prepare(struct peer_case *c)
{
    dnnl_dims_t dims = {(dnnl_dim_t)c->rows, (dnnl_dim_t)c->classes};
    dnnl_memory_desc_t shape;
    dnnl_softmax_desc_t what;
    dnnl_primitive_desc_t how;

    if (c->wide || c->op != PEER_SOFTMAX)
        return false;
    omp_set_num_threads((int)c->threads);
    must(dnnl_memory_desc_init_by_tag(&shape, 2, dims, dnnl_f32, dnnl_ab));
    must(dnnl_softmax_forward_desc_init(&what, dnnl_forward_inference, &shape,
                                        1));
    must(dnnl_primitive_desc_create(&how, &what, NULL, engine, NULL));
    must(dnnl_primitive_create(&softmax, how));
    must(dnnl_primitive_desc_destroy(how));
    must(dnnl_memory_create(&from, &shape, engine, c->logits));
    must(dnnl_memory_create(&to, &shape, engine, c->out));
    return true;
}

static void run(struct peer_case *c)
{
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, from},
                                         {DNNL_ARG_DST, to}};

    (void)c;
    must(dnnl_primitive_execute(softmax, stream, 2, arguments));
    must(dnnl_stream_wait(stream));
}

int main(void)
{
    const struct peer peer = {prepare, run, release};

    must(dnnl_engine_create(&engine, dnnl_cpu, 0));
    must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    return peer_main(&peer);
}
