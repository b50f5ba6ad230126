/* SPDX-License-Identifier: Apache-2.0 */
#include "delta.h"

/* Header and life of a decoder; what one step does is in delta_step.c. */

static const uint8_t magic[3] = {'F', 'D', 'L'};

static bool is_equal(const uint8_t *first, const uint8_t *second, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (first[i] != second[i]) {
            return false;
        }
    }
    return true;
}

static uint32_t memory_bytes(uint32_t contexts)
{
    return (uint32_t)sizeof(dlt_decoder_t) + 3 * dlt_places(contexts);
}

dlt_status_t dlt_read_header(const uint8_t *bytes, size_t size, dlt_header_t *header)
{
    if (size < sizeof(magic) || !is_equal(bytes, magic, sizeof(magic))) {
        return DLT_ERR_MAGIC;
    }
    if (size < DLT_HEADER_BYTES) {
        return DLT_ERR_HEADER;
    }
    if (bytes[3] != DLT_VERSION) {
        return DLT_ERR_VERSION;
    }
    header->contexts = bytes[4];
    if (header->contexts < 1 || header->contexts > DLT_MAX_CONTEXTS) {
        return DLT_ERR_HEADER;
    }
    header->base_bytes = dlt_read_u32(&bytes[5]);
    header->result_bytes = dlt_read_u32(&bytes[9]);
    header->payload_bytes = dlt_read_u32(&bytes[13]);
    if (header->base_bytes > DLT_MAX_FILE_BYTES || header->result_bytes > DLT_MAX_FILE_BYTES ||
        header->payload_bytes > DLT_MAX_FILE_BYTES) {
        return DLT_ERR_HEADER;
    }
    header->memory_bytes = memory_bytes(header->contexts);
    for (size_t i = 0; i < sizeof(header->base_digest); i++) {
        header->base_digest[i] = bytes[17 + i];
    }
    for (size_t i = 0; i < sizeof(header->result_digest); i++) {
        header->result_digest[i] = bytes[25 + i];
    }
    return DLT_OK;
}

static bool is_base(const dlt_header_t *header, const uint8_t *base, size_t base_bytes, dlt_sha256_t *sha)
{
    uint8_t digest[DLT_SHA256_BYTES];

    if (base_bytes != header->base_bytes) {
        return false;
    }
    dlt_sha256_init(sha);
    dlt_sha256_update(sha, base, base_bytes);
    dlt_sha256_finish(sha, digest);
    return is_equal(digest, header->base_digest, sizeof(header->base_digest));
}

dlt_status_t dlt_init(void *memory, size_t size, const dlt_header_t *header, const uint8_t *base, size_t base_bytes,
                      dlt_decoder_t **decoder)
{
    static const dlt_decoder_t empty;
    dlt_decoder_t *made = (dlt_decoder_t *)memory;
    dlt_bits_t bits;

    if (size < header->memory_bytes || (uintptr_t)memory % sizeof(uint32_t) != 0) {
        return DLT_ERR_MEMORY;
    }
    *made = empty;
    if (!is_base(header, base, base_bytes, &made->sha)) {
        return DLT_ERR_BASE;
    }
    made->base_bytes = header->base_bytes;
    made->result_bytes = header->result_bytes;
    made->missing_bytes = header->payload_bytes;
    made->contexts = header->contexts;
    made->phase = DLT_AT_START;
    for (size_t i = 0; i < sizeof(made->result_digest); i++) {
        made->result_digest[i] = header->result_digest[i];
    }
    bits = dlt_bits_of(made);
    for (uint32_t i = 0; i < dlt_places(made->contexts); i++) {
        bits.zero[i] = 32768;
        bits.met[i] = 0;
    }
    dlt_sha256_init(&made->sha);
    *decoder = made;
    return DLT_OK;
}

/* True when a step can be taken: D3. */
static bool is_fed(const dlt_decoder_t *decoder, const dlt_input_t *input)
{
    return decoder->missing_bytes == 0 || (size_t)(input->end - input->at) >= DLT_INPUT_BYTES;
}

/* Take steps as far as the input at hand, or the room for output, reaches. */
static dlt_status_t run(dlt_decoder_t *decoder, dlt_io_t *io, dlt_input_t *input)
{
    dlt_status_t status = DLT_OK;

    while (status == DLT_OK && decoder->position < decoder->result_bytes && is_fed(decoder, input)) {
        const size_t room = io->output_bytes - io->made;

        if (room < DLT_MIN_OUTPUT_BYTES && room < decoder->result_bytes - decoder->position) {
            break;
        }
        status = dlt_step(decoder, io, input);
    }
    return status;
}

