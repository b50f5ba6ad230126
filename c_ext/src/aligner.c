/* SPDX-License-Identifier: Apache-2.0 */
#include "layout.h"

ALN_STATIC_ASSERT(ALN_OK == 0, ok_is_zero);

aln_status_t aln_memory_bytes(const aln_config_t *config, size_t *bytes)
{
    return aln_layout(config, NULL, bytes, NULL);
}

static void start_segment(aln_aligner_t *aligner, bool live)
{
    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        aln_stream_clear(&aligner->streams[i], live);
    }
    if (aligner->has_sample) {
        aligner->segment++;
    }
    aligner->has_sample = false;
    aligner->has_poll = false;
    aligner->has_row = false;
    aligner->last_row_ns = ALN_NEVER_NS;
    aligner->forced_ns = ALN_NEVER_NS;
    aligner->is_ending = false;
    aln_rows_end_segment(&aligner->rows);
}

aln_status_t aln_init(void *memory, size_t memory_bytes, const aln_config_t *config, aln_aligner_t **aligner)
{
    size_t needed_bytes = 0;
    const aln_status_t status = aln_memory_bytes(config, &needed_bytes);

    if (status != ALN_OK) {
        return status;
    }
    if (memory == NULL || memory_bytes < needed_bytes || (uintptr_t)memory % sizeof(int64_t) != 0) {
        return ALN_ERR_MEMORY;
    }
    for (size_t i = 0; i < needed_bytes; i++) {
        ((unsigned char *)memory)[i] = 0; /* every page is touched before the first sample */
    }
    (void)aln_layout(config, memory, &needed_bytes, aligner);
    start_segment(*aligner, true);
    return ALN_OK;
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

/* The first grid time at or after time_ns; C's remainder has the sign of the dividend. */
static int64_t first_grid_time_ns(const aln_aligner_t *aligner, int64_t time_ns)
{
    int64_t past_ns = (time_ns - aligner->phase_ns) % aligner->period_ns;

    if (past_ns < 0) {
        past_ns += aligner->period_ns;
    }
    return past_ns == 0 ? time_ns : time_ns + (aligner->period_ns - past_ns);
}

/* Rows up to here are final; also brings every stream's complete_ns up to date. */
static int64_t final_through_ns(aln_aligner_t *aligner)
{
    int64_t least_ns = INT64_MAX;

    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        aln_stream_t *stream = &aligner->streams[i];

        if (aligner->is_ending) {
            stream->complete_ns = INT64_MAX;
            continue;
        }
        aln_stream_update_complete(stream, aligner->lateness_ns);
        if (stream->live && stream->complete_ns < least_ns) {
            least_ns = stream->complete_ns;
        }
    }
    if (aligner->is_ending) {
        return aligner->end_ns;
    }
    if (least_ns == INT64_MAX) {
        least_ns = ALN_NEVER_NS; /* no stream is live: the grid is suspended */
    }
    return aligner->forced_ns > least_ns ? aligner->forced_ns : least_ns;
}

static void write_rows(aln_aligner_t *aligner, int64_t t0_ns, uint32_t count)
{
    aln_rows_t *rows = &aligner->rows;
    const int64_t last_ns = t0_ns + (int64_t)(count - 1) * aligner->period_ns;
    const aln_run_t run = {
        .t0_ns = t0_ns,
        .period_ns = aligner->period_ns,
        .row_count = count,
        .columns = rows->columns,
        .stream_count = aligner->stream_count,
        .cells = aln_rows_cells(rows, rows->head),
        .flags = aln_rows_flags(rows, rows->head),
        .previous = aligner->has_row ? aln_rows_cells(rows, rows->head - 1) : NULL,
    };
    int64_t *ages_ns = aln_rows_ages_ns(rows);

    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        aln_run_t own = run;
        int64_t newest_ns;

        own.flags += i;
        newest_ns = aln_stream_fill(&aligner->streams[i], &own);
        ages_ns[i] = newest_ns == INT64_MAX ? INT64_MAX : last_ns - newest_ns;
    }
    aligner->has_row = true;
    aligner->last_row_ns = last_ns;
    aln_rows_commit(rows, count, last_ns, aligner->period_ns, aligner->segment);
}

static int64_t next_row_ns(const aln_aligner_t *aligner)
{
    if (aligner->has_row) {
        return aligner->last_row_ns + aligner->period_ns;
    }
    return first_grid_time_ns(aligner, aligner->first_sample_ns);
}

