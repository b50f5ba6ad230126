/* SPDX-License-Identifier: Apache-2.0 */
#include "ferrule/ring.h"

#include "ferrule/aligner_port.h"
#include "layout.h"

ALN_STATIC_ASSERT(ALN_MAX_STREAMS <= UINT16_MAX && ALN_MAX_FIELDS <= UINT16_MAX, labels_are_16_bits);

aln_status_t aln_ring_bytes(uint32_t capacity, uint32_t fields, size_t *bytes)
{
    uint64_t place_bytes = sizeof(int64_t) + 2 * sizeof(uint16_t);
    uint64_t needed_bytes;

    if (capacity < 2 || capacity > ALN_MAX_CAPACITY || (capacity & (capacity - 1)) != 0) {
        return ALN_ERR_CAPACITY;
    }
    if (fields == 0 || fields > ALN_MAX_FIELDS) {
        return ALN_ERR_FIELDS;
    }
    place_bytes += fields * sizeof(float);
    needed_bytes = capacity * place_bytes;
    if (needed_bytes > SIZE_MAX / 2) {
        return ALN_ERR_MEMORY;
    }
    *bytes = (size_t)needed_bytes;
    return ALN_OK;
}

aln_status_t aln_ring_init(aln_ring_t *ring, void *memory, size_t memory_bytes, uint32_t capacity, uint32_t fields)
{
    size_t needed_bytes = 0;
    const aln_status_t status = aln_ring_bytes(capacity, fields, &needed_bytes);

    if (status != ALN_OK) {
        return status;
    }
    if (memory == NULL || memory_bytes < needed_bytes || (uintptr_t)memory % sizeof(int64_t) != 0) {
        return ALN_ERR_MEMORY;
    }
    for (size_t i = 0; i < needed_bytes; i++) {
        ((unsigned char *)memory)[i] = 0; /* every page is touched before the first sample */
    }
    ring->mask = capacity - 1;
    ring->fields = fields;
    ring->times_ns = memory; /* widest first, so that each part is aligned */
    ring->values = (void *)(ring->times_ns + capacity);
    ring->streams = (void *)(ring->values + (size_t)capacity * fields);
    ring->field_counts = ring->streams + capacity;
    ring->head = 0;
    ring->overrun_count = 0;
    ring->tail = 0;
    ring->misfit_count = 0;
    return ALN_OK;
}

aln_status_t aln_ring_push(aln_ring_t *ring, uint16_t stream, int64_t time_ns, const float *values, uint32_t fields)
{
    const uint32_t head = ring->head;                    /* R2: its own */
    const uint32_t tail = ALN_LOAD_ACQUIRE(&ring->tail); /* R3: the reads of what it gave up are done */
    const uint32_t place = head & ring->mask;

    if (fields == 0 || fields > ring->fields) {
        return ALN_ERR_FIELDS;
    }
    if (head - tail > ring->mask) { /* R1 */
        ALN_STORE_RELEASE(&ring->overrun_count, ring->overrun_count + 1); /* R4 */
        return ALN_ERR_FULL;
    }
    ring->times_ns[place] = time_ns;
    aln_copy_values(&ring->values[(size_t)place * ring->fields], values, fields);
    ring->streams[place] = stream;
    ring->field_counts[place] = (uint16_t)fields;
    ALN_STORE_RELEASE(&ring->head, head + 1); /* R3: the place is written before it is held */
    return ALN_OK;
}

/* Samples from a place on, at most limit, that aln_push can take at once: of one stream, values side by side. */
static uint32_t run_length(const aln_ring_t *ring, uint32_t place, uint32_t limit)
{
    const uint16_t stream = ring->streams[place];
    const uint16_t fields = ring->field_counts[place];
    uint32_t length = 1;

    if (fields != ring->fields) {
        return length;
    }
    while (length < limit && ring->streams[place + length] == stream && ring->field_counts[place + length] == fields) {
        length++;
    }
    return length;
}

static bool is_fitting(const aln_aligner_t *aligner, uint16_t stream, uint16_t fields)
{
    return stream < aligner->stream_count && aligner->streams[stream].config.fields == fields;
}

void aln_ring_drain(aln_ring_t *ring, aln_aligner_t *aligner, uint32_t *accepted)
{
    const uint32_t head = ALN_LOAD_ACQUIRE(&ring->head); /* R3: all before it is written; later ones: the next drain */
    uint32_t tail = ring->tail; /* R2: its own */
    uint32_t taken = 0;

    while (tail != head) {
        const uint32_t place = tail & ring->mask;
        const uint32_t to_end = ring->mask + 1 - place;
        const uint32_t length = run_length(ring, place, head - tail < to_end ? head - tail : to_end);

        if (is_fitting(aligner, ring->streams[place], ring->field_counts[place])) {
            uint32_t run_taken = 0;

            (void)aln_push(aligner, ring->streams[place], &ring->times_ns[place],
                           &ring->values[(size_t)place * ring->fields], length, &run_taken);
            taken += run_taken;
        } else {
            ring->misfit_count += length; /* R4 */
        }
        tail += length; /* R1 */
        ALN_STORE_RELEASE(&ring->tail, tail); /* R3: the aligner has copied them */
    }
    *accepted = taken;
}

uint32_t aln_ring_overruns(const aln_ring_t *ring)
{
    return ALN_LOAD_ACQUIRE(&ring->overrun_count);
}
