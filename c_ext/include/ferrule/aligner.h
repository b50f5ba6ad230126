/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_ALIGNER_H
#define FERRULE_ALIGNER_H

/* The aligner: brings streams of samples that arrive at their own pace onto one time grid.
 *
 * Samples go in through aln_push, aln_push_mixed and aln_push_bytes, windows come out of aln_window_read. In between
 * stand one ring of samples per stream, kept in time order, and one ring of rows. Nothing is allocated, no clock is
 * read: the caller owns the memory and passes the time in. One thread at a time; samples of another thread or of an
 * interrupt come through ferrule/ring.h. Samples that come one by one: ferrule/staging.h.
 *
 * Times are int64 nanoseconds, values float32. Rules and proofs: docs/ALIGNER.md. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */

enum {
    ALN_MAX_STREAMS = 256,
    ALN_MAX_FIELDS = 256,
    ALN_MAX_CAPACITY = 16777216, /* samples in a ring, rows in the row ring */
    ALN_MAX_WINDOW = 1048576,    /* rows in a window, rows in a hop */
};

/* Every function that can refuse returns one of these; 0 is success. */
typedef enum {
    ALN_OK = 0,
    ALN_ERR_EMPTY = -1,    /* no window is complete */
    ALN_ERR_STREAM = -2,   /* no stream has this number, or it has several fields where one is needed */
    ALN_ERR_BUFFER = -3,   /* the caller's buffer has another size than the window */
    ALN_ERR_MEMORY = -4,   /* the caller's memory is smaller than aln_memory_bytes says, or misaligned */
    ALN_ERR_STREAMS = -5,  /* stream count is 0 or above ALN_MAX_STREAMS */
    ALN_ERR_FIELDS = -6,   /* fields is 0 or above ALN_MAX_FIELDS */
    ALN_ERR_MODE = -7,     /* mode or fill is none of the enum */
    ALN_ERR_CAPACITY = -8, /* a capacity is no power of two within the limits, or holds no window */
    ALN_ERR_PERIOD = -9,   /* period is not positive or beyond ALN_TIME_LIMIT / 2 */
    ALN_ERR_WINDOW = -10,  /* window or hop is 0 or above ALN_MAX_WINDOW */
    ALN_ERR_SPAN = -11,    /* a negative duration, or a deadline below the lateness */
    ALN_ERR_TIME = -12,    /* a time beyond ALN_TIME_LIMIT */
    ALN_ERR_FULL = -13,    /* the ring of raw samples has no room: the newest was refused */
    ALN_ERR_QUANTIZATION = -14, /* no quantization, one out of range, or a fill that is NaN */
    ALN_ERR_BYTES = -15 /* the bytes are no whole SAMPLES message for one of the streams */
} aln_status_t;

typedef enum {
    ALN_HOLD = 0,
    ALN_NEAREST = 1,
    ALN_LINEAR = 2,
    ALN_MEAN = 3,
    ALN_MIN = 4,
    ALN_MAX = 5
} aln_mode_t;

typedef enum {
    ALN_FILL_CONSTANT = 0, /* fill_value, which may be NaN */
    ALN_FILL_PREVIOUS = 1  /* the previous row's value; fill_value before the first */
} aln_fill_t;

/* Bits that say where a cell's value is from. */
enum {
    ALN_FLAG_MEASURED = 1,     /* a sample taken at the row's time */
    ALN_FLAG_HELD = 2,         /* a sample taken at another time */
    ALN_FLAG_INTERPOLATED = 4, /* between two samples */
    ALN_FLAG_AGGREGATED = 8,   /* mean, min or max of samples */
    ALN_FLAG_MISSING = 16,     /* nothing to go by: the fill */
    ALN_FLAG_FORCED = 32       /* the deadline came before the stream's watermark */
};

/* What became of the samples of one stream. */
typedef enum {
    ALN_COUNT_ACCEPTED = 0,
    ALN_COUNT_LATE = 1,
    ALN_COUNT_DUPLICATE = 2,
    ALN_COUNT_CONFLICT = 3, /* replaced an accepted sample; counted as accepted too */
    ALN_COUNT_OVERRUN = 4,
    ALN_COUNT_OUT_OF_RANGE = 5,
    ALN_COUNT_NON_FINITE = 6,
    ALN_COUNTERS = 7
} aln_counter_t;

typedef struct {
    uint32_t fields;    /* columns that share one time stamp; 1 .. ALN_MAX_FIELDS */
    uint32_t capacity;  /* samples held; a power of two >= 2 */
    aln_mode_t mode;
    aln_fill_t fill;
    float fill_value;
    int64_t max_gap_ns; /* >= 0; INT64_MAX: no limit */
    int64_t timeout_ns; /* >= 0; INT64_MAX: never */
} aln_stream_config_t;

