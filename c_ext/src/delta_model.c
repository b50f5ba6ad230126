/* SPDX-License-Identifier: Apache-2.0 */
#include "delta_model.h"

enum {
    FLOAT32_MANTISSA = 23,
    FLOAT16_MANTISSA = 10
};

static uint32_t with_sign(uint32_t magnitude, bool is_negative)
{
    return is_negative ? 0u - magnitude : magnitude;
}

static uint32_t quotient_of(uint32_t dividend, uint32_t divisor)
{
    const uint32_t one = 1u << DLT_RATIO_BITS;
    const uint32_t hidden = 1u << FLOAT32_MANTISSA;
    const uint32_t exponent = dividend >> FLOAT32_MANTISSA;
    const uint32_t divisor_exponent = divisor >> FLOAT32_MANTISSA;
    uint64_t quotient;

    if (exponent == 0 || divisor_exponent == 0 || exponent >= 255 || divisor_exponent >= 255 ||
        exponent + 3 < divisor_exponent || divisor_exponent + 3 < exponent) {
        return one; /* one is zero, subnormal, negative or no number, or they are far apart */
    }
    /* The exponents differ by -3 .. 3: no bit is lost before the division. */
    quotient = (uint64_t)((dividend & (hidden - 1)) | hidden) << (DLT_RATIO_BITS + exponent + 3 - divisor_exponent);
    quotient = (quotient / ((divisor & (hidden - 1)) | hidden)) >> 3;
    return quotient <= UINT32_MAX && dlt_is_ratio((uint32_t)quotient) ? (uint32_t)quotient : one;
}

uint32_t dlt_ratio_of(dlt_form_t form, uint32_t old_scale, uint32_t new_scale)
{
    return form == DLT_FORM_FLOAT32 ? quotient_of(new_scale, old_scale) : quotient_of(old_scale, new_scale);
}

uint32_t dlt_order(dlt_form_t form, uint32_t bits)
{
    switch (form) {
    case DLT_FORM_FLOAT32:
        return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
    case DLT_FORM_FLOAT16:
        return bits >> 15 != 0 ? ~bits & 0xffffu : bits | 0x8000u;
    case DLT_FORM_INT8:
    case DLT_FORM_INT16:
    case DLT_FORM_INT32:
    case DLT_FORMS:
        break;
    }
    return bits;
}

uint32_t dlt_disorder(dlt_form_t form, uint32_t ordered)
{
    switch (form) {
    case DLT_FORM_FLOAT32:
        return ordered >> 31 != 0 ? ordered & 0x7fffffffu : ~ordered;
    case DLT_FORM_FLOAT16:
        return (ordered & 0x8000u) != 0 ? ordered & 0x7fffu : ~ordered & 0xffffu;
    case DLT_FORM_INT8:
    case DLT_FORM_INT16:
    case DLT_FORM_INT32:
    case DLT_FORMS:
        break;
    }
    return ordered;
}

static uint32_t scale_float32(uint32_t bits, uint32_t ratio)
{
    const uint32_t hidden = 1u << FLOAT32_MANTISSA;
    uint32_t exponent = (bits >> FLOAT32_MANTISSA) & 0xff;
    uint64_t product;
    unsigned shift = DLT_RATIO_BITS - 3;

    if (exponent < 4 || exponent > 250) {
        return bits; /* zero, subnormal, no number, or near to it */
    }
    /* The ratio is within 1/8 and 8: the product has its first bit at 48 to 54, and goes back to 23. */
    product = (uint64_t)((bits & (hidden - 1)) | hidden) * ratio;
    exponent -= 3;
    while (product >> (shift + FLOAT32_MANTISSA + 1) != 0) {
        shift++;
        exponent++;
    }
    product = (product + (1u << (shift - 1))) >> shift;
    /* Rounded up to the next power of two, the carry goes into the exponent by itself. */
    return (bits & 0x80000000u) + (exponent << FLOAT32_MANTISSA) + ((uint32_t)product - hidden);
}

uint32_t dlt_scale(dlt_form_t form, uint32_t bits, uint32_t ratio)
{
    const uint32_t sign = form == DLT_FORM_INT16 ? 0x8000u : 0x80000000u;
    const bool is_negative = (bits & sign) != 0;
    const uint32_t mask = sign | (sign - 1);
    uint64_t product;

    if (ratio == 1u << DLT_RATIO_BITS || form == DLT_FORM_FLOAT16) {
        return bits;
    }
    if (form == DLT_FORM_FLOAT32) {
        return scale_float32(bits, ratio);
    }
    product = (uint64_t)(with_sign(bits, is_negative) & mask) * ratio + (1u << (DLT_RATIO_BITS - 1));
    return with_sign((uint32_t)(product >> DLT_RATIO_BITS), is_negative) & mask;
}

uint32_t dlt_exponent(dlt_form_t form, uint32_t bits)
{
    switch (form) {
    case DLT_FORM_FLOAT32:
        return (bits >> FLOAT32_MANTISSA) & 0xff;
    case DLT_FORM_FLOAT16:
        return (bits >> FLOAT16_MANTISSA) & 0x1f;
    case DLT_FORM_INT16:
        return dlt_bit_length(dlt_fold(((bits & 0xffffu) ^ 0x8000u) - 0x8000u) >> 1);
    case DLT_FORM_INT8:
    case DLT_FORM_INT32:
    case DLT_FORMS:
        break;
    }
    return dlt_bit_length(dlt_fold(bits) >> 1);
}

dlt_wide_t dlt_wide(dlt_form_t form, uint32_t bits, uint32_t top, uint32_t contexts, bool is_relative)
{
    const uint32_t exponent = dlt_exponent(form, bits);
    const uint32_t below = exponent < top ? top - exponent : 0;
    const uint32_t context = below < contexts ? below : contexts - 1;
    dlt_wide_t wide;

    wide.tree = DLT_AT_WIDE + context * DLT_WIDE_CONTEXT_PLACES;
    wide.sign = wide.tree; /* a tree's first place is not used by it */
    wide.shift = is_relative ? DLT_MAX_SHIFT - (below < DLT_MAX_SHIFT ? below : DLT_MAX_SHIFT) : 0;
    return wide;
}

/* 65536 / (n + 1.6) */
const uint16_t dlt_rates[DLT_RATE_LIMIT + 1] = {
    36864, 25206, 18204, 14247, 11703, 9930, 8623, 7620, 6827, 6183, 5650, 5201, 4819, 4489, 4201, 3948,
    3724,  3523,  3344,  3181,  3034,  2900, 2777, 2664, 2560, 2464, 2374, 2291, 2214, 2142, 2074, 2010,
    1950,  1894,  1841,  1791,  1743,  1698, 1655, 1614, 1575, 1538, 1503, 1469, 1437, 1406, 1377, 1348,
    1321,  1295,  1270,  1246,  1223,  1200, 1179, 1158, 1138, 1118, 1100, 1081, 1064, 1047, 1030, 1014,
    999,   984,   969,   955,   942,   928,  915,  903,  890,  878,  867,  856,  845,  834,  823,  813,
    803,   793,   784,   775,   766,   757,  748,  740,  731,  723,  715,  708,  700,  693,  686,  678,
    671,   665,   658,   651,   645,   639,  633,  627,  621,  615,  609,  603,  598,  593,  587,  582,
    577,   572,   567,   562,   557,   553,  548,  543,  539,  535,  530,  526,  522,  518,  514,  510};
