/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "../src/layout.h"
#include "check.h"
#include "invariants.h"

static union {
    int64_t alignment;
    unsigned char bytes[FIXTURE_MEMORY_BYTES];
} memory;

static window_t window;

aln_stream_config_t stream_of(aln_mode_t mode)
{
    const aln_stream_config_t stream = {
        .fields = 1,
        .capacity = 16,
        .mode = mode,
        .fill = ALN_FILL_CONSTANT,
        .fill_value = -1.0f,
        .max_gap_ns = NO_LIMIT,
        .timeout_ns = NO_LIMIT,
    };

    return stream;
}

aln_config_t grid_of(const aln_stream_config_t *streams, uint32_t stream_count)
{
    const aln_config_t config = {
        .streams = streams,
        .stream_count = stream_count,
        .window = 1,
        .hop = 1,
        .row_capacity = 16,
        .period_ns = 10,
        .phase_ns = 0,
        .lateness_ns = 0,
        .deadline_ns = NO_LIMIT,
        .max_jump_ns = NO_LIMIT,
    };

    return config;
}

void *fixture_memory(size_t *bytes)
{
    *bytes = sizeof(memory.bytes);
    return memory.bytes;
}

aln_aligner_t *open_aligner(const aln_config_t *config)
{
    aln_aligner_t *aligner = NULL;
    size_t bytes = 0;

    for (size_t i = 0; i < sizeof(memory.bytes); i++) {
        memory.bytes[i] = 0xa5; /* nothing may count on zeros */
    }
    CHECK_EQUAL(aln_memory_bytes(config, &bytes), ALN_OK);
    CHECK_EQUAL(aln_init(memory.bytes, sizeof(memory.bytes), config, &aligner), ALN_OK);
    CHECK(bytes <= sizeof(memory.bytes) && memory.bytes[bytes] == 0xa5);
    CHECK((size_t)config->window * aligner->rows.columns <= MAX_CELLS && config->stream_count <= MAX_AGES);
    return aligner;
}

bool push_value(aln_aligner_t *aligner, uint32_t stream, int64_t time_ns, float value)
{
    float values[MAX_FIELDS];
    uint32_t accepted = 99;

    CHECK(aligner->streams[stream].config.fields <= MAX_FIELDS);
    for (uint32_t i = 0; i < MAX_FIELDS; i++) {
        values[i] = value;
    }
    invariants_before(aligner);
    CHECK_EQUAL(aln_push(aligner, stream, &time_ns, values, 1, &accepted), ALN_OK);
    invariants_after(aligner);
    CHECK(accepted <= 1);
    return accepted == 1;
}

void poll_at(aln_aligner_t *aligner, int64_t now_ns)
{
    invariants_before(aligner);
    CHECK_EQUAL(aln_poll(aligner, now_ns), ALN_OK);
    invariants_after(aligner);
}

void flush(aln_aligner_t *aligner)
{
    invariants_before(aligner);
    aln_flush(aligner);
    invariants_after(aligner);
}

void reset(aln_aligner_t *aligner)
{
    invariants_before(aligner);
    aln_reset(aligner);
    invariants_after(aligner);
}

uint32_t ready(aln_aligner_t *aligner)
{
    uint32_t count;

    invariants_before(aligner);
    count = aln_windows_ready(aligner);
    invariants_after(aligner);
    return count;
}

const window_t *read_window(aln_aligner_t *aligner)
{
    const size_t cell_count = (size_t)aligner->rows.window * aligner->rows.columns;
    aln_status_t status;

    invariants_before(aligner);
    status = aln_window_read(aligner, window.values, window.flags, cell_count, &window.info, window.ages_ns);
    invariants_after(aligner);
    CHECK(status == ALN_OK || status == ALN_ERR_EMPTY);
    return status == ALN_OK ? &window : NULL;
}

uint64_t count_of(const aln_aligner_t *aligner, uint32_t stream, aln_counter_t counter)
{
    uint64_t counters[ALN_COUNTERS];

    CHECK_EQUAL(aln_counters(aligner, stream, counters), ALN_OK);
    return counters[counter];
}

uint64_t count_all(const aln_aligner_t *aligner, uint32_t stream)
{
    uint64_t counters[ALN_COUNTERS];
    uint64_t sum = 0;

    CHECK_EQUAL(aln_counters(aligner, stream, counters), ALN_OK);
    for (int i = 0; i < ALN_COUNTERS; i++) {
        sum += i == ALN_COUNT_CONFLICT ? 0 : counters[i];
    }
    return sum;
}

void check_cell(aln_aligner_t *aligner, int64_t t_ns, float value, int flag, const char *file, int line)
{
    const window_t *row = read_window(aligner);

    check_that(row != NULL, "a window is ready", file, line);
    if (row != NULL) {
        check_equal(row->info.t0_ns, t_ns, "time of the row", file, line);
        check_that(row->values[0] == value, "value of the cell", file, line);
        check_equal(row->flags[0], flag, "flag of the cell", file, line);
    }
}
