/* SPDX-License-Identifier: Apache-2.0 */
#include "delta_encoder.h"

#include <stdlib.h>

#include "delta_parse.h"
#include "range_writer.h"

struct dlt_encoder {
    const uint8_t *base;
    const uint8_t *result;
    uint32_t base_bytes;
    uint32_t result_bytes;
    dlt_writer_t writer;
    uint8_t *payload;
    dlt_parse_t *parse;
    uint32_t op;
    uint32_t cursor;
};

dlt_encoder_t *dlt_encoder_open(const uint8_t *base, uint32_t base_bytes, const uint8_t *result, uint32_t result_bytes)
{
    const uint32_t places = dlt_places(DLT_MAX_CONTEXTS);
    dlt_encoder_t *encoder = calloc(1, sizeof(*encoder));

    if (encoder == NULL) {
        return NULL;
    }
    encoder->base = base;
    encoder->result = result;
    encoder->base_bytes = base_bytes;
    encoder->result_bytes = result_bytes;
    encoder->writer.costs = malloc(sizeof(float) << DLT_COST_BITS);
    encoder->writer.bits.zero = malloc(sizeof(uint16_t) * places);
    encoder->writer.bits.met = malloc(places);
    encoder->parse = dlt_parse_open(base, base_bytes, result, result_bytes);
    if (encoder->writer.costs == NULL || encoder->writer.bits.zero == NULL || encoder->writer.bits.met == NULL ||
        encoder->parse == NULL) {
        dlt_encoder_close(encoder);
        return NULL;
    }
    dlt_writer_fill_costs(encoder->writer.costs);
    return encoder;
}

void dlt_encoder_close(dlt_encoder_t *encoder)
{
    if (encoder != NULL) {
        dlt_parse_close(encoder->parse);
        free(encoder->payload);
        free(encoder->writer.bits.met);
        free(encoder->writer.bits.zero);
        free(encoder->writer.costs);
        free(encoder);
    }
}

static uint32_t read_number(const uint8_t *bytes, uint32_t size)
{
    uint32_t number = 0;

    for (uint32_t i = 0; i < size; i++) {
        number |= (uint32_t)bytes[i] << (8 * i);
    }
    return number;
}

static void write_narrow(dlt_encoder_t *encoder, dlt_forecast_t forecast, uint8_t code, uint32_t *mean)
{
    dlt_writer_t *writer = &encoder->writer;
    const uint32_t level = dlt_activity(*mean);
    const uint32_t fraction = forecast.fraction;
    const uint8_t difference = (uint8_t)(code - forecast.code);
    const unsigned is_negative = difference >= 128;
    const uint32_t magnitude = is_negative ? 256u - difference : difference;
    const unsigned is_against = is_negative != forecast.is_below;

    dlt_write_bit(writer, DLT_AT_ZERO + level * DLT_FRACTIONS + fraction, magnitude != 0);
    if (magnitude != 0) {
        const unsigned length = dlt_bit_length(magnitude);

        dlt_write_bit(writer, DLT_AT_SIGN + level / 2 * DLT_FRACTIONS + fraction, is_against);
        dlt_write_bit(writer, DLT_AT_ONE + level * 8 + is_against * 4 + fraction / 4, length > 1);
        for (unsigned i = 2; length > 1 && i < 8 && i <= length; i++) {
            dlt_write_bit(writer, DLT_AT_SIZE + level * DLT_SIZE_STEPS + i - 2, i < length);
        }
        if (length > 1) {
            dlt_write_below(writer, DLT_AT_TOP + (length - 2) * DLT_TOP_PLACES, magnitude);
        }
    }
    *mean = dlt_next_mean(*mean, magnitude);
}

static void write_wide(dlt_encoder_t *encoder, const dlt_region_t *region, uint32_t contexts, uint32_t bits,
                       uint32_t number)
{
    dlt_writer_t *writer = &encoder->writer;
    const dlt_form_t form = (dlt_form_t)region->form;
    const uint32_t mask = dlt_size_of(form) == 2 ? 0xffffu : UINT32_MAX;
    const uint32_t half = mask / 2 + 1;
    const dlt_wide_t wide = dlt_wide(form, bits, region->exponent, contexts, region->is_relative != 0);
    const uint32_t difference = (dlt_order(form, number) - dlt_order(form, bits)) & mask;
    const unsigned is_negative = difference >= half;
    const uint32_t magnitude = is_negative ? (0u - difference) & mask : difference;
    const uint32_t leaf = magnitude == 0 ? 0 : dlt_bit_length(magnitude) + wide.shift;

    dlt_write_tree(writer, wide.tree, DLT_WIDE_LEAVES, leaf);
    if (leaf != 0) {
        dlt_write_bit(writer, wide.sign, is_negative);
        dlt_write_below(writer, dlt_wide_top(contexts, leaf), magnitude);
    }
}

