// SPDX-License-Identifier: MIT
/*
 * POST a file to a URL again and again on one connection; print the median
 * time of an exchange in milliseconds and the bytes of the last answer.
 * usage: exchange_million URL FILE ROUNDS
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 1000 };

struct answer {
    char *bytes; /* room of them */
    size_t count, room;
};

static size_t receive(char *bytes, size_t one, size_t count, void *cls)
{
    struct answer *answer = cls;
    (void)one;
    if (count > answer->room - answer->count)
        return 0;
    memcpy(answer->bytes + answer->count, bytes, count);
    answer->count += count;
    return count;
}

static char *read_file(const char *path, long *bytes)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    if (!file || fseek(file, 0, SEEK_END) != 0 || (*bytes = ftell(file)) < 0)
        goto out;
    rewind(file);
    text = malloc((size_t)*bytes + 1);
    if (text && fread(text, 1, (size_t)*bytes, file) != (size_t)*bytes) {
        free(text);
        text = NULL;
    }
out:
    if (file)
        fclose(file);
    return text;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* @return milliseconds; below 0: it failed. */
static double exchange(CURL *curl, struct answer *answer)
{
    long status = 0;
    double seconds = 0;
    answer->count = 0;
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &seconds);
    if (code == CURLE_OK && status == 200)
        return seconds * 1e3;
    fprintf(stderr, "exchange_million: status %ld, %s\n", status,
            curl_easy_strerror(code));
    return -1;
}

static struct curl_slist *configure(CURL *curl, const char *url,
                                    const char *body, long bytes,
                                    struct answer *answer)
{
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, bytes);
    curl_easy_setopt(curl, CURLOPT_EXPECT_100_TIMEOUT_MS, 0L);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 1048576L);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 262144L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    return headers;
}

int main(int argc, char **argv)
{
    static double took[MAX_ROUNDS];
    long bytes = 0, rounds = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    if (rounds < 1 || rounds > MAX_ROUNDS)
        return fprintf(stderr, "usage: exchange_million URL FILE ROUNDS\n"), 2;
    char *body = read_file(argv[2], &bytes);
    struct answer answer = {.room = 4 * (size_t)bytes + 65536};
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = NULL;
    int status = 1;
    answer.bytes = malloc(answer.room);
    if (!body || !curl || !answer.bytes)
        goto out;
    headers = configure(curl, argv[1], body, bytes, &answer);
    for (long i = 0; i < rounds; i++)
        if ((took[i] = exchange(curl, &answer)) < 0)
            goto out;
    qsort(took, (size_t)rounds, sizeof *took, ascending);
    printf("%.3f %zu\n", took[rounds / 2], answer.count);
    status = 0;
out:
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    free(answer.bytes);
    free(body);
    return status;
}
