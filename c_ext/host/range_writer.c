/* SPDX-License-Identifier: Apache-2.0 */
#include "range_writer.h"

#include <math.h>

void dlt_writer_fill_costs(float *costs)
{
    for (unsigned i = 0; i < 1u << DLT_COST_BITS; i++) {
        costs[i] = (float)-log2((i + 0.5) / (1u << DLT_COST_BITS));
    }
}

void dlt_writer_begin(dlt_writer_t *writer, uint8_t *bytes, size_t room, uint32_t contexts)
{
    writer->low = 0;
    writer->range = UINT32_MAX;
    writer->bytes = bytes;
    writer->count = 0;
    writer->room = room;
    writer->is_full = 0;
    writer->cost = 0;
    for (uint32_t i = 0; i < dlt_places(contexts); i++) {
        writer->bits.zero[i] = 32768;
        writer->bits.met[i] = 0;
    }
}

/* A carry goes through all bytes of 255 that were written. */
static void carry(dlt_writer_t *writer)
{
    size_t at = writer->count;

    while (at > 0) {
        at--;
        writer->bytes[at]++;
        if (writer->bytes[at] != 0) {
            return;
        }
    }
}

static void put(dlt_writer_t *writer)
{
    if (writer->low >> 32 != 0) {
        carry(writer);
        writer->low &= UINT32_MAX;
    }
    if (writer->count == writer->room) {
        writer->is_full = 1;
        return;
    }
    writer->bytes[writer->count] = (uint8_t)(writer->low >> 24);
    writer->count++;
    writer->low = (writer->low << 8) & UINT32_MAX;
}

static void widen(dlt_writer_t *writer)
{
    while (writer->range >> DLT_RANGE_BITS == 0) {
        put(writer);
        writer->range <<= 8;
    }
}

size_t dlt_writer_end(dlt_writer_t *writer)
{
    const uint64_t end = writer->low + writer->range; /* of what may be written; it is not part of it */

    /* The number with the most zeros at its end. */
    for (unsigned zeros = 32; zeros > 0; zeros--) {
        const uint64_t step = (uint64_t)1 << zeros;
        const uint64_t number = (writer->low + step - 1) & ~(step - 1);

        if (number < end) {
            writer->low = number;
            break;
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        put(writer);
    }
    while (writer->count > 0 && writer->bytes[writer->count - 1] == 0) {
        writer->count--;
    }
    return writer->is_full ? 0 : writer->count;
}

void dlt_write_bit(dlt_writer_t *writer, uint32_t place, unsigned bit)
{
    const uint32_t zero = writer->bits.zero[place];

    if (writer->bytes == NULL) {
        writer->cost += writer->costs[(bit != 0 ? 65535 - zero : zero) >> (16 - DLT_COST_BITS)];
    } else {
        const uint32_t bound = (writer->range >> 16) * zero;

        if (bit != 0) {
            writer->low += bound;
            writer->range -= bound;
        } else {
            writer->range = bound;
        }
        widen(writer);
    }
    dlt_adapt(writer->bits, place, bit);
}

void dlt_write_flat(dlt_writer_t *writer, uint32_t number, unsigned count)
{
    if (writer->bytes == NULL) {
        writer->cost += count;
        return;
    }
    while (count > 0) {
        count--;
        writer->range >>= 1;
        if ((number >> count & 1) != 0) {
            writer->low += writer->range;
        }
        widen(writer);
    }
}

void dlt_write_tree(dlt_writer_t *writer, uint32_t place, uint32_t leaves, uint32_t leaf)
{
    uint32_t node = 1;

    for (uint32_t half = leaves / 2; half > 0; half /= 2) {
        const unsigned bit = (leaf & half) != 0;

        dlt_write_bit(writer, place + node, bit);
        node = node << 1 | bit;
    }
}

void dlt_write_below(dlt_writer_t *writer, uint32_t place, uint32_t number)
{
    const unsigned below = dlt_bit_length(number) - 1;
    const unsigned adaptive = below < 3 ? below : 3;
    uint32_t node = 1;

    for (unsigned i = 0; i < adaptive; i++) {
        const unsigned bit = number >> (below - 1 - i) & 1;

        dlt_write_bit(writer, place + node - 1, bit);
        node = node << 1 | bit;
    }
    dlt_write_flat(writer, number, below - adaptive);
}

void dlt_write_number(dlt_writer_t *writer, dlt_number_t kind, uint32_t number)
{
    const uint32_t place = DLT_AT_NUMBERS + (uint32_t)kind * DLT_NUMBER_PLACES;
    const uint32_t value = number + 1;
    const unsigned length = dlt_bit_length(value);
    const unsigned below = length - 1;
    const unsigned adaptive = length > 6 ? 0 : below < 2 ? below : 2;
    uint32_t node = 1;

    dlt_write_tree(writer, place, DLT_LENGTH_LEAVES, length - 1);
    for (unsigned i = 0; i < adaptive; i++) {
        const unsigned bit = value >> (below - 1 - i) & 1;

        dlt_write_bit(writer, place + DLT_LENGTH_LEAVES + 3 * (length - 2) + node - 1, bit);
        node = node << 1 | bit;
    }
    dlt_write_flat(writer, value, below - adaptive);
}
