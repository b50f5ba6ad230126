/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_SRC_APPEND_H
#define FERRULE_SRC_APPEND_H

/* The short way of a sample into its stream's ring: finite, newer than the newest by no more than max_jump, and there
 * is room. In blocks, one by one in a row, or alone; each appends what it can and leaves the rest to push.c. */

#include "ferrule/aligner_port.h"
#include "layout.h"

/* Samples looked at together. */
enum {
    BLOCK = 16
};

/* By its bits, since a compiler may assume that a comparison of floats never sees a NaN. */
ALN_INLINE bool is_finite(float value)
{
    union {
        float value;
        uint32_t bits;
    } view;

    view.value = value;
    return (view.bits & 0x7f800000u) != 0x7f800000u; /* IEEE 754 binary32: exponent all ones */
}

ALN_INLINE bool are_finite(const float *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!is_finite(values[i])) {
            return false;
        }
    }
    return true;
}

/* How far ahead of its newest a stream may be appended to without a further look; 0: look. Below 2^62, so that no time
 * behind the newest wraps into it. */
ALN_INLINE uint64_t reach_ns(const aln_aligner_t *aligner, const aln_stream_t *stream)
{
    if (!stream->live || !stream->has_sample || stream->newest_ns < aligner->last_row_ns || aligner->is_ending) {
        return 0;
    }
    return (uint64_t)(aligner->max_jump_ns < ALN_TIME_LIMIT ? aligner->max_jump_ns : ALN_TIME_LIMIT);
}

/* Places that neither a sample nor one that was put off needs. */
ALN_INLINE uint32_t room_of(const aln_aligner_t *aligner, const aln_stream_t *stream)
{
    const uint32_t needed = stream->head - stream->tail + aligner->late_count;

    return needed > stream->mask ? 0 : stream->mask + 1 - needed;
}

/* Whether each of a block of samples is finite and newer than the one before, within reach. Without a branch per
 * sample: a step d is wrong when d - 1 or reach - d is negative, and the signs of a block are looked at together. That
 * also holds for a step that wraps, since reach is below 2^62 and the first wrong step starts at a time within
 * ALN_TIME_LIMIT. */
ALN_INLINE bool is_plain_block(const int64_t *times_ns, const float *values, int64_t newest_ns, uint64_t reach,
                               uint32_t fields)
{
    const uint64_t first_step = (uint64_t)times_ns[0] - (uint64_t)newest_ns;
    uint64_t signs = (first_step - 1) | (reach - first_step);
    uint32_t bad = 0;

    for (uint32_t i = 1; i < BLOCK; i++) {
        const uint64_t step = (uint64_t)times_ns[i] - (uint64_t)times_ns[i - 1];

        signs |= (step - 1) | (reach - step);
    }
    for (uint32_t i = 0; i < BLOCK * fields; i++) {
        bad |= !is_finite(values[i]);
    }
    return bad == 0 && signs >> 63 == 0 && times_ns[BLOCK - 1] <= ALN_TIME_LIMIT;
}

/* Append the longest prefix of whole blocks that are plain; returns how many samples they have. */
ALN_INLINE uint32_t append_blocks(const aln_aligner_t *aligner, aln_stream_t *stream, const int64_t *times_ns,
                                  const float *values, uint32_t count, uint32_t fields)
{
    const uint64_t reach = reach_ns(aligner, stream);
    const uint32_t place = stream->head & stream->mask;
    const uint32_t room = room_of(aligner, stream);
    const uint32_t to_wrap = stream->mask + 1 - place;
    int64_t newest_ns = stream->newest_ns;
    uint32_t limit = count;
    uint32_t done = 0;

    limit = limit < room ? limit : room;
    limit = limit < to_wrap ? limit : to_wrap;
    while (limit - done >= BLOCK &&
           is_plain_block(&times_ns[done], &values[(size_t)done * fields], newest_ns, reach, fields)) {
        newest_ns = times_ns[done + BLOCK - 1];
        done += BLOCK;
    }
    ALN_COPY(&stream->times_ns[place], times_ns, done * sizeof(int64_t)); /* I1 */
    ALN_COPY(&stream->values[(size_t)place * fields], values, (size_t)done * fields * sizeof(float));
    stream->head += done;
    stream->newest_ns = newest_ns; /* I3 */
    stream->counters[ALN_COUNT_ACCEPTED] += done;
    return done;
}

/* The same one by one; what the loop changes is kept out of memory, since that is what it would wait for. */
ALN_INLINE uint32_t append_singly(const aln_aligner_t *aligner, aln_stream_t *stream, const int64_t *times_ns,
                                  const float *values, uint32_t count, uint32_t fields)
{
    const uint64_t reach = reach_ns(aligner, stream);
    const uint32_t mask = stream->mask;
    const uint32_t room = room_of(aligner, stream);
    const uint32_t limit = count < room ? count : room;
    int64_t *ring_times_ns = stream->times_ns;
    float *ring_values = stream->values;
    uint32_t head = stream->head;
    int64_t newest_ns = stream->newest_ns;
    uint32_t done = 0;

    for (; done < limit; done++) {
        const int64_t time_ns = times_ns[done];
        const float *sample = &values[(size_t)done * fields];

        if ((uint64_t)time_ns - (uint64_t)newest_ns - 1 >= reach || time_ns > ALN_TIME_LIMIT ||
            !are_finite(sample, fields)) {
            break;
        }
        ring_times_ns[head & mask] = time_ns; /* I1 */
        aln_copy_values(&ring_values[(size_t)(head & mask) * fields], sample, fields);
        newest_ns = time_ns;
        head++;
    }
    stream->head = head;
    stream->newest_ns = newest_ns; /* I3 */
    stream->counters[ALN_COUNT_ACCEPTED] += done;
    return done;
}

/* The same for one sample between others' samples, where a loop would not pay for its set-up. */
ALN_INLINE bool append_one(const aln_aligner_t *aligner, aln_stream_t *stream, int64_t time_ns, float value)
{
    const uint32_t place = stream->head & stream->mask;

    if ((uint64_t)time_ns - (uint64_t)stream->newest_ns - 1 >= reach_ns(aligner, stream) || time_ns > ALN_TIME_LIMIT ||
        !is_finite(value) || room_of(aligner, stream) == 0) {
        return false;
    }
    stream->times_ns[place] = time_ns; /* I1 */
    stream->values[place] = value;
    stream->head++;
    stream->newest_ns = time_ns; /* I3 */
    stream->counters[ALN_COUNT_ACCEPTED]++;
    return true;
}

#endif
