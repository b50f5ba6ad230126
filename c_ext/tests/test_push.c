/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/layout.h"
#include "check.h"
#include "fixture.h"

static aln_stream_config_t streams[3];

static aln_config_t one_stream(aln_mode_t mode)
{
    streams[0] = stream_of(mode);
    return grid_of(streams, 1);
}

static aln_config_t two_streams(aln_mode_t first, aln_mode_t second)
{
    streams[0] = stream_of(first);
    streams[1] = stream_of(second);
    return grid_of(streams, 2);
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

static void an_unknown_stream_is_refused(void)
{
    const aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner = open_aligner(&config);
    const int64_t time_ns = 0;
    const float value = 1.0f;
    uint64_t counters[ALN_COUNTERS];
    uint32_t accepted = 7;

    CHECK_EQUAL(aln_push(aligner, 1, &time_ns, &value, 1, &accepted), ALN_ERR_STREAM);
    CHECK_EQUAL(aln_push(aligner, UINT32_MAX, &time_ns, &value, 1, &accepted), ALN_ERR_STREAM);
    CHECK_EQUAL(aln_counters(aligner, 1, counters), ALN_ERR_STREAM);
    CHECK_EQUAL(accepted, 7);
}

static void a_mixed_batch_with_an_unknown_stream_pushes_nothing(void)
{
    const aln_config_t config = two_streams(ALN_HOLD, ALN_HOLD);
    aln_aligner_t *aligner = open_aligner(&config);
    static const uint16_t numbers[] = {0, 1, 2};
    static const int64_t times_ns[] = {0, 0, 0};
    static const float values[] = {1.0f, 2.0f, 3.0f};
    uint32_t accepted = 7;

    CHECK_EQUAL(aln_push_mixed(aligner, numbers, times_ns, values, 3, &accepted), ALN_ERR_STREAM);
    CHECK_EQUAL(count_all(aligner, 0), 0);
    CHECK_EQUAL(count_all(aligner, 1), 0);
    CHECK_EQUAL(aln_push_mixed(aligner, numbers, times_ns, values, 2, &accepted), ALN_OK);
    CHECK_EQUAL(accepted, 2);
}

static void a_mixed_batch_with_a_stream_of_several_fields_pushes_nothing(void)
{
    aln_config_t config = two_streams(ALN_HOLD, ALN_HOLD);
    static const uint16_t numbers[] = {0, 1};
    static const int64_t times_ns[] = {0, 0};
    static const float values[] = {1.0f, 2.0f};
    aln_aligner_t *aligner;
    uint32_t accepted = 7;

    streams[1].fields = 2;
    aligner = open_aligner(&config);
    CHECK_EQUAL(aln_push_mixed(aligner, numbers, times_ns, values, 2, &accepted), ALN_ERR_STREAM);
    CHECK_EQUAL(count_all(aligner, 0), 0);
}

static void an_empty_batch_is_accepted(void)
{
    const aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner = open_aligner(&config);
    uint32_t accepted = 7;

    CHECK_EQUAL(aln_push(aligner, 0, NULL, NULL, 0, &accepted), ALN_OK);
    CHECK_EQUAL(accepted, 0);
    accepted = 7;
    CHECK_EQUAL(aln_push_mixed(aligner, NULL, NULL, NULL, 0, &accepted), ALN_OK);
    CHECK_EQUAL(accepted, 0);
    CHECK_EQUAL(ready(aligner), 0);
}

static void a_time_beyond_the_limit_is_out_of_range(void)
{
    static const int64_t bad[] = {INT64_MIN, INT64_MAX, ALN_TIME_LIMIT + 1, -ALN_TIME_LIMIT - 1};
    const aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner = open_aligner(&config);

    for (uint32_t i = 0; i < 4; i++) {
        CHECK(!push_value(aligner, 0, bad[i], 1.0f));
        CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OUT_OF_RANGE), i + 1);
    }
    CHECK(push_value(aligner, 0, -ALN_TIME_LIMIT, 1.0f));
    CHECK(push_value(aligner, 0, ALN_TIME_LIMIT, 1.0f));
}

static void one_field_that_is_not_finite_rejects_the_sample(void)
{
    static const uint32_t bad[] = {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffc00001u, 0x7f800001u, 0x7fffffffu};
    const aln_config_t config = one_stream(ALN_HOLD);
    const int64_t time_ns = 0;
    aln_aligner_t *aligner;
    uint32_t accepted = 7;

    streams[0].fields = 3;
    aligner = open_aligner(&config);
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const float values[3] = {1.0f, 2.0f, float_of(bad[i])};

        CHECK_EQUAL(aln_push(aligner, 0, &time_ns, values, 1, &accepted), ALN_OK);
        CHECK_EQUAL(accepted, 0);
        CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_NON_FINITE), i + 1);
    }
    CHECK(push_value(aligner, 0, 0, float_of(0x7f7fffffu)));
    CHECK(push_value(aligner, 0, 1, float_of(0x00000001u)));
}

