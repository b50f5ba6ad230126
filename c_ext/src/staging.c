/* SPDX-License-Identifier: Apache-2.0 */
#include "ferrule/staging.h"

#include "layout.h"

aln_status_t aln_staging_init(aln_staging_t *staging, aln_aligner_t *aligner, uint32_t stream, const int64_t *times_ns,
                              const float *values)
{
    if (stream >= aligner->stream_count) {
        return ALN_ERR_STREAM;
    }
    staging->aligner = aligner;
    staging->times_ns = times_ns;
    staging->values = values;
    staging->stream = stream;
    staging->count = 0;
    return ALN_OK;
}

uint32_t aln_staging_commit(const aln_staging_t *staging)
{
    uint32_t accepted = 0;

    (void)aln_push(staging->aligner, staging->stream, staging->times_ns, staging->values, staging->count,
                   &accepted); /* the stream is known */
    return accepted;
}
