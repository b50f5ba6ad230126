/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_DELTA_MODEL_H
#define FERRULE_DELTA_MODEL_H

/* What coder and decoder of a patch must do alike: adaptive bits, their places, and predictions. docs/DELTA.md names
 * every one of them. Integers only; a shift to the right of a negative number is never taken. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DLT_RATE_LIMIT = 127,      /* updates after which a bit's rate no longer falls */
    DLT_RANGE_BITS = 24,       /* a range below it is widened by a byte */
    DLT_NARROW_BITS = 20,      /* the same where codes of one byte are predicted */
    DLT_EACH_BITS = 13,        /* the same of a ratio that is given for one run */
    DLT_MAX_SHIFT = 24,        /* of a relative length */
    DLT_ACTIVITY_LEVELS = 8,
    DLT_FRACTIONS = 16
};

/* What one symbol says. */
typedef enum {
    DLT_OP_DIFFERENCE, /* one byte: how far it is from the base's at the cursor */
    DLT_OP_LITERAL,    /* one byte */
    DLT_OP_COPY,       /* bytes of the base from the cursor */
    DLT_OP_JUMP,       /* the same, the cursor moved before */
    DLT_OP_SELF,       /* bytes of the result so far */
    DLT_OP_REGION,     /* numbers of one form */
    DLT_OPS
} dlt_op_t;

/* cffi: begin */

enum {
    DLT_RATIO_BITS = 28, /* of the fraction of a ratio */
    DLT_MAX_CONTEXTS = 16
};

/* What the numbers of a region are. */
typedef enum {
    DLT_FORM_INT8,
    DLT_FORM_INT16,
    DLT_FORM_INT32,
    DLT_FORM_FLOAT16,
    DLT_FORM_FLOAT32,
    DLT_FORMS
} dlt_form_t;

/* Where the ratio of new to old codes comes from. */
typedef enum {
    DLT_RATIO_ONE,
    DLT_RATIO_GIVEN,     /* in the patch */
    DLT_RATIO_EACH,      /* the same, anew for each run */
    DLT_RATIO_OF_SCALES, /* of float32 scales in base and result, one for each channel */
    DLT_RATIO_PRODUCT,   /* of these and of one in the patch */
    DLT_RATIOS
} dlt_ratio_kind_t;

/* cffi: end */

/* A number of the patch that is no byte and no weight. */
typedef enum {
    DLT_NUMBER_COPY,
    DLT_NUMBER_LENGTH,
    DLT_NUMBER_DISTANCE,
    DLT_NUMBER_REGION,
    DLT_NUMBER_RATIO,
    DLT_NUMBERS
} dlt_number_t;

/* Places of the adaptive bits. A tree of n leaves has n places, the first of them unused. */
enum {
    DLT_LENGTH_LEAVES = 32,
    DLT_NUMBER_PLACES = DLT_LENGTH_LEAVES + 16,
    DLT_SIZE_STEPS = 6,
    DLT_WIDE_LEAVES = 64,
    DLT_TOP_PLACES = 7, /* three bits below a number's first one */

    DLT_AT_OPS = 0,
    DLT_AT_DIFFERENCES = DLT_AT_OPS + DLT_OPS * 5,
    DLT_AT_LITERALS = DLT_AT_DIFFERENCES + 256,
    DLT_AT_NUMBERS = DLT_AT_LITERALS + 256,
    DLT_AT_ZERO = DLT_AT_NUMBERS + DLT_NUMBERS * DLT_NUMBER_PLACES,
    DLT_AT_SIGN = DLT_AT_ZERO + DLT_ACTIVITY_LEVELS * DLT_FRACTIONS,
    DLT_AT_ONE = DLT_AT_SIGN + DLT_ACTIVITY_LEVELS / 2 * DLT_FRACTIONS,
    DLT_AT_SIZE = DLT_AT_ONE + DLT_ACTIVITY_LEVELS * 8,
    DLT_AT_TOP = DLT_AT_SIZE + DLT_ACTIVITY_LEVELS * DLT_SIZE_STEPS,
    DLT_AT_WIDE = DLT_AT_TOP + 6 * DLT_TOP_PLACES,

    /* Per exponent context a tree of lengths, the sign in its unused place; behind them the three bits, per length or
     * per eight. */
    DLT_WIDE_CONTEXT_PLACES = DLT_WIDE_LEAVES,
    DLT_SMALL_TOPS = DLT_WIDE_LEAVES / 8,
    DLT_LARGE_TOPS = DLT_WIDE_LEAVES
};

/* Places of a patch with so many exponent contexts. */
static inline uint32_t dlt_places(uint32_t contexts)
{
    const uint32_t tops = contexts > 1 ? DLT_LARGE_TOPS : DLT_SMALL_TOPS;

    return DLT_AT_WIDE + contexts * DLT_WIDE_CONTEXT_PLACES + tops * DLT_TOP_PLACES;
}

/* Adaptive bits: how probable 0 is, of 65536, and how often each was met. */
typedef struct {
    uint16_t *zero;
    uint8_t *met;
} dlt_bits_t;

extern const uint16_t dlt_rates[DLT_RATE_LIMIT + 1];

static inline void dlt_adapt(dlt_bits_t bits, uint32_t place, unsigned bit)
{
    const uint32_t zero = bits.zero[place];
    const uint32_t rate = dlt_rates[bits.met[place]];

    if (bit != 0) {
        bits.zero[place] = (uint16_t)(zero - (((zero - 32) * rate) >> 16));
    } else {
        bits.zero[place] = (uint16_t)(zero + (((65536 - 32 - zero) * rate) >> 16));
    }
    if (bits.met[place] < DLT_RATE_LIMIT) {
        bits.met[place]++;
    }
}

