/* SPDX-License-Identifier: Apache-2.0 */
#include "delta_runs.h"

#include "check.h"

static delta_run_t run_of(delta_patch_t patch, size_t chunk_bytes, size_t output_bytes)
{
    delta_run_t run = {patch,
                       golden_bases[patch],
                       golden_base_sizes[patch],
                       golden_patches[patch],
                       golden_patch_sizes[patch],
                       chunk_bytes,
                       output_bytes,
                       false};

    return run;
}

static void check_result(delta_run_t run)
{
    CHECK_EQUAL(delta_run(&run), DLT_DONE);
    CHECK_EQUAL(delta_made(), sizeof(golden_result));
    CHECK(delta_is_result());
}

static void every_patch_makes_its_result_to_the_byte(void)
{
    for (int patch = 0; patch < GOLDEN_PATCHES; patch++) {
        check_result(run_of((delta_patch_t)patch, SIZE_MAX, SIZE_MAX));
    }
}

static void every_cut_of_input_and_output_makes_the_same_result(void)
{
    static const size_t sizes[] = {1, 2, 31, 32, 33, 64, 65, 200};
    static const size_t rooms[] = {DLT_MIN_OUTPUT_BYTES, 5, 100};

    for (int patch = 0; patch < GOLDEN_PATCHES; patch++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            for (size_t k = 0; k < sizeof(rooms) / sizeof(rooms[0]); k++) {
                check_result(run_of((delta_patch_t)patch, sizes[i], rooms[k]));
            }
        }
    }
}

static void a_copy_of_the_state_goes_on_elsewhere(void)
{
    for (int patch = 0; patch < GOLDEN_PATCHES; patch++) {
        delta_run_t run = run_of((delta_patch_t)patch, 7, 50);

        run.is_moved = true;
        check_result(run);
    }
}

static void a_patch_that_ends_early_is_not_done(void)
{
    for (int patch = 0; patch < GOLDEN_PATCHES; patch++) {
        for (size_t size = DLT_HEADER_BYTES; size < golden_patch_sizes[patch]; size += 11) {
            delta_run_t run = run_of((delta_patch_t)patch, 13, SIZE_MAX);

            run.patch_bytes = size;
            CHECK_EQUAL(delta_run(&run), DLT_OK);
            CHECK(delta_made() < sizeof(golden_result));
        }
    }
}

static void no_damaged_byte_makes_another_result(void)
{
    uint8_t *damaged = delta_scratch();

    for (size_t at = 0; at < golden_patch_sizes[GOLDEN_SMALL]; at++) {
        delta_run_t run = run_of(GOLDEN_SMALL, SIZE_MAX, SIZE_MAX);
        dlt_status_t status;

        delta_copy(damaged, run.patch, run.patch_bytes);
        damaged[at] ^= (uint8_t)(1u << (at % 8));
        run.patch = damaged;
        status = delta_run(&run);
        CHECK(status != DLT_OK || delta_made() < sizeof(golden_result));
        CHECK(status != DLT_DONE || delta_is_result()); /* the last bits of the last byte may say nothing */
    }
}

static void another_base_is_refused_before_anything_is_made(void)
{
    uint8_t *other = delta_scratch();
    delta_run_t run = run_of(GOLDEN_SMALL, SIZE_MAX, SIZE_MAX);

    delta_copy(other, golden_base, sizeof(golden_base));
    other[sizeof(golden_base) / 2] ^= 1;
    run.base = other;
    CHECK_EQUAL(delta_run(&run), DLT_ERR_BASE);
    run = run_of(GOLDEN_SMALL, SIZE_MAX, SIZE_MAX);
    run.base_bytes--;
    CHECK_EQUAL(delta_run(&run), DLT_ERR_BASE);
    CHECK_EQUAL(delta_made(), 0);
}

