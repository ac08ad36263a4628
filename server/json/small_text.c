// SPDX-License-Identifier: MIT
#include "small_text.h"

void small_text_init(struct small_text *text, struct budget *budget)
{
    text->data = text->first;
    text->room = sizeof text->first;
    text->bytes = 0;
    text->budget = budget;
}

static size_t outside(const struct small_text *text)
{
    return text->data == text->first ? 0 : text->room;
}

static bool grow_text(struct small_text *text, size_t needed,
                      struct problem *problem)
{
    size_t room = 2 * needed, more = room - outside(text);
    if (!budget_charge(text->budget, more, problem))
        return false;
    char *grown = inline_buffer_grow(text->data, text->first, text->room, room);
    if (!grown) {
        budget_give(text->budget, more);
        return problem_memory(problem);
    }
    text->data = grown;
    text->room = room;
    return true;
}

bool small_text_append(struct small_text *text, const char *bytes, size_t count,
                       struct problem *problem)
{
    size_t needed = text->bytes + count + 1;
    if (needed > text->room && !grow_text(text, needed, problem))
        return false;
    memcpy(text->data + text->bytes, bytes, count);
    text->bytes += count;
    text->data[text->bytes] = '\0';
    return true;
}

void small_text_free(struct small_text *text)
{
    budget_give(text->budget, outside(text));
    inline_buffer_free(text->data, text->first);
    small_text_init(text, text->budget);
}