static inline uint32_t dlt_read_u32(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Bits up to the first that is set; 0 for 0. */
static inline unsigned dlt_bit_length(uint32_t number)
{
    unsigned length = 0;

    for (unsigned step = 16; step > 0; step /= 2) {
        if (number >> step != 0) {
            number >>= step;
            length += step;
        }
    }
    return length + (unsigned)number;
}

/* Signed numbers as unsigned ones: 0, -1, 1, -2, 2, ... */
static inline uint32_t dlt_fold(uint32_t number)
{
    return number >> 31 != 0 ? ~(number << 1) : number << 1;
}

static inline uint32_t dlt_unfold(uint32_t folded)
{
    return (folded & 1) != 0 ? ~(folded >> 1) : folded >> 1;
}

/* How busy the last differences of one byte were: their mean in 1/256, and its level. */
static inline uint32_t dlt_next_mean(uint32_t mean, uint32_t magnitude)
{
    return mean - (mean >> 4) + (magnitude << 4);
}

static inline unsigned dlt_activity(uint32_t mean)
{
    unsigned level = 0;

    while (level + 1 < DLT_ACTIVITY_LEVELS && mean >> (level + 4) != 0) {
        level++;
    }
    return level;
}

/* What a code of one byte becomes. */
typedef struct {
    uint8_t code;      /* modulo 256 */
    uint8_t fraction;  /* how far the product is from it, in 1/32; at most 15 */
    bool is_below;     /* the product is smaller */
} dlt_forecast_t;

/* ratio: with DLT_NARROW_BITS of fraction, below 8. */
static inline dlt_forecast_t dlt_forecast(uint8_t old_code, uint32_t ratio)
{
    const uint32_t half = 1u << (DLT_NARROW_BITS - 1);
    const bool is_negative = old_code >= 128;
    const uint32_t magnitude = is_negative ? 256u - old_code : old_code;
    const uint32_t product = magnitude * ratio;
    const uint32_t rounded = (product + half) >> DLT_NARROW_BITS;
    const uint32_t nearest = rounded > 127 ? 127 : rounded;
    const uint32_t at = nearest << DLT_NARROW_BITS;
    const uint32_t distance = product > at ? product - at : at - product;
    const uint32_t fraction = distance >> (DLT_NARROW_BITS - 5);
    dlt_forecast_t forecast;

    forecast.code = (uint8_t)(is_negative ? 256u - nearest : nearest);
    forecast.fraction = (uint8_t)(fraction < DLT_FRACTIONS ? fraction : DLT_FRACTIONS - 1);
    forecast.is_below = (product < at) != is_negative;
    return forecast;
}

/* The ratio by two float32, with DLT_RATIO_BITS of fraction; 1 when it is not within 1/8 and 8. Codes fall as their
 * scale rises, floats rise with it. */
uint32_t dlt_ratio_of(dlt_form_t form, uint32_t old_scale, uint32_t new_scale);

/* True within 1/8 and 8: what all ratios are. */
static inline bool dlt_is_ratio(uint32_t ratio)
{
    return ratio >> (DLT_RATIO_BITS - 3) != 0 && ratio >> (DLT_RATIO_BITS + 3) == 0;
}

/* The product of two ratios; 1 when it is none. */
static inline uint32_t dlt_product(uint32_t first, uint32_t second)
{
    const uint64_t product = ((uint64_t)first * second) >> DLT_RATIO_BITS;

    return product <= UINT32_MAX && dlt_is_ratio((uint32_t)product) ? (uint32_t)product : 1u << DLT_RATIO_BITS;
}

static inline uint32_t dlt_size_of(dlt_form_t form)
{
    return form == DLT_FORM_INT8 ? 1 : form == DLT_FORM_INT16 || form == DLT_FORM_FLOAT16 ? 2 : 4;
}

/* The bits of a number as an integer that rises with it, and back; an integer stays as it is. */
uint32_t dlt_order(dlt_form_t form, uint32_t bits);
uint32_t dlt_disorder(dlt_form_t form, uint32_t ordered);

/* Bits of a number of several bytes times a ratio: float32 and integers; of a float16 they stay. */
uint32_t dlt_scale(dlt_form_t form, uint32_t bits, uint32_t ratio);

/* Where the difference of a number of several bytes is coded. */
typedef struct {
    uint32_t tree;  /* of lengths */
    uint32_t sign;
    uint32_t shift; /* of the tree's leaf against the difference's length */
} dlt_wide_t;

/* bits: of the forecast. top: the region's largest exponent. A relative length is counted from what the largest
 * numbers' differences would have: noise of one strength has lengths that fall as the numbers' exponents rise. */
dlt_wide_t dlt_wide(dlt_form_t form, uint32_t bits, uint32_t top, uint32_t contexts, bool is_relative);

static inline uint32_t dlt_wide_top(uint32_t contexts, uint32_t leaf)
{
    const uint32_t place = DLT_AT_WIDE + contexts * DLT_WIDE_CONTEXT_PLACES;

    return place + (contexts > 1 ? leaf : leaf / 8) * DLT_TOP_PLACES;
}

/* How large a number is: its exponent, or the bits of an integer. */
uint32_t dlt_exponent(dlt_form_t form, uint32_t bits);

#endif
