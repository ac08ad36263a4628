// SPDX-License-Identifier: MIT
#include "tree.h"

#include <math.h>
#include <pthread.h>

#include <jansson.h>

#include "../number/read.h"

/* About what a node takes, with a member's name and its place in a table. */
enum { NODE_BYTES = 96, CONTAINER_BYTES = 320 };

static json_t *empty_object; /* NULL: there was no memory for it */

/* Seeding on first use is a race between threads, so it is done once. */
static void prepare_once(void)
{
    json_object_seed(0);
    empty_object = json_object();
    if (empty_object) /* as Jansson marks its constants: it is never freed */
        empty_object->refcount = (size_t)-1;
}

void tree_init(struct tree *tree, struct budget *budget)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_once);
    tree->root = NULL;
    tree->budget = budget;
    tree->bytes = tree->charged = 0;
}

/* Every request may have a small tree, which is charged to no budget. */
static bool charge(struct tree *tree, size_t bytes, struct problem *problem)
{
    enum { FREE_BYTES = 4096, STEP = 8192 };
    tree->bytes += bytes;
    if (!tree->budget || tree->bytes <= tree->charged + FREE_BYTES)
        return true;
    size_t more = tree->bytes - tree->charged + STEP;
    if (!budget_charge(tree->budget, more, problem))
        return false;
    tree->charged += more;
    return true;
}

bool tree_has(const struct tree *tree, struct tree_place place)
{
    return tree->root &&
           json_object_get((json_t *)tree->open[place.level], place.name);
}

/* Take the node over; it is freed where that fails. An object at the bottom is
 * made when something hangs in it: many documents are nothing but tensors. */
static bool hang(struct tree *tree, struct tree_place place, json_t *node)
{
    if (place.level < 0) {
        tree->root = (struct value *)node;
        return true;
    }
    if (!tree->root)
        tree->root = tree->open[0] = (struct value *)json_object();
    json_t *container = (json_t *)tree->open[place.level];
    int code = place.name
                   ? json_object_set_new_nocheck(container, place.name, node)
                   : json_array_append_new(container, node);
    return code == 0;
}

static bool is_integer(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] == '.' || text[i] == 'e' || text[i] == 'E')
            return false;
    return true;
}

/* *out_of_range: NULL because it is beyond double, or too long. */
static json_t *new_number(const char *text, size_t bytes, bool *out_of_range)
{
    int64_t integer;
    double real;
    if (is_integer(text, bytes) &&
        number_read_int64(text, bytes, &integer) == NUMBER_INTEGER)
        return json_integer(integer);
    if (number_read_float64(text, bytes, &real) && isfinite(real))
        return json_real(real);
    *out_of_range = true;
    return NULL;
}

static json_t *new_scalar(enum token token, const char *text, size_t bytes,
                          bool *out_of_range)
{
    if (token == TOKEN_NUMBER)
        return new_number(text, bytes, out_of_range);
    if (token == TOKEN_STRING)
        return (json_t *)value_new_string(text, bytes);
    return token == TOKEN_NULL ? json_null()
                               : json_boolean(token == TOKEN_TRUE);
}

bool tree_add(struct tree *tree, struct tree_place place, enum token token,
              const char *text, size_t bytes, bool *out_of_range,
              struct problem *problem)
{
    *out_of_range = false;
    json_t *node = new_scalar(token, text, bytes, out_of_range);
    if (!node)
        return !*out_of_range && problem_memory(problem);
    if (!charge(tree, NODE_BYTES + bytes, problem)) {
        json_decref(node);
        return false;
    }
    return hang(tree, place, node) || problem_memory(problem);
}

bool tree_open(struct tree *tree, struct tree_place place, bool object,
               struct problem *problem)
{
    if (place.level < 0 && object)
        return true;
    if (!charge(tree, CONTAINER_BYTES, problem))
        return false;
    json_t *container = object ? json_object() : json_array();
    if (!container || !hang(tree, place, container))
        return problem_memory(problem);
    tree->open[place.level + 1] = (struct value *)container;
    return true;
}

struct value *tree_take(struct tree *tree, struct problem *problem)
{
    json_t *root = (json_t *)tree->root;
    tree->root = NULL;
    if (!root)
        root = empty_object ? empty_object : json_object();
    if (!root)
        problem_memory(problem);
    return (struct value *)root;
}

void tree_free(struct tree *tree)
{
    value_free(tree->root);
    budget_give(tree->budget, tree->charged);
}