/* Work on the input that earlier calls left, with as much of the new one as it takes to be past it. */
static dlt_status_t run_held(dlt_decoder_t *decoder, dlt_io_t *io)
{
    dlt_input_t input;
    dlt_status_t status;
    uint32_t added = 0;
    uint32_t left;

    for (uint32_t i = decoder->held_at; i < decoder->held_count; i++) {
        decoder->held[i - decoder->held_at] = decoder->held[i];
    }
    decoder->held_count -= decoder->held_at;
    decoder->held_at = 0;
    while (decoder->held_count < sizeof(decoder->held) && io->taken < io->patch_bytes) {
        decoder->held[decoder->held_count] = io->patch[io->taken];
        decoder->held_count++;
        io->taken++;
        added++;
    }
    decoder->missing_bytes -= added;
    input.at = decoder->held;
    input.end = &decoder->held[decoder->held_count];
    status = run(decoder, io, &input);
    decoder->held_at = (uint32_t)(input.at - decoder->held);
    left = decoder->held_count - decoder->held_at;
    if (left <= added) { /* the rest is in the new input, too */
        io->taken -= left;
        decoder->missing_bytes += left;
        decoder->held_at = decoder->held_count = 0;
    }
    return status;
}

static dlt_status_t run_given(dlt_decoder_t *decoder, dlt_io_t *io)
{
    const uint32_t given = (uint32_t)(io->patch_bytes - io->taken);
    dlt_input_t input = {&io->patch[io->taken], &io->patch[io->patch_bytes]};
    dlt_status_t status;
    uint32_t left;

    decoder->missing_bytes -= given;
    status = run(decoder, io, &input);
    left = (uint32_t)(input.end - input.at);
    decoder->missing_bytes += left;
    io->taken += given - left;
    return status;
}

/* Keep what is too little for a step. */
static void hold(dlt_decoder_t *decoder, dlt_io_t *io)
{
    while (io->taken < io->patch_bytes && decoder->held_count < DLT_INPUT_BYTES) {
        decoder->held[decoder->held_count] = io->patch[io->taken];
        decoder->held_count++;
        decoder->missing_bytes--;
        io->taken++;
    }
}

static dlt_status_t advance(dlt_decoder_t *decoder, dlt_io_t *io)
{
    dlt_status_t status = DLT_OK;

    if (decoder->held_count != 0) {
        status = run_held(decoder, io);
    }
    if (status == DLT_OK && decoder->held_count == 0) {
        status = run_given(decoder, io);
        if (io->patch_bytes - io->taken < DLT_INPUT_BYTES) {
            hold(decoder, io);
        }
    }
    return status;
}

static dlt_status_t finish(dlt_decoder_t *decoder)
{
    uint8_t digest[DLT_SHA256_BYTES];
    dlt_sha256_t sha = decoder->sha;

    if (decoder->missing_bytes != 0 || decoder->held_at != decoder->held_count) {
        return DLT_ERR_TRAILING;
    }
    dlt_sha256_finish(&sha, digest);
    return is_equal(digest, decoder->result_digest, sizeof(decoder->result_digest)) ? DLT_DONE : DLT_ERR_RESULT;
}

dlt_status_t dlt_push(dlt_decoder_t *decoder, dlt_io_t *io)
{
    const uint32_t start = decoder->position;
    dlt_status_t status = (dlt_status_t)decoder->error;

    io->taken = 0;
    io->made = 0;
    if (status != DLT_OK) {
        return status;
    }
    if (io->patch_bytes > decoder->missing_bytes) {
        decoder->error = DLT_ERR_TRAILING;
        return DLT_ERR_TRAILING;
    }
    if (io->output_bytes < DLT_MIN_OUTPUT_BYTES && io->output_bytes < decoder->result_bytes - start) {
        return DLT_ERR_ROOM;
    }
    status = advance(decoder, io);
    dlt_sha256_update(&decoder->sha, io->output, io->made);
    if (status == DLT_OK && decoder->position == decoder->result_bytes) {
        status = finish(decoder);
    }
    decoder->error = status;
    return status;
}

uint32_t dlt_made(const dlt_decoder_t *decoder)
{
    return decoder->position;
}

uint32_t dlt_missing(const dlt_decoder_t *decoder)
{
    return decoder->missing_bytes;
}

const char *dlt_strerror(dlt_status_t status)
{
    switch (status) {
    case DLT_OK:
        return "goes on";
    case DLT_DONE:
        return "done";
    case DLT_ERR_MAGIC:
        return "no patch";
    case DLT_ERR_VERSION:
        return "a patch of another version of the format";
    case DLT_ERR_HEADER:
        return "the patch's header is damaged";
    case DLT_ERR_MEMORY:
        return "less memory than the patch needs, or not aligned";
    case DLT_ERR_BASE:
        return "the patch is for another base";
    case DLT_ERR_DAMAGED:
        return "the patch is damaged";
    case DLT_ERR_RESULT:
        return "the result has not the digest that the patch says";
    case DLT_ERR_TRAILING:
        return "the patch is longer than its header says";
    case DLT_ERR_ROOM:
        return "too little room for output";
    }
    return "no status of a delta decoder";
}
