/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_TESTS_INVARIANTS_H
#define FERRULE_TESTS_INVARIANTS_H

/* I1 .. I7 of docs/ALIGNER.md, checked on the inside of an aligner. I3, I4 and I6 are about what is taken away, so
 * one look is taken before an operation and one after it. */

#include "ferrule/aligner.h"

/* Largest aligner that can be watched. */
enum {
    WATCHED_STREAMS = 4,
    WATCHED_SAMPLES = 32,
    WATCHED_WINDOWS = 32
};

void invariants_before(const aln_aligner_t *aligner);
void invariants_after(const aln_aligner_t *aligner);

#endif
