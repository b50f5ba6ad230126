/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

static void copy_values(float *to, const float *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}

/* Equal to the bit: 0.0 and -0.0 are two values. */
static bool are_identical(const float *a, const float *b, uint32_t count)
{
    const unsigned char *left = (const unsigned char *)a;
    const unsigned char *right = (const unsigned char *)b;

    for (size_t i = 0; i < (size_t)count * sizeof(float); i++) {
        if (left[i] != right[i]) {
            return false;
        }
    }
    return true;
}

static int64_t time_at(const aln_stream_t *stream, uint32_t index)
{
    return stream->times_ns[index & stream->mask];
}

static float *values_at(const aln_stream_t *stream, uint32_t index)
{
    return &stream->values[(size_t)(index & stream->mask) * stream->config.fields];
}

void aln_stream_clear(aln_stream_t *stream, bool live)
{
    stream->tail = 0;
    stream->cursor = 0;
    stream->head = 0;
    stream->has_sample = false;
    stream->newest_ns = ALN_NEVER_NS;
    stream->live = live;
    stream->complete_ns = ALN_NEVER_NS;
}

aln_counter_t aln_stream_insert(aln_stream_t *stream, int64_t time_ns, const float *values, int64_t last_row_ns)
{
    const uint32_t fields = stream->config.fields;
    uint32_t place = stream->head;

    while (place != stream->tail && time_at(stream, place - 1) > time_ns) {
        place--;
    }
    if (place != stream->tail && time_at(stream, place - 1) == time_ns) {
        float *present = values_at(stream, place - 1);

        if (are_identical(present, values, fields)) {
            return ALN_COUNT_DUPLICATE;
        }
        copy_values(present, values, fields);
        return ALN_COUNT_CONFLICT;
    }
    if (aln_stream_is_full(stream)) {
        return ALN_COUNT_OVERRUN;
    }
    for (uint32_t i = stream->head; i != place; i--) {
        stream->times_ns[i & stream->mask] = time_at(stream, i - 1);
        copy_values(values_at(stream, i), values_at(stream, i - 1), fields);
    }
    stream->times_ns[place & stream->mask] = time_ns; /* I1 */
    copy_values(values_at(stream, place), values, fields);
    stream->head++;
    if (time_ns <= last_row_ns) {
        stream->cursor++; /* I2 */
    }
    return ALN_COUNT_ACCEPTED;
}

