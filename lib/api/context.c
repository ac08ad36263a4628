/* SPDX-License-Identifier: MIT */
#include "context.h"

#include <stdlib.h>

#include "arguments.h"
#include "runtime/cpu.h"

const char *smx_status_string(enum smx_status status)
{
#define SENTENCE(name, sentence) sentence,
    static const char *const sentences[] = {SMX_STATUSES(SENTENCE)};
#undef SENTENCE
    bool known = (unsigned)status < sizeof sentences / sizeof *sentences;
    return known ? sentences[status] : "unknown status";
}

const char *smx_field_name(enum smx_field field)
{
#define TEXT(name, text) text,
    static const char *const texts[] = {SMX_FIELDS(TEXT)};
#undef TEXT
    bool known = (unsigned)field < sizeof texts / sizeof *texts;
    return known ? texts[field] : "unknown field";
}

unsigned smx_version(void)
{
    return SMX_VERSION_NUMBER;
}

size_t smx_dtype_bytes(enum smx_dtype dtype)
{
    return dtype == SMX_FLOAT64 ? 8 : 4;
}

enum smx_status smx_context_create(struct smx_context **out,
                                   const struct smx_config *config)
{
    struct smx_config own;
    *out = NULL;
    if (SMX_READ(config, &own, NULL, SMX_FIELD_NONE))
        return SMX_EARGUMENT;
    enum smx_isa isa = own.isa;
    size_t threads = own.threads;
    if (!smx_isa_available(isa))
        return SMX_EISA;
    if (threads == 0)
        threads = smx_cpu_count();
    struct smx_context *context = calloc(1, sizeof *context);
    if (!context)
        return SMX_ENOMEM;
    context->isa = isa == SMX_ISA_BEST ? smx_best_isa() : isa;
    context->kernels = smx_kernels_of(context->isa);
    context->third_cache = smx_cpu_third_cache();
    context->split = smx_split_exp_of(1);
    enum smx_status status = smx_pool_create(&context->pool, threads);
    if (status) {
        free(context);
        return status;
    }
    *out = context;
    return SMX_OK;
}

void smx_context_free(struct smx_context *context)
{
    if (!context)
        return;
    smx_pool_free(context->pool);
    free(context);
}

enum smx_isa smx_context_isa(const struct smx_context *context)
{
    return context->isa;
}

size_t smx_context_threads(const struct smx_context *context)
{
    return smx_pool_threads(context->pool);
}
