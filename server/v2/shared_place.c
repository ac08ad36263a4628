// SPDX-License-Identifier: MIT
#include "shared_place.h"

/* A parameter that is a number of bytes; absent: 0, unless required. */
static bool read_bytes(const struct value *parameters, const char *name,
                       bool required, size_t *bytes, struct problem *problem)
{
    const struct value *value = value_member(parameters, name);
    *bytes = 0;
    if (!value && !required)
        return true;
    if (!value || value_kind(value) != VALUE_INTEGER ||
        value_integer(value) < 0)
        return value_refuse(value, name, "a number of bytes", problem);
    *bytes = (size_t)value_integer(value);
    return true;
}

bool shared_place_parse(struct shared_place *place, struct regions *regions,
                        const struct value *parameters, const char *what,
                        const char *name, struct problem *problem)
{
    static const char member[] = "shared_memory_region";
    const struct value *region =
        parameters ? value_member(parameters, member) : NULL;
    if (!region)
        return true;
    if (!regions)
        return problem_set(problem, 400, NULL,
                           "%s '%.60s': got a shared_memory_region, must be "
                           "without, as --shared-memory is off",
                           what, name);
    if (value_kind(region) != VALUE_STRING)
        return value_refuse(region, member, "a string", problem);
    if (!read_bytes(parameters, "shared_memory_offset", false, &place->offset,
                    problem) ||
        !read_bytes(parameters, "shared_memory_byte_size", true, &place->bytes,
                    problem))
        return false;
    place->region = regions_find(regions, value_string(region));
    if (!place->region)
        return problem_set(problem, 404, NULL,
                           "Unable to find shared memory region: '%.60s'",
                           value_string(region));
    return region_at(place->region, place->offset, place->bytes, problem);
}
