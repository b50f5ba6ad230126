/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/layout.h"
#include "check.h"
#include "fixture.h"

/* What each mode puts into a row, and when the row is final by watermarks alone. */

static aln_stream_config_t streams[3];

static aln_config_t one_stream(aln_mode_t mode)
{
    streams[0] = stream_of(mode);
    return grid_of(streams, 1);
}

static void hold_gives_the_newest_sample_up_to_the_row(void)
{
    const aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner = open_aligner(&config);

    (void)push_value(aligner, 0, 10, 1.0f);
    (void)push_value(aligner, 0, 13, 2.0f);
    (void)push_value(aligner, 0, 17, 3.0f);
    (void)push_value(aligner, 0, 31, 4.0f);
    CHECK_CELL(aligner, 10, 1.0f, ALN_FLAG_MEASURED);
    CHECK_CELL(aligner, 20, 3.0f, ALN_FLAG_HELD);
    CHECK_CELL(aligner, 30, 3.0f, ALN_FLAG_HELD);
    CHECK(read_window(aligner) == NULL);
}

static void hold_waits_until_the_watermark_is_past_the_row(void)
{
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    config.lateness_ns = 5;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 10, 1.0f);
    (void)push_value(aligner, 0, 15, 2.0f);
    CHECK_EQUAL(ready(aligner), 0); /* the watermark is at the row */
    (void)push_value(aligner, 0, 16, 2.0f);
    CHECK_EQUAL(ready(aligner), 1);
}

static void a_gap_as_wide_as_allowed_is_bridged_and_a_wider_one_is_missing(void)
{
    const aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    streams[0].max_gap_ns = 20;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 10, 1.0f);
    (void)push_value(aligner, 0, 41, 2.0f);
    CHECK_CELL(aligner, 10, 1.0f, ALN_FLAG_MEASURED);
    CHECK_CELL(aligner, 20, 1.0f, ALN_FLAG_HELD);
    CHECK_CELL(aligner, 30, 1.0f, ALN_FLAG_HELD);
    CHECK_CELL(aligner, 40, -1.0f, ALN_FLAG_MISSING);
}

static void nearest_takes_the_smaller_distance_and_the_earlier_of_two_equals(void)
{
    const aln_config_t config = one_stream(ALN_NEAREST);
    aln_aligner_t *aligner = open_aligner(&config);

    (void)push_value(aligner, 0, 5, 1.0f);
    (void)push_value(aligner, 0, 15, 2.0f);
    (void)push_value(aligner, 0, 24, 3.0f);
    (void)push_value(aligner, 0, 30, 4.0f);
    (void)push_value(aligner, 0, 50, 5.0f);
    CHECK_CELL(aligner, 10, 1.0f, ALN_FLAG_HELD);
    CHECK_CELL(aligner, 20, 3.0f, ALN_FLAG_HELD);
    CHECK_CELL(aligner, 30, 4.0f, ALN_FLAG_MEASURED);
    CHECK(read_window(aligner) == NULL); /* at 40 a sample at 50 is as near: not past the watermark */
    (void)push_value(aligner, 0, 51, 6.0f);
    CHECK_CELL(aligner, 40, 4.0f, ALN_FLAG_HELD);
}

static void nearest_farther_than_the_gap_is_missing(void)
{
    const aln_config_t config = one_stream(ALN_NEAREST);
    aln_aligner_t *aligner;

    streams[0].max_gap_ns = 4;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 6, 1.0f);
    (void)push_value(aligner, 0, 25, 2.0f);
    (void)push_value(aligner, 0, 40, 3.0f);
    (void)push_value(aligner, 0, 60, 3.0f);
    CHECK_CELL(aligner, 10, 1.0f, ALN_FLAG_HELD);
    CHECK_CELL(aligner, 20, -1.0f, ALN_FLAG_MISSING);
    CHECK_CELL(aligner, 30, -1.0f, ALN_FLAG_MISSING);
    CHECK_CELL(aligner, 40, 3.0f, ALN_FLAG_MEASURED);
}

