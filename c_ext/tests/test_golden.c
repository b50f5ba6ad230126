/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "fixture.h"

/* Windows that are the same to the byte on every target. The steps and the answers are in tests/golden/aligner.h,
 * which tests/golden/aligner.py makes from the Python model. Floats are given by their bits. */

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

typedef struct {
    uint32_t fields;
    aln_mode_t mode;
    aln_fill_t fill;
    uint32_t fill_bits;
    int64_t max_gap_ns;
    int64_t timeout_ns;
} golden_stream_t;

typedef struct {
    enum {
        GOLDEN_PUSH,
        GOLDEN_POLL,
        GOLDEN_FLUSH,
        GOLDEN_RESET
    } kind;
    uint32_t stream;
    int64_t time_ns;
    uint32_t bits[3];
} golden_step_t;

typedef struct {
    uint64_t seq;
    int64_t t0_ns;
    uint32_t segment;
    uint32_t values_crc; /* of the little-endian bytes */
    uint32_t flags_crc;
    uint32_t ages_crc;
} golden_window_t;

typedef uint64_t golden_counters_t[ALN_COUNTERS];

typedef struct {
    const golden_stream_t *streams;
    size_t stream_count;
    const golden_step_t *steps;
    size_t step_count;
    const golden_window_t *windows;
    size_t window_count;
    const golden_counters_t *counters; /* (stream_count) */
    uint32_t window;
    uint32_t hop;
    int64_t period_ns;
    int64_t phase_ns;
    int64_t lateness_ns;
    int64_t deadline_ns;
    int64_t max_jump_ns;
} golden_case_t;

#include "../../tests/golden/aligner.h"

enum {
    BATCH = 5
};

/* Source: ISO 3309, as in zlib. */
static uint32_t crc32_of(const void *data, size_t count)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < count; i++) {
        crc ^= ((const unsigned char *)data)[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
        }
    }
    return crc ^ 0xffffffffu;
}

static float float_of(uint32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } view;

    view.bits = bits;
    return view.value;
}

static aln_aligner_t *open_case(const golden_case_t *golden)
{
    static aln_stream_config_t streams[MAX_AGES];
    aln_config_t config = grid_of(streams, (uint32_t)golden->stream_count);

    CHECK(golden->stream_count <= MAX_AGES);
    for (size_t i = 0; i < golden->stream_count; i++) {
        const golden_stream_t *from = &golden->streams[i];

        streams[i] = stream_of(from->mode);
        streams[i].fields = from->fields;
        streams[i].capacity = GOLDEN_CAPACITY;
        streams[i].fill = from->fill;
        streams[i].fill_value = float_of(from->fill_bits);
        streams[i].max_gap_ns = from->max_gap_ns;
        streams[i].timeout_ns = from->timeout_ns;
    }
    config.window = golden->window;
    config.hop = golden->hop;
    config.row_capacity = GOLDEN_CAPACITY;
    config.period_ns = golden->period_ns;
    config.phase_ns = golden->phase_ns;
    config.lateness_ns = golden->lateness_ns;
    config.deadline_ns = golden->deadline_ns;
    config.max_jump_ns = golden->max_jump_ns;
    return open_aligner(&config);
}

/* Push the samples that follow one another in one stream, at most so many at once; returns how many. */
static size_t push_steps(aln_aligner_t *aligner, const golden_case_t *golden, size_t first, size_t most)
{
    const uint32_t stream = golden->steps[first].stream;
    const uint32_t fields = golden->streams[stream].fields;
    int64_t times_ns[BATCH];
    float values[BATCH * GOLDEN_FIELDS];
    uint32_t accepted = 0;
    uint32_t count = 0;

    while (count < most && first + count < golden->step_count) {
        const golden_step_t *step = &golden->steps[first + count];

        if (step->kind != GOLDEN_PUSH || step->stream != stream) {
            break;
        }
        times_ns[count] = step->time_ns;
        for (uint32_t field = 0; field < fields; field++) {
            values[count * fields + field] = float_of(step->bits[field]);
        }
        count++;
    }
    CHECK_EQUAL(aln_push(aligner, stream, times_ns, values, count, &accepted), ALN_OK);
    return count;
}

static size_t perform(aln_aligner_t *aligner, const golden_case_t *golden, size_t first, size_t most)
{
    const golden_step_t *step = &golden->steps[first];

    switch (step->kind) {
    case GOLDEN_PUSH:
        return push_steps(aligner, golden, first, most);
    case GOLDEN_POLL:
        poll_at(aligner, step->time_ns);
        return 1;
    case GOLDEN_FLUSH:
        flush(aligner);
        return 1;
    case GOLDEN_RESET:
        reset(aligner);
        return 1;
    }
    return 1;
}

static void check_window(const golden_case_t *golden, const window_t *window, const golden_window_t *expected)
{
    size_t cells = 0;

    for (size_t i = 0; i < golden->stream_count; i++) {
        cells += golden->window * golden->streams[i].fields;
    }
    CHECK_EQUAL(window->info.seq, expected->seq);
    CHECK_EQUAL(window->info.t0_ns, expected->t0_ns);
    CHECK_EQUAL(window->info.segment, expected->segment);
    CHECK_EQUAL(crc32_of(window->values, cells * sizeof(float)), expected->values_crc);
    CHECK_EQUAL(crc32_of(window->flags, cells), expected->flags_crc);
    CHECK_EQUAL(crc32_of(window->ages_ns, golden->stream_count * sizeof(int64_t)), expected->ages_crc);
}

static void replay(const golden_case_t *golden, size_t most)
{
    aln_aligner_t *aligner = open_case(golden);
    size_t count = 0;
    size_t done = 0;

    while (done < golden->step_count && !check_has_failed()) {
        const window_t *window;

        done += perform(aligner, golden, done, most);
        while ((window = read_window(aligner)) != NULL) {
            CHECK(count < golden->window_count);
            if (count < golden->window_count) {
                check_window(golden, window, &golden->windows[count]);
            }
            count++;
        }
    }
    CHECK_EQUAL(count, golden->window_count);
    for (uint32_t i = 0; i < golden->stream_count; i++) {
        for (int counter = 0; counter < ALN_COUNTERS; counter++) {
            CHECK_EQUAL(count_of(aligner, i, (aln_counter_t)counter), golden->counters[i][counter]);
        }
    }
}

static void windows_are_the_models_to_the_byte(void)
{
    for (uint32_t i = 0; i < ROWS(cases); i++) {
        check_set_case(i, 1);
        replay(&cases[i], 1);
    }
}

static void windows_are_the_models_to_the_byte_in_batches(void)
{
    for (uint32_t i = 0; i < ROWS(cases); i++) {
        check_set_case(i, BATCH);
        replay(&cases[i], BATCH);
    }
}

void test_golden(void)
{
    RUN(windows_are_the_models_to_the_byte);
    RUN(windows_are_the_models_to_the_byte_in_batches);
}