static void a_sample_before_the_watermark_is_late(void)
{
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    config.lateness_ns = 20;
    aligner = open_aligner(&config);
    CHECK(push_value(aligner, 0, 100, 1.0f));
    CHECK(!push_value(aligner, 0, 79, 1.0f));
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_LATE), 1);
    CHECK(push_value(aligner, 0, 80, 1.0f));
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_ACCEPTED), 2);
}

static void a_sample_farther_ahead_than_the_largest_jump_never_moves_the_watermark(void)
{
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    config.max_jump_ns = 50;
    aligner = open_aligner(&config);
    CHECK(push_value(aligner, 0, 100, 1.0f));
    CHECK(!push_value(aligner, 0, 151, 1.0f));
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OUT_OF_RANGE), 1);
    CHECK(push_value(aligner, 0, 150, 1.0f));
}

static void an_equal_sample_is_a_duplicate_and_is_ignored(void)
{
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    config.lateness_ns = 20;
    aligner = open_aligner(&config);
    CHECK(push_value(aligner, 0, 90, 1.0f));
    CHECK(push_value(aligner, 0, 100, 2.0f));
    CHECK(!push_value(aligner, 0, 100, 2.0f));
    CHECK(!push_value(aligner, 0, 90, 1.0f));
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_DUPLICATE), 2);
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_ACCEPTED), 2);
}

static void another_value_at_the_same_time_replaces_and_counts_as_a_conflict(void)
{
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    config.lateness_ns = 20;
    aligner = open_aligner(&config);
    CHECK(push_value(aligner, 0, 100, 1.0f));
    CHECK(push_value(aligner, 0, 100, 2.0f));
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_CONFLICT), 1);
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_ACCEPTED), 2);
    flush(aligner);
    CHECK_CELL(aligner, 100, 2.0f, ALN_FLAG_MEASURED);
}

static void zero_and_minus_zero_are_a_conflict(void)
{
    const aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner = open_aligner(&config);

    CHECK(push_value(aligner, 0, 100, 0.0f));
    CHECK(push_value(aligner, 0, 100, -0.0f));
    CHECK(!push_value(aligner, 0, 100, -0.0f));
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_CONFLICT), 1);
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_DUPLICATE), 1);
}

static void the_first_check_that_fails_counts(void)
{
    aln_config_t config = one_stream(ALN_HOLD);
    const float nan = float_of(0x7fc00000u);
    aln_aligner_t *aligner;

    config.max_jump_ns = 50;
    aligner = open_aligner(&config);
    CHECK(push_value(aligner, 0, 100, 1.0f));
    CHECK(!push_value(aligner, 0, INT64_MAX, nan));
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OUT_OF_RANGE), 1);
    CHECK(!push_value(aligner, 0, 1000, nan));
    CHECK(!push_value(aligner, 0, 0, nan));
    CHECK(!push_value(aligner, 0, 100, nan));
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_NON_FINITE), 3);
    CHECK_EQUAL(count_all(aligner, 0), 5);
}

static void samples_in_any_order_within_the_lateness_come_out_in_order(void)
{
    static const int64_t times_ns[] = {30, 10, 20, 0, 50, 40};
    static const float values[] = {3.0f, 1.0f, 2.0f, 0.0f, 5.0f, 4.0f};
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;
    uint32_t accepted = 0;

    config.lateness_ns = 40;
    aligner = open_aligner(&config);
    CHECK_EQUAL(aln_push(aligner, 0, times_ns, values, 6, &accepted), ALN_OK);
    CHECK_EQUAL(accepted, 6);
    flush(aligner);
    for (int i = 0; i < 6; i++) {
        CHECK_CELL(aligner, i * 10, (float)i, ALN_FLAG_MEASURED);
    }
}

static void a_full_ring_refuses_the_newest_and_counts_an_overrun(void)
{
    const aln_config_t config = two_streams(ALN_HOLD, ALN_HOLD);
    aln_aligner_t *aligner;

    streams[0].capacity = 4;
    aligner = open_aligner(&config);
    for (int i = 0; i < 4; i++) {
        CHECK(push_value(aligner, 0, i * 10, (float)i));
    }
    CHECK(!push_value(aligner, 0, 40, 4.0f));
    CHECK(!push_value(aligner, 0, 40, 4.0f));
    CHECK(!push_value(aligner, 0, 30, 3.0f));
    CHECK(push_value(aligner, 0, 30, 3.5f));
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OVERRUN), 2);
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_DUPLICATE), 1);
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_CONFLICT), 1);
}

static void an_overrun_stream_takes_samples_again_once_the_other_has_caught_up(void)
{
    const aln_config_t config = two_streams(ALN_HOLD, ALN_HOLD);
    aln_aligner_t *aligner;

    streams[0].capacity = 4;
    aligner = open_aligner(&config);
    for (int i = 0; i < 6; i++) {
        (void)push_value(aligner, 0, i * 10, (float)i);
    }
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OVERRUN), 2);
    CHECK(push_value(aligner, 1, 25, 9.0f));
    CHECK(push_value(aligner, 0, 60, 6.0f));
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OVERRUN), 2);
    for (int i = 0; i < 3; i++) {
        CHECK_CELL(aligner, i * 10, (float)i, ALN_FLAG_MEASURED);
    }
}

