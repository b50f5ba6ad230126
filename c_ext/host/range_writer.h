/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_RANGE_WRITER_H
#define FERRULE_RANGE_WRITER_H

/* The range coder's writing half; docs/DELTA.md. It also counts what its bits cost without writing them. */

#include "delta_model.h"

enum {
    DLT_COST_BITS = 12
};

typedef struct {
    uint64_t low;
    uint32_t range;
    uint8_t *bytes; /* null: only the cost is wanted */
    size_t count;
    size_t room;
    int is_full;
    double cost; /* bits */
    float *costs; /* of a bit by its probability, 2^DLT_COST_BITS of them */
    dlt_bits_t bits;
} dlt_writer_t;

void dlt_writer_fill_costs(float *costs);

/* Begin a payload, or counting; all adaptive bits anew. */
void dlt_writer_begin(dlt_writer_t *writer, uint8_t *bytes, size_t room, uint32_t contexts);

/* Write what is left, without zeros at its end. Returns the payload's bytes, 0 when there was no room. */
size_t dlt_writer_end(dlt_writer_t *writer);

void dlt_write_bit(dlt_writer_t *writer, uint32_t place, unsigned bit);
void dlt_write_flat(dlt_writer_t *writer, uint32_t number, unsigned count);
void dlt_write_tree(dlt_writer_t *writer, uint32_t place, uint32_t leaves, uint32_t leaf);
void dlt_write_below(dlt_writer_t *writer, uint32_t place, uint32_t number);
void dlt_write_number(dlt_writer_t *writer, dlt_number_t kind, uint32_t number);

#endif
