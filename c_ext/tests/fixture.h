/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_TESTS_FIXTURE_H
#define FERRULE_TESTS_FIXTURE_H

/* An aligner in static memory, and its calls with the invariants checked around each. */

#include "ferrule/aligner.h"

#define NO_LIMIT INT64_MAX

/* What a test's aligner may take; a small target gives less. */
#ifndef FIXTURE_MEMORY_BYTES
#define FIXTURE_MEMORY_BYTES 65536
#endif

enum {
    MAX_CELLS = 256,
    MAX_FIELDS = 4,
    MAX_AGES = 4
};

/* The window that read_window took last. */
typedef struct {
    aln_window_info_t info;
    float values[MAX_CELLS];
    uint8_t flags[MAX_CELLS];
    int64_t ages_ns[MAX_AGES];
} window_t;

/* One field, 16 samples, missing cells are -1, no limits. */
aln_stream_config_t stream_of(aln_mode_t mode);

/* Rows every 10 ns, windows of one row, 16 rows held, no lateness, no limits. */
aln_config_t grid_of(const aln_stream_config_t *streams, uint32_t stream_count);

/* A fresh aligner; the one opened before is gone. */
aln_aligner_t *open_aligner(const aln_config_t *config);

/* Bytes the open aligner may lie in. */
void *fixture_memory(size_t *bytes);

/* Push one sample with the same value in every field. True when it was accepted. */
bool push_value(aln_aligner_t *aligner, uint32_t stream, int64_t time_ns, float value);

void poll_at(aln_aligner_t *aligner, int64_t now_ns);
void flush(aln_aligner_t *aligner);
void reset(aln_aligner_t *aligner);
uint32_t ready(aln_aligner_t *aligner);

/* The oldest complete window, NULL when there is none. */
const window_t *read_window(aln_aligner_t *aligner);

uint64_t count_of(const aln_aligner_t *aligner, uint32_t stream, aln_counter_t counter);

/* All that came of a stream's samples: conflicts are accepted too. */
uint64_t count_all(const aln_aligner_t *aligner, uint32_t stream);

/* Check that the next window is one row of one column. */
#define CHECK_CELL(aligner, t_ns, value, flag) check_cell(aligner, t_ns, value, flag, __FILE__, __LINE__)
void check_cell(aln_aligner_t *aligner, int64_t t_ns, float value, int flag, const char *file, int line);

#endif
