// SPDX-License-Identifier: MIT
#include "tree.h"

/* About what a node takes, with a member's name and its place in a table. */
enum { NODE_BYTES = 96, CONTAINER_BYTES = 320 };

void tree_init(struct tree *tree, struct budget *budget)
{
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

/* An object at the bottom is made when something hangs in it: many documents
 * are nothing but tensors. */
static bool make_root(struct tree *tree)
{
    if (!tree->root)
        tree->root = tree->open[0] = value_new_object();
    return tree->root;
}

bool tree_has(const struct tree *tree, struct tree_place place)
{
    return tree->root && value_has(tree->open[place.level], place.name);
}

/* Take the value over; it is freed where that fails. */
static bool hang(struct tree *tree, struct tree_place place,
                 struct value *value)
{
    if (place.level < 0) {
        tree->root = value;
        return true;
    }
    if (!make_root(tree)) {
        value_free(value);
        return false;
    }
    struct value *container = tree->open[place.level];
    return place.name ? value_set(container, place.name, value)
                      : value_append(container, value);
}

bool tree_add(struct tree *tree, struct tree_place place, struct value *value,
              size_t bytes, struct problem *problem)
{
    if (!value)
        return problem_memory(problem);
    if (!charge(tree, NODE_BYTES + bytes, problem)) {
        value_free(value);
        return false;
    }
    return hang(tree, place, value) || problem_memory(problem);
}

bool tree_open(struct tree *tree, struct tree_place place, bool object,
               struct problem *problem)
{
    if (place.level < 0 && object)
        return true;
    if (!charge(tree, CONTAINER_BYTES, problem))
        return false;
    struct value *container = object ? value_new_object() : value_new_array();
    if (!container || !hang(tree, place, container))
        return problem_memory(problem);
    if (place.level + 1 < NESTING_MAX_DEPTH)
        tree->open[place.level + 1] = container;
    return true;
}

struct value *tree_take(struct tree *tree, struct problem *problem)
{
    struct value *root = tree->root;
    tree->root = NULL;
    return root ? root : value_empty_object(problem);
}

void tree_free(struct tree *tree)
{
    value_free(tree->root);
    budget_give(tree->budget, tree->charged);
}