static void linear_lies_between_its_neighbours(void)
{
    const aln_config_t config = one_stream(ALN_LINEAR);
    aln_aligner_t *aligner = open_aligner(&config);

    (void)push_value(aligner, 0, 5, 1.0f);
    (void)push_value(aligner, 0, 15, 3.0f);
    (void)push_value(aligner, 0, 20, 7.0f);
    CHECK_CELL(aligner, 10, 2.0f, ALN_FLAG_INTERPOLATED);
    CHECK(read_window(aligner) == NULL); /* the sample at 20 may still be replaced */
    (void)push_value(aligner, 0, 40, 9.0f);
    CHECK_CELL(aligner, 20, 7.0f, ALN_FLAG_MEASURED);
    CHECK(read_window(aligner) == NULL);
    (void)push_value(aligner, 0, 41, 9.0f);
    CHECK_CELL(aligner, 30, 8.0f, ALN_FLAG_INTERPOLATED);
}

static void linear_across_a_gap_is_missing_but_a_sample_on_the_row_is_measured(void)
{
    const aln_config_t config = one_stream(ALN_LINEAR);
    aln_aligner_t *aligner;

    streams[0].max_gap_ns = 15;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 5, 1.0f);
    (void)push_value(aligner, 0, 20, 4.0f);
    (void)push_value(aligner, 0, 36, 5.0f);
    (void)push_value(aligner, 0, 37, 5.0f);
    CHECK_CELL(aligner, 10, 2.0f, ALN_FLAG_INTERPOLATED);
    CHECK_CELL(aligner, 20, 4.0f, ALN_FLAG_MEASURED);
    CHECK_CELL(aligner, 30, -1.0f, ALN_FLAG_MISSING);
}

static void linear_between_the_ends_of_time_does_not_overflow(void)
{
    aln_config_t config = one_stream(ALN_LINEAR);
    aln_aligner_t *aligner;

    config.period_ns = ALN_TIME_LIMIT / 2;
    aligner = open_aligner(&config);
    CHECK(push_value(aligner, 0, -ALN_TIME_LIMIT, -2.0f));
    CHECK(push_value(aligner, 0, ALN_TIME_LIMIT, 2.0f));
    flush(aligner);
    CHECK_CELL(aligner, -2 * (ALN_TIME_LIMIT / 2), -2.0f, ALN_FLAG_INTERPOLATED);
    CHECK_CELL(aligner, -(ALN_TIME_LIMIT / 2), -1.0f, ALN_FLAG_INTERPOLATED);
    CHECK_CELL(aligner, 0, 0.0f, ALN_FLAG_INTERPOLATED);
    CHECK_CELL(aligner, ALN_TIME_LIMIT / 2, 1.0f, ALN_FLAG_INTERPOLATED);
    CHECK_CELL(aligner, 2 * (ALN_TIME_LIMIT / 2), 2.0f, ALN_FLAG_INTERPOLATED);
    CHECK(read_window(aligner) == NULL);
}

static void aggregates_look_back_one_period(void)
{
    static const aln_mode_t modes[] = {ALN_MEAN, ALN_MIN, ALN_MAX};
    static const float expected[] = {5.0f, 1.0f, 9.0f};

    for (int i = 0; i < 3; i++) {
        const aln_config_t config = one_stream(modes[i]);
        aln_aligner_t *aligner = open_aligner(&config);

        (void)push_value(aligner, 0, 10, 100.0f);
        (void)push_value(aligner, 0, 11, 5.0f);
        (void)push_value(aligner, 0, 12, 9.0f);
        (void)push_value(aligner, 0, 20, 1.0f);
        (void)push_value(aligner, 0, 31, -100.0f);
        CHECK_CELL(aligner, 10, 100.0f, ALN_FLAG_AGGREGATED);
        CHECK_CELL(aligner, 20, expected[i], ALN_FLAG_AGGREGATED);
        CHECK_CELL(aligner, 30, -1.0f, ALN_FLAG_MISSING);
    }
}

