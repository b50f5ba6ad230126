/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/layout.h"
#include "check.h"
#include "fixture.h"

/* Deadline, timeouts, segments: what aln_poll, aln_flush and aln_reset do. */

static aln_stream_config_t streams[3];

static aln_config_t hold_streams(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        streams[i] = stream_of(ALN_HOLD);
    }
    return grid_of(streams, count);
}

static void a_poll_beyond_the_time_limit_is_refused(void)
{
    const aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner = open_aligner(&config);

    CHECK_EQUAL(aln_poll(aligner, INT64_MAX), ALN_ERR_TIME);
    CHECK_EQUAL(aln_poll(aligner, INT64_MIN), ALN_ERR_TIME);
    CHECK_EQUAL(aln_poll(aligner, ALN_TIME_LIMIT + 1), ALN_ERR_TIME);
    CHECK_EQUAL(aln_poll(aligner, ALN_TIME_LIMIT), ALN_OK);
    CHECK_EQUAL(aln_poll(aligner, -ALN_TIME_LIMIT), ALN_OK);
}

static void a_poll_before_the_first_sample_makes_no_row(void)
{
    aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner;

    config.deadline_ns = 0;
    aligner = open_aligner(&config);
    poll_at(aligner, 1000);
    CHECK_EQUAL(ready(aligner), 0);
    CHECK(push_value(aligner, 0, 0, 1.0f));
    CHECK_EQUAL(ready(aligner), 0); /* that deadline is gone */
}

static void what_comes_after_a_poll_waits_for_the_next_one(void)
{
    aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;

    config.deadline_ns = 0;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 100, 1.0f);
    poll_at(aligner, 50);
    (void)push_value(aligner, 1, 30, 1.0f);
    CHECK_EQUAL(ready(aligner), 0);
    poll_at(aligner, 50);
    CHECK_EQUAL(ready(aligner), 3);
}

static void the_deadline_forces_rows_and_says_whose_watermark_it_did_not_wait_for(void)
{
    aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;
    const window_t *row;

    config.deadline_ns = 5;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 10, 1.0f);
    (void)push_value(aligner, 0, 16, 1.0f);
    (void)push_value(aligner, 1, 7, 2.0f);
    poll_at(aligner, 14);
    CHECK_EQUAL(ready(aligner), 0);
    poll_at(aligner, 15);
    CHECK_EQUAL(ready(aligner), 1);
    row = read_window(aligner);
    CHECK(row != NULL && row->info.t0_ns == 10 && row->values[0] == 1.0f && row->values[1] == 2.0f);
    CHECK(row != NULL && row->flags[0] == ALN_FLAG_MEASURED && row->flags[1] == (ALN_FLAG_HELD | ALN_FLAG_FORCED));
}

static void a_forced_linear_cell_uses_a_known_right_neighbour_else_it_is_missing(void)
{
    aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner;

    streams[0].mode = ALN_LINEAR;
    config.lateness_ns = 50;
    config.deadline_ns = 50;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 5, 1.0f);
    (void)push_value(aligner, 0, 15, 3.0f);
    poll_at(aligner, 70);
    CHECK_CELL(aligner, 10, 2.0f, ALN_FLAG_INTERPOLATED | ALN_FLAG_FORCED);
    CHECK_CELL(aligner, 20, -1.0f, ALN_FLAG_MISSING | ALN_FLAG_FORCED);
}

static void a_poll_that_goes_back_in_time_undoes_nothing(void)
{
    aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner;

    config.deadline_ns = 0;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 1.0f);
    poll_at(aligner, 20);
    poll_at(aligner, -ALN_TIME_LIMIT);
    CHECK_EQUAL(ready(aligner), 3);
}

static void a_stream_that_timed_out_holds_nobody_back_and_is_not_forced(void)
{
    const aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;
    const window_t *row;

    streams[1].timeout_ns = 30;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 1, 0, 2.0f);
    for (int i = 0; i < 5; i++) {
        (void)push_value(aligner, 0, i * 10, 1.0f);
    }
    poll_at(aligner, 29);
    CHECK_EQUAL(ready(aligner), 0);
    poll_at(aligner, 30);
    CHECK_EQUAL(ready(aligner), 4);
    row = read_window(aligner);
    CHECK(row != NULL && row->values[1] == 2.0f && row->flags[1] == ALN_FLAG_MEASURED);
    row = read_window(aligner);
    CHECK(row != NULL && row->values[1] == 2.0f && row->flags[1] == ALN_FLAG_HELD);
}

static void a_stream_that_never_sent_times_out_from_the_first_poll(void)
{
    const aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;

    streams[1].timeout_ns = 30;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 1.0f);
    (void)push_value(aligner, 0, 11, 1.0f);
    poll_at(aligner, 100);
    poll_at(aligner, 129);
    CHECK_EQUAL(ready(aligner), 0);
    poll_at(aligner, 130);
    CHECK_EQUAL(ready(aligner), 2);
}

