/* SPDX-License-Identifier: MIT */
/** What a focal exponent makes of the mass of a label, in double. */
#ifndef SMX_FOCAL_H
#define SMX_FOCAL_H

struct smx_focal {
    double loss;     /* (1 - p)^focal */
    double gradient; /* that times 1 - focal p log(p) / (1 - p) */
};

/** Given -log p, >= 0 and maybe infinite, and focal > 0; relative error 2^-40,
 *  beside focal + 1 times that of -log p. */
struct smx_focal smx_focal_of(double nats, double focal);

/* The largest exponent for which that is near enough for float32. */
#define SMX_FOCAL_MOST 4.0

#endif