static void aggregates_leave_out_samples_that_came_after_their_row(void)
{
    static const aln_mode_t modes[] = {ALN_MEAN, ALN_MIN, ALN_MAX};

    for (int i = 0; i < 3; i++) {
        aln_config_t config;
        aln_aligner_t *aligner;

        streams[0] = stream_of(modes[i]);
        config = grid_of(streams, 1);
        config.lateness_ns = 50;
        config.deadline_ns = 50;
        aligner = open_aligner(&config);
        (void)push_value(aligner, 0, 10, 4.0f);
        poll_at(aligner, 80); /* forces the rows at 10, 20 and 30 */
        for (int k = 0; k < 3; k++) {
            CHECK(read_window(aligner) != NULL);
        }
        CHECK(push_value(aligner, 0, 12, -50.0f)); /* newer than the newest, and older than the last row */
        CHECK(push_value(aligner, 0, 22, 50.0f));
        CHECK(push_value(aligner, 0, 11, -70.0f)); /* out of order */
        CHECK(push_value(aligner, 0, 35, 7.0f));
        poll_at(aligner, 90);
        CHECK_CELL(aligner, 40, 7.0f, ALN_FLAG_AGGREGATED | ALN_FLAG_FORCED);
    }
}

static void samples_behind_the_last_row_do_not_fill_the_ring(void)
{
    static aln_stream_config_t both[2];
    aln_config_t config;
    aln_aligner_t *aligner;

    both[0] = stream_of(ALN_HOLD);
    both[1] = stream_of(ALN_HOLD);
    both[1].capacity = 2;
    config = grid_of(both, 2);
    config.deadline_ns = 0;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 0.0f);
    poll_at(aligner, 100); /* rows 0 to 100 are final without the second stream */
    for (int i = 0; i < 20; i++) {
        CHECK(push_value(aligner, 1, 10 + i, (float)i));
    }
    CHECK_EQUAL(count_of(aligner, 1, ALN_COUNT_OVERRUN), 0);
}

static void the_constant_fill_is_the_constant_to_the_bit(void)
{
    const aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;
    union {
        float value;
        uint32_t bits;
    } fill, cell;
    const window_t *row;

    fill.bits = 0x7fc01234u; /* a NaN with a payload */
    streams[0].fill_value = fill.value;
    streams[0].max_gap_ns = 0;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 9, 1.0f);
    (void)push_value(aligner, 0, 11, 1.0f);
    row = read_window(aligner);
    cell.value = row == NULL ? 0.0f : row->values[0];
    CHECK_EQUAL(cell.bits, fill.bits);
}

static void the_previous_fill_repeats_the_row_before_and_starts_with_the_constant(void)
{
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    streams[0].fill = ALN_FILL_PREVIOUS;
    streams[0].max_gap_ns = 0;
    config.row_capacity = 2; /* the row before is often the ring's other end, and was read long ago */
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 9, 5.0f);
    (void)push_value(aligner, 0, 30, 7.0f);
    (void)push_value(aligner, 0, 91, 8.0f);
    CHECK_CELL(aligner, 10, -1.0f, ALN_FLAG_MISSING);
    CHECK_CELL(aligner, 20, -1.0f, ALN_FLAG_MISSING);
    CHECK_CELL(aligner, 30, 7.0f, ALN_FLAG_MEASURED);
    for (int i = 4; i < 10; i++) {
        CHECK_CELL(aligner, i * 10, 7.0f, ALN_FLAG_MISSING);
    }
    CHECK(read_window(aligner) == NULL);
}

static void the_previous_fill_works_within_a_window_and_from_one_to_the_next(void)
{
    static const float expected[2][4] = {{1.0f, 1.0f, 3.0f, 3.0f}, {3.0f, 3.0f, 6.0f, 6.0f}};
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    streams[0].fill = ALN_FILL_PREVIOUS;
    streams[0].max_gap_ns = 0;
    config.window = 4;
    config.hop = 4;
    config.row_capacity = 8;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 1.0f);
    (void)push_value(aligner, 0, 20, 3.0f);
    (void)push_value(aligner, 0, 60, 6.0f);
    (void)push_value(aligner, 0, 71, 7.0f);
    for (int i = 0; i < 2; i++) {
        const window_t *window = read_window(aligner);

        CHECK(window != NULL);
        for (int row = 0; window != NULL && row < 4; row++) {
            CHECK(window->values[row] == expected[i][row]);
        }
    }
}

