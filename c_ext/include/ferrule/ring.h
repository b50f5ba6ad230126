/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_RING_H
#define FERRULE_RING_H

/* A ring of raw samples between an interrupt, or another thread, and the aligner; without a lock.
 *
 * One producer calls aln_ring_push. One consumer, who also calls the aligner, calls aln_ring_drain. Neither ever waits
 * for the other. Interrupts that can interrupt one another are several producers: each needs a ring of its own.
 * Rules and proofs: docs/ALIGNER.md. */

#include "ferrule/aligner.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */

/* Invariants, cited where they are kept and proven in docs/ALIGNER.md:
 *  R1  samples [tail .. head) are held in the order in which they were pushed; head - tail <= capacity.
 *  R2  the producer alone stores head and overrun_count, the consumer alone tail and misfit_count.
 *  R3  no place is written while it is read: the producer writes outside [tail .. head), the consumer reads inside.
 *  R4  a sample that was pushed is appended or counted in overrun_count; one that was appended is drained once, and
 *      then pushed into the aligner or counted in misfit_count. */
typedef struct {
    uint32_t mask;          /* capacity - 1 */
    uint32_t fields;        /* floats of a place */
    int64_t *times_ns;      /* (capacity) */
    float *values;          /* (capacity, fields) */
    uint16_t *streams;      /* (capacity) */
    uint16_t *field_counts; /* (capacity) */
    uint32_t head;          /* shared: one past the newest sample; indices run freely and are masked on access */
    uint32_t overrun_count; /* shared: samples that found the ring full; runs freely */
    uint32_t tail;          /* shared: the oldest sample */
    uint32_t misfit_count;  /* the consumer's: samples that the aligner has no stream for; runs freely */
} aln_ring_t;

/* Bytes that aln_ring_init needs: capacity * (12 + 4 * fields). capacity: samples held, a power of two >= 2;
 * fields: of the widest stream, 1 .. ALN_MAX_FIELDS. */
aln_status_t aln_ring_bytes(uint32_t capacity, uint32_t fields, size_t *bytes);

/* Lay an empty ring out in memory, which must be aligned to 8 bytes and outlive it; before anyone shares the ring. */
aln_status_t aln_ring_init(aln_ring_t *ring, void *memory, size_t memory_bytes, uint32_t capacity, uint32_t fields);

/* Append one sample. ALN_ERR_FULL: there was no room, the sample is counted as an overrun. The producer's. */
aln_status_t aln_ring_push(aln_ring_t *ring, uint16_t stream, int64_t time_ns, const float *values, uint32_t fields);

/* Push what the ring holds at the call into the aligner, in the ring's order; what the aligner has no stream of as many
 * fields for is dropped and counted. The consumer's. */
void aln_ring_drain(aln_ring_t *ring, aln_aligner_t *aligner, uint32_t *accepted);

/* Samples that found the ring full, modulo 2^32. Anyone's. */
uint32_t aln_ring_overruns(const aln_ring_t *ring);

/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