/* Write every final row that there is room for. */
static void pump(aln_aligner_t *aligner)
{
    int64_t through_ns;
    bool is_drained = false;

    if (!aligner->has_sample) {
        aligner->forced_ns = ALN_NEVER_NS;
        return;
    }
    through_ns = final_through_ns(aligner);
    while (!is_drained) {
        const int64_t t_ns = next_row_ns(aligner);
        uint32_t count = aln_rows_writable(&aligner->rows);

        is_drained = t_ns > through_ns;
        if (is_drained || count == 0) {
            break;
        }
        if ((through_ns - t_ns) / aligner->period_ns < (int64_t)count) {
            count = (uint32_t)((through_ns - t_ns) / aligner->period_ns) + 1;
        }
        write_rows(aligner, t_ns, count);
    }
    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        aln_stream_release(&aligner->streams[i], aligner->lateness_ns);
    }
    if (!is_drained) {
        return;
    }
    aligner->forced_ns = ALN_NEVER_NS; /* what comes after the poll waits for its watermark or the next poll */
    if (aligner->is_ending) {
        start_segment(aligner, aligner->is_live_after_end);
    }
}

/* --- samples --------------------------------------------------------------------------------------------------- */

/* By its bits, since a compiler may assume that a comparison of floats never sees a NaN. */
static bool is_finite(float value)
{
    union {
        float value;
        uint32_t bits;
    } view;

    view.value = value;
    return (view.bits & 0x7f800000u) != 0x7f800000u; /* IEEE 754 binary32: exponent all ones */
}

static bool are_finite(const float *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!is_finite(values[i])) {
            return false;
        }
    }
    return true;
}

static bool is_beyond_jump(const aln_aligner_t *aligner, const aln_stream_t *stream, int64_t time_ns)
{
    int64_t reference_ns;

    if (stream->live && stream->has_sample) {
        reference_ns = stream->newest_ns;
    } else if (!stream->live || aligner->has_poll) {
        reference_ns = aligner->last_poll_ns; /* its own newest is none, or may be arbitrarily old */
    } else {
        return false;
    }
    return time_ns > reference_ns && time_ns - reference_ns > aligner->max_jump_ns;
}

/* Add a sample that is newer than all others of its stream. */
static aln_counter_t append(const aln_aligner_t *aligner, aln_stream_t *stream, int64_t time_ns, const float *values)
{
    const uint32_t fields = stream->config.fields;
    float *place = &stream->values[(size_t)(stream->head & stream->mask) * fields];

    if (aln_stream_is_full(stream)) {
        return ALN_COUNT_OVERRUN;
    }
    stream->times_ns[stream->head & stream->mask] = time_ns; /* I1 */
    for (uint32_t i = 0; i < fields; i++) {
        place[i] = values[i];
    }
    stream->head++;
    stream->newest_ns = time_ns; /* I3 */
    if (time_ns <= aligner->last_row_ns) {
        stream->cursor++; /* I2: the row did not wait for this stream */
    }
    return ALN_COUNT_ACCEPTED;
}

/* Free what the sample's own watermark will free anyway: a ring that holds less than the lateness would else stay
 * full for ever. The watermark itself moves only when the sample is accepted. */
static void make_room(aln_aligner_t *aligner, aln_stream_t *stream, int64_t time_ns)
{
    const int64_t newest_ns = stream->newest_ns;

    pump(aligner);
    if (aln_stream_is_full(stream) && time_ns > newest_ns) {
        stream->newest_ns = time_ns;
        pump(aligner);
        stream->newest_ns = newest_ns;
    }
}

static aln_counter_t place_sample(aln_aligner_t *aligner, aln_stream_t *stream, int64_t time_ns, const float *values)
{
    if (!stream->live) {
        pump(aligner); /* rows that are final without this stream stay as they are */
    }
    if (aln_stream_is_full(stream)) {
        make_room(aligner, stream, time_ns);
    }
    if (stream->has_sample && time_ns <= stream->newest_ns) {
        return aln_stream_insert(stream, time_ns, values, aligner->last_row_ns);
    }
    return append(aligner, stream, time_ns, values);
}

