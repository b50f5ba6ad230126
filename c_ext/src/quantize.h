/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_SRC_QUANTIZE_H
#define FERRULE_SRC_QUANTIZE_H

/* Rows of float32 to int8 codes, each column standardised. */

#include "ferrule/aligner.h"

enum {
    ALN_BLOCK = 16 /* cells that are quantized side by side */
};

/* The tables repeat the columns, so that a block may begin at any column and run on. */
typedef struct {
    const float *means; /* (aln_quantizer_cells) */
    const float *stds;  /* (aln_quantizer_cells) */
    uint32_t columns;
    float inverse_scale;
    float least;        /* the lowest code, before the zero point is added */
    float most;         /* the highest */
    uint32_t zero_point;
} aln_quantizer_t;

/* True when every finite value, and every fill of the streams, has a code. */
bool aln_quantizer_can(const aln_config_t *config);

/* Length of each table. */
static inline uint32_t aln_quantizer_cells(uint32_t columns)
{
    return columns + ALN_BLOCK - 1;
}

/* means, stds: room for the tables. */
void aln_quantizer_init(aln_quantizer_t *quantizer, const aln_quantization_t *quantization, uint32_t columns,
                        float *means, float *stds);

/* Quantize whole rows. */
void aln_quantize(const aln_quantizer_t *quantizer, const float *cells, size_t cell_count, int8_t *codes);

#endif
