/* SPDX-License-Identifier: Apache-2.0 */
#include "layout.h"

#define ALIGNMENT 8u

ALN_STATIC_ASSERT(sizeof(float) == 4, float_is_binary32);
ALN_STATIC_ASSERT(sizeof(int64_t) == ALIGNMENT, times_fill_the_alignment);

static bool is_capacity(uint32_t capacity, uint32_t least)
{
    return capacity >= least && capacity <= (uint32_t)ALN_MAX_CAPACITY && (capacity & (capacity - 1)) == 0;
}

static bool is_duration(int64_t span_ns)
{
    return span_ns >= 0 && (span_ns <= ALN_TIME_LIMIT / 2 || span_ns == INT64_MAX);
}

static bool is_count(uint32_t count, uint32_t most)
{
    return count >= 1 && count <= most;
}

static aln_status_t check_stream(const aln_stream_config_t *stream)
{
    if (!is_count(stream->fields, ALN_MAX_FIELDS)) {
        return ALN_ERR_FIELDS;
    }
    if (!is_capacity(stream->capacity, 2)) {
        return ALN_ERR_CAPACITY;
    }
    if ((uint32_t)stream->mode > (uint32_t)ALN_MAX) { /* an enum is as small as a byte where the ABI likes it so */
        return ALN_ERR_MODE;
    }
    if (stream->fill != ALN_FILL_CONSTANT && stream->fill != ALN_FILL_PREVIOUS) {
        return ALN_ERR_MODE;
    }
    if (!is_duration(stream->max_gap_ns) || !is_duration(stream->timeout_ns)) {
        return ALN_ERR_SPAN;
    }
    return ALN_OK;
}

static aln_status_t check(const aln_config_t *config)
{
    if (!is_count(config->stream_count, ALN_MAX_STREAMS)) {
        return ALN_ERR_STREAMS;
    }
    if (config->period_ns <= 0 || config->period_ns > ALN_TIME_LIMIT / 2) {
        return ALN_ERR_PERIOD;
    }
    if (config->phase_ns > ALN_TIME_LIMIT || config->phase_ns < -ALN_TIME_LIMIT) {
        return ALN_ERR_TIME;
    }
    if (!is_count(config->window, ALN_MAX_WINDOW) || !is_count(config->hop, ALN_MAX_WINDOW)) {
        return ALN_ERR_WINDOW;
    }
    if (!is_capacity(config->row_capacity, config->window)) {
        return ALN_ERR_CAPACITY;
    }
    if (!is_duration(config->lateness_ns) || config->lateness_ns == INT64_MAX || !is_duration(config->deadline_ns) ||
        config->deadline_ns < config->lateness_ns || !is_duration(config->max_jump_ns)) {
        return ALN_ERR_SPAN;
    }
    for (uint32_t i = 0; i < config->stream_count; i++) {
        const aln_status_t status = check_stream(&config->streams[i]);

        if (status != ALN_OK) {
            return status;
        }
    }
    if (config->quantization != NULL && !aln_quantizer_can(config)) {
        return ALN_ERR_QUANTIZATION;
    }
    return ALN_OK;
}

/* Hands out consecutive parts of a block, each aligned; counts in 64 bits so that a 32-bit size_t cannot wrap. */
typedef struct {
    unsigned char *base; /* NULL: count only */
    uint64_t used;
} block_t;

