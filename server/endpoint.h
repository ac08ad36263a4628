/* SPDX-License-Identifier: MIT */
/**
 * What http/ asks of a protocol: how one POSTed body becomes one answer. http/
 * owns sockets, headers, limits and threads; a protocol (api/ for the native
 * endpoints, v2/ for the Open Inference Protocol) owns what a body means.
 * Neither includes the other's headers; main.c puts them together in a table.
 *
 * The order of calls for one request, each on one thread at a time:
 *   begin -> feed* -> ready -> run -> answer -> (writer read to its end) -> end
 * A call that returns false has set a problem; then only end follows, and
 * http/ answers in the form that the path's route asks for (route.fail).
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "jobs.h"
#include "json/writer.h"
#include "problem.h"
#include "softmax.h"
#include "tensor.h"

struct metrics;
struct regions;

/** What all requests share. */
struct service {
    struct smx_context *compute;
    struct jobs *jobs; /* that compute, beside the event loops */
    struct budget budget;
    size_t max_body;         /* bytes of the decoded body */
    struct metrics *metrics; /* NULL: nothing is counted */
    struct regions *regions; /* of shared memory; NULL: disabled */
    /* For the probes: should a load balancer send requests here? */
    bool (*is_ready)(const struct service *service);
};

/** A name and its value in the query string, decoded. */
struct argument {
    const char *name;
    const char *value; /* NULL: the name stands alone */
};

/** More are refused: no request has as many options. */
enum { QUERY_MAX = 32 };

/** What of the request line and headers a protocol may look at. */
struct head {
    const char *path;                    /* decoded, without query */
    const char *inference_header_length; /* NULL: absent */
    size_t body_bytes;            /* 0: not told, or of a compressed body */
    const struct argument *query; /* as sent, doubles and all */
    size_t query_count;           /* may be more than QUERY_MAX */
    int variant;                  /* the endpoint's */
    bool npy;                     /* the body is application/x-npy, else JSON */
    bool wants_npy;               /* so shall the answer be, */
    bool takes_json;              /* or else JSON */
};

enum { REPLY_MAX_TENSORS = 16 };

/**
 * An answer: text from a writer, then raw tensors (binary), borrowed. Comes
 * zeroed but for status and writer; where the writer has failed, memory was
 * short, which http/ says.
 */
struct reply {
    int status;               /* 200 */
    const char *content_type; /* static */
    struct writer *writer;    /* freed by the reply's reader (http/) */
    size_t text_bytes;        /* of the text, where its writer cannot tell */
    const struct tensor *tensors[REPLY_MAX_TENSORS]; /* after the text */
    size_t tensor_count;
    size_t held;        /* bytes of memory until it has left */
    const char *header; /* one more, static; NULL: none */
    char header_value[32];
};

/** For metrics and the log; 0 while unknown. */
struct work {
    size_t rows, classes;
    size_t elements; /* of the logits: what decides inline or pool */
};

struct endpoint {
    bool any_type; /* Content-Type and Accept are not looked at: other headers
                      tell what bodies and answers are */
    bool npy;      /* bodies and answers may be application/x-npy, too */
    bool computes; /* on logits: measured by histograms */
    int variant;   /* what tells endpoints with the same functions apart */

    /** Start a call; NULL: a problem is set (404 for an unknown model). */
    void *(*begin)(struct service *service, const struct head *head,
                   struct problem *problem);
    /** The next slice of the decoded body. */
    bool (*feed)(void *call, const char *bytes, size_t count,
                 struct problem *problem);
    /** The body ended: check everything; fill in *work. */
    bool (*ready)(void *call, struct work *work, struct problem *problem);
    /** Compute. May run on a thread of the pool. */
    bool (*run)(void *call, struct problem *problem);
    /** Describe the answer; it borrows from the call. */
    bool (*answer)(void *call, struct reply *reply, struct problem *problem);
    /** Release the call (NULL is ignored). */
    void (*end)(void *call);
};

/**
 * A path that is answered without a body: health, version, metadata.
 */
struct page {
    bool (*get)(struct service *service, const struct head *head,
                struct reply *reply, struct problem *problem);
    /* all of it, where get is NULL */
    const char *text, *type;
    const struct page_header {
        const char *name, *value;
    } * headers; /* up to one without a name; NULL: none */
};

/** Fill in a reply that tells of the problem. */
typedef void route_fail(const struct problem *problem, struct reply *reply);

/**
 * One row of the routing table; pattern "/softmax", or a prefix "/v2/...".
 *
 * fail is the answer to any error under the path, in the protocol's own form:
 * http/'s (401, 404, 405, 413 ...), a page's or an endpoint's. The first row
 * with a fail that matches the path, whatever its method, tells the form; where
 * none does, it is problem+json. fail sets the status and the text.
 *
 * method_of tells the one method, "GET" or "POST", that a path under the row's
 * prefix takes; NULL: there is no such path after all. Where a row has no
 * method_of, the methods of all rows that match the path are allowed.
 */
struct route {
    const char *method; /* "GET", "POST"; NULL: the row only lends fail */
    const char *path;   /* exact; a final '*' matches the rest, slashes too */
    const char *name;   /* metrics and log label */
    const struct endpoint *endpoint; /* POST with a body */
    const struct page *page;         /* answered at once */
    bool open;   /* served without a token, while draining and when full */
    bool always; /* served while draining and when full */
    bool quiet;  /* not logged */
    bool admin;  /* served at --admin-listen too */
    bool compressible; /* --compress may compress its large answers */
    const char *(*method_of)(const char *path);
    route_fail *fail;
};

#endif
