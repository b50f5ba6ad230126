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

/* What the short way asks of the aligner; stands until a sample takes the long one. */
typedef struct {
    int64_t floor_ns;    /* a stream's newest below it, none or before the last row, is not appended to */
    uint64_t reach_ns;   /* how far ahead of the newest; below 2^62, so that no time behind it wraps into it */
    uint32_t late_count; /* samples put off, which will need places */
} gate_t;

ALN_INLINE gate_t gate_of(const aln_aligner_t *aligner)
{
    const int64_t last_row_ns = aligner->last_row_ns;
    const int64_t max_jump_ns = aligner->max_jump_ns < ALN_TIME_LIMIT ? aligner->max_jump_ns : ALN_TIME_LIMIT;
    const gate_t gate = {
        .floor_ns = last_row_ns > -ALN_TIME_LIMIT ? last_row_ns : -ALN_TIME_LIMIT,
        .reach_ns = aligner->is_ending ? 0 : (uint64_t)max_jump_ns,
        .late_count = aligner->late_count,
    };

    return gate;
}

/* How far ahead of its newest this stream may be appended to; 0: not at all. */
ALN_INLINE uint64_t reach_of(const gate_t *gate, const aln_stream_t *stream)
{
    return stream->newest_ns < gate->floor_ns ? 0 : gate->reach_ns;
}

/* Places that neither a sample nor one that was put off needs; none before a stream that timed out has returned. */
ALN_INLINE uint32_t room_of(const aln_stream_t *stream, uint32_t late_count)
{
    const uint32_t needed = stream->head - stream->tail + late_count;

    return needed > stream->mask || !stream->live ? 0 : stream->mask + 1 - needed;
}

/* Count samples as appended, the last of them at newest_ns. */
ALN_INLINE void note_appended(aln_stream_t *stream, uint32_t count, int64_t newest_ns)
{
    stream->head += count;
    stream->newest_ns = newest_ns; /* I3 */
    stream->counters[ALN_COUNT_ACCEPTED] += count;
}

/* Append the longest prefix of samples that are plain, when they are mixed no further than the stream's number repeats;
 * returns how many. What the loop changes is kept out of memory, since that is what it would wait for. */
ALN_INLINE uint32_t append_singly(const gate_t *gate, aln_stream_t *stream, const uint16_t *numbers, bool is_mixed,
                                  const int64_t *times_ns, const float *values, uint32_t count, uint32_t fields)
{
    const uint64_t reach_ns = reach_of(gate, stream);
    const uint32_t mask = stream->mask;
    const uint32_t room = room_of(stream, gate->late_count);
    const uint32_t limit = count < room ? count : room;
    const uint16_t number = is_mixed ? numbers[0] : 0;
    int64_t *ring_times_ns = stream->times_ns;
    float *ring_values = stream->values;
    uint32_t head = stream->head;
    int64_t newest_ns = stream->newest_ns;
    uint32_t done = 0;

    for (; done < limit && (!is_mixed || numbers[done] == number); done++) {
        const int64_t time_ns = times_ns[done];
        const float *sample = &values[(size_t)done * fields];

        if ((uint64_t)time_ns - (uint64_t)newest_ns - 1 >= reach_ns || time_ns > ALN_TIME_LIMIT ||
            !are_finite(sample, fields)) {
            break;
        }
        ring_times_ns[head & mask] = time_ns; /* I1 */
        aln_copy_values(&ring_values[(size_t)(head & mask) * fields], sample, fields);
        newest_ns = time_ns;
        head++;
    }
    note_appended(stream, done, newest_ns);
    return done;
}

/* Whether each of a block of samples is finite and newer than the one before it in memory, within reach. Without a
 * branch per sample: a step d is wrong when d - 1 or reach - d is negative, and the signs of a block are looked at
 * together. That also holds for a step that wraps, since reach is below 2^62 and the first wrong step starts at a time
 * within ALN_TIME_LIMIT. */
ALN_INLINE bool is_plain_block(uint64_t reach_ns, const int64_t *times_ns, const float *values, uint32_t fields)
{
    const int64_t *before_ns = times_ns - 1;
    uint64_t signs = 0;
    uint32_t bad = 0;

    for (uint32_t i = 0; i < BLOCK; i++) {
        const uint64_t step = (uint64_t)times_ns[i] - (uint64_t)before_ns[i];

        signs |= (step - 1) | (reach_ns - step);
    }
    for (uint32_t i = 0; i < BLOCK * fields; i++) {
        bad |= !is_finite(values[i]);
    }
    return bad == 0 && signs >> 63 == 0 && times_ns[BLOCK - 1] <= ALN_TIME_LIMIT;
}

/* The same in whole blocks, of which one is left as it is when one sample in it is not plain. The sample before them in
 * memory is the stream's newest. */
ALN_INLINE uint32_t append_blocks(const gate_t *gate, aln_stream_t *stream, const int64_t *times_ns,
                                  const float *values, uint32_t count, uint32_t fields)
{
    const uint32_t place = stream->head & stream->mask;
    const uint32_t room = room_of(stream, gate->late_count);
    const uint32_t to_wrap = stream->mask + 1 - place;
    int64_t *ring_times_ns = &stream->times_ns[place];
    float *ring_values = &stream->values[(size_t)place * fields];
    uint32_t limit = count;
    uint32_t done = 0;

    limit = limit < room ? limit : room;
    limit = limit < to_wrap ? limit : to_wrap;
    while (limit - done >= BLOCK &&
           is_plain_block(gate->reach_ns, &times_ns[done], &values[(size_t)done * fields], fields)) {
        ALN_COPY(&ring_times_ns[done], &times_ns[done], BLOCK * sizeof(int64_t)); /* I1 */
        ALN_COPY(&ring_values[(size_t)done * fields], &values[(size_t)done * fields], BLOCK * fields * sizeof(float));
        done += BLOCK;
    }
    if (done != 0) {
        note_appended(stream, done, times_ns[done - 1]);
    }
    return done;
}

/* The same for one sample between others' samples, where a loop would not pay for its set-up. */
ALN_INLINE uint32_t append_one(const gate_t *gate, aln_stream_t *stream, int64_t time_ns, float value)
{
    const uint32_t place = stream->head & stream->mask;

    if ((uint64_t)time_ns - (uint64_t)stream->newest_ns - 1 >= reach_of(gate, stream) || time_ns > ALN_TIME_LIMIT ||
        !is_finite(value) || room_of(stream, gate->late_count) == 0) {
        return 0;
    }
    stream->times_ns[place] = time_ns; /* I1 */
    stream->values[place] = value;
    note_appended(stream, 1, time_ns);
    return 1;
}

#endif
