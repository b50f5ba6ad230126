/* SPDX-License-Identifier: Apache-2.0 */
#include "delta.h"

/* One step of a decoder. Source of the range decoder: Martin, Range encoding (1979), with Schindler's carry. */

/* The range decoder in registers. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t range;
    uint32_t code;
    dlt_bits_t bits;
} reader_t;

static reader_t open_reader(dlt_decoder_t *decoder, const dlt_input_t *input)
{
    reader_t reader;

    reader.at = input->at;
    reader.end = input->end;
    reader.range = decoder->range;
    reader.code = decoder->code;
    reader.bits = dlt_bits_of(decoder);
    return reader;
}

static void close_reader(const reader_t *reader, dlt_decoder_t *decoder, dlt_input_t *input)
{
    input->at = reader->at;
    decoder->range = reader->range;
    decoder->code = reader->code;
}

static inline void widen(reader_t *reader)
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

static inline unsigned read_bit(reader_t *reader, uint32_t place)
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
    widen(reader);
    return bit;
}

/* count bits, each as probably 0 as 1. */
static uint32_t read_flat(reader_t *reader, unsigned count)
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
        widen(reader);
    }
    return number;
}

/* leaves: a power of two. */
static uint32_t read_tree(reader_t *reader, uint32_t place, uint32_t leaves)
{
    uint32_t node = 1;

    while (node < leaves) {
        node = node << 1 | read_bit(reader, place + node);
    }
    return node - leaves;
}

/* The bits below the first one of a number that has length: the upper three of them adaptive. */
static uint32_t read_below(reader_t *reader, uint32_t place, unsigned length)
{
    const unsigned below = length - 1;
    const unsigned adaptive = below < 3 ? below : 3;
    uint32_t number = 1;

    for (unsigned i = 0; i < adaptive; i++) {
        number = number << 1 | read_bit(reader, place + number - 1);
    }
    return number << (below - adaptive) | read_flat(reader, below - adaptive);
}

static uint32_t read_number(reader_t *reader, dlt_number_t kind)
{
    const uint32_t place = DLT_AT_NUMBERS + (uint32_t)kind * DLT_NUMBER_PLACES;
    const unsigned length = 1 + (unsigned)read_tree(reader, place, DLT_LENGTH_LEAVES);
    const unsigned below = length - 1;
    const unsigned adaptive = length > 6 ? 0 : below < 2 ? below : 2;
    uint32_t number = 1;

    for (unsigned i = 0; i < adaptive; i++) {
        number = number << 1 | read_bit(reader, place + DLT_LENGTH_LEAVES + 3 * (length - 2) + number - 1);
    }
    return (number << (below - adaptive) | read_flat(reader, below - adaptive)) - 1;
}

/* Byte of the result; place < position (D2). */
static uint8_t result_at(const dlt_decoder_t *decoder, const dlt_io_t *io, uint32_t place)
{
    const uint32_t left_before = decoder->position - (uint32_t)io->made;

    return place < left_before ? io->result[place] : io->output[place - left_before];
}

static uint32_t result_u32_at(const dlt_decoder_t *decoder, const dlt_io_t *io, uint32_t place)
{
    uint8_t bytes[4];

    for (uint32_t i = 0; i < 4; i++) {
        bytes[i] = result_at(decoder, io, place + i);
    }
    return dlt_read_u32(bytes);
}

static void write_byte(dlt_decoder_t *decoder, dlt_io_t *io, uint8_t byte)
{
    io->output[io->made] = byte;
    io->made++;
    decoder->position++;
}

static void start(dlt_decoder_t *decoder, reader_t *reader)
{
    reader->range = 1; /* widened by three bytes */
    reader->code = 0;
    widen(reader);
    reader->range >>= 1; /* and by the fourth */
    widen(reader);
    reader->range = UINT32_MAX;
    decoder->op = DLT_OP_COPY;
    decoder->phase = DLT_AT_OP;
}

