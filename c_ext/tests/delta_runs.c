/* SPDX-License-Identifier: Apache-2.0 */
#include "delta_runs.h"

#include "check.h"
#include "fixture.h"

enum {
    MOVE_BYTES = 8 /* at least so far is the state moved */
};

static uint8_t output[sizeof(golden_result)];
static size_t made;

void delta_copy(uint8_t *to, const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = from[i];
    }
}

unsigned char *delta_memory(size_t *bytes)
{
    unsigned char *memory = fixture_memory(bytes);

    *bytes -= DELTA_PATCH_ROOM;
    return memory;
}

uint8_t *delta_scratch(void)
{
    size_t bytes;

    return delta_memory(&bytes) + bytes;
}

size_t delta_made(void)
{
    return made;
}

bool delta_is_result(void)
{
    for (size_t i = 0; i < sizeof(golden_result); i++) {
        if (output[i] != golden_result[i]) {
            return false;
        }
    }
    return true;
}

/* Move the state towards the end of the memory, and wipe where it was. */
static dlt_decoder_t *moved(dlt_decoder_t *decoder, size_t size)
{
    uint8_t *bytes = (uint8_t *)decoder;

    for (size_t i = size; i > 0; i--) {
        bytes[MOVE_BYTES + i - 1] = bytes[i - 1];
    }
    for (size_t i = 0; i < MOVE_BYTES; i++) {
        bytes[i] = 0xa5;
    }
    return (dlt_decoder_t *)(void *)(bytes + MOVE_BYTES);
}

static size_t least(size_t first, size_t second)
{
    return first < second ? first : second;
}

static dlt_status_t push_all(const delta_run_t *run, dlt_decoder_t *decoder, const dlt_header_t *header)
{
    size_t at = DLT_HEADER_BYTES;
    size_t bytes;
    unsigned char *const memory = delta_memory(&bytes);
    dlt_status_t status;
    dlt_io_t io = {0};

    io.base = run->base;
    io.result = output;
    do {
        const size_t missing = header->result_bytes - made;

        io.patch = &run->patch[at];
        io.patch_bytes = least(run->chunk_bytes, run->patch_bytes - at);
        io.output = &output[made];
        io.output_bytes = least(run->output_bytes, missing);
        status = dlt_push(decoder, &io);
        CHECK(io.taken <= io.patch_bytes && io.made <= io.output_bytes);
        at += io.taken;
        made += io.made;
        CHECK_EQUAL(dlt_made(decoder), made);
        if (run->is_moved && (size_t)((unsigned char *)decoder - memory) + header->memory_bytes + MOVE_BYTES <= bytes) {
            decoder = moved(decoder, header->memory_bytes);
        }
    } while (status == DLT_OK && (io.taken > 0 || io.made > 0));
    return status;
}

dlt_status_t delta_run(const delta_run_t *run)
{
    dlt_header_t header;
    dlt_decoder_t *decoder;
    size_t bytes;
    void *memory = delta_memory(&bytes);
    dlt_status_t status = dlt_read_header(run->patch, run->patch_bytes, &header);

    made = 0;
    for (size_t i = 0; i < sizeof(output); i++) {
        output[i] = 0;
    }
    if (status == DLT_OK && header.result_bytes > sizeof(output)) {
        return DLT_ERR_HEADER; /* what every caller has to check */
    }
    if (status == DLT_OK) {
        status = dlt_init(memory, bytes, &header, run->base, run->base_bytes, &decoder);
    }
    return status == DLT_OK ? push_all(run, decoder, &header) : status;
}
