/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "ferrule/delta.h"

/* bench_delta BASE PATCH: apply the patch, all of it at once, in the function bench_measured. */

typedef struct {
    uint8_t *bytes;
    size_t size;
} content_t;

static content_t load(const char *path)
{
    content_t content = {NULL, 0};
    FILE *file = fopen(path, "rb");

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        exit(1);
    }
    content.size = (size_t)ftell(file);
    content.bytes = malloc(content.size + 1);
    rewind(file);
    if (content.bytes == NULL || fread(content.bytes, 1, content.size, file) != content.size) {
        exit(1);
    }
    fclose(file);
    return content;
}

__attribute__((noinline)) static dlt_status_t bench_measured(dlt_decoder_t *decoder, dlt_io_t *io)
{
    return dlt_push(decoder, io);
}

int main(int count, char **arguments)
{
    content_t base;
    content_t patch;
    dlt_header_t header;
    dlt_decoder_t *decoder;
    dlt_io_t io = {0};
    void *memory;
    uint8_t *result;

    if (count != 3) {
        return 2;
    }
    base = load(arguments[1]);
    patch = load(arguments[2]);
    if (dlt_read_header(patch.bytes, patch.size, &header) != DLT_OK) {
        return 1;
    }
    memory = malloc(header.memory_bytes);
    result = malloc(header.result_bytes);
    if (memory == NULL || result == NULL ||
        dlt_init(memory, header.memory_bytes, &header, base.bytes, base.size, &decoder) != DLT_OK) {
        return 1;
    }
    io.base = base.bytes;
    io.result = result;
    io.patch = &patch.bytes[DLT_HEADER_BYTES];
    io.patch_bytes = patch.size - DLT_HEADER_BYTES;
    io.output = result;
    io.output_bytes = header.result_bytes;
    return bench_measured(decoder, &io) == DLT_DONE ? 0 : 1;
}
