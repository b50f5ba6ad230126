/* SPDX-License-Identifier: Apache-2.0 */
#include "ferrule/aligner_port.h"
#include "stream.h"

/* The cells that a stream gives to rows. One loop over a run of rows; the mode and the number of fields are constants
 * in each of its copies, so that what they decide is decided once and not for each cell. */

/* What a run needs of a stream, out of reach of what it writes: a byte written may alias anything. */
typedef struct {
    const int64_t *times_ns;
    const float *values;
    int64_t max_gap_ns;
    uint32_t mask;
    uint32_t tail;
    uint32_t cursor;
    uint32_t head;
    uint32_t fields;
} view_t;

ALN_INLINE int64_t time_at(const view_t *view, uint32_t index)
{
    return view->times_ns[index & view->mask];
}

ALN_INLINE const float *values_at(const view_t *view, uint32_t index)
{
    return &view->values[(size_t)(index & view->mask) * view->fields];
}

/* Move the cursor to the first sample after t. Mostly there is none between two rows, or one; where there are more,
 * there may be thousands: in doubling steps, then by halves. */
ALN_INLINE void advance(view_t *view, int64_t t_ns)
{
    uint32_t low = view->cursor; /* everything before it is at or before t */
    uint32_t step = 1;
    uint32_t high;

    if (low == view->head || time_at(view, low) > t_ns) {
        return;
    }
    low++;
    if (low == view->head || time_at(view, low) > t_ns) {
        view->cursor = low;
        return;
    }
    while (view->head - low >= step && time_at(view, low + step - 1) <= t_ns) {
        low += step;
        step *= 2;
    }
    high = view->head - low < step - 1 ? view->head : low + step - 1;
    while (low != high) {
        const uint32_t middle = low + (high - low) / 2;

        if (time_at(view, middle) <= t_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    view->cursor = low;
}

/* A cell: its values, its flag, and the time of the newest sample it is made of (untouched when it is missing). The
 * cursor already stands behind the row. */

ALN_INLINE uint8_t cell_hold(const view_t *view, int64_t t_ns, float *cells, int64_t *contributed_ns)
{
    int64_t left_ns;

    if (view->cursor == view->tail) {
        return ALN_FLAG_MISSING;
    }
    left_ns = time_at(view, view->cursor - 1);
    if (t_ns - left_ns > view->max_gap_ns) {
        return ALN_FLAG_MISSING;
    }
    aln_copy_values(cells, values_at(view, view->cursor - 1), view->fields);
    *contributed_ns = left_ns;
    return left_ns == t_ns ? ALN_FLAG_MEASURED : ALN_FLAG_HELD;
}

ALN_INLINE uint8_t cell_nearest(const view_t *view, int64_t t_ns, float *cells, int64_t *contributed_ns)
{
    const bool has_left = view->cursor != view->tail;
    const bool has_right = view->cursor != view->head;
    const int64_t left_ns = has_left ? t_ns - time_at(view, view->cursor - 1) : INT64_MAX;
    const int64_t right_ns = has_right ? time_at(view, view->cursor) - t_ns : INT64_MAX;
    const bool is_left = left_ns <= right_ns; /* the earlier one of two equals */
    const int64_t distance_ns = is_left ? left_ns : right_ns;
    const uint32_t best = is_left ? view->cursor - 1 : view->cursor;

    if ((!has_left && !has_right) || distance_ns > view->max_gap_ns) {
        return ALN_FLAG_MISSING;
    }
    aln_copy_values(cells, values_at(view, best), view->fields);
    *contributed_ns = time_at(view, best);
    return distance_ns == 0 ? ALN_FLAG_MEASURED : ALN_FLAG_HELD;
}

ALN_INLINE uint8_t cell_linear(const view_t *view, int64_t t_ns, float *cells, int64_t *contributed_ns)
{
    int64_t left_ns;
    int64_t right_ns;
    double ratio;
    const float *left;
    const float *right;

    if (view->cursor == view->tail) {
        return ALN_FLAG_MISSING;
    }
    left = values_at(view, view->cursor - 1);
    left_ns = time_at(view, view->cursor - 1);
    if (left_ns == t_ns) {
        aln_copy_values(cells, left, view->fields);
        *contributed_ns = t_ns;
        return ALN_FLAG_MEASURED;
    }
    if (view->cursor == view->head) {
        return ALN_FLAG_MISSING;
    }
    right = values_at(view, view->cursor);
    right_ns = time_at(view, view->cursor);
    if (right_ns - left_ns > view->max_gap_ns) {
        return ALN_FLAG_MISSING;
    }
    ratio = (double)(t_ns - left_ns) / (double)(right_ns - left_ns);
    for (uint32_t field = 0; field < view->fields; field++) {
        const double from = (double)left[field];

        cells[field] = (float)(from + ((double)right[field] - from) * ratio);
    }
    *contributed_ns = right_ns;
    return ALN_FLAG_INTERPOLATED;
}

/* Aggregate field by field over the samples [first, cursor), in time order. */
ALN_INLINE uint8_t cell_aggregate(const view_t *view, aln_mode_t mode, uint32_t first, float *cells,
                                  int64_t *contributed_ns)
{
    if (first == view->cursor) {
        return ALN_FLAG_MISSING;
    }
    for (uint32_t field = 0; field < view->fields; field++) {
        float extreme = values_at(view, first)[field];
        double sum = 0.0;

        for (uint32_t i = first; i != view->cursor; i++) {
            const float value = values_at(view, i)[field];

            if (mode == ALN_MEAN) {
                sum += (double)value;
            } else if (mode == ALN_MIN ? value < extreme : value > extreme) {
                extreme = value;
            }
        }
        cells[field] = mode == ALN_MEAN ? (float)(sum / (double)(view->cursor - first)) : extreme;
    }
    *contributed_ns = time_at(view, view->cursor - 1);
    return ALN_FLAG_AGGREGATED;
}

ALN_INLINE uint8_t fill_cell(const view_t *view, aln_mode_t mode, int64_t t_ns, uint32_t first, float *cells,
                             int64_t *newest_ns)
{
    switch (mode) {
    case ALN_HOLD:
        return cell_hold(view, t_ns, cells, newest_ns);
    case ALN_NEAREST:
        return cell_nearest(view, t_ns, cells, newest_ns);
    case ALN_LINEAR:
        return cell_linear(view, t_ns, cells, newest_ns);
    case ALN_MEAN:
    case ALN_MIN:
    case ALN_MAX:
        return cell_aggregate(view, mode, first, cells, newest_ns);
    }
    return ALN_FLAG_MISSING; /* unreachable: aln_init refuses other modes */
}

static void fill_missing(const aln_stream_t *stream, const aln_run_t *run, uint32_t row, float *cells)
{
    const float *previous = run->previous;

    if (row > 0) {
        previous = run->cells + (size_t)(row - 1) * run->columns;
    }
    for (uint32_t field = 0; field < stream->config.fields; field++) {
        if (stream->config.fill == ALN_FILL_PREVIOUS && previous != NULL) {
            cells[field] = previous[stream->column + field];
        } else {
            cells[field] = stream->config.fill_value;
        }
    }
}

ALN_INLINE int64_t fill_run(aln_stream_t *stream, const aln_run_t *run, aln_mode_t mode, uint32_t fields)
{
    const int64_t complete_ns = stream->live ? stream->complete_ns : INT64_MAX;
    const uint32_t row_count = run->row_count;
    const uint32_t columns = run->columns;
    const uint32_t stream_count = run->stream_count;
    const int64_t period_ns = run->period_ns;
    view_t view = {stream->times_ns, stream->values, stream->config.max_gap_ns,
                   stream->mask,     stream->tail,   stream->cursor,
                   stream->head,     fields};
    float *cells = run->cells + stream->column;
    uint8_t *flags = run->flags;
    int64_t t_ns = run->t0_ns;
    int64_t contributed_ns = INT64_MAX;

    for (uint32_t row = 0; row < row_count; row++) {
        const uint32_t first = view.cursor;
        uint8_t flag;

        advance(&view, t_ns); /* I2 */
        contributed_ns = INT64_MAX;
        flag = fill_cell(&view, mode, t_ns, first, cells, &contributed_ns);
        if (flag == ALN_FLAG_MISSING) {
            fill_missing(stream, run, row, cells);
        }
        *flags = flag;
        t_ns += period_ns;
        cells += columns;
        flags += stream_count;
    }
    stream->cursor = view.cursor;
    /* Rows that the deadline made final before this stream's watermark are rare, and the last ones. */
    for (uint32_t row = row_count; row > 0; row--) {
        t_ns -= period_ns;
        flags -= stream_count;
        if (t_ns <= complete_ns) {
            break;
        }
        *flags |= ALN_FLAG_FORCED;
    }
    return contributed_ns;
}

ALN_INLINE int64_t fill_run_of(aln_stream_t *stream, const aln_run_t *run, aln_mode_t mode)
{
    return stream->config.fields == 1 ? fill_run(stream, run, mode, 1)
                                      : fill_run(stream, run, mode, stream->config.fields);
}

int64_t aln_stream_fill(aln_stream_t *stream, const aln_run_t *run)
{
    switch (stream->config.mode) {
    case ALN_HOLD:
        return fill_run_of(stream, run, ALN_HOLD);
    case ALN_NEAREST:
        return fill_run_of(stream, run, ALN_NEAREST);
    case ALN_LINEAR:
        return fill_run_of(stream, run, ALN_LINEAR);
    case ALN_MEAN:
        return fill_run_of(stream, run, ALN_MEAN);
    case ALN_MIN:
        return fill_run_of(stream, run, ALN_MIN);
    case ALN_MAX:
        return fill_run_of(stream, run, ALN_MAX);
    }
    return INT64_MAX; /* unreachable: aln_init refuses other modes */
}
