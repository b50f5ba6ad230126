/* SPDX-License-Identifier: Apache-2.0 */
#include "grid.h"

#include "ferrule/aligner_port.h"

ALN_STATIC_ASSERT(ALN_OK == 0, ok_is_zero);

aln_status_t aln_memory_bytes(const aln_config_t *config, size_t *bytes)
{
    return aln_layout(config, NULL, bytes, NULL);
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
    aln_grid_start_segment(*aligner, true);
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
    aln_grid_pump(aligner);
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
    aln_grid_pump(aligner);
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
    aln_grid_pump(aligner);
    return ALN_OK;
}

void aln_flush(aln_aligner_t *aligner)
{
    aln_grid_pump(aligner);
    if (aligner->is_ending) {
        aligner->is_live_after_end = true;
    } else if (aligner->has_sample) {
        begin_ending(aligner, true);
    } else {
        aln_grid_start_segment(aligner, true);
    }
}

void aln_reset(aln_aligner_t *aligner)
{
    aln_grid_pump(aligner); /* windows that are complete stay */
    aln_grid_start_segment(aligner, true);
}

/* --- windows --------------------------------------------------------------------------------------------------- */

uint32_t aln_windows_ready(aln_aligner_t *aligner)
{
    aln_grid_pump(aligner);
    return aligner->rows.window_head - aligner->rows.window_tail;
}

/* A window lies in one piece, or in two where the ring ends inside it: cells in the first. */
static size_t cells_to_wrap(const aln_rows_t *rows, uint32_t start_row)
{
    const uint32_t to_wrap = rows->row_mask + 1 - (start_row & rows->row_mask);

    return (size_t)(rows->window < to_wrap ? rows->window : to_wrap) * rows->columns;
}

static void spread_flags(const aln_aligner_t *aligner, uint32_t row, uint8_t *flags)
{
    const uint8_t *stream_flags = aln_rows_flags(&aligner->rows, row);

    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        const aln_stream_t *stream = &aligner->streams[i];

        for (uint32_t field = 0; field < stream->config.fields; field++) {
            flags[stream->column + field] = stream_flags[i];
        }
    }
}

/* A stream's flag is that of all its fields; where each has one, they are the cells' already. */
static void copy_flags(const aln_aligner_t *aligner, uint32_t start_row, uint8_t *flags)
{
    const aln_rows_t *rows = &aligner->rows;

    if (rows->columns == rows->stream_count) {
        const size_t first = cells_to_wrap(rows, start_row);

        ALN_COPY(flags, aln_rows_flags(rows, start_row), first);
        ALN_COPY(flags + first, rows->flags, (size_t)rows->window * rows->columns - first);
        return;
    }
    for (uint32_t row = 0; row < rows->window; row++) {
        spread_flags(aligner, start_row + row, flags + (size_t)row * rows->columns);
    }
}

/* The oldest complete window. */
static aln_status_t find_window(aln_aligner_t *aligner, size_t cell_count, const aln_window_t **window)
{
    aln_rows_t *rows = &aligner->rows;

    if (cell_count != (size_t)rows->window * rows->columns) {
        return ALN_ERR_BUFFER;
    }
    if (rows->window_head == rows->window_tail) {
        aln_grid_pump(aligner);
    }
    if (rows->window_head == rows->window_tail) {
        return ALN_ERR_EMPTY;
    }
    *window = &rows->windows[rows->window_tail & rows->window_mask];
    return ALN_OK;
}

/* Copy what stands beside the oldest window's values, and drop it. */
static void take_window(aln_aligner_t *aligner, const aln_window_t *window, uint8_t *flags, aln_window_info_t *info,
                        int64_t *ages_ns)
{
    aln_rows_t *rows = &aligner->rows;
    const int64_t *window_ages_ns =
        &rows->ages_ns[(size_t)(rows->window_tail & rows->window_mask) * rows->stream_count];

    if (flags != NULL) {
        copy_flags(aligner, window->start_row, flags);
    }
    for (uint32_t i = 0; i < aligner->stream_count; i++) {
        ages_ns[i] = window_ages_ns[i];
    }
    *info = window->info;
    aln_rows_drop_window(rows);
}

aln_status_t aln_window_read(aln_aligner_t *aligner, float *values, uint8_t *flags, size_t cell_count,
                             aln_window_info_t *info, int64_t *ages_ns)
{
    const aln_rows_t *rows = &aligner->rows;
    const aln_window_t *window = NULL;
    const aln_status_t status = find_window(aligner, cell_count, &window);
    size_t first;

    if (status != ALN_OK) {
        return status;
    }
    first = cells_to_wrap(rows, window->start_row);
    ALN_COPY(values, aln_rows_cells(rows, window->start_row), first * sizeof(*values));
    ALN_COPY(values + first, rows->cells, (cell_count - first) * sizeof(*values));
    take_window(aligner, window, flags, info, ages_ns);
    return ALN_OK;
}

aln_status_t aln_window_read_int8(aln_aligner_t *aligner, int8_t *codes, uint8_t *flags, size_t cell_count,
                                  aln_window_info_t *info, int64_t *ages_ns)
{
    const aln_rows_t *rows = &aligner->rows;
    const aln_window_t *window = NULL;
    const aln_status_t status = rows->codes == NULL ? ALN_ERR_QUANTIZATION : find_window(aligner, cell_count, &window);
    size_t first;

    if (status != ALN_OK) {
        return status;
    }
    first = cells_to_wrap(rows, window->start_row);
    ALN_COPY(codes, aln_rows_codes(rows, window->start_row), first);
    ALN_COPY(codes + first, rows->codes, cell_count - first);
    take_window(aligner, window, flags, info, ages_ns);
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
