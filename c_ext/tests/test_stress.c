/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/layout.h"
#include "check.h"
#include "fixture.h"
#include "invariants.h"

/* Seeded random operations, with all invariants looked at after each. A failure names its configuration and seed:
 * build with -DSTRESS_SEED=<seed> -DSTRESS_RUNS=1 to have it alone. */

#ifndef STRESS_SEED
#define STRESS_SEED 1u
#endif
#ifndef STRESS_RUNS
#define STRESS_RUNS 200u
#endif

enum {
    STEPS = 300,
    BATCH = 8,
    CONFIGURATIONS = 10
};

static uint64_t state;

/* Source: Knuth, MMIX; the upper bits are the good ones. */
static uint32_t random_below(uint32_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % limit);
}

static bool one_in(uint32_t count)
{
    return random_below(count) == 0;
}

static int64_t hostile_time_ns(void)
{
    static const int64_t times_ns[] = {
        INT64_MIN, INT64_MIN + 1, -ALN_TIME_LIMIT - 1, -ALN_TIME_LIMIT, ALN_TIME_LIMIT, ALN_TIME_LIMIT + 1, INT64_MAX,
    };

    return times_ns[random_below(sizeof(times_ns) / sizeof(times_ns[0]))];
}

static float random_value(void)
{
    static const uint32_t odd_bits[] = {
        0x7f800000u, 0xff800000u, 0x7fc00000u, 0x7f800001u, 0x80000000u, 0x00000001u, 0x7f7fffffu, 0xff7fffffu,
    };
    union {
        uint32_t bits;
        float value;
    } view;

    if (!one_in(8)) {
        return (float)random_below(3);
    }
    view.bits = odd_bits[random_below(sizeof(odd_bits) / sizeof(odd_bits[0]))];
    return view.value;
}

/* A few hard shapes, then anything. */
static aln_config_t configuration(uint32_t number, aln_stream_config_t *streams)
{
    const uint32_t count = number == 0 ? 1 : 1 + random_below(WATCHED_STREAMS);
    aln_config_t config;

    for (uint32_t i = 0; i < count; i++) {
        streams[i] = stream_of((aln_mode_t)random_below(6));
        streams[i].fields = 1 + random_below(3);
        streams[i].capacity = number < 4 ? 2 : 2u << random_below(5);
        streams[i].fill = one_in(2) ? ALN_FILL_PREVIOUS : ALN_FILL_CONSTANT;
        streams[i].max_gap_ns = one_in(2) ? NO_LIMIT : (int64_t)random_below(40);
        streams[i].timeout_ns = one_in(2) ? NO_LIMIT : (int64_t)random_below(100);
    }
    config = grid_of(streams, count);
    config.row_capacity = number < 3 ? 1u << number : 1u << random_below(6);
    config.window = 1 + random_below(config.row_capacity < 16 ? config.row_capacity : 16);
    config.hop = 1 + random_below(number % 2 == 0 ? 2 * config.window : config.window);
    config.period_ns = number == 9 ? ALN_TIME_LIMIT / 4 + 1 : 1 + (int64_t)random_below(12);
    config.phase_ns = (int64_t)random_below(100) - 50;
    config.lateness_ns = one_in(3) ? 0 : (int64_t)random_below(50);
    config.deadline_ns = one_in(2) ? NO_LIMIT : config.lateness_ns + (int64_t)random_below(40);
    config.max_jump_ns = one_in(4) ? NO_LIMIT : (int64_t)random_below(200);
    return config;
}

static int64_t random_time_ns(int64_t now_ns, bool has_hostile)
{
    if (has_hostile && one_in(40)) {
        return hostile_time_ns();
    }
    return now_ns + (int64_t)random_below(80) - 60;
}

