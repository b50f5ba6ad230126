/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_RANGE_READER_H
#define FERRULE_RANGE_READER_H

#include "delta_model.h"

/* The range coder's reading half; docs/DELTA.md. Source: Martin, Range encoding (1979), with Schindler's carry. */

/* The range decoder in registers. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t range;
    uint32_t code;
    dlt_bits_t bits;
} dlt_reader_t;

static inline void dlt_widen(dlt_reader_t *reader)
{
    while (reader->range >> DLT_RANGE_BITS == 0) {
        reader->range <<= 8;
        reader->code = reader->code << 8;
        if (reader->at != reader->end) {
            reader->code |= *reader->at;
            reader->at++;
        }
    }
}

static inline unsigned dlt_read_bit(dlt_reader_t *reader, uint32_t place)
{
    const uint32_t bound = (reader->range >> 16) * reader->bits.zero[place];
    const unsigned bit = reader->code >= bound;

    if (bit != 0) {
        reader->code -= bound;
        reader->range -= bound;
    } else {
        reader->range = bound;
    }
    dlt_adapt(reader->bits, place, bit);
    dlt_widen(reader);
    return bit;
}

/* count bits, each as probably 0 as 1. */
static inline uint32_t dlt_read_flat(dlt_reader_t *reader, unsigned count)
{
    uint32_t number = 0;

    for (; count > 0; count--) {
        unsigned bit;

        reader->range >>= 1;
        bit = reader->code >= reader->range;
        if (bit != 0) {
            reader->code -= reader->range;
        }
        number = number << 1 | bit;
        dlt_widen(reader);
    }
    return number;
}

/* leaves: a power of two. */
static inline uint32_t dlt_read_tree(dlt_reader_t *reader, uint32_t place, uint32_t leaves)
{
    uint32_t node = 1;

    while (node < leaves) {
        node = node << 1 | dlt_read_bit(reader, place + node);
    }
    return node - leaves;
}

/* The bits below the first one of a number that has length: the upper three of them adaptive. */
static inline uint32_t dlt_read_below(dlt_reader_t *reader, uint32_t place, unsigned length)
{
    const unsigned below = length - 1;
    const unsigned adaptive = below < 3 ? below : 3;
    uint32_t number = 1;

    for (unsigned i = 0; i < adaptive; i++) {
        number = number << 1 | dlt_read_bit(reader, place + number - 1);
    }
    return number << (below - adaptive) | dlt_read_flat(reader, below - adaptive);
}

static inline uint32_t dlt_read_number(dlt_reader_t *reader, dlt_number_t kind)
{
    const uint32_t place = DLT_AT_NUMBERS + (uint32_t)kind * DLT_NUMBER_PLACES;
    const unsigned length = 1 + (unsigned)dlt_read_tree(reader, place, DLT_LENGTH_LEAVES);
    const unsigned below = length - 1;
    const unsigned adaptive = length > 6 ? 0 : below < 2 ? below : 2;
    uint32_t number = 1;

    for (unsigned i = 0; i < adaptive; i++) {
        number = number << 1 | dlt_read_bit(reader, place + DLT_LENGTH_LEAVES + 3 * (length - 2) + number - 1);
    }
    return (number << (below - adaptive) | dlt_read_flat(reader, below - adaptive)) - 1;
}

#endif