static void a_burst_within_the_lateness_does_not_silence_a_stream_for_ever(void)
{
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    streams[0].capacity = 4;
    config.lateness_ns = 100;
    aligner = open_aligner(&config);
    for (int i = 0; i < 8; i++) {
        CHECK(push_value(aligner, 0, i, (float)i) == (i < 4));
    }
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OVERRUN), 4);
    CHECK(push_value(aligner, 0, 200, 8.0f)); /* its own watermark of 100 makes the burst's rows final */
    CHECK_CELL(aligner, 0, 0.0f, ALN_FLAG_MEASURED);
    CHECK_CELL(aligner, 10, 3.0f, ALN_FLAG_HELD);
}

static void a_burst_does_not_silence_a_stream_whose_rows_the_deadline_forces(void)
{
    aln_config_t config = two_streams(ALN_HOLD, ALN_HOLD);
    aln_aligner_t *aligner;

    streams[0].capacity = 4;
    config.lateness_ns = 100;
    config.deadline_ns = 100;
    aligner = open_aligner(&config);
    for (int i = 0; i < 5; i++) {
        (void)push_value(aligner, 0, i, (float)i);
    }
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OVERRUN), 1);
    for (int64_t now_ns = 0; now_ns <= 300; now_ns += 10) {
        poll_at(aligner, now_ns);
        while (read_window(aligner) != NULL) {
        }
    }
    CHECK(push_value(aligner, 0, 300, 5.0f));
}

static void a_mixed_batch_equals_single_pushes(void)
{
    static const uint16_t numbers[] = {0, 1, 1, 0, 0, 1};
    static const int64_t times_ns[] = {0, 0, 10, 10, 21, 21};
    static const float values[] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
    const aln_config_t config = two_streams(ALN_HOLD, ALN_HOLD);
    aln_aligner_t *aligner = open_aligner(&config);
    uint32_t accepted = 0;

    CHECK_EQUAL(aln_push_mixed(aligner, numbers, times_ns, values, 6, &accepted), ALN_OK);
    CHECK_EQUAL(accepted, 6);
    for (int i = 0; i < 3; i++) {
        const window_t *row = read_window(aligner);

        CHECK(row != NULL && row->values[0] == (i == 0 ? 1.0f : 4.0f) && row->values[1] == (i == 0 ? 2.0f : 3.0f));
    }
    CHECK(read_window(aligner) == NULL);
}

static void indices_run_freely_across_the_end_of_uint32(void)
{
    aln_config_t config = two_streams(ALN_LINEAR, ALN_MEAN);
    const uint32_t start = UINT32_MAX - 20;
    aln_aligner_t *aligner;

    streams[0].capacity = 8;
    streams[1].capacity = 8;
    config.lateness_ns = 20;
    aligner = open_aligner(&config);
    for (uint32_t i = 0; i < 2; i++) {
        aligner->streams[i].tail = start;
        aligner->streams[i].cursor = start;
        aligner->streams[i].head = start;
    }
    for (int i = 0; i < 100; i++) {
        const int64_t time_ns = (i ^ 1) * 10; /* every pair the wrong way round */

        CHECK(push_value(aligner, 0, time_ns, (float)time_ns));
        CHECK(push_value(aligner, 1, time_ns, (float)time_ns));
        while (read_window(aligner) != NULL) {
        }
    }
    CHECK(aligner->streams[0].head < start && aligner->streams[0].tail < start);
    CHECK_EQUAL(aligner->rows.seq, 97);
}

void test_push(void)
{
    RUN(an_unknown_stream_is_refused);
    RUN(a_mixed_batch_with_an_unknown_stream_pushes_nothing);
    RUN(a_mixed_batch_with_a_stream_of_several_fields_pushes_nothing);
    RUN(an_empty_batch_is_accepted);
    RUN(a_time_beyond_the_limit_is_out_of_range);
    RUN(one_field_that_is_not_finite_rejects_the_sample);
    RUN(a_sample_before_the_watermark_is_late);
    RUN(a_sample_farther_ahead_than_the_largest_jump_never_moves_the_watermark);
    RUN(an_equal_sample_is_a_duplicate_and_is_ignored);
    RUN(another_value_at_the_same_time_replaces_and_counts_as_a_conflict);
    RUN(zero_and_minus_zero_are_a_conflict);
    RUN(the_first_check_that_fails_counts);
    RUN(samples_in_any_order_within_the_lateness_come_out_in_order);
    RUN(a_full_ring_refuses_the_newest_and_counts_an_overrun);
    RUN(an_overrun_stream_takes_samples_again_once_the_other_has_caught_up);
    RUN(a_burst_within_the_lateness_does_not_silence_a_stream_for_ever);
    RUN(a_burst_does_not_silence_a_stream_whose_rows_the_deadline_forces);
    RUN(a_mixed_batch_equals_single_pushes);
    RUN(indices_run_freely_across_the_end_of_uint32);
}
