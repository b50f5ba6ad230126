/* SPDX-License-Identifier: Apache-2.0 */
/* The core's own speed, without Python: nanoseconds per item, the median of rounds in which the cases take turns.
 *
 *     bench_core SAMPLES ROUNDS [CASE]
 *
 * prints a line "case<TAB>unit<TAB>nanoseconds<TAB>items" for every case, or for the one: its median, and how many
 * items it handled in all rounds, by which callgrind's counts are divided.
 *
 * SAMPLES is written by tests/benchmarks/core.py: uint32 count and streams, then the samples in the order of their
 * arrival, int64 times, float values and uint16 streams. The last stream is the fastest. */

#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ferrule/aligner.h"

enum {
    BATCH = 4096,
    BATCHES = 4, /* of one stream: 192 KiB, as in a second-level cache as what a driver has just written */
    RING = 16384,
    RING_MIXED = 65536,
    CELL_STREAMS = 8,
    CELL_SAMPLES = 2048, /* per stream, one to a row */
    ROWS = 4096,
    WINDOW = 128,
    HOP = 64,
    MAX_ROUNDS = 1001
};

#define PERIOD_NS INT64_C(10000000)
#define LATENESS_NS INT64_C(50000000)
#define START_NS INT64_C(1000000000000)

typedef struct {
    uint32_t count;
    uint32_t streams;
    int64_t *times_ns;
    float *values;
    uint16_t *ids;
} samples_t;

typedef struct bench bench_t;

/* What is measured, and what goes before it every time. */
typedef struct {
    const char *name;
    const char *unit;
    aln_mode_t mode;
    uint32_t columns; /* 0: as many as there are streams */
    void (*build)(bench_t *);
    void (*prepare)(bench_t *);
    uint64_t (*run)(bench_t *); /* returns how many items it handled */
} bench_case_t;

struct bench {
    aln_mode_t mode;
    uint32_t columns;
    samples_t samples;
    aln_aligner_t *aligner;
    float *window;
    uint64_t items;
    int64_t item_ps[MAX_ROUNDS];
};

static samples_t arrived; /* of all streams */

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench_core: %s\n", what);
    exit(EXIT_FAILURE);
}

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (memory == NULL) {
        fail("out of memory");
    }
    return memory;
}

static samples_t make_samples(uint32_t count, uint32_t streams)
{
    const samples_t samples = {count, streams, allocate(count * sizeof(int64_t)), allocate(count * sizeof(float)),
                               allocate(count * sizeof(uint16_t))};

    return samples;
}

static samples_t read_samples(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint32_t sizes[2];
    samples_t samples;

    if (file == NULL || fread(sizes, sizeof(uint32_t), 2, file) != 2) {
        fail("no samples: tests/benchmarks/core.py writes the file");
    }
    samples = make_samples(sizes[0], sizes[1]);
    if (fread(samples.times_ns, sizeof(int64_t), sizes[0], file) != sizes[0] ||
        fread(samples.values, sizeof(float), sizes[0], file) != sizes[0] ||
        fread(samples.ids, sizeof(uint16_t), sizes[0], file) != sizes[0]) {
        fail("the file of samples is cut short");
    }
    (void)fclose(file);
    return samples;
}

/* --- samples in ------------------------------------------------------------------------------------------------ */

static void build_aligner(bench_t *self, uint32_t capacity)
{
    const uint32_t streams = self->columns;
    aln_stream_config_t *configs = allocate(streams * sizeof(aln_stream_config_t));
    aln_config_t config = {.streams = configs,
                           .stream_count = streams,
                           .window = WINDOW,
                           .hop = HOP,
                           .row_capacity = ROWS,
                           .period_ns = PERIOD_NS,
                           .lateness_ns = LATENESS_NS,
                           .deadline_ns = INT64_MAX,
                           .max_jump_ns = INT64_MAX};
    size_t bytes = 0;

    for (uint32_t i = 0; i < streams; i++) {
        configs[i].fields = 1;
        configs[i].capacity = capacity;
        configs[i].mode = self->mode;
        configs[i].max_gap_ns = INT64_MAX;
        configs[i].timeout_ns = INT64_MAX;
    }
    if (aln_memory_bytes(&config, &bytes) != ALN_OK ||
        aln_init(allocate(bytes), bytes, &config, &self->aligner) != ALN_OK) {
        fail("the aligner refuses its configuration");
    }
    self->window = allocate((size_t)WINDOW * streams * sizeof(float));
    free(configs);
}

