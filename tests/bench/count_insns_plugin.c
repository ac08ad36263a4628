/* SPDX-License-Identifier: MIT */
/* A plugin of qemu-user: says on stderr how many instructions the program
 * executed. The declarations are those of <qemu/qemu-plugin.h>, which not every
 * distribution packages; COUNT_VERSION is the interface's version. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

struct qemu_plugin_tb; /* instructions that are executed together */

void qemu_plugin_register_vcpu_tb_trans_cb(
    uint64_t id, void (*translated)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
                                          void (*executed)(unsigned cpu,
                                                           void *cls),
                                          int flags, void *cls);
void qemu_plugin_register_atexit_cb(uint64_t id,
                                    void (*ended)(uint64_t id, void *cls),
                                    void *cls);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);

extern const int qemu_plugin_version;
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

const int qemu_plugin_version = COUNT_VERSION;

static uint64_t executed_insns;

static void add_insns(unsigned cpu, void *cls)
{
    (void)cpu;
    executed_insns += (uintptr_t)cls;
}

static void count_later(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, add_insns, 0,
                                         (void *)qemu_plugin_tb_n_insns(tb));
}

static void print_insns(uint64_t id, void *cls)
{
    (void)id;
    (void)cls;
    fprintf(stderr, "%" PRIu64 "\n", executed_insns);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info;
    (void)argc;
    (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, count_later);
    qemu_plugin_register_atexit_cb(id, print_insns, NULL);
    return 0;
}