static aln_counter_t push_sample(aln_aligner_t *aligner, aln_stream_t *stream, int64_t time_ns, const float *values)
{
    aln_counter_t outcome;

    if (aligner->is_ending) {
        return ALN_COUNT_OVERRUN; /* the old segment's windows are to be read first */
    }
    if (time_ns > ALN_TIME_LIMIT || time_ns < -ALN_TIME_LIMIT) {
        return ALN_COUNT_OUT_OF_RANGE;
    }
    if (!are_finite(values, stream->config.fields)) {
        return ALN_COUNT_NON_FINITE;
    }
    if (is_beyond_jump(aligner, stream, time_ns)) {
        return ALN_COUNT_OUT_OF_RANGE;
    }
    if (stream->has_sample && time_ns < stream->newest_ns - aligner->lateness_ns) {
        return ALN_COUNT_LATE;
    }
    outcome = place_sample(aligner, stream, time_ns, values);
    if (outcome != ALN_COUNT_ACCEPTED && outcome != ALN_COUNT_CONFLICT) {
        return outcome;
    }
    stream->has_sample = true;
    stream->live = true;
    if (!aligner->has_row && (!aligner->has_sample || time_ns < aligner->first_sample_ns)) {
        aligner->first_sample_ns = time_ns;
    }
    aligner->has_sample = true;
    return outcome;
}

/* Windows that were read since may have made the room that the old segment's last rows waited for. */
static void finish_ending(aln_aligner_t *aligner)
{
    if (aligner->is_ending) {
        pump(aligner);
    }
}

static uint32_t count_sample(aln_aligner_t *aligner, aln_stream_t *stream, int64_t time_ns, const float *values)
{
    const aln_counter_t outcome = push_sample(aligner, stream, time_ns, values);

    stream->counters[outcome]++;
    if (outcome == ALN_COUNT_CONFLICT) {
        stream->counters[ALN_COUNT_ACCEPTED]++;
    }
    return outcome == ALN_COUNT_ACCEPTED || outcome == ALN_COUNT_CONFLICT ? 1u : 0u;
}

aln_status_t aln_push(aln_aligner_t *aligner, uint32_t stream, const int64_t *times_ns, const float *values,
                      uint32_t count, uint32_t *accepted)
{
    uint32_t taken = 0;

    if (stream >= aligner->stream_count) {
        return ALN_ERR_STREAM;
    }
    finish_ending(aligner);
    for (uint32_t i = 0; i < count; i++) {
        aln_stream_t *target = &aligner->streams[stream];

        taken += count_sample(aligner, target, times_ns[i], &values[(size_t)i * target->config.fields]);
    }
    *accepted = taken;
    return ALN_OK;
}

aln_status_t aln_push_mixed(aln_aligner_t *aligner, const uint16_t *streams, const int64_t *times_ns,
                            const float *values, uint32_t count, uint32_t *accepted)
{
    uint32_t taken = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (streams[i] >= aligner->stream_count || aligner->streams[streams[i]].config.fields != 1) {
            return ALN_ERR_STREAM;
        }
    }
    finish_ending(aligner);
    for (uint32_t i = 0; i < count; i++) {
        taken += count_sample(aligner, &aligner->streams[streams[i]], times_ns[i], &values[i]);
    }
    *accepted = taken;
    return ALN_OK;
}

/* --- time and segments ----------------------------------------------------------------------------------------- */

/* Of all streams; ALN_NEVER_NS when the segment has none. */
static int64_t newest_sample_ns(const aln_aligner_t *aligner)
{
    int64_t newest_ns = ALN_NEVER_NS;

    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        if (aligner->streams[i].newest_ns > newest_ns) {
            newest_ns = aligner->streams[i].newest_ns;
        }
    }
    return newest_ns;
}

static void begin_ending(aln_aligner_t *aligner, bool is_live_after_end)
{
    const int64_t newest_ns = newest_sample_ns(aligner);

    aligner->is_ending = true;
    aligner->is_live_after_end = is_live_after_end;
    /* Forced rows may still wait for room. */
    aligner->end_ns = newest_ns > aligner->forced_ns ? newest_ns : aligner->forced_ns;
    pump(aligner);
}

/* True while a stream holds the others back. */
static bool update_live(aln_aligner_t *aligner, int64_t now_ns)
{
    bool is_any_live = false;

    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        aln_stream_t *stream = &aligner->streams[i];
        const int64_t heard_ns = stream->has_sample ? stream->newest_ns : aligner->first_poll_ns;

        if (stream->config.timeout_ns != INT64_MAX && now_ns - heard_ns >= stream->config.timeout_ns) {
            stream->live = false;
        }
        is_any_live = is_any_live || stream->live;
    }
    return is_any_live;
}

