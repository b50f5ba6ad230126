/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_TESTS_DELTA_RUNS_H
#define FERRULE_TESTS_DELTA_RUNS_H

/* The golden patches, and runs of the decoder over whole patches in static memory. */

#include "ferrule/delta.h"

#include "../../tests/golden/delta.h"

enum {
    DELTA_PATCH_ROOM = 512
};

typedef enum {
    GOLDEN_SMALL,
    GOLDEN_LARGE,
    GOLDEN_WHOLE,
    GOLDEN_PATCHES
} delta_patch_t;

static const uint8_t *const golden_patches[] = {golden_patch_1, golden_patch_8, golden_patch_whole};
static const size_t golden_patch_sizes[] = {sizeof(golden_patch_1), sizeof(golden_patch_8), sizeof(golden_patch_whole)};
static const uint8_t *const golden_bases[] = {golden_base, golden_base, golden_base};
static const size_t golden_base_sizes[] = {sizeof(golden_base), sizeof(golden_base), 0};

typedef struct {
    delta_patch_t golden;
    const uint8_t *base;
    size_t base_bytes;
    const uint8_t *patch; /* its header included */
    size_t patch_bytes;
    size_t chunk_bytes;  /* of the payload, given to one call */
    size_t output_bytes; /* room given to one call; the last one gets what is missing */
    bool is_moved;       /* the state goes to another place between two calls */
} delta_run_t;

/* Run until the decoder is done or wants more than there is. */
dlt_status_t delta_run(const delta_run_t *run);

/* Of the last run: bytes made, and whether they are the golden result. */
size_t delta_made(void);
bool delta_is_result(void);

/* Bytes that decoders may lie in. */
unsigned char *delta_memory(size_t *bytes);

/* DELTA_PATCH_ROOM bytes for a base or patch that a test changes. */
uint8_t *delta_scratch(void);

void delta_copy(uint8_t *to, const uint8_t *from, size_t size);

#endif
