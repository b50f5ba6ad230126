/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_DELTA_ENCODER_H
#define FERRULE_DELTA_ENCODER_H

/* Makes the payload of a patch; only ever on a host: it allocates, and knows no bounds but those of its input. */

#include <stddef.h>
#include <stdint.h>

/* cffi: begin */

/* Numbers of the result that are coded as such; docs/DELTA.md says what the fields mean. */
typedef struct {
    uint32_t offset; /* in the result */
    uint32_t count;
    uint32_t form;
    uint32_t ratio_kind;
    uint32_t has_base;
    uint32_t is_relative;
    uint32_t base_offset;
    uint32_t exponent;
    uint32_t ratio;
    uint32_t old_scales;
    uint32_t new_scales;
    uint32_t channels;
    uint32_t run;
    const uint32_t *run_ratios; /* one for each run, where they are given so */
} dlt_region_t;

typedef struct dlt_encoder dlt_encoder_t;

/* Null when there is no memory. base and result must outlive it. */
dlt_encoder_t *dlt_encoder_open(const uint8_t *base, uint32_t base_bytes, const uint8_t *result, uint32_t result_bytes);
void dlt_encoder_close(dlt_encoder_t *encoder);

/* Bytes that a region would take, by itself, in a patch with so many exponent contexts. */
double dlt_encoder_cost(dlt_encoder_t *encoder, const dlt_region_t *region, uint32_t contexts);

/* Encode the whole result: the regions, which follow one another in it, and what is between them. Returns the payload's
 * bytes; 0 when there is no memory. The payload stays the encoder's until the next call. */
size_t dlt_encoder_run(dlt_encoder_t *encoder, const dlt_region_t *regions, size_t count, uint32_t contexts,
                       const uint8_t **payload);

/* cffi: end */

#endif
