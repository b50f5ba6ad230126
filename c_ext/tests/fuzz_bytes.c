/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "fixture.h"
#include "invariants.h"
#include "messages.h"

/* Seeded mutations of SAMPLES messages. A twin gets what a reader of its own finds in them, sample by sample through
 * aln_push: both must count and give the same. A failure names its seed: build with -DFUZZ_SEED=<seed>
 * -DFUZZ_INPUTS=500 to have it alone. */

#ifndef FUZZ_SEED
#define FUZZ_SEED 1u
#endif
#ifndef FUZZ_INPUTS
#define FUZZ_INPUTS 4000u
#endif

enum {
    STREAMS = 3,
    COLUMNS = 1 + 3 + 9,
    WINDOW = 2,
    INPUTS_PER_SEED = 500 /* into one aligner */
};

static const uint8_t widths[STREAMS] = {1, 3, 9};
static aln_stream_config_t streams[STREAMS];

static union {
    int64_t alignment;
    unsigned char bytes[8192];
} twin_memory;

static aln_aligner_t *aligner;
static aln_aligner_t *twin;
static uint64_t malformed_count;
static uint64_t state;

/* Source: Marsaglia, Xorshift RNGs (2003), the triple 13, 7, 17; the upper bits are the good ones. */
static uint32_t random_below(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 33) % limit);
}

static bool one_in(uint32_t count)
{
    return random_below(count) == 0;
}

static void open_both(void)
{
    aln_config_t config;
    size_t bytes = 0;

    for (uint32_t i = 0; i < STREAMS; i++) {
        streams[i] = stream_of((aln_mode_t)random_below(6));
        streams[i].fields = widths[i];
        streams[i].capacity = 2u << random_below(4);
        streams[i].fill = ALN_FILL_PREVIOUS;
    }
    config = grid_of(streams, STREAMS);
    config.window = WINDOW;
    config.lateness_ns = (int64_t)random_below(50);
    config.deadline_ns = config.lateness_ns + (int64_t)random_below(40);
    config.max_jump_ns = one_in(2) ? NO_LIMIT : (int64_t)random_below(200);
    aligner = open_aligner(&config);
    CHECK_EQUAL(aln_memory_bytes(&config, &bytes), ALN_OK);
    CHECK_EQUAL(aln_init(twin_memory.bytes, sizeof(twin_memory.bytes), &config, &twin), ALN_OK);
    malformed_count = 0;
}

static float random_value(void)
{
    static const uint8_t odd[][4] = {{0, 0, 0xc0, 0x7f}, {0, 0, 0x80, 0xff}, {0, 0, 0, 0x80}, {1, 0, 0, 0}};

    return one_in(12) ? message_read_value(odd[random_below(4)]) : (float)random_below(3);
}

static size_t write_message(uint8_t *bytes, int64_t now_ns)
{
    const uint8_t stream = (uint8_t)random_below(STREAMS);
    message_t message = {1, stream, widths[stream], 0, now_ns - (int64_t)random_below(60)};
    const uint32_t most = (uint32_t)((MESSAGE_ROOM - MESSAGE_HEADER) / message_record_size(&message));

    message.count = (uint8_t)(1 + random_below(one_in(30) ? most : 6));
    message_write_header(bytes, &message);
    for (uint32_t record = 0; record < message.count; record++) {
        message_write_offset(bytes, &message, record, one_in(60) ? random_below(UINT32_MAX) : random_below(60));
        for (uint32_t field = 0; field < message.fields; field++) {
            message_write_value(bytes, &message, record, field, random_value());
        }
    }
    return message_size(&message);
}

/* Returns the new size; one message in two stays as it is. */
static size_t mutate(uint8_t *bytes, size_t size)
{
    switch (random_below(12)) {
    case 0:
        bytes[random_below(MESSAGE_HEADER)] ^= (uint8_t)(1u << random_below(8));
        return size;
    case 1:
        bytes[random_below((uint32_t)size)] ^= (uint8_t)(1u << random_below(8));
        return size;
    case 2:
        bytes[random_below(4)] = (uint8_t)random_below(256);
        return size;
    case 3:
        bytes[15] = (uint8_t)(random_below(2) * 0x80 + 0x3f + random_below(3)); /* around +-2^62 */
        return size;
    case 4:
        return random_below((uint32_t)size);
    case 5:
        return one_in(2) ? MESSAGE_ROOM : size + random_below((uint32_t)(MESSAGE_ROOM - size) + 1);
    default:
        return size;
    }
}

/* The stream of a whole message, -1 of any other. */
static int stream_in(const uint8_t *bytes, size_t size)
{
    const uint64_t limit = (uint64_t)1 << 62;
    message_t message;
    uint64_t base;

    if (size < MESSAGE_HEADER) {
        return -1;
    }
    message = (message_t){bytes[0], bytes[1], bytes[2], bytes[3], 0};
    base = message_read_number(&bytes[8], 8);
    if (message.type != 1 || message.stream >= STREAMS || message.count == 0 || message_size(&message) != size) {
        return -1;
    }
    return message.fields == widths[message.stream] && base + limit <= 2 * limit ? message.stream : -1;
}