static void headers_are_read_with_care(void)
{
    uint8_t bytes[DLT_HEADER_BYTES];
    dlt_header_t header;

    CHECK_EQUAL(dlt_read_header(golden_patches[GOLDEN_SMALL], 2, &header), DLT_ERR_MAGIC);
    CHECK_EQUAL(dlt_read_header(golden_patches[GOLDEN_SMALL], DLT_HEADER_BYTES - 1, &header), DLT_ERR_HEADER);
    delta_copy(bytes, golden_patches[GOLDEN_SMALL], sizeof(bytes));
    bytes[3]++;
    CHECK_EQUAL(dlt_read_header(bytes, sizeof(bytes), &header), DLT_ERR_VERSION);
    bytes[3]--;
    bytes[4] = 0;
    CHECK_EQUAL(dlt_read_header(bytes, sizeof(bytes), &header), DLT_ERR_HEADER);
    bytes[4] = 17;
    CHECK_EQUAL(dlt_read_header(bytes, sizeof(bytes), &header), DLT_ERR_HEADER);
    bytes[4] = 16;
    CHECK_EQUAL(dlt_read_header(bytes, sizeof(bytes), &header), DLT_OK);
    CHECK(header.memory_bytes <= 12 * 1024);
    bytes[12] = 0x20;
    CHECK_EQUAL(dlt_read_header(bytes, sizeof(bytes), &header), DLT_ERR_HEADER);
}

static void memory_and_room_that_are_too_small_are_refused(void)
{
    dlt_header_t header;
    dlt_decoder_t *decoder;
    dlt_io_t io = {0};
    uint8_t output[DLT_MIN_OUTPUT_BYTES];
    size_t bytes;
    unsigned char *memory = delta_memory(&bytes);

    CHECK_EQUAL(dlt_read_header(golden_patches[GOLDEN_SMALL], DLT_HEADER_BYTES, &header), DLT_OK);
    CHECK(header.memory_bytes <= 4 * 1024);
    CHECK_EQUAL(dlt_init(memory, header.memory_bytes - 1, &header, golden_base, sizeof(golden_base), &decoder),
                DLT_ERR_MEMORY);
    CHECK_EQUAL(dlt_init(memory + 1, bytes - 1, &header, golden_base, sizeof(golden_base), &decoder), DLT_ERR_MEMORY);
    CHECK_EQUAL(dlt_init(memory, bytes, &header, golden_base, sizeof(golden_base), &decoder), DLT_OK);
    io.base = golden_base;
    io.output = output;
    io.output_bytes = DLT_MIN_OUTPUT_BYTES - 1;
    CHECK_EQUAL(dlt_push(decoder, &io), DLT_ERR_ROOM);
    io.output_bytes = DLT_MIN_OUTPUT_BYTES;
    CHECK_EQUAL(dlt_push(decoder, &io), DLT_OK);
    CHECK_EQUAL(dlt_missing(decoder), header.payload_bytes);
    io.patch = golden_patches[GOLDEN_SMALL];
    io.patch_bytes = header.payload_bytes + 1;
    CHECK_EQUAL(dlt_push(decoder, &io), DLT_ERR_TRAILING);
    io.patch_bytes = 0;
    CHECK_EQUAL(dlt_push(decoder, &io), DLT_ERR_TRAILING); /* an error stays */
}

static void every_status_has_a_text_of_its_own(void)
{
    for (int first = DLT_ERR_ROOM; first <= DLT_DONE; first++) {
        for (int second = first + 1; second <= DLT_DONE + 1; second++) {
            CHECK(dlt_strerror((dlt_status_t)first) != dlt_strerror((dlt_status_t)second));
        }
    }
}

void test_delta(void)
{
    RUN(every_patch_makes_its_result_to_the_byte);
    RUN(every_cut_of_input_and_output_makes_the_same_result);
    RUN(a_copy_of_the_state_goes_on_elsewhere);
    RUN(a_patch_that_ends_early_is_not_done);
    RUN(no_damaged_byte_makes_another_result);
    RUN(another_base_is_refused_before_anything_is_made);
    RUN(headers_are_read_with_care);
    RUN(memory_and_room_that_are_too_small_are_refused);
    RUN(every_status_has_a_text_of_its_own);
}
