/* SPDX-License-Identifier: MIT */
/* C with libcurl: cc client.c $(pkg-config --cflags --libs libcurl)
 * Prints: {"probabilities":[0.09003057,0.24472848,0.66524094]}
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    const char *base = getenv("SOFTMAXD_URL");
    CURL *curl = curl_easy_init();
    if (!curl)
        return 1;
    char url[256], error[CURL_ERROR_SIZE] = "";
    snprintf(url, sizeof(url), "%s/softmax",
             base ? base : "http://127.0.0.1:8080");
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "{\"logits\": [1, 2, 3]}");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);

    CURLcode code = curl_easy_perform(curl); /* the answer goes to stdout */
    if (code != CURLE_OK)
        fprintf(stderr, "%s\n", error);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return code != CURLE_OK;
}
