/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/layout.h"
#include "check.h"
#include "fixture.h"

static aln_stream_config_t stream;

static aln_aligner_t *open_windows(uint32_t window, uint32_t hop, uint32_t row_capacity)
{
    aln_config_t config;

    stream = stream_of(ALN_HOLD);
    config = grid_of(&stream, 1);
    config.window = window;
    config.hop = hop;
    config.row_capacity = row_capacity;
    return open_aligner(&config);
}

/* Push a sample on every row and read whenever a window is ready; check that each is where it belongs. */
static void check_windows(aln_aligner_t *aligner, int row_count, int expected_count)
{
    const int window_rows = (int)aligner->rows.window;
    const int hop = (int)aligner->rows.hop;
    int count = 0;

    for (int i = 0; i <= row_count; i++) {
        const window_t *window;

        CHECK(push_value(aligner, 0, i * 10, (float)i));
        while ((window = read_window(aligner)) != NULL) {
            CHECK_EQUAL(window->info.seq, count);
            CHECK_EQUAL(window->info.t0_ns, count * hop * 10);
            for (int row = 0; row < window_rows; row++) {
                CHECK(window->values[row] == (float)(count * hop + row));
            }
            count++;
        }
    }
    CHECK_EQUAL(count, expected_count);
}

static void a_buffer_of_another_size_is_refused_and_takes_nothing(void)
{
    aln_aligner_t *aligner = open_windows(2, 1, 8);
    aln_window_info_t info;
    float values[8];
    int64_t age_ns;

    for (int i = 0; i < 4; i++) {
        (void)push_value(aligner, 0, i * 10, 1.0f);
    }
    CHECK_EQUAL(ready(aligner), 2);
    CHECK_EQUAL(aln_window_read(aligner, values, NULL, 1, &info, &age_ns), ALN_ERR_BUFFER);
    CHECK_EQUAL(aln_window_read(aligner, values, NULL, 3, &info, &age_ns), ALN_ERR_BUFFER);
    CHECK_EQUAL(aln_window_read(aligner, values, NULL, 0, &info, &age_ns), ALN_ERR_BUFFER);
    CHECK_EQUAL(ready(aligner), 2);
}

static void no_complete_window_is_said_so(void)
{
    aln_aligner_t *aligner = open_windows(2, 1, 8);
    aln_window_info_t info;
    float values[2];
    int64_t age_ns;

    CHECK_EQUAL(aln_window_read(aligner, values, NULL, 2, &info, &age_ns), ALN_ERR_EMPTY);
    (void)push_value(aligner, 0, 0, 1.0f);
    CHECK_EQUAL(aln_window_read(aligner, values, NULL, 2, &info, &age_ns), ALN_ERR_EMPTY);
}

static void a_window_can_be_read_without_flags(void)
{
    aln_aligner_t *aligner = open_windows(1, 1, 8);
    aln_window_info_t info;
    float value = 0.0f;
    int64_t age_ns = 99;

    (void)push_value(aligner, 0, 0, 4.0f);
    (void)push_value(aligner, 0, 1, 5.0f);
    CHECK_EQUAL(aln_window_read(aligner, &value, NULL, 1, &info, &age_ns), ALN_OK);
    CHECK(value == 4.0f && age_ns == 0);
}

static void windows_of_one_row_work(void)
{
    check_windows(open_windows(1, 1, 8), 50, 50);
}

static void windows_overlap_when_the_hop_is_smaller(void)
{
    check_windows(open_windows(4, 1, 8), 50, 47);
    check_windows(open_windows(5, 3, 8), 50, 16);
}

static void windows_touch_when_the_hop_is_the_window(void)
{
    check_windows(open_windows(4, 4, 8), 50, 12);
}

static void rows_between_windows_are_skipped_when_the_hop_is_larger(void)
{
    check_windows(open_windows(2, 5, 8), 50, 10);
    check_windows(open_windows(1, 100, 2), 500, 5);
}

