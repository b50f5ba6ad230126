/* SPDX-License-Identifier: Apache-2.0 */
#include "delta_runs.h"

#include "check.h"

/* Seeded mutations of the golden patches, cut anywhere: each makes the golden result, or ends with an error or with the
 * wish for more, and never reads or writes where it must not. A failure names its seed: build with -DFUZZ_SEED=<seed>
 * -DFUZZ_INPUTS=1 to have it alone. */

#ifndef FUZZ_SEED
#define FUZZ_SEED 1u
#endif
#ifndef FUZZ_INPUTS
#define FUZZ_INPUTS 4000u
#endif

static uint64_t state;

/* Source: Marsaglia, Xorshift RNGs (2003), the triple 13, 7, 17; the upper bits are the good ones. */
static uint32_t random_below(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 33) % limit);
}

/* Where a mutation begins: the digests are left alone, for they would only end the run. */
static uint32_t place_in(uint32_t size)
{
    return random_below(8) == 0 ? random_below(17) : DLT_HEADER_BYTES + random_below(size - DLT_HEADER_BYTES);
}

/* Returns the new size. */
static size_t mutate(uint8_t *bytes, uint32_t size)
{
    const uint32_t at = place_in(size);
    uint32_t count = 1 + random_below(random_below(4) == 0 ? size - at : 4);

    switch (random_below(6)) {
    case 0:
        return at < DLT_HEADER_BYTES ? size : at;
    case 1:
        for (uint32_t i = 0; i < count && at + i < size; i++) {
            bytes[at + i] = (uint8_t)random_below(256);
        }
        return size;
    case 2:
        for (uint32_t i = at; i + count < size; i++) {
            bytes[i] = bytes[i + count];
        }
        return size;
    case 3:
        for (uint32_t i = 0; i < count && at + i < size; i++) {
            bytes[at + i] = random_below(2) == 0 ? 0 : 0xff;
        }
        return size;
    default:
        bytes[at] ^= (uint8_t)(1u << random_below(8));
        return size;
    }
}

/* Lay the input at the end of its room, so that a sanitizer sees a byte read beyond it. */
static void fuzz_once(void)
{
    static uint8_t mutated[DELTA_PATCH_ROOM];
    static uint8_t room[DELTA_PATCH_ROOM];
    const delta_patch_t golden = (delta_patch_t)random_below(GOLDEN_PATCHES);
    delta_run_t run = {golden, golden_bases[golden], golden_base_sizes[golden], NULL, 0, SIZE_MAX, SIZE_MAX, false};
    dlt_status_t status;

    delta_copy(mutated, golden_patches[golden], golden_patch_sizes[golden]);
    run.patch_bytes = mutate(mutated, (uint32_t)golden_patch_sizes[golden]);
    run.patch = &room[DELTA_PATCH_ROOM - run.patch_bytes];
    delta_copy(&room[DELTA_PATCH_ROOM - run.patch_bytes], mutated, run.patch_bytes);
    if (random_below(2) == 0) {
        run.chunk_bytes = 1 + random_below(70);
    }
    if (random_below(2) == 0) {
        run.output_bytes = DLT_MIN_OUTPUT_BYTES + random_below(70);
    }
    status = delta_run(&run);
    CHECK(status != DLT_ERR_ROOM);
    CHECK(status != DLT_DONE || (delta_made() == sizeof(golden_result) && delta_is_result()));
}

static void any_bytes_make_the_result_or_none(void)
{
    for (uint32_t done = 0; done < FUZZ_INPUTS && !check_has_failed(); done++) {
        check_set_case(0, FUZZ_SEED + done);
        state = (FUZZ_SEED + done) * 0x9e3779b97f4a7c15u; /* spreads small seeds; never 0 for them */
        fuzz_once();
    }
}

void test_fuzz_delta(void)
{
    RUN(any_bytes_make_the_result_or_none);
}