static bool is_in_base(const dlt_decoder_t *decoder, uint32_t place, uint32_t size)
{
    return place <= decoder->base_bytes && size <= decoder->base_bytes - place;
}

static dlt_status_t read_op(dlt_decoder_t *decoder, dlt_io_t *io, reader_t *reader)
{
    const uint32_t place = DLT_AT_OPS + decoder->op * 5;
    uint8_t byte;

    if (read_bit(reader, place) != 0) {
        if (read_bit(reader, place + 2) == 0) {
            decoder->op = DLT_OP_COPY;
            decoder->phase = DLT_AT_LENGTH;
        } else if (read_bit(reader, place + 3) == 0) {
            decoder->op = DLT_OP_JUMP;
            decoder->phase = DLT_AT_LENGTH;
        } else if (read_bit(reader, place + 4) == 0) {
            decoder->op = DLT_OP_SELF;
            decoder->phase = DLT_AT_LENGTH;
        } else {
            decoder->op = DLT_OP_REGION;
            decoder->phase = DLT_AT_PARAMETER;
            decoder->parameter = DLT_REGION_KIND;
        }
        return DLT_OK;
    }
    if (read_bit(reader, place + 1) != 0) {
        decoder->op = DLT_OP_LITERAL;
        byte = (uint8_t)read_tree(reader, DLT_AT_LITERALS, 256);
    } else {
        if (!is_in_base(decoder, decoder->cursor, 1)) {
            return DLT_ERR_DAMAGED;
        }
        decoder->op = DLT_OP_DIFFERENCE;
        byte = (uint8_t)read_tree(reader, DLT_AT_DIFFERENCES, 256);
        byte = (uint8_t)(byte + io->base[decoder->cursor]);
    }
    decoder->cursor++;
    write_byte(decoder, io, byte);
    return DLT_OK;
}

static dlt_status_t begin_copy(dlt_decoder_t *decoder)
{
    decoder->source = decoder->cursor;
    decoder->phase = DLT_AT_COPIED;
    return is_in_base(decoder, decoder->source, decoder->left) ? DLT_OK : DLT_ERR_DAMAGED;
}

static dlt_status_t read_length(dlt_decoder_t *decoder, reader_t *reader)
{
    const bool is_copy = decoder->op == DLT_OP_COPY;
    const uint32_t number = read_number(reader, is_copy ? DLT_NUMBER_COPY : DLT_NUMBER_LENGTH);

    if (number >= decoder->result_bytes - decoder->position) {
        return DLT_ERR_DAMAGED; /* D1 */
    }
    decoder->left = number + 1;
    decoder->phase = DLT_AT_DISTANCE;
    return is_copy ? begin_copy(decoder) : DLT_OK;
}

