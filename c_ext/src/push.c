/* SPDX-License-Identifier: Apache-2.0 */
#include "append.h"
#include "grid.h"

/* Samples in. The common sample, newer than all of its stream, takes the short way of append.h. One that is older than
 * its stream's newest is put off until the end of the call, so that those after it are moved once for many and not once
 * for each. */

static uint32_t count_outcome(aln_stream_t *stream, aln_counter_t outcome)
{
    stream->counters[outcome]++;
    if (outcome == ALN_COUNT_CONFLICT) {
        stream->counters[ALN_COUNT_ACCEPTED]++;
    }
    return outcome == ALN_COUNT_ACCEPTED || outcome == ALN_COUNT_CONFLICT ? 1u : 0u;
}

static void note_accepted(aln_aligner_t *aligner, aln_stream_t *stream, int64_t time_ns)
{
    stream->has_sample = true;
    stream->live = true;
    if (!aligner->has_row && (!aligner->has_sample || time_ns < aligner->first_sample_ns)) {
        aligner->first_sample_ns = time_ns;
    }
    aligner->has_sample = true;
}

static bool is_before(const aln_late_t *a, const aln_late_t *b)
{
    return a->stream != b->stream ? a->stream < b->stream : a->time_ns < b->time_ns;
}

/* Put the samples that were put off in their places; returns how many were accepted. */
static uint32_t settle(aln_aligner_t *aligner)
{
    aln_late_t *late = aligner->late;
    const uint32_t count = aligner->late_count;
    uint32_t taken = 0;

    for (uint32_t i = 1; i < count; i++) { /* stable: of equal times the later arrival stays behind */
        const aln_late_t moved = late[i];
        uint32_t place = i;

        for (; place > 0 && is_before(&moved, &late[place - 1]); place--) {
            late[place] = late[place - 1];
        }
        late[place] = moved;
    }
    aligner->late_count = 0;
    for (uint32_t first = 0, end = 0; first < count; first = end) {
        aln_stream_t *stream = &aligner->streams[late[first].stream];

        while (end < count && late[end].stream == late[first].stream) {
            end++;
        }
        aln_stream_insert(stream, &late[first], end - first, aligner->last_row_ns);
        for (uint32_t i = first; i < end; i++) {
            const uint32_t is_taken = count_outcome(stream, late[i].outcome);

            if (is_taken != 0) {
                note_accepted(aligner, stream, late[i].time_ns);
            }
            taken += is_taken;
        }
    }
    return taken;
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

/* Why a sample is dropped at first sight; ALN_COUNT_ACCEPTED when it is not. */
static aln_counter_t refusal(const aln_aligner_t *aligner, const aln_stream_t *stream, int64_t time_ns,
                             const float *values)
{
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
    return ALN_COUNT_ACCEPTED;
}

/* Free what the sample's own watermark will free anyway: a ring that holds less than the lateness would else stay
 * full for ever. The watermark itself moves only when the sample is accepted. */
static void make_room(aln_aligner_t *aligner, aln_stream_t *stream, int64_t time_ns)
{
    const int64_t newest_ns = stream->newest_ns;

    aln_grid_pump(aligner);
    if (aln_stream_is_full(stream) && time_ns > newest_ns) {
        stream->newest_ns = time_ns;
        aln_grid_pump(aligner);
        stream->newest_ns = newest_ns;
    }
}

/* Add a sample that is newer than all others of its stream. */
static aln_counter_t append(const aln_aligner_t *aligner, aln_stream_t *stream, int64_t time_ns, const float *values)
{
    const uint32_t fields = stream->config.fields;

    if (aln_stream_is_full(stream)) {
        return ALN_COUNT_OVERRUN;
    }
    stream->times_ns[stream->head & stream->mask] = time_ns; /* I1 */
    aln_copy_values(&stream->values[(size_t)(stream->head & stream->mask) * fields], values, fields);
    stream->head++;
    stream->newest_ns = time_ns; /* I3 */
    if (time_ns <= aligner->last_row_ns) {
        stream->cursor++; /* I2: the row did not wait for this stream */
    }
    return ALN_COUNT_ACCEPTED;
}

/* Take one sample of a stream whose ring has room for it, or is to be made some. */
static uint32_t push_sample(aln_aligner_t *aligner, aln_stream_t *stream, int64_t time_ns, const float *values)
{
    const bool is_late = stream->has_sample && time_ns <= stream->newest_ns;
    aln_counter_t outcome = refusal(aligner, stream, time_ns, values);
    uint32_t taken = 0;

    if (outcome != ALN_COUNT_ACCEPTED) {
        return count_outcome(stream, outcome);
    }
    if (aligner->late_count == ALN_LATE_CAPACITY || room_of(stream, aligner->late_count) == 0) {
        taken = settle(aligner);
        if (!stream->live) {
            aln_grid_pump(aligner); /* rows that are final without this stream stay as they are */
        }
        if (aln_stream_is_full(stream)) {
            make_room(aligner, stream, time_ns);
        }
    }
    if (is_late) {
        aln_late_t *late = &aligner->late[aligner->late_count++];

        late->time_ns = time_ns;
        late->values = values;
        late->stream = (uint32_t)(stream - aligner->streams);
        return stream->live ? taken : taken + settle(aligner); /* whether it is live again shows then */
    }
    outcome = append(aligner, stream, time_ns, values);
    if (outcome == ALN_COUNT_ACCEPTED) {
        note_accepted(aligner, stream, time_ns);
    }
    return taken + count_outcome(stream, outcome);
}

/* Windows that were read since may have made the room that the old segment's last rows waited for. */
static void finish_ending(aln_aligner_t *aligner)
{
    if (aligner->is_ending) {
        aln_grid_pump(aligner);
    }
}

ALN_INLINE uint32_t push_run_of(aln_aligner_t *aligner, aln_stream_t *stream, const int64_t *times_ns,
                                const float *values, uint32_t count, uint32_t fields)
{
    gate_t gate = gate_of(aligner);
    uint32_t taken = 0;

    while (count > 0) {
        uint32_t run =
            append_singly(&gate, stream, NULL, false, times_ns, values, count < BLOCK ? count : BLOCK, fields);

        if (run < count && run < BLOCK) {
            taken += run + push_sample(aligner, stream, times_ns[run], &values[(size_t)run * fields]);
            gate = gate_of(aligner);
            run++;
        } else {
            if (count - run >= BLOCK) {
                run += append_blocks(&gate, stream, &times_ns[run], &values[(size_t)run * fields], count - run, fields);
            }
            taken += run;
        }
        times_ns += run;
        values += (size_t)run * fields;
        count -= run;
    }
    return taken;
}

static uint32_t push_run(aln_aligner_t *aligner, aln_stream_t *stream, const int64_t *times_ns, const float *values,
                         uint32_t count)
{
    const uint32_t fields = stream->config.fields;

    return fields == 1 ? push_run_of(aligner, stream, times_ns, values, count, 1)
                       : push_run_of(aligner, stream, times_ns, values, count, fields);
}

aln_status_t aln_push(aln_aligner_t *aligner, uint32_t stream, const int64_t *times_ns, const float *values,
                      uint32_t count, uint32_t *accepted)
{
    uint32_t taken;

    if (stream >= aligner->stream_count) {
        return ALN_ERR_STREAM;
    }
    finish_ending(aligner);
    taken = push_run(aligner, &aligner->streams[stream], times_ns, values, count);
    *accepted = taken + settle(aligner);
    return ALN_OK;
}

/* The largest of a block of numbers; a loop of constant length becomes one over vectors. */
ALN_INLINE uint16_t largest_of_block(const uint16_t *numbers)
{
    uint16_t largest = 0;

    for (uint32_t i = 0; i < BLOCK; i++) {
        largest = numbers[i] > largest ? numbers[i] : largest;
    }
    return largest;
}

/* Whether each number names a stream with one field. */
static bool are_mixable(const aln_aligner_t *aligner, const uint16_t *streams, uint32_t count)
{
    uint32_t done = 0;

    if (aligner->rows.columns == aligner->stream_count) { /* all have one field */
        while (count - done >= BLOCK && largest_of_block(&streams[done]) < aligner->stream_count) {
            done += BLOCK;
        }
    }
    for (; done < count; done++) {
        if (streams[done] >= aligner->stream_count || aligner->streams[streams[done]].config.fields != 1) {
            return false;
        }
    }
    return true;
}

aln_status_t aln_push_mixed(aln_aligner_t *aligner, const uint16_t *streams, const int64_t *times_ns,
                            const float *values, uint32_t count, uint32_t *accepted)
{
    gate_t gate;
    uint32_t taken = 0;
    uint32_t done = 0;

    if (!are_mixable(aligner, streams, count)) {
        return ALN_ERR_STREAM;
    }
    finish_ending(aligner);
    gate = gate_of(aligner);
    while (done < count) {
        aln_stream_t *stream = &aligner->streams[streams[done]];
        uint32_t run;

        if (done + 1 < count && streams[done + 1] == streams[done]) {
            run = append_singly(&gate, stream, &streams[done], true, &times_ns[done], &values[done], count - done, 1);
        } else {
            run = append_one(&gate, stream, times_ns[done], values[done]);
        }
        taken += run;
        done += run;
        if (run == 0) {
            taken += push_sample(aligner, stream, times_ns[done], &values[done]);
            done++;
            gate = gate_of(aligner);
        }
    }
    *accepted = taken + settle(aligner);
    return ALN_OK;
}