/* A clock that is years ahead of the samples must not force years of rows: max_jump bounds it as it bounds samples. */
static void force(aln_aligner_t *aligner, int64_t through_ns)
{
    const int64_t newest_ns = newest_sample_ns(aligner);

    if (newest_ns == ALN_NEVER_NS) {
        return;
    }
    if (through_ns > newest_ns && through_ns - newest_ns > aligner->max_jump_ns) {
        through_ns = newest_ns + aligner->max_jump_ns;
    }
    if (through_ns > aligner->forced_ns) {
        aligner->forced_ns = through_ns;
    }
}

aln_status_t aln_poll(aln_aligner_t *aligner, int64_t now_ns)
{
    bool is_any_live;

    if (now_ns > ALN_TIME_LIMIT || now_ns < -ALN_TIME_LIMIT) {
        return ALN_ERR_TIME;
    }
    pump(aligner);
    if (aligner->is_ending) {
        return ALN_OK; /* windows are to be read first */
    }
    if (!aligner->has_poll) {
        aligner->first_poll_ns = now_ns;
        aligner->has_poll = true;
    }
    aligner->last_poll_ns = now_ns;
    is_any_live = update_live(aligner, now_ns);
    if (!is_any_live) {
        if (aligner->has_sample) {
            begin_ending(aligner, false);
        }
        return ALN_OK;
    }
    if (aligner->deadline_ns != INT64_MAX) {
        force(aligner, now_ns - aligner->deadline_ns);
    }
    pump(aligner);
    return ALN_OK;
}

void aln_flush(aln_aligner_t *aligner)
{
    pump(aligner);
    if (aligner->is_ending) {
        aligner->is_live_after_end = true;
    } else if (aligner->has_sample) {
        begin_ending(aligner, true);
    } else {
        start_segment(aligner, true);
    }
}

void aln_reset(aln_aligner_t *aligner)
{
    pump(aligner); /* windows that are complete stay */
    start_segment(aligner, true);
}

/* --- windows --------------------------------------------------------------------------------------------------- */

uint32_t aln_windows_ready(aln_aligner_t *aligner)
{
    pump(aligner);
    return aligner->rows.window_head - aligner->rows.window_tail;
}

static void copy_row(const aln_aligner_t *aligner, uint32_t row, float *values, uint8_t *flags)
{
    const float *cells = aln_rows_cells(&aligner->rows, row);
    const uint8_t *stream_flags = aln_rows_flags(&aligner->rows, row);

    for (uint32_t column = 0; column < aligner->rows.columns; column++) {
        values[column] = cells[column];
    }
    if (flags == NULL) {
        return;
    }
    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        const aln_stream_t *stream = &aligner->streams[i];

        for (uint32_t field = 0; field < stream->config.fields; field++) {
            flags[stream->column + field] = stream_flags[i];
        }
    }
}

aln_status_t aln_window_read(aln_aligner_t *aligner, float *values, uint8_t *flags, size_t cell_count,
                             aln_window_info_t *info, int64_t *ages_ns)
{
    aln_rows_t *rows = &aligner->rows;
    const aln_window_t *window;
    const int64_t *window_ages_ns;

    if (cell_count != (size_t)rows->window * rows->columns) {
        return ALN_ERR_BUFFER;
    }
    if (rows->window_head == rows->window_tail) {
        pump(aligner);
    }
    if (rows->window_head == rows->window_tail) {
        return ALN_ERR_EMPTY;
    }
    window = &rows->windows[rows->window_tail & rows->window_mask];
    window_ages_ns = &rows->ages_ns[(size_t)(rows->window_tail & rows->window_mask) * rows->stream_count];
    for (uint32_t row = 0; row < rows->window; row++) {
        const size_t offset = (size_t)row * rows->columns;

        copy_row(aligner, window->start_row + row, values + offset, flags == NULL ? NULL : flags + offset);
    }
    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        ages_ns[i] = window_ages_ns[i];
    }
    *info = window->info;
    aln_rows_drop_window(rows);
    return ALN_OK;
}

aln_status_t aln_counters(const aln_aligner_t *aligner, uint32_t stream, uint64_t *counters)
{
    if (stream >= aligner->stream_count) {
        return ALN_ERR_STREAM;
    }
    for (uint32_t i = 0; i < ALN_COUNTERS; i++) {
        counters[i] = aligner->streams[stream].counters[i];
    }
    return ALN_OK;
}
