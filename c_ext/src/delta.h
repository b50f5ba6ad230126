/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_SRC_DELTA_H
#define FERRULE_SRC_DELTA_H

#include "delta_model.h"
#include "ferrule/delta.h"
#include "sha256.h"

/* What the next step decodes. */
typedef enum {
    DLT_AT_START, /* the range coder's first bytes */
    DLT_AT_OP,
    DLT_AT_LENGTH,   /* of a copy; then its bytes */
    DLT_AT_DISTANCE, /* from the cursor, or back in the result */
    DLT_AT_PARAMETER,
    DLT_AT_COPIED,
    DLT_AT_RATIO,  /* of the next run */
    DLT_AT_NARROW, /* numbers of one byte */
    DLT_AT_WIDER   /* of two or four */
} dlt_phase_t;

/* A region's parameters, in the order in which they come; which of them do is for the first one to say. */
typedef enum {
    DLT_REGION_KIND,
    DLT_REGION_COUNT,
    DLT_REGION_BASE,
    DLT_REGION_EXPONENT,
    DLT_REGION_RATIO,
    DLT_REGION_OLD_SCALES,
    DLT_REGION_NEW_SCALES,
    DLT_REGION_CHANNELS,
    DLT_REGION_RUN,
    DLT_REGION_PARAMETERS
} dlt_parameter_t;

/* Invariants, proven in docs/DELTA.md:
 *  D1  position <= result_bytes, and position + left bytes of a copy or region <= result_bytes.
 *  D2  what a copy or region reads of the base lies within base_bytes, what it reads of the result below position.
 *  D3  of the held input, held_at <= held_count <= sizeof(held); a step runs with DLT_INPUT_BYTES of input at hand, or
 *      with all that is missing of the patch.
 *  D4  the struct holds no pointer. */
struct dlt_decoder {
    uint32_t base_bytes;
    uint32_t result_bytes;
    uint32_t missing_bytes; /* of the payload, not yet given */
    uint32_t contexts;
    int32_t error;
    uint32_t phase;
    uint32_t op;
    uint32_t position;
    uint32_t cursor; /* in the base, behind what was used last; modulo 2^32 */
    uint32_t left;   /* bytes of a copy; numbers of a region */
    uint32_t source; /* of a copy or region */
    uint32_t range;
    uint32_t code;
    uint32_t mean; /* of the last differences, see dlt_next_mean */
    uint32_t parameter;
    uint32_t region[DLT_REGION_PARAMETERS];
    uint32_t channel;     /* of the next number */
    uint32_t run_left;    /* numbers before the next channel */
    uint32_t ratio;       /* of the channel */
    uint32_t held_at;     /* next byte of held */
    uint32_t held_count;
    uint8_t held[2 * DLT_INPUT_BYTES]; /* input that a step could not use yet */
    uint8_t result_digest[DLT_RESULT_DIGEST_BYTES];
    dlt_sha256_t sha;
};

static inline dlt_bits_t dlt_bits_of(dlt_decoder_t *decoder)
{
    dlt_bits_t bits;

    bits.zero = (uint16_t *)(void *)(decoder + 1);
    bits.met = (uint8_t *)&bits.zero[dlt_places(decoder->contexts)];
    return bits;
}

/* Byte of the result; place < position (D2). */
static inline uint8_t dlt_result_at(const dlt_decoder_t *decoder, const dlt_io_t *io, uint32_t place)
{
    const uint32_t left_before = decoder->position - (uint32_t)io->made;

    return place < left_before ? io->result[place] : io->output[place - left_before];
}

static inline void dlt_write_byte(dlt_decoder_t *decoder, dlt_io_t *io, uint8_t byte)
{
    io->output[io->made] = byte;
    io->made++;
    decoder->position++;
}

static inline bool dlt_is_in_base(const dlt_decoder_t *decoder, uint32_t place, uint32_t size)
{
    return place <= decoder->base_bytes && size <= decoder->base_bytes - place;
}

/* Input at hand; zeros are behind its end. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} dlt_input_t;

/* Decode the next number, byte, or stretch of a copy or region. There is input for it, and room for it. */
dlt_status_t dlt_step(dlt_decoder_t *decoder, dlt_io_t *io, dlt_input_t *input);

#endif
