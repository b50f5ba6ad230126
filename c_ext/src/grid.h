/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_SRC_GRID_H
#define FERRULE_SRC_GRID_H

/* The grid: which rows are final, and writing them. */

#include "layout.h"

/* Forget all samples and unfinished rows; live says whether the streams hold one another back from the start. */
void aln_grid_start_segment(aln_aligner_t *aligner, bool live);

/* Write every final row that there is room for. Samples that were put off must have been settled. */
void aln_grid_pump(aln_aligner_t *aligner);

#endif
