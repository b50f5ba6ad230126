/* SPDX-License-Identifier: Apache-2.0 */
#include "delta_region.h"

/* Regions: their parameters, and the numbers in them. */

static uint32_t result_u32_at(const dlt_decoder_t *decoder, const dlt_io_t *io, uint32_t place)
{
    uint8_t bytes[4];

    for (uint32_t i = 0; i < 4; i++) {
        bytes[i] = dlt_result_at(decoder, io, place + i);
    }
    return dlt_read_u32(bytes);
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
    return channels > 0 && channels <= DLT_MAX_FILE_BYTES / 4 && dlt_is_in_base(decoder, old_scales, 4 * channels) &&
           new_scales <= decoder->position && 4 * channels <= decoder->position - new_scales;
}

static bool is_base_there(dlt_decoder_t *decoder)
{
    const uint32_t size = decoder->left * dlt_size_of(form_of(decoder));

    decoder->cursor += dlt_unfold(decoder->region[DLT_REGION_BASE]);
    decoder->source = decoder->cursor;
    return dlt_is_in_base(decoder, decoder->source, size);
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

dlt_status_t dlt_read_ratio(dlt_decoder_t *decoder, dlt_reader_t *reader)
{
    const uint32_t step = 1u << (DLT_RATIO_BITS - DLT_EACH_BITS);

    decoder->ratio = (decoder->ratio / step + dlt_unfold(dlt_read_number(reader, DLT_NUMBER_RATIO))) * step;
    decoder->run_left = decoder->region[DLT_REGION_RUN];
    decoder->phase = numbers_of(decoder);
    return dlt_is_ratio(decoder->ratio) ? DLT_OK : DLT_ERR_DAMAGED;
}

dlt_status_t dlt_read_parameter(dlt_decoder_t *decoder, dlt_reader_t *reader)
{
    decoder->region[decoder->parameter] = dlt_read_number(reader, DLT_NUMBER_REGION);
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
static uint8_t read_narrow(dlt_reader_t *reader, dlt_forecast_t forecast, uint32_t *mean)
{
    const uint32_t level = dlt_activity(*mean);
    const uint32_t fraction = forecast.fraction;
    uint32_t magnitude = 0;
    unsigned is_against = 0; /* away from the product */

    if (dlt_read_bit(reader, DLT_AT_ZERO + level * DLT_FRACTIONS + fraction) != 0) {
        const uint32_t sizes = DLT_AT_SIZE + level * DLT_SIZE_STEPS;
        unsigned length = 1;

        is_against = dlt_read_bit(reader, DLT_AT_SIGN + level / 2 * DLT_FRACTIONS + fraction);
        if (dlt_read_bit(reader, DLT_AT_ONE + level * 8 + is_against * 4 + fraction / 4) != 0) {
            length = 2;
            while (length < 8 && dlt_read_bit(reader, sizes + length - 2) != 0) {
                length++;
            }
        }
        magnitude = length == 1 ? 1 : dlt_read_below(reader, DLT_AT_TOP + (length - 2) * DLT_TOP_PLACES, length);
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
void dlt_read_narrow_numbers(dlt_decoder_t *decoder, dlt_io_t *io, dlt_reader_t *reader)
{
    static const dlt_forecast_t nothing = {0, 0, false};
    const uint8_t *const base = has_base(decoder) ? &io->base[decoder->source] : NULL;
    uint8_t *const output = &io->output[io->made];
    dlt_reader_t local = *reader;
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

dlt_status_t dlt_read_wide_number(dlt_decoder_t *decoder, dlt_io_t *io, dlt_reader_t *reader)
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
    leaf = dlt_read_tree(reader, wide.tree, DLT_WIDE_LEAVES);
    bits = dlt_order(form, bits);
    if (leaf != 0) {
        const uint32_t length = leaf - wide.shift;
        uint32_t magnitude;
        unsigned is_negative;

        if (leaf <= wide.shift || length > 8 * size) {
            return DLT_ERR_DAMAGED;
        }
        is_negative = dlt_read_bit(reader, wide.sign);
        magnitude = dlt_read_below(reader, dlt_wide_top(decoder->contexts, leaf), (unsigned)length);
        bits = is_negative != 0 ? bits - magnitude : bits + magnitude;
    }
    bits = dlt_disorder(form, bits);
    for (uint32_t i = 0; i < size; i++) {
        dlt_write_byte(decoder, io, (uint8_t)(bits >> (8 * i)));
    }
    end_numbers(decoder, 1, size);
    return DLT_OK;
}
