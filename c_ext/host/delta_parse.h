/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_DELTA_PARSE_H
#define FERRULE_DELTA_PARSE_H

/* Cuts what is between the regions into the operations that cost least. */

#include "delta_model.h"

typedef struct {
    uint32_t op;
    uint32_t length;
    uint32_t distance; /* of a jump, or of bytes of the result: back from the one before, 0 for that */
} dlt_item_t;

typedef struct dlt_parse dlt_parse_t;

dlt_parse_t *dlt_parse_open(const uint8_t *base, uint32_t base_bytes, const uint8_t *result, uint32_t result_bytes);
void dlt_parse_close(dlt_parse_t *parse);

/* Forget what was learnt. */
void dlt_parse_reset(dlt_parse_t *parse);

/* Cut a stretch of the result; the items are the parse's until the next call. */
const dlt_item_t *dlt_parse_run(dlt_parse_t *parse, uint32_t from, uint32_t to, uint32_t cursor, uint32_t op,
                                size_t *count);

/* Take the costs of the next pass from what this one used. */
void dlt_parse_learn(dlt_parse_t *parse);

#endif