static void the_previous_fill_works_in_a_ring_of_one_row(void)
{
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    streams[0].fill = ALN_FILL_PREVIOUS;
    streams[0].max_gap_ns = 0;
    config.row_capacity = 1;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 10, 7.0f);
    (void)push_value(aligner, 0, 41, 8.0f);
    CHECK_CELL(aligner, 10, 7.0f, ALN_FLAG_MEASURED);
    CHECK_CELL(aligner, 20, 7.0f, ALN_FLAG_MISSING);
    CHECK_CELL(aligner, 30, 7.0f, ALN_FLAG_MISSING);
    CHECK_CELL(aligner, 40, 7.0f, ALN_FLAG_MISSING);
}

static void the_previous_fill_does_not_reach_into_the_segment_before(void)
{
    aln_config_t config = one_stream(ALN_HOLD);
    aln_aligner_t *aligner;

    streams[0].fill = ALN_FILL_PREVIOUS;
    streams[0].max_gap_ns = 0;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 10, 7.0f);
    flush(aligner);
    (void)push_value(aligner, 0, 19, 8.0f);
    (void)push_value(aligner, 0, 21, 8.0f);
    CHECK_CELL(aligner, 10, 7.0f, ALN_FLAG_MEASURED);
    CHECK_CELL(aligner, 20, -1.0f, ALN_FLAG_MISSING);
}

static void grid_times_follow_the_phase_on_both_sides_of_zero(void)
{
    static const int64_t phases_ns[] = {
        3, -7, 13, -17, 3 - 10 * 1000000, ALN_TIME_LIMIT - ALN_TIME_LIMIT % 10 + 3 - 10};

    for (size_t i = 0; i < sizeof(phases_ns) / sizeof(phases_ns[0]); i++) {
        aln_config_t config = one_stream(ALN_HOLD);
        aln_aligner_t *aligner;

        config.phase_ns = phases_ns[i];
        aligner = open_aligner(&config);
        (void)push_value(aligner, 0, -8, 1.0f);
        (void)push_value(aligner, 0, 14, 2.0f);
        CHECK_CELL(aligner, -7, 1.0f, ALN_FLAG_HELD);
        CHECK_CELL(aligner, 3, 1.0f, ALN_FLAG_HELD);
        CHECK_CELL(aligner, 13, 1.0f, ALN_FLAG_HELD);
    }
}

static void fields_share_a_time_and_a_flag_and_keep_their_columns(void)
{
    static const int64_t times_ns[] = {0, 11};
    static const float values[] = {1.0f, 2.0f, 3.0f, 4.0f};
    static aln_stream_config_t both[2];
    aln_config_t config;
    aln_aligner_t *aligner;
    const window_t *row;
    uint32_t accepted = 0;

    both[0] = stream_of(ALN_HOLD);
    both[1] = stream_of(ALN_HOLD);
    both[1].fields = 2;
    config = grid_of(both, 2);
    aligner = open_aligner(&config);
    CHECK_EQUAL(aln_push(aligner, 1, times_ns, values, 2, &accepted), ALN_OK);
    (void)push_value(aligner, 0, 4, 9.0f);
    (void)push_value(aligner, 0, 11, 9.0f);
    row = read_window(aligner);
    CHECK(row != NULL && row->values[0] == -1.0f && row->values[1] == 1.0f && row->values[2] == 2.0f);
    CHECK(row != NULL && row->flags[0] == ALN_FLAG_MISSING && row->flags[1] == ALN_FLAG_MEASURED &&
          row->flags[2] == ALN_FLAG_MEASURED);
}