static uint64_t read_windows(bench_t *self)
{
    aln_window_info_t info;
    int64_t ages_ns[ALN_MAX_STREAMS];
    uint64_t count = 0;

    while (aln_window_read(self->aligner, self->window, NULL, (size_t)WINDOW * self->columns, &info, ages_ns) ==
           ALN_OK) {
        count++;
    }
    return count;
}

static void prepare_empty(bench_t *self)
{
    aln_reset(self->aligner);
    (void)read_windows(self);
}

static int by_size(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a;
    const int64_t right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

static void build_push_late(bench_t *self)
{
    uint32_t taken = 0;

    build_aligner(self, RING);
    self->samples = make_samples(BATCH * BATCHES, 1);
    for (uint32_t i = 0; i < arrived.count && taken < BATCH * BATCHES; i++) {
        if (arrived.ids[i] == arrived.streams - 1) {
            self->samples.times_ns[taken] = arrived.times_ns[i];
            self->samples.values[taken] = arrived.values[i];
            taken++;
        }
    }
    if (taken < BATCH * BATCHES) {
        fail("the fastest stream has too few samples");
    }
}

static void build_push_sorted(bench_t *self)
{
    build_push_late(self);
    qsort(self->samples.times_ns, self->samples.count, sizeof(int64_t), by_size);
}

static void expect_all(uint32_t accepted)
{
    if (accepted != BATCH) {
        fail("samples were lost: nothing to measure");
    }
}

static uint64_t run_push(bench_t *self)
{
    for (uint32_t first = 0; first < self->samples.count; first += BATCH) {
        uint32_t accepted = 0;

        (void)aln_push(self->aligner, 0, &self->samples.times_ns[first], &self->samples.values[first], BATCH,
                       &accepted);
        expect_all(accepted);
    }
    return self->samples.count;
}

static void build_copy(bench_t *self)
{
    build_push_late(self);
    self->window = allocate(BATCH * BATCHES * (sizeof(int64_t) + sizeof(float)));
}

/* The physical limit of a push: the same bytes from the same arrays, and nothing else. */
static uint64_t run_copy(bench_t *self)
{
    unsigned char *ring = (unsigned char *)self->window;
    const uint32_t count = self->samples.count;

    for (uint32_t first = 0; first < count; first += BATCH) {
        memcpy(ring + first * sizeof(int64_t), &self->samples.times_ns[first], BATCH * sizeof(int64_t));
        memcpy(ring + count * sizeof(int64_t) + first * sizeof(float), &self->samples.values[first],
               BATCH * sizeof(float));
    }
    return count;
}

static void build_mixed(bench_t *self)
{
    build_aligner(self, RING_MIXED);
    self->samples = arrived;
}

/* Everything: mixed arrivals in, windows out. */
static uint64_t run_mixed(bench_t *self)
{
    const samples_t *samples = &self->samples;
    uint32_t first = 0;

    for (; first + BATCH <= samples->count; first += BATCH) {
        uint32_t accepted = 0;

        (void)aln_push_mixed(self->aligner, &samples->ids[first], &samples->times_ns[first], &samples->values[first],
                             BATCH, &accepted);
        expect_all(accepted);
        (void)read_windows(self);
    }
    return first;
}

/* --- cells and windows out ------------------------------------------------------------------------------------- */

/* A fixed sequence of even spread (Knuth's multiplicative hash), -1 to 1. */
static double spread(uint32_t index)
{
    return (double)(index * 2654435761u) / 2147483648.0 - 1.0;
}

/* One sample to a row in each stream, a tenth of a period early or late. */
static void build_cells(bench_t *self)
{
    build_aligner(self, RING);
    self->samples = make_samples(CELL_SAMPLES * self->columns, self->columns);
    for (uint32_t i = 0; i < self->samples.count; i++) {
        const uint32_t stream = i / CELL_SAMPLES;
        const double periods = (stream + 0.5) / self->columns + 0.1 * spread(i);

        self->samples.times_ns[i] = START_NS + (i % CELL_SAMPLES) * PERIOD_NS + (int64_t)(periods * (double)PERIOD_NS);
        self->samples.values[i] = (float)spread(i);
    }
}

static void prepare_cells(bench_t *self)
{
    prepare_empty(self);
    for (uint32_t stream = 0; stream < self->columns; stream++) {
        uint32_t accepted = 0;

        (void)aln_push(self->aligner, stream, &self->samples.times_ns[(size_t)stream * CELL_SAMPLES],
                       &self->samples.values[(size_t)stream * CELL_SAMPLES], CELL_SAMPLES, &accepted);
    }
}

static uint64_t run_cells(bench_t *self)
{
    const uint64_t windows = aln_windows_ready(self->aligner);

    return (WINDOW + (windows - 1) * HOP) * self->columns;
}

static void prepare_windows(bench_t *self)
{
    prepare_cells(self);
    (void)aln_windows_ready(self->aligner);
}

/* --- rounds ---------------------------------------------------------------------------------------------------- */

static const bench_case_t cases[] = {
    {"push sorted", "sample", ALN_HOLD, 1, build_push_sorted, prepare_empty, run_push},
    {"push 1 % late", "sample", ALN_HOLD, 1, build_push_late, prepare_empty, run_push},
    {"memcpy", "sample", ALN_HOLD, 1, build_copy, prepare_empty, run_copy},
    {"push mixed, windows read", "sample", ALN_LINEAR, 0, build_mixed, prepare_empty, run_mixed},
    {"cell hold", "cell", ALN_HOLD, CELL_STREAMS, build_cells, prepare_cells, run_cells},
    {"cell nearest", "cell", ALN_NEAREST, CELL_STREAMS, build_cells, prepare_cells, run_cells},
    {"cell linear", "cell", ALN_LINEAR, CELL_STREAMS, build_cells, prepare_cells, run_cells},
    {"cell mean", "cell", ALN_MEAN, CELL_STREAMS, build_cells, prepare_cells, run_cells},
    {"cell min", "cell", ALN_MIN, CELL_STREAMS, build_cells, prepare_cells, run_cells},
    {"cell max", "cell", ALN_MAX, CELL_STREAMS, build_cells, prepare_cells, run_cells},
    {"window of 8 columns", "window", ALN_HOLD, 8, build_cells, prepare_windows, read_windows},
    {"window of 64 columns", "window", ALN_HOLD, 64, build_cells, prepare_windows, read_windows},
};

enum {
    CASES = sizeof(cases) / sizeof(cases[0])
};

static bench_t benches[CASES];

/* What callgrind counts within. */
__attribute__((noinline)) uint64_t bench_measured(const bench_case_t *measured, bench_t *self);
uint64_t bench_measured(const bench_case_t *measured, bench_t *self)
{
    return measured->run(self);
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void build(uint32_t index)
{
    benches[index].mode = cases[index].mode;
    benches[index].columns = cases[index].columns != 0 ? cases[index].columns : arrived.streams;
    cases[index].build(&benches[index]);
}

static void measure(uint32_t index, uint32_t round)
{
    bench_t *self = &benches[index];
    int64_t started_ns;
    uint64_t items;

    cases[index].prepare(self);
    started_ns = now_ns();
    items = bench_measured(&cases[index], self);
    self->item_ps[round] = (now_ns() - started_ns) * 1000 / (int64_t)items;
    self->items += items;
}

static void measure_all(uint32_t first, uint32_t end, uint32_t rounds)
{
    for (uint32_t i = first; i < end; i++) {
        build(i);
    }
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = first; i < end; i++) {
            measure(i, round); /* brings its memory back into the caches; overwritten */
            measure(i, round);
        }
    }
    for (uint32_t i = first; i < end; i++) {
        qsort(benches[i].item_ps, rounds, sizeof(int64_t), by_size);
        (void)printf("%s\t%s\t%.3f\t%llu\n", cases[i].name, cases[i].unit, (double)benches[i].item_ps[rounds / 2] / 1e3,
                     (unsigned long long)benches[i].items);
    }
}

int main(int count, char **arguments)
{
    const long rounds = count < 3 ? 0 : strtol(arguments[2], NULL, 10);
    uint32_t first = 0;
    uint32_t end = CASES;

    if (count > 4 || rounds < 1 || rounds > MAX_ROUNDS) {
        fail("usage: bench_core SAMPLES ROUNDS [CASE], with 1 to 1001 rounds");
    }
    if (count == 4) {
        while (first < CASES && strcmp(cases[first].name, arguments[3]) != 0) {
            first++;
        }
        end = first < CASES ? first + 1 : CASES;
    }
    arrived = read_samples(arguments[1]);
    measure_all(first, end, (uint32_t)rounds);
    return EXIT_SUCCESS;
}
