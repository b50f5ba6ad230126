/* SPDX-License-Identifier: Apache-2.0 */
#include "delta.h"
#include "delta_region.h"

/* One step of a decoder: operations, and copies. */

static dlt_reader_t open_reader(dlt_decoder_t *decoder, const dlt_input_t *input)
{
    dlt_reader_t reader;

    reader.at = input->at;
    reader.end = input->end;
    reader.range = decoder->range;
    reader.code = decoder->code;
    reader.bits = dlt_bits_of(decoder);
    return reader;
}

static void close_reader(const dlt_reader_t *reader, dlt_decoder_t *decoder, dlt_input_t *input)
{
    input->at = reader->at;
    decoder->range = reader->range;
    decoder->code = reader->code;
}

static void start(dlt_decoder_t *decoder, dlt_reader_t *reader)
{
    reader->range = 1; /* widened by three bytes */
    reader->code = 0;
    dlt_widen(reader);
    reader->range >>= 1; /* and by the fourth */
    dlt_widen(reader);
    reader->range = UINT32_MAX;
    decoder->op = DLT_OP_COPY;
    decoder->phase = DLT_AT_OP;
}

static dlt_status_t read_op(dlt_decoder_t *decoder, dlt_io_t *io, dlt_reader_t *reader)
{
    const uint32_t place = DLT_AT_OPS + decoder->op * 5;
    uint8_t byte;

    if (dlt_read_bit(reader, place) != 0) {
        if (dlt_read_bit(reader, place + 2) == 0) {
            decoder->op = DLT_OP_COPY;
            decoder->phase = DLT_AT_LENGTH;
        } else if (dlt_read_bit(reader, place + 3) == 0) {
            decoder->op = DLT_OP_JUMP;
            decoder->phase = DLT_AT_LENGTH;
        } else if (dlt_read_bit(reader, place + 4) == 0) {
            decoder->op = DLT_OP_SELF;
            decoder->phase = DLT_AT_LENGTH;
        } else {
            decoder->op = DLT_OP_REGION;
            decoder->phase = DLT_AT_PARAMETER;
            decoder->parameter = DLT_REGION_KIND;
        }
        return DLT_OK;
    }
    if (dlt_read_bit(reader, place + 1) != 0) {
        decoder->op = DLT_OP_LITERAL;
        byte = (uint8_t)dlt_read_tree(reader, DLT_AT_LITERALS, 256);
    } else {
        if (!dlt_is_in_base(decoder, decoder->cursor, 1)) {
            return DLT_ERR_DAMAGED;
        }
        decoder->op = DLT_OP_DIFFERENCE;
        byte = (uint8_t)dlt_read_tree(reader, DLT_AT_DIFFERENCES, 256);
        byte = (uint8_t)(byte + io->base[decoder->cursor]);
    }
    decoder->cursor++;
    dlt_write_byte(decoder, io, byte);
    return DLT_OK;
}

static dlt_status_t begin_copy(dlt_decoder_t *decoder)
{
    decoder->source = decoder->cursor;
    decoder->phase = DLT_AT_COPIED;
    return dlt_is_in_base(decoder, decoder->source, decoder->left) ? DLT_OK : DLT_ERR_DAMAGED;
}

static dlt_status_t read_length(dlt_decoder_t *decoder, dlt_reader_t *reader)
{
    const bool is_copy = decoder->op == DLT_OP_COPY;
    const uint32_t number = dlt_read_number(reader, is_copy ? DLT_NUMBER_COPY : DLT_NUMBER_LENGTH);

    if (number >= decoder->result_bytes - decoder->position) {
        return DLT_ERR_DAMAGED; /* D1 */
    }
    decoder->left = number + 1;
    decoder->phase = DLT_AT_DISTANCE;
    return is_copy ? begin_copy(decoder) : DLT_OK;
}

static dlt_status_t read_distance(dlt_decoder_t *decoder, dlt_reader_t *reader)
{
    const uint32_t number = dlt_read_number(reader, DLT_NUMBER_DISTANCE);

    if (decoder->op == DLT_OP_JUMP) {
        decoder->cursor += dlt_unfold(number);
        return begin_copy(decoder);
    }
    if (number >= decoder->position) {
        return DLT_ERR_DAMAGED;
    }
    decoder->source = decoder->position - 1 - number;
    decoder->phase = DLT_AT_COPIED;
    return DLT_OK;
}

static void copy(dlt_decoder_t *decoder, dlt_io_t *io)
{
    const size_t room = io->output_bytes - io->made;
    const uint32_t count = decoder->left < room ? decoder->left : (uint32_t)room;

    if (decoder->op == DLT_OP_SELF) {
        for (uint32_t i = 0; i < count; i++) {
            dlt_write_byte(decoder, io, dlt_result_at(decoder, io, decoder->source + i));
        }
    } else {
        const uint8_t *from = &io->base[decoder->source];
        uint8_t *to = &io->output[io->made];

        for (uint32_t i = 0; i < count; i++) {
            to[i] = from[i];
        }
        io->made += count;
        decoder->position += count;
    }
    decoder->cursor += count;
    decoder->source += count;
    decoder->left -= count;
    if (decoder->left == 0) {
        decoder->phase = DLT_AT_OP;
    }
}

dlt_status_t dlt_step(dlt_decoder_t *decoder, dlt_io_t *io, dlt_input_t *input)
{
    dlt_reader_t reader = open_reader(decoder, input);
    dlt_status_t status = DLT_OK;

    switch ((dlt_phase_t)decoder->phase) {
    case DLT_AT_START:
        start(decoder, &reader);
        break;
    case DLT_AT_OP:
        status = read_op(decoder, io, &reader);
        break;
    case DLT_AT_LENGTH:
        status = read_length(decoder, &reader);
        break;
    case DLT_AT_DISTANCE:
        status = read_distance(decoder, &reader);
        break;
    case DLT_AT_PARAMETER:
        status = dlt_read_parameter(decoder, &reader);
        break;
    case DLT_AT_COPIED:
        copy(decoder, io);
        break;
    case DLT_AT_RATIO:
        status = dlt_read_ratio(decoder, &reader);
        break;
    case DLT_AT_NARROW:
        dlt_read_narrow_numbers(decoder, io, &reader);
        break;
    case DLT_AT_WIDER:
        status = dlt_read_wide_number(decoder, io, &reader);
        break;
    }
    close_reader(&reader, decoder, input);
    return status;
}
