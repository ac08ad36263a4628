// SPDX-License-Identifier: MIT
// unwind: 25
/* Inference-Header-Content-Length: every value of up to 22 characters is
 * refused, or is the number that its digits say. */
#include "prove.h"

#include "server/v2/infer.c"

void problem_write(struct problem *problem, int status, enum cause cause,
                   const char *member, const char *pointer, const char *format,
                   ...)
{
    (void)problem, (void)status, (void)cause, (void)member, (void)pointer,
        (void)format;
}

int main(void)
{
    struct problem problem;
    char *text = any_string(22);
    size_t bytes = nondet_size();
    if (!length_parse(text, &bytes, &problem))
        return 0;
    assert(text[0] >= '0' && text[0] <= '9');
    assert(text[1] != '\0' || bytes == (size_t)(text[0] - '0'));
    assert(strspn(text, "0123456789 \t") == strlen(text));
    return 0;
}
