/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_SRC_ROWS_H
#define FERRULE_SRC_ROWS_H

/* The ring of rows, and the queue of complete windows in it. */

#include "ferrule/aligner.h"

typedef struct {
    uint32_t start_row;
    aln_window_info_t info;
} aln_window_t;

/* Invariants:
 *  I5  rows [tail .. head) are held; head - tail <= row_capacity.
 *  I6  tail is the first row of the oldest unread window, or of the one in the making when none is unread: no row
 *      of an unread window is overwritten.
 *  I7  a window is queued when its last row is written, and all its rows are of one segment. */
typedef struct {
    uint32_t row_mask;
    uint32_t window_mask;    /* of the queue */
    uint32_t window;         /* rows */
    uint32_t hop;            /* rows */
    uint32_t columns;
    uint32_t stream_count;
    uint32_t head;           /* next row to write; indices run freely */
    uint32_t tail;
    uint32_t next_start_row; /* of the window in the making; ahead of head when hop > window */
    uint32_t window_head;    /* queue indices, run freely */
    uint32_t window_tail;
    uint64_t seq;            /* windows queued so far */
    float *cells;            /* (row_capacity, columns) */
    int8_t *codes;           /* (row_capacity, columns); NULL: float32 only */
    uint8_t *flags;          /* (row_capacity, stream_count) */
    aln_window_t *windows;   /* (window_mask + 1) */
    int64_t *ages_ns;        /* (window_mask + 1, stream_count) */
} aln_rows_t;

/* Rows that can be written one after the other in memory, at most to the end of the window in the making. */
uint32_t aln_rows_writable(const aln_rows_t *rows);

static inline float *aln_rows_cells(const aln_rows_t *rows, uint32_t row)
{
    return &rows->cells[(size_t)(row & rows->row_mask) * rows->columns];
}

static inline int8_t *aln_rows_codes(const aln_rows_t *rows, uint32_t row)
{
    return &rows->codes[(size_t)(row & rows->row_mask) * rows->columns];
}

static inline uint8_t *aln_rows_flags(const aln_rows_t *rows, uint32_t row)
{
    return &rows->flags[(size_t)(row & rows->row_mask) * rows->stream_count];
}

/* Where the ages of the window in the making go. */
static inline int64_t *aln_rows_ages_ns(const aln_rows_t *rows)
{
    return &rows->ages_ns[(size_t)(rows->window_head & rows->window_mask) * rows->stream_count];
}

/* Count rows as written, the last of them at last_ns; queue the window that they complete. */
void aln_rows_commit(aln_rows_t *rows, uint32_t count, int64_t last_ns, int64_t period_ns, uint32_t segment);

/* The next row starts a segment: no window reaches across. */
void aln_rows_end_segment(aln_rows_t *rows);

/* Give the oldest window's rows free. */
void aln_rows_drop_window(aln_rows_t *rows);

#endif
