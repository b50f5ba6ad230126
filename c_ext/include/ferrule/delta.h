/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_DELTA_H
#define FERRULE_DELTA_H

/* Makes a new file out of an old one, the base, and a patch, as the patch comes in. docs/DELTA.md has the format.
 *
 * Nothing is allocated and nothing is known of the files. The base lies in memory that can be read (flash, a mapped
 * file). The result leaves in pieces; what has left must stay readable, too. All state is in one block of memory
 * without pointers: copied between two calls, it goes on elsewhere, also after a restart or in another process.
 *
 * Order of calls: dlt_read_header, dlt_init, then dlt_push until it says DLT_DONE. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */

enum {
    DLT_VERSION = 1,
    DLT_HEADER_BYTES = 41,
    DLT_BASE_DIGEST_BYTES = 8,    /* first ones of the SHA-256: which file it is, not whether someone forged it */
    DLT_RESULT_DIGEST_BYTES = 16, /* the same */
    DLT_MAX_FILE_BYTES = 0x1fffffff, /* of base, result and payload: SHA-256 counts bits in 32 */
    DLT_INPUT_BYTES = 32,         /* that one step may read */
    DLT_MIN_OUTPUT_BYTES = 4      /* that one step may write */
};

typedef enum {
    DLT_OK = 0,            /* goes on with more patch, or with room for more output */
    DLT_DONE = 1,          /* the whole result was made, and has its digest */
    DLT_ERR_MAGIC = -1,    /* no patch */
    DLT_ERR_VERSION = -2,  /* a patch of another version */
    DLT_ERR_HEADER = -3,   /* a patch whose header is damaged */
    DLT_ERR_MEMORY = -4,   /* the memory is smaller than the patch needs, or not aligned to 4 bytes */
    DLT_ERR_BASE = -5,     /* a patch for another base */
    DLT_ERR_DAMAGED = -6,  /* the patch says what cannot be */
    DLT_ERR_RESULT = -7,   /* the result has not the digest that the patch says */
    DLT_ERR_TRAILING = -8, /* the patch is longer than its header says */
    DLT_ERR_ROOM = -9      /* room for less than DLT_MIN_OUTPUT_BYTES of output, and less than is missing */
} dlt_status_t;

/* What a patch says of itself in its first DLT_HEADER_BYTES. */
typedef struct {
    uint32_t base_bytes;
    uint32_t result_bytes;
    uint32_t payload_bytes; /* behind the header */
    uint32_t contexts;      /* of exponents, which decide on the memory */
    uint32_t memory_bytes;  /* that dlt_init needs */
    uint8_t base_digest[8];
    uint8_t result_digest[16];
} dlt_header_t;

/* One call's input and output; the caller fills all but taken and made. */
typedef struct {
    const uint8_t *base;   /* the whole base */
    const uint8_t *result; /* where all output of earlier calls can be read */
    const uint8_t *patch;  /* the next bytes behind the header; cut anywhere */
    size_t patch_bytes;
    uint8_t *output; /* may be the place behind the earlier output in result */
    size_t output_bytes;
    size_t taken; /* bytes of patch that need not be given again */
    size_t made;  /* bytes of output that are ready to leave */
} dlt_io_t;

/* All state; the adaptive bits are behind it. */
typedef struct dlt_decoder dlt_decoder_t;

/* Read what the first DLT_HEADER_BYTES of a patch say. The caller decides whether the sizes are bearable. */
dlt_status_t dlt_read_header(const uint8_t *bytes, size_t size, dlt_header_t *header);

/* Check the base against the header and lay the decoder out in memory, aligned to 4 bytes. */
dlt_status_t dlt_init(void *memory, size_t memory_bytes, const dlt_header_t *header, const uint8_t *base,
                      size_t base_bytes, dlt_decoder_t **decoder);

/* Take bytes of the patch and make bytes of the result, as far as input and room reach. With the last byte of the
 * result it is checked. After an error every call returns it again. */
dlt_status_t dlt_push(dlt_decoder_t *decoder, dlt_io_t *io);

/* Bytes of the result made so far. */
uint32_t dlt_made(const dlt_decoder_t *decoder);

/* Bytes of the patch that were not taken yet: where the state goes on. */
uint32_t dlt_missing(const dlt_decoder_t *decoder);

/* What a status means, in English. */
const char *dlt_strerror(dlt_status_t status);

/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
