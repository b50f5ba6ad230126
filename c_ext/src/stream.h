/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_SRC_STREAM_H
#define FERRULE_SRC_STREAM_H

/* One stream: its ring of samples in time order, and the cells it gives to rows. */

#include "ferrule/aligner.h"

#define ALN_STATIC_ASSERT(cond, name) typedef char aln_static_assert_##name[(cond) ? 1 : -1]

#define ALN_NEVER_NS INT64_MIN /* earlier than any time that is accepted */

/* Invariants, cited where they are kept and proven in docs/ALIGNER.md:
 *  I1  times_ns[tail .. head) increase strictly; head - tail <= capacity.
 *  I2  samples before cursor are at or before the last row, those from cursor on are after it.
 *  I3  no sample at or after the watermark is freed: a duplicate is always recognised, and when the stream has
 *      had a sample, times_ns[head - 1] is newest_ns.
 *  I4  the newest sample at or before the last row is never freed. */
typedef struct {
    aln_stream_config_t config;
    uint32_t column;      /* its first column in a row */
    uint32_t mask;        /* capacity - 1 */
    uint32_t tail;        /* oldest sample; indices run freely and are masked on access */
    uint32_t cursor;      /* first sample after the last row */
    uint32_t head;        /* one past the newest sample */
    bool has_sample;      /* since the segment's start */
    bool live;            /* holds the others back */
    int64_t newest_ns;    /* accepted; ALN_NEVER_NS: none. The watermark is the lateness before it */
    int64_t complete_ns;  /* rows up to here can no longer change; ALN_NEVER_NS: none */
    int64_t *times_ns;    /* (capacity) */
    float *values;        /* (capacity, fields) */
    uint64_t counters[ALN_COUNTERS];
} aln_stream_t;

/* A sample that is older than its stream's newest, put off until the end of the push. */
typedef struct {
    int64_t time_ns;
    const float *values; /* the caller's; (fields) */
    uint32_t stream;
    uint32_t place;      /* index of the sample that it goes before */
    aln_counter_t outcome;
} aln_late_t;

enum {
    ALN_LATE_CAPACITY = 32
};

/* A run of consecutive rows to be filled: row k is at t0 + k * period, its cells at cells + k * columns. */
typedef struct {
    int64_t t0_ns;
    int64_t period_ns;
    uint32_t row_count;
    uint32_t columns;      /* floats from one row to the next */
    uint32_t stream_count; /* flags from one row to the next */
    float *cells;          /* first row */
    uint8_t *flags;        /* first row */
    const float *previous; /* the row before the first; NULL at a segment's start */
} aln_run_t;

static inline int64_t aln_stream_time_at(const aln_stream_t *stream, uint32_t index)
{
    return stream->times_ns[index & stream->mask];
}

static inline float *aln_stream_values_at(const aln_stream_t *stream, uint32_t index)
{
    return &stream->values[(size_t)(index & stream->mask) * stream->config.fields];
}

static inline void aln_copy_values(float *to, const float *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}

/* Forget all samples; live says whether the stream holds the others back from the start. */
void aln_stream_clear(aln_stream_t *stream, bool live);

static inline bool aln_stream_is_full(const aln_stream_t *stream)
{
    return stream->head - stream->tail > stream->mask;
}

/* Put late samples of this stream, sorted by time and arrival, in their places, and note each one's outcome.
 * last_row_ns: time of the last row, ALN_NEVER_NS before the first. */
void aln_stream_insert(aln_stream_t *stream, aln_late_t *late, uint32_t count, int64_t last_row_ns);

/* Work out complete_ns anew. */
void aln_stream_update_complete(aln_stream_t *stream, int64_t lateness_ns);

/* Fill the stream's cells of a run and move the cursor behind it. Returns the time of the newest sample that
 * contributed to the last row, INT64_MAX when that cell is missing. */
int64_t aln_stream_fill(aln_stream_t *stream, const aln_run_t *run);

/* Free the samples that no further row and no duplicate check can need. */
void aln_stream_release(aln_stream_t *stream, int64_t lateness_ns);

#endif