static void a_window_may_fill_the_whole_row_ring(void)
{
    check_windows(open_windows(8, 8, 8), 50, 6);
    check_windows(open_windows(8, 1, 8), 50, 43);
    check_windows(open_windows(8, 20, 8), 50, 3);
    check_windows(open_windows(1, 1, 1), 50, 50);
}

static void a_full_row_ring_that_is_drained_later_loses_nothing(void)
{
    static const uint32_t hops[] = {1, 2, 3, 7};

    for (uint32_t i = 0; i < 4; i++) {
        aln_aligner_t *aligner = open_windows(3, hops[i], 4);
        uint32_t count = 0;
        const window_t *window;

        for (int k = 0; k < 16; k++) {
            CHECK(push_value(aligner, 0, k * 10, (float)k));
            (void)ready(aligner);
        }
        while ((window = read_window(aligner)) != NULL) {
            CHECK_EQUAL(window->info.t0_ns, count * hops[i] * 10);
            CHECK(window->values[2] == (float)(count * hops[i] + 2));
            count++;
        }
        CHECK_EQUAL(count, (15 - 3) / hops[i] + 1);
        CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OVERRUN), 0);
    }
}

static void as_many_windows_are_queued_as_the_row_ring_can_hold(void)
{
    aln_aligner_t *aligner = open_windows(4, 1, 16);

    for (int i = 0; i < 16; i++) {
        (void)push_value(aligner, 0, i * 10, (float)i);
    }
    flush(aligner);
    CHECK_EQUAL(ready(aligner), 13);
    aligner = open_windows(1, 3, 16);
    for (int i = 0; i < 16; i++) {
        (void)push_value(aligner, 0, i * 10, (float)i);
    }
    flush(aligner);
    CHECK_EQUAL(ready(aligner), 6);
}

static void short_segments_share_the_row_ring_without_mixing(void)
{
    aln_aligner_t *aligner = open_windows(2, 1, 8);
    int count = 0;
    const window_t *window;

    for (int segment = 0; segment < 4; segment++) {
        for (int i = 0; i < 2; i++) {
            CHECK(push_value(aligner, 0, segment * 1000 + i * 10, (float)segment));
        }
        flush(aligner);
    }
    while ((window = read_window(aligner)) != NULL) {
        CHECK_EQUAL(window->info.segment, count);
        CHECK_EQUAL(window->info.t0_ns, count * 1000);
        CHECK(window->values[0] == (float)count && window->values[1] == (float)count);
        count++;
    }
    CHECK_EQUAL(count, 4);
}

static void row_and_window_indices_run_freely_across_the_end_of_uint32(void)
{
    static const uint32_t hops[] = {1, 3, 4, 9};

    for (uint32_t i = 0; i < 4; i++) {
        aln_aligner_t *aligner = open_windows(4, hops[i], 8);
        aln_rows_t *rows = &aligner->rows;

        rows->head = UINT32_MAX - 10;
        rows->tail = rows->head;
        rows->next_start_row = rows->head;
        rows->window_head = UINT32_MAX - 1;
        rows->window_tail = rows->window_head;
        check_windows(aligner, 50, (50 - 4) / (int)hops[i] + 1);
        CHECK(rows->head < 100 && rows->window_head < 100);
    }
}

void test_windows(void)
{
    RUN(a_buffer_of_another_size_is_refused_and_takes_nothing);
    RUN(no_complete_window_is_said_so);
    RUN(a_window_can_be_read_without_flags);
    RUN(windows_of_one_row_work);
    RUN(windows_overlap_when_the_hop_is_smaller);
    RUN(windows_touch_when_the_hop_is_the_window);
    RUN(rows_between_windows_are_skipped_when_the_hop_is_larger);
    RUN(a_window_may_fill_the_whole_row_ring);
    RUN(a_full_row_ring_that_is_drained_later_loses_nothing);
    RUN(as_many_windows_are_queued_as_the_row_ring_can_hold);
    RUN(short_segments_share_the_row_ring_without_mixing);
    RUN(row_and_window_indices_run_freely_across_the_end_of_uint32);
}