static void the_slowest_stream_decides(void)
{
    static aln_stream_config_t both[2];
    aln_config_t config;
    aln_aligner_t *aligner;

    both[0] = stream_of(ALN_HOLD);
    both[1] = stream_of(ALN_LINEAR);
    config = grid_of(both, 2);
    aligner = open_aligner(&config);
    for (int i = 0; i < 10; i++) {
        (void)push_value(aligner, 0, i * 10, (float)i);
    }
    CHECK_EQUAL(ready(aligner), 0);
    (void)push_value(aligner, 1, 0, 1.0f);
    CHECK_EQUAL(ready(aligner), 0);
    (void)push_value(aligner, 1, 25, 1.0f);
    CHECK_EQUAL(ready(aligner), 1);
    (void)push_value(aligner, 1, 26, 1.0f);
    CHECK_EQUAL(ready(aligner), 3);
}

static void an_earlier_first_sample_moves_the_first_row_while_no_row_is_final(void)
{
    static aln_stream_config_t both[2];
    aln_config_t config;
    aln_aligner_t *aligner;

    both[0] = stream_of(ALN_HOLD);
    both[1] = stream_of(ALN_HOLD);
    config = grid_of(both, 2);
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 100, 1.0f);
    (void)push_value(aligner, 1, 55, 2.0f);
    (void)push_value(aligner, 1, 101, 2.0f);
    CHECK_CELL(aligner, 60, -1.0f, ALN_FLAG_MISSING);
}

static void ages_are_counted_back_from_the_last_row(void)
{
    static aln_stream_config_t three[3];
    aln_config_t config;
    aln_aligner_t *aligner;
    const window_t *window;

    three[0] = stream_of(ALN_HOLD);
    three[1] = stream_of(ALN_LINEAR);
    three[2] = stream_of(ALN_HOLD);
    three[2].max_gap_ns = 3;
    config = grid_of(three, 3);
    config.window = 2;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 1.0f);
    (void)push_value(aligner, 0, 7, 1.0f);
    (void)push_value(aligner, 0, 11, 1.0f);
    (void)push_value(aligner, 1, 0, 1.0f);
    (void)push_value(aligner, 1, 14, 1.0f);
    (void)push_value(aligner, 1, 15, 1.0f);
    (void)push_value(aligner, 2, 0, 1.0f);
    (void)push_value(aligner, 2, 11, 1.0f);
    window = read_window(aligner);
    CHECK(window != NULL);
    if (window != NULL) {
        CHECK_EQUAL(window->ages_ns[0], 3);
        CHECK_EQUAL(window->ages_ns[1], -4);
        CHECK_EQUAL(window->ages_ns[2], INT64_MAX);
    }
}

void test_rows(void)
{
    RUN(hold_gives_the_newest_sample_up_to_the_row);
    RUN(hold_waits_until_the_watermark_is_past_the_row);
    RUN(a_gap_as_wide_as_allowed_is_bridged_and_a_wider_one_is_missing);
    RUN(nearest_takes_the_smaller_distance_and_the_earlier_of_two_equals);
    RUN(nearest_farther_than_the_gap_is_missing);
    RUN(linear_lies_between_its_neighbours);
    RUN(linear_across_a_gap_is_missing_but_a_sample_on_the_row_is_measured);
    RUN(linear_between_the_ends_of_time_does_not_overflow);
    RUN(aggregates_look_back_one_period);
    RUN(aggregates_leave_out_samples_that_came_after_their_row);
    RUN(samples_behind_the_last_row_do_not_fill_the_ring);
    RUN(the_constant_fill_is_the_constant_to_the_bit);
    RUN(the_previous_fill_repeats_the_row_before_and_starts_with_the_constant);
    RUN(the_previous_fill_works_within_a_window_and_from_one_to_the_next);
    RUN(the_previous_fill_works_in_a_ring_of_one_row);
    RUN(the_previous_fill_does_not_reach_into_the_segment_before);
    RUN(grid_times_follow_the_phase_on_both_sides_of_zero);
    RUN(fields_share_a_time_and_a_flag_and_keep_their_columns);
    RUN(the_slowest_stream_decides);
    RUN(an_earlier_first_sample_moves_the_first_row_while_no_row_is_final);
    RUN(ages_are_counted_back_from_the_last_row);
}
