/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_STAGING_H
#define FERRULE_STAGING_H

/* Samples of one stream that come one by one and are pushed together, or one after the other by a caller to whom each
 * argument of a call costs more than a sample: what does not change from push to push is said once. */

#include "ferrule/aligner.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */

typedef struct {
    aln_aligner_t *aligner;
    const int64_t *times_ns; /* the caller's to fill between two commits */
    const float *values;     /* the same; fields side by side */
    uint32_t stream;
    uint32_t count; /* samples that a commit pushes, from the first on; the caller's to set, 0 at the start */
} aln_staging_t;

/* Bind the samples at times_ns and values to a stream. All must outlive the staging. */
aln_status_t aln_staging_init(aln_staging_t *staging, aln_aligner_t *aligner, uint32_t stream, const int64_t *times_ns,
                              const float *values);

/* aln_push of the count samples, which may then be filled anew. Returns how many were accepted. */
uint32_t aln_staging_commit(const aln_staging_t *staging);

/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
