// SPDX-License-Identifier: MIT
#include "problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void cut_at_character(char *text, size_t bytes)
{
    size_t n = strnlen(text, bytes);
    if (n + 1 < bytes)
        return;
    while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--;
    if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
        n--;
    text[n] = '\0';
}

/** member: at the top of the document; it names itself and is what the
 *  problem points at. NULL: pointer does, where it is not NULL too. */
static bool fill(struct problem *problem, int status, enum cause cause,
                 const char *member, const char *pointer, const char *format,
                 va_list arguments) __attribute__((format(printf, 6, 0)));

static bool fill(struct problem *problem, int status, enum cause cause,
                 const char *member, const char *pointer, const char *format,
                 va_list arguments)
{
    if (problem->status)
        return false;
    problem->status = status;
    problem->cause = cause;
    int used = snprintf(problem->detail, sizeof problem->detail, "%s%s",
                        member ? member : "", member ? ": " : "");
    vsnprintf(problem->detail + used, sizeof problem->detail - (size_t)used,
              format, arguments);
    snprintf(problem->pointer, sizeof problem->pointer, "%s%s",
             member ? "/" : "",
             member    ? member
             : pointer ? pointer
                       : "");
    cut_at_character(problem->detail, sizeof problem->detail);
    cut_at_character(problem->pointer, sizeof problem->pointer);
    return false;
}

bool problem_set(struct problem *problem, int status, const char *pointer,
                 const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fill(problem, status, CAUSE_REQUEST, NULL, pointer, format, arguments);
    va_end(arguments);
    return false;
}

bool problem_member(struct problem *problem, const char *member,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fill(problem, 422, CAUSE_REQUEST, member, NULL, format, arguments);
    va_end(arguments);
    return false;
}

bool problem_reject(struct problem *problem, enum cause cause,
                    const char *format, ...)
{
    static const int statuses[] = {
#define PROBLEM_STATUS(name, status, label) [name] = status,
        PROBLEM_REJECTIONS(PROBLEM_STATUS)
#undef PROBLEM_STATUS
    };
    va_list arguments;
    va_start(arguments, format);
    fill(problem, statuses[cause], cause, NULL, NULL, format, arguments);
    va_end(arguments);
    return false;
}

bool problem_memory(struct problem *problem)
{
    return problem_reject(problem, CAUSE_MEMORY,
                          "memory: the request does not fit into the memory "
                          "that is free now, try again later");
}

const char *problem_title(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return status == 200 ? "OK" : "Unknown";
}