static void a_stream_holds_the_others_back_again_with_its_next_sample(void)
{
    const aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;

    streams[1].timeout_ns = 30;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 1, 0, 2.0f);
    (void)push_value(aligner, 0, 0, 1.0f);
    poll_at(aligner, 30);
    (void)push_value(aligner, 0, 31, 1.0f);
    CHECK_EQUAL(ready(aligner), 4);
    CHECK(push_value(aligner, 1, 32, 2.0f));
    (void)push_value(aligner, 0, 61, 1.0f);
    CHECK_EQUAL(ready(aligner), 4);
}

static void a_conflict_makes_a_stream_live_again_too(void)
{
    const aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;

    streams[1].timeout_ns = 30;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 1, 0, 2.0f);
    (void)push_value(aligner, 0, 0, 1.0f);
    poll_at(aligner, 30);
    CHECK(push_value(aligner, 1, 0, 3.0f));
    CHECK_EQUAL(count_of(aligner, 1, ALN_COUNT_CONFLICT), 1);
    (void)push_value(aligner, 0, 31, 1.0f);
    CHECK_EQUAL(ready(aligner), 0);
}

static void rows_that_are_final_without_a_stream_do_not_change_when_it_returns(void)
{
    aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;
    const window_t *row = NULL;

    streams[1].timeout_ns = 30;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 100, 1.0f);
    poll_at(aligner, 110);
    poll_at(aligner, 140);
    (void)push_value(aligner, 0, 121, 1.0f); /* the rows at 100, 110 and 120 are final now */
    CHECK(push_value(aligner, 1, 55, 2.0f));  /* neither an earlier first row ... */
    (void)push_value(aligner, 1, 131, 3.0f);
    row = read_window(aligner);
    CHECK(row != NULL && row->info.t0_ns == 100 && row->flags[1] == ALN_FLAG_MISSING); /* ... nor another value */
}

static void a_timed_out_stream_may_jump_as_far_as_the_last_poll_allows(void)
{
    aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;

    streams[1].timeout_ns = 30;
    config.max_jump_ns = 50;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 1, 0, 2.0f);
    for (int i = 0; i <= 1000; i += 10) {
        (void)push_value(aligner, 0, i, 1.0f);
        while (read_window(aligner) != NULL) {
        }
        poll_at(aligner, i);
    }
    CHECK(!push_value(aligner, 1, 1051, 2.0f));
    CHECK_EQUAL(count_of(aligner, 1, ALN_COUNT_OUT_OF_RANGE), 1);
    CHECK(push_value(aligner, 1, 1050, 2.0f));
}

static void no_live_stream_suspends_the_grid_and_ends_the_segment(void)
{
    aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner;
    const window_t *window;

    streams[0].timeout_ns = 30;
    config.window = 2;
    config.hop = 2;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 1.0f);
    (void)push_value(aligner, 0, 10, 2.0f);
    (void)push_value(aligner, 0, 20, 3.0f);
    poll_at(aligner, 50);
    poll_at(aligner, 10000);
    CHECK_EQUAL(ready(aligner), 1); /* the row at 20 makes no whole window */
    window = read_window(aligner);
    CHECK(window != NULL && window->info.t0_ns == 0 && window->info.segment == 0 && window->info.seq == 0);
    (void)push_value(aligner, 0, 10001, 4.0f);
    (void)push_value(aligner, 0, 10022, 4.0f);
    window = read_window(aligner);
    CHECK(window != NULL && window->info.t0_ns == 10010 && window->info.segment == 1 && window->info.seq == 1);
}

static void after_a_suspension_silent_streams_hold_nobody_back(void)
{
    const aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;

    streams[0].timeout_ns = 30;
    streams[1].timeout_ns = 30;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 1.0f);
    (void)push_value(aligner, 1, 0, 1.0f);
    poll_at(aligner, 100);
    CHECK_EQUAL(ready(aligner), 1);
    (void)push_value(aligner, 0, 100, 1.0f);
    (void)push_value(aligner, 0, 111, 1.0f);
    CHECK_EQUAL(ready(aligner), 3);
}

static void after_a_flush_every_stream_is_live_even_when_nothing_was_pending(void)
{
    const aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;

    streams[0].timeout_ns = 30;
    streams[1].timeout_ns = 30;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 1.0f);
    poll_at(aligner, 0);
    poll_at(aligner, 100); /* suspends the grid: no stream is live */
    flush(aligner);
    (void)push_value(aligner, 0, 100, 1.0f);
    (void)push_value(aligner, 0, 111, 1.0f);
    CHECK_EQUAL(ready(aligner), 1); /* the second stream holds the new segment back */
}

