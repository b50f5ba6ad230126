/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

static uint32_t minimum(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t aln_rows_writable(const aln_rows_t *rows)
{
    const uint32_t capacity = rows->row_mask + 1;
    const uint32_t space = capacity - (rows->head - rows->tail);
    const uint32_t to_wrap = capacity - (rows->head & rows->row_mask);
    const uint32_t to_window_end = rows->next_start_row + rows->window - rows->head;

    if (rows->window_head - rows->window_tail > rows->window_mask) {
        return 0;
    }
    return minimum(minimum(space, to_wrap), to_window_end); /* I5 */
}

static void move_tail(aln_rows_t *rows)
{
    uint32_t needed = rows->next_start_row;

    if (rows->window_head != rows->window_tail) {
        needed = rows->windows[rows->window_tail & rows->window_mask].start_row;
    }
    if (needed - rows->tail > rows->head - rows->tail) {
        needed = rows->head; /* hop > window: the next window starts ahead */
    }
    rows->tail = needed; /* I6 */
}

void aln_rows_commit(aln_rows_t *rows, uint32_t count, int64_t last_ns, int64_t period_ns, uint32_t segment)
{
    rows->head += count;
    if (rows->head == rows->next_start_row + rows->window) {
        aln_window_t *window = &rows->windows[rows->window_head & rows->window_mask];

        window->start_row = rows->next_start_row;
        window->info.seq = rows->seq;
        window->info.t0_ns = last_ns - (int64_t)(rows->window - 1) * period_ns;
        window->info.segment = segment;
        rows->window_head++; /* I7 */
        rows->seq++;
        rows->next_start_row += rows->hop;
    }
    move_tail(rows);
}

void aln_rows_end_segment(aln_rows_t *rows)
{
    rows->next_start_row = rows->head; /* I7 */
    move_tail(rows);
}

void aln_rows_drop_window(aln_rows_t *rows)
{
    rows->window_tail++;
    move_tail(rows);
}