static uint32_t bytes_of(const dlt_region_t *region)
{
    return region->count * dlt_size_of((dlt_form_t)region->form);
}

static uint32_t ratio_of_scales(const dlt_encoder_t *encoder, const dlt_region_t *region, uint32_t run)
{
    const uint32_t channel = run % region->channels;
    const uint32_t ratio =
        dlt_ratio_of((dlt_form_t)region->form, read_number(&encoder->base[region->old_scales + 4 * channel], 4),
                     read_number(&encoder->result[region->new_scales + 4 * channel], 4));

    return region->ratio_kind == DLT_RATIO_PRODUCT ? dlt_product(ratio, region->ratio) : ratio;
}

/* Returns the ratio of a run; one that is given is written. */
static uint32_t write_ratio(dlt_encoder_t *encoder, const dlt_region_t *region, uint32_t run, uint32_t ratio)
{
    const uint32_t step = 1u << (DLT_RATIO_BITS - DLT_EACH_BITS);
    uint32_t next;

    if (region->ratio_kind != DLT_RATIO_EACH) {
        return ratio_of_scales(encoder, region, run);
    }
    next = region->run_ratios[run] / step;
    dlt_write_number(&encoder->writer, DLT_NUMBER_RATIO, dlt_fold(next - ratio / step));
    return next * step;
}

static void write_numbers(dlt_encoder_t *encoder, const dlt_region_t *region, uint32_t contexts)
{
    static const dlt_forecast_t nothing = {0, 0, false};
    const dlt_form_t form = (dlt_form_t)region->form;
    const uint32_t size = dlt_size_of(form);
    uint32_t mean = 0;
    uint32_t ratio = region->ratio_kind == DLT_RATIO_GIVEN ? region->ratio : 1u << DLT_RATIO_BITS;

    for (uint32_t i = 0; i < region->count; i++) {
        const uint8_t *number = &encoder->result[region->offset + size * i];
        const uint8_t *old = &encoder->base[region->base_offset + size * i];

        if (region->ratio_kind >= DLT_RATIO_EACH && i % region->run == 0) {
            ratio = write_ratio(encoder, region, i / region->run, ratio);
        }
        if (form == DLT_FORM_INT8) {
            write_narrow(encoder,
                         region->has_base ? dlt_forecast(*old, ratio >> (DLT_RATIO_BITS - DLT_NARROW_BITS)) : nothing,
                         *number, &mean);
        } else {
            write_wide(encoder, region, contexts, region->has_base ? dlt_scale(form, read_number(old, size), ratio) : 0,
                       read_number(number, size));
        }
    }
}

static void write_op(dlt_encoder_t *encoder, dlt_op_t op)
{
    dlt_writer_t *writer = &encoder->writer;
    const uint32_t place = DLT_AT_OPS + encoder->op * 5;

    dlt_write_bit(writer, place, op >= DLT_OP_COPY);
    if (op < DLT_OP_COPY) {
        dlt_write_bit(writer, place + 1, op == DLT_OP_LITERAL);
    } else {
        dlt_write_bit(writer, place + 2, op > DLT_OP_COPY);
        if (op > DLT_OP_COPY) {
            dlt_write_bit(writer, place + 3, op > DLT_OP_JUMP);
        }
        if (op > DLT_OP_JUMP) {
            dlt_write_bit(writer, place + 4, op > DLT_OP_SELF);
        }
    }
    encoder->op = op;
}

static void write_parameter(dlt_encoder_t *encoder, uint32_t number)
{
    dlt_write_number(&encoder->writer, DLT_NUMBER_REGION, number);
}

static void write_region(dlt_encoder_t *encoder, const dlt_region_t *region, uint32_t contexts)
{
    write_op(encoder, DLT_OP_REGION);
    write_parameter(encoder, region->form + 5 * region->ratio_kind + 25 * region->has_base + 50 * region->is_relative);
    write_parameter(encoder, region->count);
    if (region->has_base) {
        write_parameter(encoder, dlt_fold(region->base_offset - encoder->cursor));
        encoder->cursor = region->base_offset;
    }
    if (region->form != DLT_FORM_INT8) {
        write_parameter(encoder, region->exponent);
    }
    if (region->ratio_kind == DLT_RATIO_GIVEN || region->ratio_kind == DLT_RATIO_PRODUCT) {
        write_parameter(encoder, region->ratio);
    }
    if (region->ratio_kind >= DLT_RATIO_OF_SCALES) {
        const uint32_t moved = region->offset - region->base_offset;

        write_parameter(encoder, region->old_scales);
        write_parameter(encoder, dlt_fold(region->new_scales - region->old_scales - moved));
        write_parameter(encoder, region->channels);
    }
    if (region->ratio_kind >= DLT_RATIO_EACH) {
        write_parameter(encoder, region->run);
    }
    write_numbers(encoder, region, contexts);
    encoder->cursor += bytes_of(region);
}