/* Index of the first sample at or after time_ns, head when there is none. */
static uint32_t first_at_or_after(const aln_stream_t *stream, int64_t time_ns)
{
    uint32_t low = 0;
    uint32_t high = stream->head - stream->tail;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (time_at(stream, stream->tail + middle) < time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return stream->tail + low;
}

void aln_stream_update_complete(aln_stream_t *stream, int64_t lateness_ns)
{
    int64_t watermark_ns;
    int64_t before_ns;
    uint32_t first;

    stream->complete_ns = ALN_NEVER_NS;
    if (!stream->has_sample) {
        return;
    }
    watermark_ns = stream->newest_ns - lateness_ns;
    if (stream->config.mode != ALN_LINEAR && stream->config.mode != ALN_NEAREST) {
        stream->complete_ns = watermark_ns - 1; /* W > t */
        return;
    }
    first = first_at_or_after(stream, watermark_ns);
    if (first == stream->tail) {
        return; /* no right neighbour, no best sample is before the watermark yet */
    }
    before_ns = time_at(stream, first - 1);
    if (stream->config.mode == ALN_LINEAR) {
        stream->complete_ns = before_ns; /* W > the right neighbour */
    } else {
        stream->complete_ns = before_ns + (watermark_ns - before_ns - 1) / 2; /* W > t + (t - best) */
    }
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

/* One cell: its values, its flag, and the time of the newest sample it is made of (INT64_MAX: missing). The cursor
 * already stands behind the row. */

static uint8_t cell_hold(const aln_stream_t *stream, int64_t t_ns, float *cells, int64_t *contributed_ns)
{
    int64_t left_ns;

    if (stream->cursor == stream->tail) {
        return ALN_FLAG_MISSING;
    }
    left_ns = time_at(stream, stream->cursor - 1);
    if (t_ns - left_ns > stream->config.max_gap_ns) {
        return ALN_FLAG_MISSING;
    }
    copy_values(cells, values_at(stream, stream->cursor - 1), stream->config.fields);
    *contributed_ns = left_ns;
    return left_ns == t_ns ? ALN_FLAG_MEASURED : ALN_FLAG_HELD;
}

static uint8_t cell_nearest(const aln_stream_t *stream, int64_t t_ns, float *cells, int64_t *contributed_ns)
{
    const bool has_left = stream->cursor != stream->tail;
    const bool has_right = stream->cursor != stream->head;
    const int64_t left_ns = has_left ? t_ns - time_at(stream, stream->cursor - 1) : INT64_MAX;
    const int64_t right_ns = has_right ? time_at(stream, stream->cursor) - t_ns : INT64_MAX;
    const bool is_left = left_ns <= right_ns; /* the earlier one of two equals */
    const int64_t distance_ns = is_left ? left_ns : right_ns;
    const uint32_t best = is_left ? stream->cursor - 1 : stream->cursor;

    if ((!has_left && !has_right) || distance_ns > stream->config.max_gap_ns) {
        return ALN_FLAG_MISSING;
    }
    copy_values(cells, values_at(stream, best), stream->config.fields);
    *contributed_ns = time_at(stream, best);
    return distance_ns == 0 ? ALN_FLAG_MEASURED : ALN_FLAG_HELD;
}

static uint8_t cell_linear(const aln_stream_t *stream, int64_t t_ns, float *cells, int64_t *contributed_ns)
{
    int64_t left_ns;
    int64_t right_ns;
    double ratio;
    const float *left;
    const float *right;

    if (stream->cursor == stream->tail) {
        return ALN_FLAG_MISSING;
    }
    left = values_at(stream, stream->cursor - 1);
    left_ns = time_at(stream, stream->cursor - 1);
    if (left_ns == t_ns) {
        copy_values(cells, left, stream->config.fields);
        *contributed_ns = t_ns;
        return ALN_FLAG_MEASURED;
    }
    if (stream->cursor == stream->head) {
        return ALN_FLAG_MISSING;
    }
    right = values_at(stream, stream->cursor);
    right_ns = time_at(stream, stream->cursor);
    if (right_ns - left_ns > stream->config.max_gap_ns) {
        return ALN_FLAG_MISSING;
    }
    ratio = (double)(t_ns - left_ns) / (double)(right_ns - left_ns);
    for (uint32_t field = 0; field < stream->config.fields; field++) {
        const double from = (double)left[field];

        cells[field] = (float)(from + ((double)right[field] - from) * ratio);
    }
    *contributed_ns = right_ns;
    return ALN_FLAG_INTERPOLATED;
}

/* Aggregate field by field over the samples [first, cursor), in time order. */
static uint8_t cell_aggregate(const aln_stream_t *stream, uint32_t first, float *cells, int64_t *contributed_ns)
{
    if (first == stream->cursor) {
        return ALN_FLAG_MISSING;
    }
    for (uint32_t field = 0; field < stream->config.fields; field++) {
        float extreme = values_at(stream, first)[field];
        double sum = 0.0;

        for (uint32_t i = first; i != stream->cursor; i++) {
            const float value = values_at(stream, i)[field];

            sum += (double)value;
            if (stream->config.mode == ALN_MIN ? value < extreme : value > extreme) {
                extreme = value;
            }
        }
        cells[field] = stream->config.mode == ALN_MEAN ? (float)(sum / (double)(stream->cursor - first)) : extreme;
    }
    *contributed_ns = time_at(stream, stream->cursor - 1);
    return ALN_FLAG_AGGREGATED;
}

static uint8_t fill_cell(const aln_stream_t *stream, int64_t t_ns, uint32_t first, float *cells, int64_t *newest_ns)
{
    switch (stream->config.mode) {
    case ALN_HOLD:
        return cell_hold(stream, t_ns, cells, newest_ns);
    case ALN_NEAREST:
        return cell_nearest(stream, t_ns, cells, newest_ns);
    case ALN_LINEAR:
        return cell_linear(stream, t_ns, cells, newest_ns);
    case ALN_MEAN:
    case ALN_MIN:
    case ALN_MAX:
        return cell_aggregate(stream, first, cells, newest_ns);
    }
    return ALN_FLAG_MISSING; /* unreachable: aln_init refuses other modes */
}

int64_t aln_stream_fill(aln_stream_t *stream, const aln_run_t *run)
{
    int64_t contributed_ns = INT64_MAX;

    for (uint32_t row = 0; row < run->row_count; row++) {
        const int64_t t_ns = run->t0_ns + (int64_t)row * run->period_ns;
        const uint32_t first = stream->cursor;
        float *cells = run->cells + (size_t)row * run->columns + stream->column;
        uint8_t flag;

        while (stream->cursor != stream->head && time_at(stream, stream->cursor) <= t_ns) {
            stream->cursor++; /* I2 */
        }
        contributed_ns = INT64_MAX;
        flag = fill_cell(stream, t_ns, first, cells, &contributed_ns);
        if (flag == ALN_FLAG_MISSING) {
            fill_missing(stream, run, row, cells);
        }
        if (stream->live && t_ns > stream->complete_ns) {
            flag |= ALN_FLAG_FORCED;
        }
        run->flags[(size_t)row * run->stream_count] = flag;
    }
    return contributed_ns;
}

void aln_stream_release(aln_stream_t *stream, int64_t lateness_ns)
{
    uint32_t keep = stream->cursor;
    int64_t watermark_ns;

    if (keep == stream->tail) {
        return;
    }
    watermark_ns = stream->newest_ns - lateness_ns;
    keep--; /* I4 */
    while (keep != stream->tail && time_at(stream, keep - 1) >= watermark_ns) {
        keep--; /* I3: rows that the deadline forced are ahead of the watermark */
    }
    stream->tail = keep;
}
