/* SPDX-License-Identifier: Apache-2.0 */
#include "ferrule/aligner_port.h"
#include "layout.h"

/* Samples in, as the wire brings them: the SAMPLES message of docs/PROTOCOL.md. It is read byte by byte, so that
 * neither its place in memory nor the machine's byte order matters; a compiler makes one load of four where it can. */

enum {
    TYPE_SAMPLES = 0x01,
    STREAM_AT = 1, /* 4: seq, which is for whoever sees every message */
    FIELDS_AT = 2,
    COUNT_AT = 3,
    BASE_TIME_AT = 8,
    HEADER_BYTES = 16,
    WORD_BYTES = 4
};

ALN_STATIC_ASSERT((uint32_t)ALN_DECODED_VALUES >= UINT8_MAX, every_record_has_room);

typedef struct {
    uint32_t stream;
    uint32_t fields;
    uint32_t count;
    int64_t base_time_ns;
} header_t;

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static float read_f32(const uint8_t *bytes)
{
    union {
        uint32_t bits;
        float value;
    } view;

    view.bits = read_u32(bytes);
    return view.value;
}

/* False beyond +-2^62, so that no offset takes the sum out of int64. */
static bool read_base_time_ns(const uint8_t *bytes, int64_t *base_time_ns)
{
    const uint64_t bits = read_u32(bytes) | (uint64_t)read_u32(&bytes[WORD_BYTES]) << 32;
    const uint64_t limit = (uint64_t)1 << 62;
    const bool is_negative = bits > limit;
    const uint64_t magnitude = is_negative ? 0 - bits : bits;

    if (magnitude > limit) {
        return false;
    }
    *base_time_ns = is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

/* True when it is a whole message for one of the streams. */
static bool read_header(const aln_aligner_t *aligner, const uint8_t *bytes, size_t size, header_t *header)
{
    if (size < HEADER_BYTES || bytes[0] != TYPE_SAMPLES) {
        return false;
    }
    header->stream = bytes[STREAM_AT];
    header->fields = bytes[FIELDS_AT];
    header->count = bytes[COUNT_AT];
    return header->stream < aligner->stream_count && header->fields == aligner->streams[header->stream].config.fields &&
           header->count != 0 && size - HEADER_BYTES == (size_t)header->count * (1 + header->fields) * WORD_BYTES &&
           read_base_time_ns(&bytes[BASE_TIME_AT], &header->base_time_ns);
}

/* Decode records, each an offset and the fields; returns where the next one is. */
ALN_INLINE const uint8_t *read_records(const uint8_t *bytes, int64_t base_time_ns, uint32_t fields, uint32_t count,
                                       int64_t *times_ns, float *values)
{
    for (uint32_t i = 0; i < count; i++) {
        times_ns[i] = base_time_ns + read_u32(bytes);
        bytes += WORD_BYTES;
        for (uint32_t field = 0; field < fields; field++) {
            *values++ = read_f32(bytes);
            bytes += WORD_BYTES;
        }
    }
    return bytes;
}

aln_status_t aln_push_bytes(aln_aligner_t *aligner, const uint8_t *bytes, size_t size, uint32_t *accepted)
{
    int64_t *times_ns = aligner->decoded_times_ns;
    float *values = aligner->decoded_values;
    header_t header;
    uint32_t batch;
    uint32_t taken = 0;

    if (!read_header(aligner, bytes, size, &header)) {
        aligner->malformed_count++;
        return ALN_ERR_BYTES;
    }
    bytes += HEADER_BYTES;
    batch = aligner->decoded_value_count / header.fields;
    batch = batch < ALN_DECODED_SAMPLES ? batch : ALN_DECODED_SAMPLES;
    for (uint32_t done = 0; done < header.count; done += batch) {
        const uint32_t count = header.count - done < batch ? header.count - done : batch;
        uint32_t batch_taken = 0;

        bytes = header.fields == 1 ? read_records(bytes, header.base_time_ns, 1, count, times_ns, values)
                                   : read_records(bytes, header.base_time_ns, header.fields, count, times_ns, values);
        (void)aln_push(aligner, header.stream, times_ns, values, count, &batch_taken); /* the stream is known */
        taken += batch_taken;
    }
    *accepted = taken;
    return ALN_OK;
}

uint64_t aln_malformed_count(const aln_aligner_t *aligner)
{
    return aligner->malformed_count;
}