static uint32_t push_to_twin(const uint8_t *bytes, uint32_t stream)
{
    const message_t message = {1, bytes[1], bytes[2], bytes[3], 0};
    const uint64_t base = message_read_number(&bytes[8], 8);
    uint32_t taken = 0;

    for (uint32_t record = 0; record < message.count; record++) {
        const uint8_t *at = &bytes[MESSAGE_HEADER + record * message_record_size(&message)];
        const uint64_t bits = base + message_read_number(at, 4);
        const int64_t time_ns = bits > INT64_MAX ? -(int64_t)(0 - bits) : (int64_t)bits;
        float values[COLUMNS];
        uint32_t accepted = 0;

        for (uint32_t field = 0; field < message.fields; field++) {
            values[field] = message_read_value(&at[4 + 4 * (size_t)field]);
        }
        CHECK_EQUAL(aln_push(twin, stream, &time_ns, values, 1, &accepted), ALN_OK);
        taken += accepted;
    }
    return taken;
}

static void push_to_both(const uint8_t *bytes, size_t size)
{
    const int stream = stream_in(bytes, size);
    uint32_t accepted = 0;
    aln_status_t status;

    invariants_before(aligner);
    status = aln_push_bytes(aligner, bytes, size, &accepted);
    invariants_after(aligner);
    CHECK_EQUAL(status, stream < 0 ? ALN_ERR_BYTES : ALN_OK);
    malformed_count += stream < 0 ? 1 : 0;
    CHECK_EQUAL(accepted, stream < 0 ? 0 : push_to_twin(bytes, (uint32_t)stream));
    CHECK_EQUAL(aln_malformed_count(aligner), malformed_count);
    for (uint32_t i = 0; i < STREAMS; i++) {
        for (uint32_t counter = 0; counter < ALN_COUNTERS; counter++) {
            CHECK_EQUAL(count_of(aligner, i, (aln_counter_t)counter), count_of(twin, i, (aln_counter_t)counter));
        }
    }
}

/* True when there was one. */
static bool read_from_both(void)
{
    static float values[WINDOW * COLUMNS];
    static uint8_t flags[WINDOW * COLUMNS];
    int64_t ages_ns[STREAMS];
    aln_window_info_t info;
    const window_t *window = read_window(aligner);
    const aln_status_t status = aln_window_read(twin, values, flags, WINDOW * COLUMNS, &info, ages_ns);

    CHECK_EQUAL(status, window == NULL ? ALN_ERR_EMPTY : ALN_OK);
    if (window == NULL || status != ALN_OK) {
        return false;
    }
    CHECK_EQUAL(window->info.seq, info.seq);
    CHECK_EQUAL(window->info.t0_ns, info.t0_ns);
    for (uint32_t i = 0; i < WINDOW * COLUMNS; i++) {
        CHECK_EQUAL(message_read_number((const uint8_t *)&window->values[i], sizeof(float)),
                    message_read_number((const uint8_t *)&values[i], sizeof(float)));
        CHECK_EQUAL(window->flags[i], flags[i]);
    }
    for (uint32_t i = 0; i < STREAMS; i++) {
        CHECK_EQUAL(window->ages_ns[i], ages_ns[i]);
    }
    return true;
}

/* Lay the input at the end of its room, so that a sanitizer sees a byte read beyond it. */
static void fuzz_once(int64_t now_ns)
{
    static uint8_t message[MESSAGE_ROOM];
    static uint8_t room[MESSAGE_ROOM];
    const size_t size = mutate(message, write_message(message, now_ns));
    uint8_t *bytes = &room[MESSAGE_ROOM - size];

    for (size_t i = 0; i < size; i++) {
        bytes[i] = message[i];
    }
    push_to_both(bytes, size);
    if (one_in(8)) {
        poll_at(aligner, now_ns);
        CHECK_EQUAL(aln_poll(twin, now_ns), ALN_OK);
    }
    if (one_in(200)) {
        reset(aligner); /* from a jump into the far future */
        aln_reset(twin);
    }
    while (!one_in(4) && read_from_both()) {
    }
}

static void any_bytes_are_samples_or_counted(void)
{
    uint32_t done = 0;

    for (uint32_t seed = FUZZ_SEED; done < FUZZ_INPUTS && !check_has_failed(); seed++) {
        int64_t now_ns = 0;

        check_set_case(0, seed);
        state = seed * 0x9e3779b97f4a7c15u; /* spreads small seeds; never 0 for them */
        open_both();
        for (uint32_t i = 0; i < INPUTS_PER_SEED && done < FUZZ_INPUTS; i++) {
            now_ns += (int64_t)random_below(20);
            fuzz_once(now_ns);
            done++;
        }
    }
}

void test_fuzz(void)
{
    RUN(any_bytes_are_samples_or_counted);
}
