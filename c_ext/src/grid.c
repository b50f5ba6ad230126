/* SPDX-License-Identifier: Apache-2.0 */
#include "grid.h"

void aln_grid_start_segment(aln_aligner_t *aligner, bool live)
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
    if (rows->codes != NULL) { /* here, because windows that overlap share their rows */
        aln_quantize(&aligner->quantizer, run.cells, (size_t)count * rows->columns, aln_rows_codes(rows, rows->head));
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
void aln_grid_pump(aln_aligner_t *aligner)
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
        aln_grid_start_segment(aligner, aligner->is_live_after_end);
    }
}
