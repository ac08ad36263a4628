// SPDX-License-Identifier: MIT
#include "envelope.h"

#include <stdlib.h>
#include <string.h>

/* Grow an array to hold needed bytes, charged before it is allocated. */
static bool grow(void **data, size_t *room, size_t needed,
                 struct budget *budget, struct problem *problem)
{
    size_t after = *room ? *room : 512;
    while (after < needed)
        after *= 2;
    if (after == *room)
        return true;
    if (budget && !budget_take(budget, after - *room))
        return problem_memory(problem);
    void *moved = realloc(*data, after);
    if (!moved) {
        if (budget)
            budget_give(budget, after - *room);
        return problem_memory(problem);
    }
    *data = moved;
    *room = after;
    return true;
}

bool envelope_append(struct envelope *envelope, const char *text, size_t bytes,
                     struct problem *problem)
{
    if (bytes > ENVELOPE_MAX_BYTES - envelope->bytes)
        return problem_set(problem, 413, NULL,
                           "body: got more than %d bytes beside its tensors, "
                           "must be fewer",
                           ENVELOPE_MAX_BYTES);
    void *grown = envelope->text;
    if (!grow(&grown, &envelope->room, envelope->bytes + bytes,
              envelope->budget, problem))
        return false;
    envelope->text = grown;
    memcpy(envelope->text + envelope->bytes, text, bytes);
    envelope->bytes += bytes;
    return true;
}

bool envelope_seam(struct envelope *envelope, struct place place,
                   struct problem *problem)
{
    void *grown = envelope->seams;
    if (!grow(&grown, &envelope->seam_room,
              (envelope->seam_count + 1) * sizeof *envelope->seams,
              envelope->budget, problem))
        return false;
    envelope->seams = grown;
    envelope->seams[envelope->seam_count++] =
        (struct seam){.at = envelope->bytes, .place = place};
    return true;
}

void envelope_relocate(const struct envelope *envelope, struct problem *problem)
{
    struct seam seam = {.place = {.line = 1}};
    for (size_t i = 0; i < envelope->seam_count; i++)
        if (envelope->seams[i].at <= problem->offset)
            seam = envelope->seams[i];
    struct place place = seam.place;
    for (size_t i = seam.at; i < problem->offset; i++)
        if (envelope->text[i] == '\n') {
            place.line++;
            place.line_start = seam.place.offset + (i - seam.at) + 1;
        }
    place_problem(problem, place,
                  seam.place.offset + (problem->offset - seam.at));
}

void envelope_free(struct envelope *envelope)
{
    if (envelope->budget)
        budget_give(envelope->budget, envelope->room + envelope->seam_room);
    free(envelope->text);
    free(envelope->seams);
    *envelope = (struct envelope){.budget = envelope->budget};
}

void place_problem(struct problem *problem, struct place place, size_t offset)
{
    problem->located = true;
    problem->offset = offset;
    problem->line = place.line;
    problem->column = offset - place.line_start + 1;
}
