/* SPDX-License-Identifier: Apache-2.0 */
#include "invariants.h"

#include "../src/layout.h"
#include "check.h"

typedef struct {
    uint32_t count;
    int64_t times_ns[WATCHED_SAMPLES];
} held_t;

static struct {
    uint32_t segment;
    held_t streams[WATCHED_STREAMS];
    uint32_t window_head;
    uint32_t window_tail;
    uint32_t sums[WATCHED_WINDOWS]; /* of the unread windows' content, by place in the queue */
} before;

static int64_t time_at(const aln_stream_t *stream, uint32_t index)
{
    return stream->times_ns[index & stream->mask];
}

static void hold(const aln_stream_t *stream, held_t *held)
{
    held->count = stream->head - stream->tail;
    CHECK(held->count <= WATCHED_SAMPLES);
    for (uint32_t i = 0; i < held->count && i < WATCHED_SAMPLES; i++) {
        held->times_ns[i] = time_at(stream, stream->tail + i);
    }
}

static const aln_window_t *window_at(const aln_rows_t *rows, uint32_t index)
{
    return &rows->windows[index & rows->window_mask];
}

static void add_bytes(uint32_t *sum, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *sum = *sum * 31u + ((const unsigned char *)bytes)[i];
    }
}

static uint32_t sum_of_window(const aln_rows_t *rows, uint32_t index)
{
    const uint32_t start = window_at(rows, index)->start_row;
    uint32_t sum = 0;

    for (uint32_t row = start; row != start + rows->window; row++) {
        add_bytes(&sum, aln_rows_cells(rows, row), rows->columns * sizeof(float));
        add_bytes(&sum, aln_rows_flags(rows, row), rows->stream_count);
    }
    add_bytes(&sum, &rows->ages_ns[(index & rows->window_mask) * rows->stream_count],
              rows->stream_count * sizeof(int64_t));
    return sum;
}

void invariants_before(const aln_aligner_t *aligner)
{
    const aln_rows_t *rows = &aligner->rows;

    CHECK(aligner->stream_count <= WATCHED_STREAMS);
    CHECK(rows->window_mask < WATCHED_WINDOWS);
    before.segment = aligner->segment;
    for (uint32_t i = 0; i < aligner->stream_count && i < WATCHED_STREAMS; i++) {
        hold(&aligner->streams[i], &before.streams[i]);
    }
    before.window_head = rows->window_head;
    before.window_tail = rows->window_tail;
    for (uint32_t i = rows->window_tail; i != rows->window_head; i++) {
        before.sums[i & (WATCHED_WINDOWS - 1)] = sum_of_window(rows, i);
    }
}

static void check_order(const aln_aligner_t *aligner, const aln_stream_t *stream)
{
    CHECK(stream->head - stream->tail <= stream->mask + 1); /* I1 */
    for (uint32_t i = stream->tail; i != stream->head; i++) {
        if (i != stream->tail) {
            CHECK(time_at(stream, i - 1) < time_at(stream, i)); /* I1 */
        }
        if (i - stream->tail < stream->cursor - stream->tail) {
            CHECK(time_at(stream, i) <= aligner->last_row_ns); /* I2 */
        } else {
            CHECK(time_at(stream, i) > aligner->last_row_ns); /* I2 */
        }
    }
    CHECK(stream->cursor - stream->tail <= stream->head - stream->tail); /* I2 */
    CHECK(stream->has_sample == (stream->head != stream->tail)); /* I3 */
    if (stream->has_sample) {
        CHECK_EQUAL(stream->newest_ns, time_at(stream, stream->head - 1)); /* I3 */
    }
}

static bool is_held(const held_t *held, int64_t time_ns)
{
    for (uint32_t i = 0; i < held->count; i++) {
        if (held->times_ns[i] == time_ns) {
            return true;
        }
    }
    return false;
}

static void check_freed(const aln_aligner_t *aligner, const aln_stream_t *stream, const held_t *were)
{
    static held_t now;

    hold(stream, &now);
    for (uint32_t i = 0; i < were->count; i++) {
        if (!is_held(&now, were->times_ns[i])) {
            CHECK(were->times_ns[i] < stream->newest_ns - aligner->lateness_ns); /* I3 */
            CHECK(stream->cursor != stream->tail && time_at(stream, stream->cursor - 1) > were->times_ns[i]); /* I4 */
        }
    }
}

static void check_rows(const aln_aligner_t *aligner)
{
    const aln_rows_t *rows = &aligner->rows;
    const uint32_t capacity = rows->row_mask + 1;
    const uint32_t unread = rows->window_head - rows->window_tail;
    const bool is_ahead = (int32_t)(rows->next_start_row - rows->head) > 0;
    uint32_t first_needed = is_ahead ? rows->head : rows->next_start_row;

    CHECK(rows->head - rows->tail <= capacity); /* I5 */
    CHECK(unread <= rows->window_mask + 1);
    for (uint32_t i = rows->window_tail; i != rows->window_head; i++) {
        const aln_window_t *window = window_at(rows, i);

        CHECK(window->start_row - rows->tail <= rows->head - rows->tail - rows->window); /* I6 */
        CHECK_EQUAL(window->info.seq, rows->seq - (rows->window_head - i));
        if (i != rows->window_tail) {
            const aln_window_t *last = window_at(rows, i - 1);

            if (last->info.segment == window->info.segment) {
                CHECK_EQUAL(window->start_row - last->start_row, rows->hop);
                CHECK_EQUAL(window->info.t0_ns - last->info.t0_ns, (int64_t)rows->hop * aligner->period_ns);
            } else {
                CHECK(window->info.segment > last->info.segment); /* I7 */
                CHECK(window->start_row - last->start_row >= rows->window); /* I7 */
            }
        }
    }
    if (unread != 0) {
        first_needed = window_at(rows, rows->window_tail)->start_row;
    }
    CHECK_EQUAL(rows->tail, first_needed); /* I6 */
}

static void check_unread(const aln_rows_t *rows)
{
    for (uint32_t i = rows->window_tail; i != rows->window_head; i++) {
        if (i - before.window_tail < before.window_head - before.window_tail) {
            CHECK_EQUAL(sum_of_window(rows, i), before.sums[i & (WATCHED_WINDOWS - 1)]); /* I6 */
        }
    }
}

void invariants_after(const aln_aligner_t *aligner)
{
    for (uint32_t i = 0; i < aligner->stream_count && i < WATCHED_STREAMS; i++) {
        check_order(aligner, &aligner->streams[i]);
        if (aligner->segment == before.segment) {
            check_freed(aligner, &aligner->streams[i], &before.streams[i]);
        }
    }
    check_rows(aligner);
    check_unread(&aligner->rows);
}