static void *take(block_t *block, uint64_t count, size_t size)
{
    void *part = NULL;

    if (block->base != NULL) {
        part = block->base + (size_t)block->used;
    }
    block->used += (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return part;
}

static uint32_t window_queue_capacity(const aln_config_t *config)
{
    const uint32_t stride = config->hop < config->window ? config->hop : config->window;
    uint32_t capacity = 1;

    while (capacity < config->row_capacity / stride) {
        capacity *= 2;
    }
    return capacity;
}

/* Room for a batch of any stream's samples; at least one of the widest stream's. */
static uint32_t decoded_value_count(const aln_config_t *config)
{
    uint32_t widest = 1;

    for (uint32_t i = 0; i < config->stream_count; i++) {
        widest = config->streams[i].fields > widest ? config->streams[i].fields : widest;
    }
    return widest * ALN_DECODED_SAMPLES < ALN_DECODED_VALUES ? widest * ALN_DECODED_SAMPLES : ALN_DECODED_VALUES;
}

static void describe_rows(aln_rows_t *rows, const aln_config_t *config, uint32_t columns, uint32_t window_capacity)
{
    rows->row_mask = config->row_capacity - 1;
    rows->window_mask = window_capacity - 1;
    rows->window = config->window;
    rows->hop = config->hop;
    rows->columns = columns;
    rows->stream_count = config->stream_count;
}

static void describe(aln_aligner_t *aligner, const aln_config_t *config)
{
    int64_t phase_ns = config->phase_ns % config->period_ns;

    if (phase_ns < 0) {
        phase_ns += config->period_ns;
    }
    aligner->stream_count = config->stream_count;
    aligner->period_ns = config->period_ns;
    aligner->phase_ns = phase_ns;
    aligner->lateness_ns = config->lateness_ns;
    aligner->deadline_ns = config->deadline_ns;
    aligner->max_jump_ns = config->max_jump_ns;
}

aln_status_t aln_layout(const aln_config_t *config, unsigned char *base, size_t *bytes, aln_aligner_t **aligner)
{
    const aln_status_t status = check(config);
    const uint32_t window_capacity = status == ALN_OK ? window_queue_capacity(config) : 0;
    block_t block = {base, 0};
    aln_aligner_t *self;
    aln_stream_t *streams;
    uint32_t columns = 0;

    if (status != ALN_OK) {
        return status;
    }
    self = take(&block, 1, sizeof(*self));
    streams = take(&block, config->stream_count, sizeof(*streams));
    for (uint32_t i = 0; i < config->stream_count; i++) {
        const aln_stream_config_t *stream = &config->streams[i];
        int64_t *times_ns = take(&block, stream->capacity, sizeof(*times_ns));
        float *values = take(&block, (uint64_t)stream->capacity * stream->fields, sizeof(*values));

        if (base != NULL) {
            streams[i].config = *stream;
            streams[i].column = columns;
            streams[i].mask = stream->capacity - 1;
            streams[i].times_ns = times_ns;
            streams[i].values = values;
        }
        columns += stream->fields;
    }
    {
        float *cells = take(&block, (uint64_t)config->row_capacity * columns, sizeof(*cells));
        uint8_t *flags = take(&block, (uint64_t)config->row_capacity * config->stream_count, sizeof(*flags));
        aln_window_t *windows = take(&block, window_capacity, sizeof(*windows));
        float *decoded_values = take(&block, decoded_value_count(config), sizeof(*decoded_values));
        int64_t *ages_ns = take(&block, (uint64_t)window_capacity * config->stream_count, sizeof(*ages_ns));
        const bool is_quantized = config->quantization != NULL;
        int8_t *codes = take(&block, is_quantized ? (uint64_t)config->row_capacity * columns : 0, sizeof(*codes));
        float *means = take(&block, is_quantized ? aln_quantizer_cells(columns) : 0, sizeof(*means));
        float *stds = take(&block, is_quantized ? aln_quantizer_cells(columns) : 0, sizeof(*stds));

        if (base != NULL) {
            describe(self, config);
            describe_rows(&self->rows, config, columns, window_capacity);
            self->streams = streams;
            self->decoded_values = decoded_values;
            self->decoded_value_count = decoded_value_count(config);
            self->rows.cells = cells;
            self->rows.flags = flags;
            self->rows.windows = windows;
            self->rows.ages_ns = ages_ns;
            if (is_quantized) {
                self->rows.codes = codes;
                aln_quantizer_init(&self->quantizer, config->quantization, columns, means, stds);
            }
            *aligner = self;
        }
    }
    if (block.used > SIZE_MAX / 2) {
        return ALN_ERR_MEMORY;
    }
    *bytes = (size_t)block.used;
    return ALN_OK;
}
