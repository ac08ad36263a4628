/* SPDX-License-Identifier: MIT */
#include "context.h"

#include <stdlib.h>

#include "arguments.h"
#include "runtime/cpu.h"

const char *smx_status_string(enum smx_status status)
{
    switch (status) {
#define SENTENCE(name, sentence)                                               \
    case name:                                                                 \
        return sentence;
        SMX_STATUSES(SENTENCE)
#undef SENTENCE
    }
    return "unknown status";
}

const char *smx_field_name(enum smx_field field)
{
    switch (field) {
#define TEXT(name, text)                                                       \
    case name:                                                                 \
        return text;
        SMX_FIELDS(TEXT)
#undef TEXT
    }
    return "unknown field";
}

unsigned smx_version(void)
{
    return SMX_VERSION_NUMBER;
}

size_t smx_dtype_bytes(enum smx_dtype dtype)
{
    return dtype == SMX_FLOAT64 ? 8 : 4;
}

const char *smx_isa_name(enum smx_isa isa)
{
    static const char *const names[] = {"best", "base", "avx2", "avx512",
                                        "neon"};
    return (unsigned)isa < sizeof names / sizeof *names ? names[isa]
                                                        : "unknown";
}

bool smx_isa_available(enum smx_isa isa)
{
    switch (isa) {
    case SMX_ISA_BEST:
    case SMX_ISA_BASE:
        return true;
    case SMX_ISA_AVX2:
        return smx_cpu_avx2();
    case SMX_ISA_AVX512:
        return smx_cpu_avx512();
    case SMX_ISA_NEON:
#ifdef __aarch64__
        return true;
#else
        return false;
#endif
    }
    return false;
}

static enum smx_isa best_isa(void)
{
    static const enum smx_isa order[] = {SMX_ISA_AVX512, SMX_ISA_AVX2,
                                         SMX_ISA_NEON};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (smx_isa_available(order[i]))
            return order[i];
    return SMX_ISA_BASE;
}

enum smx_status smx_context_create(struct smx_context **out,
                                   const struct smx_config *config)
{
    struct smx_config own;
    *out = NULL;
    if (smx_read_config(config, &own))
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
    context->isa = isa == SMX_ISA_BEST ? best_isa() : isa;
    context->kernels = smx_kernels_of(context->isa);
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