static dlt_status_t read_distance(dlt_decoder_t *decoder, reader_t *reader)
{
    const uint32_t number = read_number(reader, DLT_NUMBER_DISTANCE);

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
            write_byte(decoder, io, result_at(decoder, io, decoder->source + i));
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

/* What the first parameter says: form + 5 * ratio kind + 25 if there is a base + 50 if lengths are relative. */
static dlt_form_t form_of(const dlt_decoder_t *decoder)
{
    return (dlt_form_t)(decoder->region[DLT_REGION_KIND] % 5);
}

static dlt_ratio_kind_t ratio_of(const dlt_decoder_t *decoder)
{
    return (dlt_ratio_kind_t)(decoder->region[DLT_REGION_KIND] / 5 % 5);
}

static bool has_base(const dlt_decoder_t *decoder)
{
    return decoder->region[DLT_REGION_KIND] / 25 % 2 != 0;
}

static bool is_relative(const dlt_decoder_t *decoder)
{
    return decoder->region[DLT_REGION_KIND] / 50 != 0;
}

static bool is_of_scales(const dlt_decoder_t *decoder)
{
    return ratio_of(decoder) >= DLT_RATIO_OF_SCALES;
}

static bool has_parameter(const dlt_decoder_t *decoder, uint32_t parameter)
{
    switch ((dlt_parameter_t)parameter) {
    case DLT_REGION_KIND:
    case DLT_REGION_COUNT:
        return true;
    case DLT_REGION_BASE:
        return has_base(decoder);
    case DLT_REGION_EXPONENT:
        return form_of(decoder) != DLT_FORM_INT8;
    case DLT_REGION_RATIO:
        return ratio_of(decoder) == DLT_RATIO_GIVEN || ratio_of(decoder) == DLT_RATIO_PRODUCT;
    case DLT_REGION_OLD_SCALES:
    case DLT_REGION_NEW_SCALES:
    case DLT_REGION_CHANNELS:
        return is_of_scales(decoder);
    case DLT_REGION_RUN:
        return ratio_of(decoder) >= DLT_RATIO_EACH;
    case DLT_REGION_PARAMETERS:
        break;
    }
    return false;
}

/* Check where the scales are, D2. */
static bool are_scales_there(dlt_decoder_t *decoder)
{
    const uint32_t channels = decoder->region[DLT_REGION_CHANNELS];
    const uint32_t old_scales = decoder->region[DLT_REGION_OLD_SCALES];
    const uint32_t moved = decoder->position - decoder->source;
    const uint32_t new_scales = dlt_unfold(decoder->region[DLT_REGION_NEW_SCALES]) + old_scales + moved;

    decoder->region[DLT_REGION_NEW_SCALES] = new_scales;
    decoder->channel = channels - 1; /* the first run is the next channel's */
    return channels > 0 && channels <= DLT_MAX_FILE_BYTES / 4 && is_in_base(decoder, old_scales, 4 * channels) &&
           new_scales <= decoder->position && 4 * channels <= decoder->position - new_scales;
}

static bool is_base_there(dlt_decoder_t *decoder)
{
    const uint32_t size = decoder->left * dlt_size_of(form_of(decoder));

    decoder->cursor += dlt_unfold(decoder->region[DLT_REGION_BASE]);
    decoder->source = decoder->cursor;
    return is_in_base(decoder, decoder->source, size);
}

static dlt_phase_t numbers_of(const dlt_decoder_t *decoder)
{
    return form_of(decoder) == DLT_FORM_INT8 ? DLT_AT_NARROW : DLT_AT_WIDER;
}

static dlt_status_t begin_region(dlt_decoder_t *decoder)
{
    const dlt_ratio_kind_t ratio = ratio_of(decoder);
    const bool is_given = has_parameter(decoder, DLT_REGION_RATIO);
    const uint32_t room = (decoder->result_bytes - decoder->position) / dlt_size_of(form_of(decoder));

    decoder->left = decoder->region[DLT_REGION_COUNT];
    if (decoder->left == 0 || decoder->left > room || (ratio != DLT_RATIO_ONE && !has_base(decoder))) {
        return DLT_ERR_DAMAGED; /* D1 */
    }
    if ((has_base(decoder) && !is_base_there(decoder)) || (is_of_scales(decoder) && !are_scales_there(decoder)) ||
        (is_given && !dlt_is_ratio(decoder->region[DLT_REGION_RATIO])) ||
        (ratio >= DLT_RATIO_EACH && decoder->region[DLT_REGION_RUN] == 0)) {
        return DLT_ERR_DAMAGED;
    }
    decoder->mean = 0;
    decoder->ratio = is_given ? decoder->region[DLT_REGION_RATIO] : 1u << DLT_RATIO_BITS;
    decoder->run_left = ratio >= DLT_RATIO_EACH ? 0 : decoder->left;
    decoder->phase = ratio == DLT_RATIO_EACH ? DLT_AT_RATIO : numbers_of(decoder);
    return DLT_OK;
}

static dlt_status_t read_ratio(dlt_decoder_t *decoder, reader_t *reader)
{
    const uint32_t step = 1u << (DLT_RATIO_BITS - DLT_EACH_BITS);

    decoder->ratio = (decoder->ratio / step + dlt_unfold(read_number(reader, DLT_NUMBER_RATIO))) * step;
    decoder->run_left = decoder->region[DLT_REGION_RUN];
    decoder->phase = numbers_of(decoder);
    return dlt_is_ratio(decoder->ratio) ? DLT_OK : DLT_ERR_DAMAGED;
}

static dlt_status_t read_parameter(dlt_decoder_t *decoder, reader_t *reader)
{
    decoder->region[decoder->parameter] = read_number(reader, DLT_NUMBER_REGION);
    if (decoder->parameter == DLT_REGION_KIND && decoder->region[DLT_REGION_KIND] >= 100) {
        return DLT_ERR_DAMAGED;
    }
    do {
        decoder->parameter++;
    } while (decoder->parameter < DLT_REGION_PARAMETERS && !has_parameter(decoder, decoder->parameter));
    return decoder->parameter < DLT_REGION_PARAMETERS ? DLT_OK : begin_region(decoder);
}

/* Take over the next channel's ratio, whose run begins. */
static void next_run(dlt_decoder_t *decoder, const dlt_io_t *io)
{
    const uint32_t *region = decoder->region;
    uint32_t place;

    decoder->channel = decoder->channel + 1 < region[DLT_REGION_CHANNELS] ? decoder->channel + 1 : 0;
    decoder->run_left = region[DLT_REGION_RUN];
    place = 4 * decoder->channel;
    decoder->ratio = dlt_ratio_of(form_of(decoder), dlt_read_u32(&io->base[region[DLT_REGION_OLD_SCALES] + place]),
                                  result_u32_at(decoder, io, region[DLT_REGION_NEW_SCALES] + place));
    if (ratio_of(decoder) == DLT_RATIO_PRODUCT) {
        decoder->ratio = dlt_product(decoder->ratio, region[DLT_REGION_RATIO]);
    }
}

static void begin_run(dlt_decoder_t *decoder, const dlt_io_t *io)
{
    if (decoder->run_left == 0) {
        next_run(decoder, io);
    }
}

/* count: no more than have one ratio. */
static void end_numbers(dlt_decoder_t *decoder, uint32_t count, uint32_t size)
{
    decoder->source += count * size;
    decoder->cursor += count * size;
    decoder->left -= count;
    decoder->run_left -= count;
    if (decoder->left == 0) {
        decoder->phase = DLT_AT_OP;
    } else if (decoder->run_left == 0 && ratio_of(decoder) == DLT_RATIO_EACH) {
        decoder->phase = DLT_AT_RATIO;
    }
}

/* Returns a difference of codes modulo 256. */
static uint8_t read_narrow(reader_t *reader, dlt_forecast_t forecast, uint32_t *mean)
{
    const uint32_t level = dlt_activity(*mean);
    const uint32_t fraction = forecast.fraction;
    uint32_t magnitude = 0;
    unsigned is_against = 0; /* away from the product */

    if (read_bit(reader, DLT_AT_ZERO + level * DLT_FRACTIONS + fraction) != 0) {
        const uint32_t sizes = DLT_AT_SIZE + level * DLT_SIZE_STEPS;
        unsigned length = 1;

        is_against = read_bit(reader, DLT_AT_SIGN + level / 2 * DLT_FRACTIONS + fraction);
        if (read_bit(reader, DLT_AT_ONE + level * 8 + is_against * 4 + fraction / 4) != 0) {
            length = 2;
            while (length < 8 && read_bit(reader, sizes + length - 2) != 0) {
                length++;
            }
        }
        magnitude = length == 1 ? 1 : read_below(reader, DLT_AT_TOP + (length - 2) * DLT_TOP_PLACES, length);
    }
    *mean = dlt_next_mean(*mean, magnitude);
    return (uint8_t)((is_against != 0) != forecast.is_below ? 256u - magnitude : magnitude);
}

static uint32_t least(uint32_t first, size_t second)
{
    return first < second ? first : (uint32_t)second;
}

/* As many codes as have one ratio, and as there is input and room for. What changes is held apart from the decoder: a
 * byte that is written might be one of its own for all that the compiler knows. */
static void step_narrow(dlt_decoder_t *decoder, dlt_io_t *io, reader_t *reader)
{
    static const dlt_forecast_t nothing = {0, 0, false};
    const uint8_t *const base = has_base(decoder) ? &io->base[decoder->source] : NULL;
    uint8_t *const output = &io->output[io->made];
    reader_t local = *reader;
    uint32_t mean = decoder->mean;
    uint32_t ratio;
    uint32_t count;
    uint32_t done = 0;

    begin_run(decoder, io);
    count = least(least(decoder->left, decoder->run_left), io->output_bytes - io->made);
    ratio = decoder->ratio >> (DLT_RATIO_BITS - DLT_NARROW_BITS);
    do {
        const dlt_forecast_t forecast = base != NULL ? dlt_forecast(base[done], ratio) : nothing;

        output[done] = (uint8_t)(forecast.code + read_narrow(&local, forecast, &mean));
        done++;
    } while (done < count && local.end - local.at >= DLT_INPUT_BYTES);
    *reader = local;
    decoder->mean = mean;
    decoder->position += done;
    io->made += done;
    end_numbers(decoder, done, 1);
}

static dlt_status_t step_wide(dlt_decoder_t *decoder, dlt_io_t *io, reader_t *reader)
{
    const dlt_form_t form = form_of(decoder);
    const uint32_t size = dlt_size_of(form);
    dlt_wide_t wide;
    uint32_t bits = 0;
    uint32_t leaf;

    begin_run(decoder, io);
    if (has_base(decoder)) {
        for (uint32_t i = 0; i < size; i++) {
            bits |= (uint32_t)io->base[decoder->source + i] << (8 * i);
        }
        bits = dlt_scale(form, bits, decoder->ratio);
    }
    wide = dlt_wide(form, bits, decoder->region[DLT_REGION_EXPONENT], decoder->contexts, is_relative(decoder));
    leaf = read_tree(reader, wide.tree, DLT_WIDE_LEAVES);
    bits = dlt_order(form, bits);
    if (leaf != 0) {
        const uint32_t length = leaf - wide.shift;
        uint32_t magnitude;
        unsigned is_negative;

        if (leaf <= wide.shift || length > 8 * size) {
            return DLT_ERR_DAMAGED;
        }
        is_negative = read_bit(reader, wide.sign);
        magnitude = read_below(reader, dlt_wide_top(decoder->contexts, leaf), (unsigned)length);
        bits = is_negative != 0 ? bits - magnitude : bits + magnitude;
    }
    bits = dlt_disorder(form, bits);
    for (uint32_t i = 0; i < size; i++) {
        write_byte(decoder, io, (uint8_t)(bits >> (8 * i)));
    }
    end_numbers(decoder, 1, size);
    return DLT_OK;
}

dlt_status_t dlt_step(dlt_decoder_t *decoder, dlt_io_t *io, dlt_input_t *input)
{
    reader_t reader = open_reader(decoder, input);
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
        status = read_parameter(decoder, &reader);
        break;
    case DLT_AT_COPIED:
        copy(decoder, io);
        break;
    case DLT_AT_RATIO:
        status = read_ratio(decoder, &reader);
        break;
    case DLT_AT_NARROW:
        step_narrow(decoder, io, &reader);
        break;
    case DLT_AT_WIDER:
        status = step_wide(decoder, io, &reader);
        break;
    }
    close_reader(&reader, decoder, input);
    return status;
}
