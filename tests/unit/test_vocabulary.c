// SPDX-License-Identifier: MIT
/* The tables of members and outputs, and the documents that repeat them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../server/api/members.h"
#include "../../server/api/outputs.h"
#include "../../server/http/pages.h"
#include "../../server/json/writer.h"

static const struct {
    const char *path, *schema;
    enum operation operation;
} operations[] = {
    {"/softmax", "Softmax", OPERATION_SOFTMAX},
    {"/loss", "Loss", OPERATION_LOSS},
    {"/gradient", "Gradient", OPERATION_GRADIENT},
};

/* ---- the tables themselves ---------------------------------------------- */

static void names_are_unique_for_each_task(void **state)
{
    (void)state;
    for (size_t i = 0; i < member_count; i++) {
        assert_int_not_equal(members[i].tasks, 0);
        assert_ptr_equal(member_find(members[i].tasks, members[i].name),
                         &members[i]);
    }
    for (size_t i = 0; i < OUTPUT_COUNT; i++) {
        assert_non_null(output_kinds[i].name);
        assert_int_equal(output_id(output_find(output_kinds[i].name)), i);
    }
}

/* The library names operands; each is one tensor of a request. */
static void every_operand_is_a_member(void **state)
{
    (void)state;
    const enum smx_field operands[] = {SMX_FIELD_LOGITS,  SMX_FIELD_LABELS,
                                       SMX_FIELD_TARGETS, SMX_FIELD_WEIGHTS,
                                       SMX_FIELD_CHOSEN,  SMX_FIELD_UPSTREAM};
    for (size_t o = 0; o < sizeof operands / sizeof *operands; o++) {
        int count = 0;
        for (size_t i = 0; i < member_count; i++)
            count += members[i].kind == MEMBER_TENSOR &&
                     members[i].field == operands[o];
        assert_int_equal(count, 1);
    }
}

/* ---- openapi.yaml ------------------------------------------------------- */

/* openapi.yaml as GET /openapi.json has it. */
static json_t *load_specification(void)
{
    size_t i = 0;
    while (strcmp(pages_routes[i].path, "/openapi.json") != 0)
        i++;
    json_t *document = json_loads(pages_routes[i].page->text, 0, NULL);
    assert_non_null(document);
    return document;
}

static json_t *properties_of(json_t *document, const char *schema,
                             const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", schema, what);
    json_t *found = json_object_get(document, "components");
    found = json_object_get(json_object_get(found, "schemas"), name);
    found = json_object_get(found, "properties");
    if (!found)
        fail_msg("openapi.yaml: no properties of %s", name);
    return found;
}

static void specification_has_the_members(void **state)
{
    (void)state;
    json_t *document = load_specification();
    for (size_t o = 0; o < 3; o++) {
        unsigned tasks = operation_tasks(operations[o].operation);
        json_t *properties =
            properties_of(document, operations[o].schema, "Request");
        size_t count = 0;
        for (size_t i = 0; i < member_count; i++) {
            if (!(members[i].tasks & tasks))
                continue;
            if (!json_object_get(properties, members[i].name))
                fail_msg("openapi.yaml: %s lacks %s", operations[o].path,
                         members[i].name);
            count++;
        }
        assert_int_equal(json_object_size(properties), count);
    }
    json_decref(document);
}

static void specification_has_the_outputs(void **state)
{
    (void)state;
    json_t *document = load_specification();
    for (size_t o = 0; o < 3; o++) {
        unsigned tasks = operation_tasks(operations[o].operation);
        json_t *properties =
            properties_of(document, operations[o].schema, "Answer");
        size_t count = 0;
        for (size_t i = 0; i < OUTPUT_COUNT; i++) {
            if (!(output_kinds[i].tasks & tasks))
                continue;
            if (!json_object_get(properties, output_kinds[i].name))
                fail_msg("openapi.yaml: %s does not answer %s",
                         operations[o].path, output_kinds[i].name);
            count++;
        }
        assert_int_equal(json_object_size(properties), count);
    }
    json_decref(document);
}

static void specification_has_the_names_to_include(void **state)
{
    (void)state;
    json_t *document = load_specification();
    for (size_t o = 0; o < 3; o++) {
        unsigned tasks = operation_tasks(operations[o].operation);
        json_t *include = json_object_get(
            properties_of(document, operations[o].schema, "Request"),
            "include");
        json_t *names =
            json_object_get(json_object_get(include, "items"), "enum");
        size_t count = 0;
        for (size_t i = 0; i < OUTPUT_COUNT; i++) {
            if (!(output_kinds[i].included & tasks))
                continue;
            if (strcmp(json_string_value(json_array_get(names, count)),
                       output_kinds[i].name) != 0)
                fail_msg("openapi.yaml: include of %s lacks %s",
                         operations[o].path, output_kinds[i].name);
            count++;
        }
        assert_int_equal(json_array_size(names), count);
    }
    json_decref(document);
}

/* ---- README.md ---------------------------------------------------------- */

/* "all", or "`/loss`, `/gradient`". */
static void where_text(const struct member *member, char *text, size_t bytes)
{
    size_t used = 0, count = 0;
    text[0] = '\0';
    for (size_t o = 0; o < 3; o++)
        if (member->tasks & operation_tasks(operations[o].operation)) {
            used += (size_t)snprintf(text + used, bytes - used, "%s`%s`",
                                     used ? ", " : "", operations[o].path);
            count++;
        }
    if (count == 3)
        snprintf(text, bytes, "all");
}

static void readme_has_the_members(void **state)
{
    (void)state;
    char line[512], name[64], where[64], expected[64];
    FILE *file = fopen("README.md", "r");
    size_t count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) &&
           strncmp(line, "| member | where", 16) != 0)
        ;
    while (fgets(line, sizeof line, file) && line[0] == '|') {
        if (sscanf(line, "| `%63[a-z_]` | %63[^|] |", name, where) != 2)
            continue;
        const struct member *member = member_find(~0u, name);
        if (!member)
            fail_msg("README.md: no member is called %s", name);
        where_text(member, expected, sizeof expected);
        where[strlen(where) - 1] = '\0'; /* the blank */
        if (strcmp(where, expected) != 0)
            fail_msg("README.md: %s is taken by %s, not %s", name, expected,
                     where);
        count++;
    }
    fclose(file);
    assert_int_equal(count, member_count);
}

/* Every name of an output stands in the table of answers, and no other. */
static void readme_has_the_outputs(void **state)
{
    (void)state;
    char line[512];
    FILE *file = fopen("README.md", "r");
    size_t count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) &&
           strncmp(line, "| member | of |", 15) != 0)
        ;
    while (fgets(line, sizeof line, file) && line[0] == '|') {
        char *save, *names = line + 1;
        names[strcspn(names, "|")] = '\0';
        for (char *name = strtok_r(names, "`", &save); name;
             name = strtok_r(NULL, "`", &save)) {
            if (strspn(name, " ,-\n") == strlen(name))
                continue;
            if (!output_find(name))
                fail_msg("README.md: no output is called %s", name);
            count++;
        }
    }
    fclose(file);
    assert_int_equal(count, OUTPUT_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique_for_each_task),
        cmocka_unit_test(every_operand_is_a_member),
        cmocka_unit_test(specification_has_the_members),
        cmocka_unit_test(specification_has_the_outputs),
        cmocka_unit_test(specification_has_the_names_to_include),
        cmocka_unit_test(readme_has_the_members),
        cmocka_unit_test(readme_has_the_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
