/* SPDX-License-Identifier: Apache-2.0 */
#include "quantize.h"

#include <float.h>

#include "ferrule/aligner_port.h"

/* Float32 numbers from 2^23 to 2^24 are the whole ones. Added to a small number, 1.5 * 2^23 makes the processor round
 * it half to even, and leaves it, as two's complement, in the low bits. */
#define ROUNDER 12582912.0f

static bool is_finite(float value)
{
    return value >= -FLT_MAX && value <= FLT_MAX;
}

bool aln_quantizer_can(const aln_config_t *config)
{
    const aln_quantization_t *quantization = config->quantization;
    uint32_t column = 0;

    if (!(quantization->scale >= ALN_SCALE_LEAST && quantization->scale <= ALN_SCALE_MOST) ||
        quantization->zero_point < INT8_MIN || quantization->zero_point > INT8_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < config->stream_count; i++) {
        if (config->streams[i].fill_value != config->streams[i].fill_value) {
            return false; /* NaN has no code */
        }
        for (uint32_t field = 0; field < config->streams[i].fields; field++) {
            const float std = quantization->stds[column];

            if (!is_finite(quantization->means[column]) || !is_finite(std) || !(std > 0.0f)) {
                return false;
            }
            column++;
        }
    }
    return true;
}

void aln_quantizer_init(aln_quantizer_t *quantizer, const aln_quantization_t *quantization, uint32_t columns,
                        float *means, float *stds)
{
    for (uint32_t i = 0; i < aln_quantizer_cells(columns); i++) {
        means[i] = quantization->means[i % columns];
        stds[i] = quantization->stds[i % columns];
    }
    quantizer->means = means;
    quantizer->stds = stds;
    quantizer->columns = columns;
    quantizer->inverse_scale = 1.0f / quantization->scale;
    quantizer->least = (float)(INT8_MIN - quantization->zero_point);
    quantizer->most = (float)(INT8_MAX - quantization->zero_point);
    quantizer->zero_point = (uint32_t)quantization->zero_point;
}

/* code = round(((value - mean) / std) * (1 / scale)) + zero_point, saturated. Every operation rounds to float32, as in
 * NumPy and LiteRT, for which each has its own assignment. Infinite is what float32 cannot hold; it saturates too. */
ALN_INLINE void quantize(const aln_quantizer_t *quantizer, uint32_t column, const float *restrict cells, size_t count,
                         int8_t *restrict codes)
{
    const float *restrict means = quantizer->means + column;
    const float *restrict stds = quantizer->stds + column;
    const float inverse_scale = quantizer->inverse_scale;
    const float least = quantizer->least;
    const float most = quantizer->most;
    const uint32_t zero_point = quantizer->zero_point;

    for (size_t i = 0; i < count; i++) {
        const float centred = cells[i] - means[i];
        const float standardised = centred / stds[i];
        const float scaled = standardised * inverse_scale;
        const float floored = scaled > least ? scaled : least;
        const float saturated = floored < most ? floored : most;
        union {
            float value;
            uint32_t bits;
        } rounded;

        rounded.value = saturated + ROUNDER;
        codes[i] = (int8_t)(uint8_t)(rounded.bits + zero_point);
    }
}

/* Blocks of a constant length, wherever in a row they begin: compilers turn those into vector instructions. */
void aln_quantize(const aln_quantizer_t *quantizer, const float *cells, size_t cell_count, int8_t *codes)
{
    const uint32_t columns = quantizer->columns;
    const uint32_t step = ALN_BLOCK % columns;
    const size_t rest = cell_count % ALN_BLOCK;
    uint32_t column = 0;

    for (const float *end = cells + (cell_count - rest); cells != end; cells += ALN_BLOCK) {
        quantize(quantizer, column, cells, ALN_BLOCK, codes);
        codes += ALN_BLOCK;
        column += step;
        if (column >= columns) {
            column -= columns;
        }
    }
    quantize(quantizer, column, cells, rest, codes);
}