static uint32_t push_batch(aln_aligner_t *aligner, uint32_t stream, int64_t now_ns, bool has_hostile)
{
    int64_t times_ns[BATCH];
    float values[BATCH * 3];
    const uint32_t count = random_below(BATCH + 1);
    const uint64_t all = count_all(aligner, stream);
    const uint64_t taken = count_of(aligner, stream, ALN_COUNT_ACCEPTED);
    uint32_t accepted = 0;

    for (uint32_t i = 0; i < count; i++) {
        times_ns[i] = random_time_ns(now_ns, has_hostile);
    }
    for (uint32_t i = 0; i < BATCH * 3; i++) {
        values[i] = random_value();
    }
    invariants_before(aligner);
    CHECK_EQUAL(aln_push(aligner, stream, times_ns, values, count, &accepted), ALN_OK);
    invariants_after(aligner);
    CHECK_EQUAL(count_of(aligner, stream, ALN_COUNT_ACCEPTED) - taken, accepted);
    CHECK_EQUAL(count_all(aligner, stream) - all, count);
    return count;
}

static void poll_somewhere(aln_aligner_t *aligner, int64_t now_ns, bool has_hostile)
{
    const int64_t time_ns = random_time_ns(now_ns, has_hostile);
    const bool is_valid = time_ns >= -ALN_TIME_LIMIT && time_ns <= ALN_TIME_LIMIT;

    invariants_before(aligner);
    CHECK_EQUAL(aln_poll(aligner, time_ns), is_valid ? ALN_OK : ALN_ERR_TIME);
    invariants_after(aligner);
}

/* All indices close to where they wrap. */
static void wind_on(aln_aligner_t *aligner)
{
    aln_rows_t *rows = &aligner->rows;

    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        aln_stream_t *stream = &aligner->streams[i];

        stream->head = 0u - random_below(20);
        stream->tail = stream->head;
        stream->cursor = stream->head;
    }
    rows->head = 0u - random_below(100);
    rows->tail = rows->head;
    rows->next_start_row = rows->head;
    rows->window_head = 0u - random_below(20);
    rows->window_tail = rows->window_head;
}

/* Windows come in order, whatever happened in between. */
static void read_some(aln_aligner_t *aligner, uint64_t *seq)
{
    for (uint32_t i = random_below(4); i > 0; i--) {
        const uint32_t count = ready(aligner);
        const window_t *window = read_window(aligner);

        CHECK((count != 0) == (window != NULL));
        if (window == NULL) {
            return;
        }
        CHECK_EQUAL(window->info.seq, *seq);
        *seq += 1;
    }
}

static void run(uint32_t number, uint32_t seed)
{
    static aln_stream_config_t streams[WATCHED_STREAMS];
    aln_config_t config;
    aln_aligner_t *aligner;
    uint64_t pushed[WATCHED_STREAMS] = {0};
    uint64_t seq = 0;
    int64_t now_ns = 0;
    bool has_hostile;

    state = seed;
    config = configuration(number, streams);
    has_hostile = one_in(2);
    aligner = open_aligner(&config);
    wind_on(aligner);
    for (int step = 0; step < STEPS && !check_has_failed(); step++) {
        const uint32_t stream = random_below(config.stream_count);
        const uint32_t choice = random_below(100);

        now_ns += (int64_t)random_below(8);
        if (choice < 55) {
            pushed[stream] += push_batch(aligner, stream, now_ns, has_hostile);
        } else if (choice < 75) {
            poll_somewhere(aligner, now_ns, has_hostile);
        } else if (choice < 96) {
            read_some(aligner, &seq);
        } else if (choice < 98) {
            flush(aligner);
        } else {
            reset(aligner);
        }
    }
    for (uint32_t i = 0; i < config.stream_count; i++) {
        CHECK_EQUAL(count_all(aligner, i), pushed[i]);
    }
}

static void no_sequence_of_calls_breaks_an_invariant(void)
{
    for (uint32_t number = 0; number < CONFIGURATIONS; number++) {
        for (uint32_t i = 0; i < STRESS_RUNS && !check_has_failed(); i++) {
            check_set_case(number, STRESS_SEED + i);
            run(number, STRESS_SEED + i);
        }
    }
}

void test_stress(void)
{
    RUN(no_sequence_of_calls_breaks_an_invariant);
}
