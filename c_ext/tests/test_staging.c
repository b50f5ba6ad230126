/* SPDX-License-Identifier: Apache-2.0 */
#include "ferrule/staging.h"

#include "check.h"
#include "fixture.h"
#include "invariants.h"

enum {
    ROOM = 3,
    FIELDS = 2
};

static aln_stream_config_t streams[2];
static int64_t times_ns[ROOM];
static float values[ROOM * FIELDS];
static aln_staging_t staging;

/* An aligner of a narrow stream and a wide one, which is staged. */
static aln_aligner_t *open_staging(void)
{
    aln_config_t config;
    aln_aligner_t *aligner;

    streams[0] = stream_of(ALN_HOLD);
    streams[1] = stream_of(ALN_HOLD);
    streams[1].fields = FIELDS;
    config = grid_of(streams, 2);
    aligner = open_aligner(&config);
    CHECK_EQUAL(aln_staging_init(&staging, aligner, 1, times_ns, values), ALN_OK);
    return aligner;
}

static void stage(uint32_t place, int64_t time_ns, float value)
{
    times_ns[place] = time_ns;
    values[place * FIELDS] = value;
    values[place * FIELDS + 1] = -value;
}

static uint32_t commit(aln_aligner_t *aligner, uint32_t count)
{
    uint32_t accepted;

    invariants_before(aligner);
    staging.count = count;
    accepted = aln_staging_commit(&staging);
    invariants_after(aligner);
    CHECK_EQUAL(staging.count, count);
    return accepted;
}

static void an_unknown_stream_is_not_staged(void)
{
    aln_aligner_t *aligner = open_staging();

    CHECK_EQUAL(aln_staging_init(&staging, aligner, 2, NULL, NULL), ALN_ERR_STREAM);
    CHECK_EQUAL(aln_staging_init(&staging, aligner, UINT32_MAX, NULL, NULL), ALN_ERR_STREAM);
    CHECK(staging.times_ns == times_ns && staging.values == values && staging.stream == 1);
}

static void nothing_is_committed_at_the_start(void)
{
    aln_aligner_t *aligner = open_staging();

    stage(0, 0, 1.0f);
    CHECK_EQUAL(aln_staging_commit(&staging), 0);
    CHECK_EQUAL(count_all(aligner, 1), 0);
}

static void what_was_filled_in_is_pushed_and_the_room_used_again(void)
{
    aln_aligner_t *aligner = open_staging();
    const window_t *window;

    stage(0, 0, 1.0f);
    stage(1, 10, 2.0f);
    stage(2, 20, 3.0f);
    CHECK_EQUAL(commit(aligner, 2), 2);
    stage(0, 10, 4.0f);
    CHECK_EQUAL(commit(aligner, 1), 1);
    CHECK_EQUAL(count_of(aligner, 1, ALN_COUNT_CONFLICT), 1);
    CHECK_EQUAL(count_all(aligner, 0), 0);
    flush(aligner);
    for (uint32_t row = 0; row < 2; row++) {
        const float expected = row == 0 ? 1.0f : 4.0f;

        window = read_window(aligner);
        CHECK(window != NULL && window->values[1] == expected && window->values[2] == -expected);
    }
}

static void only_what_is_accepted_is_returned(void)
{
    aln_aligner_t *aligner = open_staging();

    stage(0, 10, 1.0f);
    stage(1, 5, 2.0f);
    stage(2, 10, 1.0f);
    CHECK_EQUAL(commit(aligner, ROOM), 1);
    CHECK_EQUAL(count_of(aligner, 1, ALN_COUNT_LATE), 1);
    CHECK_EQUAL(count_of(aligner, 1, ALN_COUNT_DUPLICATE), 1);
    CHECK_EQUAL(commit(aligner, 0), 0);
}

void test_staging(void)
{
    RUN(an_unknown_stream_is_not_staged);
    RUN(nothing_is_committed_at_the_start);
    RUN(what_was_filled_in_is_pushed_and_the_room_used_again);
    RUN(only_what_is_accepted_is_returned);
}
