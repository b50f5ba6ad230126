/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_SRC_LAYOUT_H
#define FERRULE_SRC_LAYOUT_H

/* What an aligner consists of, and where each part lies in the caller's memory. */

#include "quantize.h"
#include "rows.h"
#include "stream.h"

/* What of a message is decoded at a time, at most. */
enum {
    ALN_DECODED_SAMPLES = 32,
    ALN_DECODED_VALUES = 256
};

struct aln_aligner {
    aln_rows_t rows;
    aln_quantizer_t quantizer;
    uint32_t stream_count;
    uint32_t segment;           /* segments with samples before this one */
    int64_t period_ns;
    int64_t phase_ns;           /* 0 <= phase < period */
    int64_t lateness_ns;
    int64_t deadline_ns;
    int64_t max_jump_ns;
    bool has_poll;              /* since the segment's start */
    int64_t first_poll_ns;
    int64_t last_poll_ns;       /* kept from segment to segment */
    bool has_sample;            /* since the segment's start */
    int64_t first_sample_ns;    /* smallest accepted before any row was final */
    bool has_row;               /* since the segment's start */
    int64_t last_row_ns;        /* ALN_NEVER_NS before the first */
    int64_t forced_ns;          /* the last poll made rows up to here final, room or not; ALN_NEVER_NS: none */
    bool is_ending;             /* the segment ends when the rows up to end_ns are written */
    bool is_live_after_end;     /* the streams of the next segment hold one another back from its start */
    int64_t end_ns;
    uint64_t malformed_count;   /* messages that were dropped whole */
    uint32_t decoded_value_count;
    float *decoded_values;      /* (decoded_value_count) */
    int64_t decoded_times_ns[ALN_DECODED_SAMPLES];
    uint32_t late_count;        /* samples put off; 0 between calls */
    aln_late_t late[ALN_LATE_CAPACITY];
    aln_stream_t *streams;      /* (stream_count) */
};

/* Check the configuration and lay its parts out from base, which may be NULL to measure only. */
aln_status_t aln_layout(const aln_config_t *config, unsigned char *base, size_t *bytes, aln_aligner_t **aligner);

#endif
