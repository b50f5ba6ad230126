/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_SHA256_H
#define FERRULE_SHA256_H

/* Source: FIPS 180-4, sections 5 and 6.2. */

#include <stddef.h>
#include <stdint.h>

enum {
    DLT_SHA256_BYTES = 32,
    DLT_SHA256_BLOCK = 64
};

typedef struct {
    uint32_t state[8];
    uint32_t byte_count; /* so far; messages of 512 MiB and more are beyond it */
    uint8_t block[DLT_SHA256_BLOCK];
} dlt_sha256_t;

void dlt_sha256_init(dlt_sha256_t *sha);
void dlt_sha256_update(dlt_sha256_t *sha, const uint8_t *bytes, size_t size);
void dlt_sha256_finish(dlt_sha256_t *sha, uint8_t digest[DLT_SHA256_BYTES]);

#endif
