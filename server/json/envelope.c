// SPDX-License-Identifier: MIT
#include "envelope.h"

#include <string.h>

#include "room.h"

void envelope_init(struct envelope *envelope, struct budget *budget)
{
    envelope->text = envelope->first_text;
    envelope->room = sizeof envelope->first_text;
    envelope->seams = envelope->first_seams;
    envelope->seam_room = sizeof envelope->first_seams;
    envelope->bytes = envelope->seam_count = 0;
    envelope->budget = budget;
}

/* Grow an array to hold needed bytes, charged before it is allocated. */
static bool grow(void **data, size_t *room, const void *first, size_t needed,
                 struct budget *budget, struct problem *problem)
{
    if (needed <= *room)
        return true;
    size_t after = 2 * *room;
    while (after < needed)
        after *= 2;
    size_t more = *data == first ? after : after - *room;
    if (budget && !budget_take(budget, more))
        return problem_memory(problem);
    void *grown = room_grow(*data, first, *room, after);
    if (!grown) {
        if (budget)
            budget_give(budget, more);
        return problem_memory(problem);
    }
    *data = grown;
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
    if (!grow(&grown, &envelope->room, envelope->first_text,
              envelope->bytes + bytes, envelope->budget, problem))
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
    if (!grow(&grown, &envelope->seam_room, envelope->first_seams,
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

static void release(void *data, size_t room, const void *first,
                    struct budget *budget)
{
    if (budget && data != first)
        budget_give(budget, room);
    room_free(data, first);
}

void envelope_free(struct envelope *envelope)
{
    release(envelope->text, envelope->room, envelope->first_text,
            envelope->budget);
    release(envelope->seams, envelope->seam_room, envelope->first_seams,
            envelope->budget);
    envelope_init(envelope, envelope->budget);
}

void place_problem(struct problem *problem, struct place place, size_t offset)
{
    problem->located = true;
    problem->offset = offset;
    problem->line = place.line;
    problem->column = offset - place.line_start + 1;
}