/* A value's code is round((value - mean) / std * (1 / scale)) + zero_point, in float32, half to even, saturated. */
typedef struct {
    const float *means; /* (columns), finite */
    const float *stds;  /* (columns), finite, > 0 */
    float scale;        /* 2^-100 .. 2^100 */
    int32_t zero_point; /* -128 .. 127 */
} aln_quantization_t;

typedef struct {
    const aln_stream_config_t *streams;
    uint32_t stream_count;
    uint32_t window;       /* rows */
    uint32_t hop;          /* rows from one window's start to the next */
    uint32_t row_capacity; /* rows held; a power of two >= window */
    int64_t period_ns;     /* > 0 */
    int64_t phase_ns;      /* grid times are phase + k * period */
    int64_t lateness_ns;   /* >= 0 */
    int64_t deadline_ns;   /* >= lateness; INT64_MAX: none */
    int64_t max_jump_ns;   /* >= 0 */
    const aln_quantization_t *quantization; /* NULL: windows are float32 only */
} aln_config_t;

typedef struct {
    uint64_t seq;     /* windows before this one */
    int64_t t0_ns;    /* time of the first row */
    uint32_t segment; /* segments with samples before this one's */
} aln_window_info_t;

typedef struct aln_aligner aln_aligner_t;

/* Bytes that aln_init needs for this configuration. */
aln_status_t aln_memory_bytes(const aln_config_t *config, size_t *bytes);

/* Lay an aligner out in memory, which must be aligned to 8 bytes and outlive it. The configuration is copied. */
aln_status_t aln_init(void *memory, size_t memory_bytes, const aln_config_t *config, aln_aligner_t **aligner);

/* Push samples of one stream, in any order within the lateness. values: count x fields, row by row.
 * What is not accepted is counted by its reason. */
aln_status_t aln_push(aln_aligner_t *aligner, uint32_t stream, const int64_t *times_ns, const float *values,
                      uint32_t count, uint32_t *accepted);

/* Push samples of several one-field streams in the order of their arrival; nothing is pushed if one has no stream. */
aln_status_t aln_push_mixed(aln_aligner_t *aligner, const uint16_t *streams, const int64_t *times_ns,
                            const float *values, uint32_t count, uint32_t *accepted);

/* Push the samples of one SAMPLES message of the wire (docs/PROTOCOL.md), its stream number that of the aligner's.
 * One that is malformed, of an unknown stream or of other fields is dropped whole, and counted. */
aln_status_t aln_push_bytes(aln_aligner_t *aligner, const uint8_t *bytes, size_t size, uint32_t *accepted);

/* Let the deadline and the timeouts act; now_ns is on the samples' clock. */
aln_status_t aln_poll(aln_aligner_t *aligner, int64_t now_ns);

/* Make every row up to the newest sample final and end the segment. */
void aln_flush(aln_aligner_t *aligner);

/* Forget all samples and unfinished rows and start a new segment; complete windows stay. */
void aln_reset(aln_aligner_t *aligner);

/* Windows that aln_window_read can take without further samples. */
uint32_t aln_windows_ready(aln_aligner_t *aligner);

/* Take the oldest complete window. values: window x columns; flags: the same shape, or NULL;
 * ages_ns: one per stream, time from the newest contributing sample to the last row, INT64_MAX when it is missing. */
aln_status_t aln_window_read(aln_aligner_t *aligner, float *values, uint8_t *flags, size_t cell_count,
                             aln_window_info_t *info, int64_t *ages_ns);

/* The same, the values as the codes of the configured quantization: what a quantized model takes. */
aln_status_t aln_window_read_int8(aln_aligner_t *aligner, int8_t *codes, uint8_t *flags, size_t cell_count,
                                  aln_window_info_t *info, int64_t *ages_ns);

/* Copy a stream's ALN_COUNTERS counters. */
aln_status_t aln_counters(const aln_aligner_t *aligner, uint32_t stream, uint64_t *counters);

/* Messages that aln_push_bytes dropped whole. */
uint64_t aln_malformed_count(const aln_aligner_t *aligner);

/* What a status means, in words. */
const char *aln_strerror(aln_status_t status);

/* cffi: end */

/* Times beyond +-2^62 ns (146 years) are refused, so that no difference of two overflows. */
#define ALN_TIME_LIMIT (((int64_t)1 << 62) - 1)

/* Scales beyond these are refused: within, no code depends on subnormal numbers, which LiteRT flushes to zero. */
#define ALN_SCALE_LEAST 0x1p-100f
#define ALN_SCALE_MOST 0x1p100f

#ifdef __cplusplus
}
#endif

#endif