double dlt_encoder_cost(dlt_encoder_t *encoder, const dlt_region_t *region, uint32_t contexts)
{
    dlt_writer_begin(&encoder->writer, NULL, 0, contexts);
    encoder->op = DLT_OP_COPY;
    encoder->cursor = region->base_offset;
    write_region(encoder, region, contexts);
    return encoder->writer.cost / 8;
}

static void write_gap(dlt_encoder_t *encoder, uint32_t from, uint32_t to)
{
    dlt_writer_t *writer = &encoder->writer;
    size_t count;
    const dlt_item_t *items = dlt_parse_run(encoder->parse, from, to, encoder->cursor, encoder->op, &count);

    for (size_t i = 0; i < count; i++) {
        const dlt_item_t *item = &items[i];

        write_op(encoder, (dlt_op_t)item->op);
        switch ((dlt_op_t)item->op) {
        case DLT_OP_DIFFERENCE:
            dlt_write_tree(writer, DLT_AT_DIFFERENCES, 256,
                           (uint8_t)(encoder->result[from] - encoder->base[encoder->cursor]));
            break;
        case DLT_OP_LITERAL:
            dlt_write_tree(writer, DLT_AT_LITERALS, 256, encoder->result[from]);
            break;
        case DLT_OP_COPY:
            dlt_write_number(writer, DLT_NUMBER_COPY, item->length - 1);
            break;
        case DLT_OP_JUMP:
            dlt_write_number(writer, DLT_NUMBER_LENGTH, item->length - 1);
            dlt_write_number(writer, DLT_NUMBER_DISTANCE, dlt_fold(item->distance));
            encoder->cursor += item->distance;
            break;
        case DLT_OP_SELF:
            dlt_write_number(writer, DLT_NUMBER_LENGTH, item->length - 1);
            dlt_write_number(writer, DLT_NUMBER_DISTANCE, item->distance);
            break;
        case DLT_OP_REGION:
        case DLT_OPS:
            break;
        }
        encoder->cursor += item->length;
        from += item->length;
    }
}

/* Cut all that is between the regions, only to learn what symbols cost. */
static void learn(dlt_encoder_t *encoder, const dlt_region_t *regions, size_t count)
{
    uint32_t position = 0;
    uint32_t cursor = 0;
    uint32_t op = DLT_OP_COPY;
    size_t items;

    dlt_parse_reset(encoder->parse);
    for (size_t i = 0; i < count; i++) {
        dlt_parse_run(encoder->parse, position, regions[i].offset, cursor, op, &items);
        cursor = (regions[i].has_base ? regions[i].base_offset : regions[i].offset) + bytes_of(&regions[i]);
        op = DLT_OP_REGION;
        position = regions[i].offset + bytes_of(&regions[i]);
    }
    dlt_parse_run(encoder->parse, position, encoder->result_bytes, cursor, op, &items);
    dlt_parse_learn(encoder->parse);
}

static void write_all(dlt_encoder_t *encoder, const dlt_region_t *regions, size_t count, uint32_t contexts)
{
    uint32_t position = 0;

    encoder->op = DLT_OP_COPY;
    encoder->cursor = 0;
    for (size_t i = 0; i < count; i++) {
        write_gap(encoder, position, regions[i].offset);
        write_region(encoder, &regions[i], contexts);
        position = regions[i].offset + bytes_of(&regions[i]);
    }
    write_gap(encoder, position, encoder->result_bytes);
}

size_t dlt_encoder_run(dlt_encoder_t *encoder, const dlt_region_t *regions, size_t count, uint32_t contexts,
                       const uint8_t **payload)
{
    const size_t room = 2 * (size_t)encoder->result_bytes + 4096;
    uint8_t *bytes = realloc(encoder->payload, room);

    if (bytes == NULL) {
        return 0;
    }
    encoder->payload = bytes;
    *payload = bytes;
    learn(encoder, regions, count);
    dlt_writer_begin(&encoder->writer, bytes, room, contexts);
    write_all(encoder, regions, count, contexts);
    return dlt_writer_end(&encoder->writer);
}