static void a_flush_counts_the_timeout_from_the_next_poll(void)
{
    const aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;

    streams[1].timeout_ns = 30;
    aligner = open_aligner(&config);
    poll_at(aligner, 0);
    flush(aligner);
    (void)push_value(aligner, 0, 0, 1.0f);
    (void)push_value(aligner, 0, 11, 1.0f);
    poll_at(aligner, 40);
    CHECK_EQUAL(ready(aligner), 0);
    poll_at(aligner, 70);
    CHECK_EQUAL(ready(aligner), 2);
}

static void a_flush_makes_every_row_up_to_the_newest_sample_final(void)
{
    const aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;

    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 1.0f);
    (void)push_value(aligner, 1, 29, 2.0f);
    flush(aligner);
    CHECK_CELL(aligner, 0, 1.0f, ALN_FLAG_MEASURED);
    CHECK_CELL(aligner, 10, 1.0f, ALN_FLAG_HELD);
    CHECK_CELL(aligner, 20, 1.0f, ALN_FLAG_HELD);
    CHECK(read_window(aligner) == NULL);
    flush(aligner);
    CHECK(push_value(aligner, 0, -1000, 3.0f)); /* watermarks are gone, too */
    flush(aligner);
    CHECK_CELL(aligner, -1000, 3.0f, ALN_FLAG_MEASURED);
}

static void a_flush_with_a_full_row_ring_completes_as_windows_are_read(void)
{
    aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner;

    config.row_capacity = 2;
    aligner = open_aligner(&config);
    for (int i = 0; i < 8; i++) {
        CHECK(push_value(aligner, 0, i * 10, (float)i));
    }
    flush(aligner);
    CHECK_EQUAL(ready(aligner), 2);
    CHECK(!push_value(aligner, 0, 1000, 9.0f)); /* the old segment is to be read first */
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OVERRUN), 1);
    flush(aligner);
    poll_at(aligner, 5000);
    for (int i = 0; i < 8; i++) {
        CHECK_CELL(aligner, i * 10, (float)i, ALN_FLAG_MEASURED);
    }
    CHECK(read_window(aligner) == NULL);
    CHECK(push_value(aligner, 0, 1000, 9.0f));
    flush(aligner);
    CHECK_EQUAL(ready(aligner), 1);
}

static void a_push_finishes_a_flush_for_which_reads_have_made_room(void)
{
    aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner;

    config.row_capacity = 2;
    aligner = open_aligner(&config);
    for (int i = 0; i < 3; i++) {
        (void)push_value(aligner, 0, i * 10, 1.0f);
    }
    flush(aligner);
    CHECK(read_window(aligner) != NULL);
    CHECK(push_value(aligner, 0, 1000, 1.0f));
    CHECK_EQUAL(ready(aligner), 2);
}

static void a_flush_during_a_suspension_that_waits_for_room_makes_all_streams_live(void)
{
    aln_config_t config = hold_streams(2);
    aln_aligner_t *aligner;

    streams[0].timeout_ns = 30;
    streams[1].timeout_ns = 30;
    config.row_capacity = 1;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 1.0f);
    (void)push_value(aligner, 1, 10, 1.0f);
    poll_at(aligner, 100);
    flush(aligner);
    CHECK(read_window(aligner) != NULL);
    CHECK(read_window(aligner) != NULL);
    (void)push_value(aligner, 0, 100, 1.0f);
    (void)push_value(aligner, 0, 111, 1.0f);
    CHECK_EQUAL(ready(aligner), 0);
}

static void rows_that_a_poll_made_final_are_not_lost_when_a_flush_comes_before_the_room(void)
{
    aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner;
    int count = 0;

    config.row_capacity = 2;
    config.deadline_ns = 0;
    aligner = open_aligner(&config);
    (void)push_value(aligner, 0, 0, 1.0f);
    poll_at(aligner, 50);
    flush(aligner);
    while (read_window(aligner) != NULL) {
        count++;
    }
    CHECK_EQUAL(count, 6);
}

static void a_reset_forgets_samples_and_keeps_complete_windows(void)
{
    aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner;
    const window_t *window;

    config.window = 2;
    config.hop = 2;
    aligner = open_aligner(&config);
    for (int i = 0; i < 4; i++) {
        (void)push_value(aligner, 0, i * 10, 1.0f);
    }
    reset(aligner); /* nobody asked for windows before */
    CHECK_EQUAL(ready(aligner), 1);
    CHECK(push_value(aligner, 0, -500, 5.0f));
    CHECK(push_value(aligner, 0, -489, 5.0f));
    window = read_window(aligner);
    CHECK(window != NULL && window->info.t0_ns == 0 && window->info.segment == 0);
    window = read_window(aligner);
    CHECK(window != NULL && window->info.t0_ns == -500 && window->info.segment == 1);
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_ACCEPTED), 6);
}

