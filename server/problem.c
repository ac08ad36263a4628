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

void problem_write(struct problem *problem, int status, enum cause cause,
                   const char *member, const char *pointer, const char *format,
                   ...)
{
    static const int statuses[] = {
#define PROBLEM_STATUS(name, status, label) [name] = status,
        PROBLEM_REJECTIONS(PROBLEM_STATUS)
#undef PROBLEM_STATUS
    };
    va_list arguments;
    if (problem->status)
        return;
    problem->status = cause == CAUSE_REQUEST ? status : statuses[cause];
    problem->cause = cause;
    int used = snprintf(problem->detail, sizeof problem->detail, "%s%s",
                        member ? member : "", member ? ": " : "");
    va_start(arguments, format);
    vsnprintf(problem->detail + used, sizeof problem->detail - (size_t)used,
              format, arguments);
    va_end(arguments);
    snprintf(problem->pointer, sizeof problem->pointer, "%s%s",
             member ? "/" : "",
             member    ? member
             : pointer ? pointer
                       : "");
    cut_at_character(problem->detail, sizeof problem->detail);
    cut_at_character(problem->pointer, sizeof problem->pointer);
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
