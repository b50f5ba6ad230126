/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include "ferrule/aligner_port.h"

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

/* Index of the first sample at or after time_ns, head when there is none; those before from are before it. */
static uint32_t first_at_or_after(const aln_stream_t *stream, uint32_t from, int64_t time_ns)
{
    uint32_t low = 0;
    uint32_t high = stream->head - from;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (aln_stream_time_at(stream, from + middle) < time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return from + low;
}

/* What an equal time makes of a later arrival: a duplicate, or the value from now on. */
static aln_counter_t resolve(bool is_identical)
{
    return is_identical ? ALN_COUNT_DUPLICATE : ALN_COUNT_CONFLICT;
}

/* Find each late sample's place and outcome; returns how many are to be inserted. */
static uint32_t judge(aln_stream_t *stream, aln_late_t *late, uint32_t count)
{
    const uint32_t fields = stream->config.fields;
    const uint32_t room = stream->mask + 1 - (stream->head - stream->tail);
    aln_late_t *last = NULL; /* to be inserted */
    uint32_t from = stream->tail;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        aln_late_t *entry = &late[i];

        entry->place = first_at_or_after(stream, from, entry->time_ns);
        from = entry->place;
        if (entry->place != stream->head && aln_stream_time_at(stream, entry->place) == entry->time_ns) {
            float *present = aln_stream_values_at(stream, entry->place);

            entry->outcome = resolve(are_identical(present, entry->values, fields));
            aln_copy_values(present, entry->values, fields);
        } else if (last != NULL && last->time_ns == entry->time_ns) {
            entry->outcome = resolve(are_identical(last->values, entry->values, fields));
            last->values = entry->values;
        } else if (kept == room) {
            entry->outcome = ALN_COUNT_OVERRUN;
        } else {
            entry->outcome = ALN_COUNT_ACCEPTED;
            last = entry;
            kept++;
        }
    }
    return kept;
}

/* Move the samples [from, to) up by some places, in pieces that the ring's end cuts neither here nor there. */
static void move_up(aln_stream_t *stream, uint32_t from, uint32_t to, uint32_t places)
{
    const uint32_t mask = stream->mask;
    const size_t sample_bytes = stream->config.fields * sizeof(float);

    while (to != from) {
        const uint32_t source_run = ((to - 1) & mask) + 1;
        const uint32_t target_run = ((to + places - 1) & mask) + 1;
        uint32_t count = to - from;

        count = count < source_run ? count : source_run;
        count = count < target_run ? count : target_run;
        to -= count;
        ALN_MOVE(&stream->times_ns[(to + places) & mask], &stream->times_ns[to & mask], count * sizeof(int64_t));
        ALN_MOVE(aln_stream_values_at(stream, to + places), aln_stream_values_at(stream, to), count * sample_bytes);
    }
}

void aln_stream_insert(aln_stream_t *stream, aln_late_t *late, uint32_t count, int64_t last_row_ns)
{
    const uint32_t kept = judge(stream, late, count);
    uint32_t end = stream->head;
    uint32_t left = kept;

    for (uint32_t i = count; left > 0; i--) { /* from the newest down, so that each sample moves once */
        const aln_late_t *entry = &late[i - 1];

        if (entry->outcome != ALN_COUNT_ACCEPTED) {
            continue;
        }
        move_up(stream, entry->place, end, left);
        end = entry->place;
        left--;
        stream->times_ns[(end + left) & stream->mask] = entry->time_ns; /* I1 */
        aln_copy_values(aln_stream_values_at(stream, end + left), entry->values, stream->config.fields);
        if (entry->time_ns <= last_row_ns) {
            stream->cursor++; /* I2 */
        }
    }
    stream->head += kept;
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
    first = first_at_or_after(stream, stream->tail, watermark_ns);
    if (first == stream->tail) {
        return; /* no right neighbour, no best sample is before the watermark yet */
    }
    before_ns = aln_stream_time_at(stream, first - 1);
    if (stream->config.mode == ALN_LINEAR) {
        stream->complete_ns = before_ns; /* W > the right neighbour */
    } else {
        stream->complete_ns = before_ns + (watermark_ns - before_ns - 1) / 2; /* W > t + (t - best) */
    }
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
    while (keep != stream->tail && aln_stream_time_at(stream, keep - 1) >= watermark_ns) {
        keep--; /* I3: rows that the deadline forced are ahead of the watermark */
    }
    stream->tail = keep;
}
