/* SPDX-License-Identifier: Apache-2.0 */
#include "sha256.h"

static const uint32_t constants[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u};

static uint32_t rotate(uint32_t word, unsigned count)
{
    return word >> count | word << (32 - count);
}

/* The next word of the schedule, in the place of the one 16 before. */
static uint32_t next_word(uint32_t schedule[16], unsigned round)
{
    const uint32_t w15 = schedule[(round + 1) % 16];
    const uint32_t w2 = schedule[(round + 14) % 16];

    schedule[round % 16] += (rotate(w15, 7) ^ rotate(w15, 18) ^ w15 >> 3) + schedule[(round + 9) % 16] +
                            (rotate(w2, 17) ^ rotate(w2, 19) ^ w2 >> 10);
    return schedule[round % 16];
}

static void take_block(uint32_t state[8], const uint8_t *bytes)
{
    uint32_t schedule[16];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

    for (unsigned i = 0; i < 16; i++) {
        const uint8_t *at = &bytes[4 * i];

        schedule[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    }
    for (unsigned i = 0; i < 64; i++) {
        const uint32_t word = i < 16 ? schedule[i] : next_word(schedule, i);
        const uint32_t first =
            h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + word;
        const uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

        h = g;
        g = f;
        f = e;
        e = d + first;
        d = c;
        c = b;
        b = a;
        a = first + second;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void dlt_sha256_init(dlt_sha256_t *sha)
{
    static const uint32_t start[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                      0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};

    for (unsigned i = 0; i < 8; i++) {
        sha->state[i] = start[i];
    }
    sha->byte_count = 0;
}

void dlt_sha256_update(dlt_sha256_t *sha, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const uint32_t held = sha->byte_count % DLT_SHA256_BLOCK;

        if (held == 0 && size >= DLT_SHA256_BLOCK) {
            take_block(sha->state, bytes);
            sha->byte_count += DLT_SHA256_BLOCK;
            bytes += DLT_SHA256_BLOCK;
            size -= DLT_SHA256_BLOCK;
            continue;
        }
        sha->block[held] = *bytes;
        sha->byte_count++;
        bytes++;
        size--;
        if (held == DLT_SHA256_BLOCK - 1) {
            take_block(sha->state, sha->block);
        }
    }
}

void dlt_sha256_finish(dlt_sha256_t *sha, uint8_t digest[DLT_SHA256_BYTES])
{
    static const uint8_t one_bit = 0x80;
    static const uint8_t zero = 0;
    const uint32_t count = sha->byte_count;
    const uint8_t bit_count[8] = {0,
                                  0,
                                  0,
                                  (uint8_t)(count >> 29),
                                  (uint8_t)(count >> 21),
                                  (uint8_t)(count >> 13),
                                  (uint8_t)(count >> 5),
                                  (uint8_t)(count << 3)};

    dlt_sha256_update(sha, &one_bit, 1);
    while (sha->byte_count % DLT_SHA256_BLOCK != DLT_SHA256_BLOCK - sizeof(bit_count)) {
        dlt_sha256_update(sha, &zero, 1);
    }
    dlt_sha256_update(sha, bit_count, sizeof(bit_count));
    for (unsigned i = 0; i < DLT_SHA256_BYTES; i++) {
        digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}