static void a_reset_ends_an_ending_that_waits_for_room(void)
{
    aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner;

    config.row_capacity = 1;
    aligner = open_aligner(&config);
    for (int i = 0; i < 4; i++) {
        (void)push_value(aligner, 0, i * 10, 1.0f);
    }
    flush(aligner);
    reset(aligner);
    CHECK(push_value(aligner, 0, 1000, 1.0f));
    CHECK_EQUAL(ready(aligner), 1);
}

static void segments_without_an_accepted_sample_are_not_counted(void)
{
    const aln_config_t config = hold_streams(1);
    aln_aligner_t *aligner = open_aligner(&config);
    const window_t *window;

    reset(aligner);
    flush(aligner);
    CHECK(!push_value(aligner, 0, INT64_MIN, 1.0f));
    reset(aligner);
    (void)push_value(aligner, 0, 0, 1.0f);
    flush(aligner);
    window = read_window(aligner);
    CHECK(window != NULL && window->info.segment == 0 && window->info.seq == 0);
}

static void batching_and_asking_do_not_change_what_comes_out(void)
{
    static const uint16_t numbers[] = {0, 1, 0, 1, 0, 0, 1, 1, 0, 1};
    static const int64_t times_ns[] = {12, 15, 3, 24, 22, 31, 44, 37, 55, 56};
    static const float values[] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f, 9.0f, 1.5f};
    static struct {
        int64_t t0_ns;
        float values[2];
    } first[16];
    int counts[2] = {0, 0};

    for (int round = 0; round < 2; round++) {
        aln_config_t config = hold_streams(2);
        aln_aligner_t *aligner;
        const window_t *window;
        uint32_t accepted = 0;

        streams[1].mode = ALN_LINEAR;
        config.lateness_ns = 10;
        aligner = open_aligner(&config);
        if (round == 0) {
            CHECK_EQUAL(aln_push_mixed(aligner, numbers, times_ns, values, 10, &accepted), ALN_OK);
        } else {
            for (int i = 0; i < 10; i++) {
                CHECK(push_value(aligner, numbers[i], times_ns[i], values[i]));
                (void)ready(aligner);
            }
        }
        while ((window = read_window(aligner)) != NULL && counts[round] < 16) {
            if (round == 0) {
                first[counts[0]].t0_ns = window->info.t0_ns;
                first[counts[0]].values[0] = window->values[0];
                first[counts[0]].values[1] = window->values[1];
            } else {
                CHECK(window->values[0] == first[counts[1]].values[0] &&
                      window->values[1] == first[counts[1]].values[1]);
                CHECK_EQUAL(window->info.t0_ns, first[counts[1]].t0_ns);
            }
            counts[round]++;
        }
    }
    CHECK(counts[0] > 2 && counts[0] == counts[1]);
}

void test_time(void)
{
    RUN(a_poll_beyond_the_time_limit_is_refused);
    RUN(a_poll_before_the_first_sample_makes_no_row);
    RUN(what_comes_after_a_poll_waits_for_the_next_one);
    RUN(the_deadline_forces_rows_and_says_whose_watermark_it_did_not_wait_for);
    RUN(a_forced_linear_cell_uses_a_known_right_neighbour_else_it_is_missing);
    RUN(a_poll_that_goes_back_in_time_undoes_nothing);
    RUN(a_stream_that_timed_out_holds_nobody_back_and_is_not_forced);
    RUN(a_stream_that_never_sent_times_out_from_the_first_poll);
    RUN(a_stream_holds_the_others_back_again_with_its_next_sample);
    RUN(a_conflict_makes_a_stream_live_again_too);
    RUN(rows_that_are_final_without_a_stream_do_not_change_when_it_returns);
    RUN(a_timed_out_stream_may_jump_as_far_as_the_last_poll_allows);
    RUN(no_live_stream_suspends_the_grid_and_ends_the_segment);
    RUN(after_a_suspension_silent_streams_hold_nobody_back);
    RUN(after_a_flush_every_stream_is_live_even_when_nothing_was_pending);
    RUN(a_flush_counts_the_timeout_from_the_next_poll);
    RUN(a_flush_makes_every_row_up_to_the_newest_sample_final);
    RUN(a_flush_with_a_full_row_ring_completes_as_windows_are_read);
    RUN(a_push_finishes_a_flush_for_which_reads_have_made_room);
    RUN(a_flush_during_a_suspension_that_waits_for_room_makes_all_streams_live);
    RUN(rows_that_a_poll_made_final_are_not_lost_when_a_flush_comes_before_the_room);
    RUN(a_reset_forgets_samples_and_keeps_complete_windows);
    RUN(a_reset_ends_an_ending_that_waits_for_room);
    RUN(segments_without_an_accepted_sample_are_not_counted);
    RUN(batching_and_asking_do_not_change_what_comes_out);
}
