/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/layout.h"
#include "check.h"
#include "fixture.h"
#include "invariants.h"
#include "messages.h"

static uint8_t room[640]; /* a small target has no more */

/* One stream; a row every 10 ns. */
static aln_aligner_t *open_one(uint32_t fields, int64_t lateness_ns)
{
    static aln_stream_config_t stream;
    aln_config_t config;

    stream = stream_of(ALN_HOLD);
    stream.fields = fields;
    stream.capacity = 32;
    config = grid_of(&stream, 1);
    config.lateness_ns = lateness_ns;
    return open_aligner(&config);
}

static message_t message_of(uint8_t fields, uint8_t count)
{
    const message_t message = {.type = 1, .stream = 0, .fields = fields, .count = count, .base_time_ns = 0};

    return message;
}

/* Records at base, base + step_ns, ...; record r has the values r, r + 1, ... */
static size_t write_message(uint8_t *bytes, const message_t *message, uint32_t step_ns)
{
    CHECK(message_size(message) <= sizeof(room) - 8);
    message_write_header(bytes, message);
    for (uint32_t record = 0; record < message->count; record++) {
        message_write_offset(bytes, message, record, record * step_ns);
        for (uint32_t field = 0; field < message->fields; field++) {
            message_write_value(bytes, message, record, field, (float)(record + field));
        }
    }
    return message_size(message);
}

static uint32_t push_bytes(aln_aligner_t *aligner, const uint8_t *bytes, size_t size)
{
    uint32_t accepted = 9999;

    invariants_before(aligner);
    CHECK_EQUAL(aln_push_bytes(aligner, bytes, size, &accepted), ALN_OK);
    invariants_after(aligner);
    return accepted;
}

static uint32_t sum_of_memory(void)
{
    size_t size = 0;
    const unsigned char *bytes = fixture_memory(&size);
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum = sum * 31u + bytes[i];
    }
    return sum;
}

/* Refused and counted, and every other byte of the aligner is as it was. */
static void check_dropped(aln_aligner_t *aligner, const uint8_t *bytes, size_t size)
{
    const uint64_t count = aln_malformed_count(aligner);
    const uint32_t sum = sum_of_memory();
    uint32_t accepted = 7;

    CHECK_EQUAL(aln_push_bytes(aligner, bytes, size, &accepted), ALN_ERR_BYTES);
    CHECK_EQUAL(aln_malformed_count(aligner), count + 1);
    CHECK_EQUAL(accepted, 7);
    aligner->malformed_count = count;
    CHECK_EQUAL(sum_of_memory(), sum);
}

static void a_message_of_any_length_pushes_all_its_samples(void)
{
    for (uint32_t count = 1; count <= 40; count++) {
        aln_aligner_t *aligner = open_one(1, 0);
        const message_t message = message_of(1, (uint8_t)count);

        CHECK_EQUAL(push_bytes(aligner, room, write_message(room, &message, 10)), count);
        flush(aligner);
        for (uint32_t record = 0; record < count; record++) {
            CHECK_CELL(aligner, record * 10, (float)record, ALN_FLAG_MEASURED);
        }
        CHECK(read_window(aligner) == NULL);
    }
}

static void every_field_of_every_record_finds_its_column(void)
{
    for (uint8_t fields = 1; fields <= 10; fields++) {
        aln_aligner_t *aligner = open_one(fields, 0);
        const message_t message = message_of(fields, 12);

        CHECK_EQUAL(push_bytes(aligner, room, write_message(room, &message, 10)), 12);
        flush(aligner);
        for (uint32_t record = 0; record < 12; record++) {
            const window_t *row = read_window(aligner);

            CHECK(row != NULL);
            for (uint32_t field = 0; row != NULL && field < fields; field++) {
                CHECK(row->values[field] == (float)(record + field));
            }
        }
    }
}

static void bytes_may_lie_anywhere(void)
{
    const message_t message = message_of(2, 3);

    for (uint32_t shift = 0; shift < 8; shift++) {
        aln_aligner_t *aligner = open_one(2, 0);

        CHECK_EQUAL(push_bytes(aligner, &room[shift], write_message(&room[shift], &message, 10)), 3);
        flush(aligner);
        CHECK_CELL(aligner, 0, 0.0f, ALN_FLAG_MEASURED);
        CHECK_CELL(aligner, 10, 1.0f, ALN_FLAG_MEASURED);
    }
}

/* The records of a message are decoded a few at a time; some of these change places across that border. */
static void samples_in_any_order_within_the_lateness_come_out_in_order(void)
{
    aln_aligner_t *aligner = open_one(1, 10);
    const message_t message = message_of(1, 41);

    (void)write_message(room, &message, 10);
    for (uint32_t record = 1; record < 41; record++) {
        const uint32_t place = ((record - 1) ^ 1) + 1;

        message_write_offset(room, &message, record, 10 * place);
        message_write_value(room, &message, record, 0, (float)place);
    }
    CHECK_EQUAL(push_bytes(aligner, room, message_size(&message)), 41);
    flush(aligner);
    for (int place = 0; place < 41; place++) {
        CHECK_CELL(aligner, 10 * place, (float)place, ALN_FLAG_MEASURED);
    }
}

static void each_sample_of_a_message_is_checked_and_counted_alone(void)
{
    static const uint8_t infinity[] = {0, 0, 0x80, 0x7f};
    aln_aligner_t *aligner = open_one(1, 0);
    const message_t message = message_of(1, 5);

    (void)write_message(room, &message, 10);
    message_write_value(room, &message, 2, 0, message_read_value(infinity));
    message_write_offset(room, &message, 3, 5);
    message_write_offset(room, &message, 4, UINT32_MAX);
    CHECK_EQUAL(push_bytes(aligner, room, message_size(&message)), 3);
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_NON_FINITE), 1);
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_LATE), 1);
    CHECK_EQUAL(aligner->streams[0].newest_ns, UINT32_MAX);
    CHECK_EQUAL(aln_malformed_count(aligner), 0);
}

static void a_base_time_of_2_to_the_62_is_taken_and_none_beyond(void)
{
    static const int64_t limit_ns = (int64_t)1 << 62;
    aln_aligner_t *aligner = open_one(1, 0);
    message_t message = message_of(1, 2);

    message.base_time_ns = -limit_ns; /* out of range itself, 1 ns later no more */
    CHECK_EQUAL(push_bytes(aligner, room, write_message(room, &message, 1)), 1);
    CHECK_EQUAL(aligner->streams[0].newest_ns, -ALN_TIME_LIMIT);
    message.base_time_ns = limit_ns;
    CHECK_EQUAL(push_bytes(aligner, room, write_message(room, &message, UINT32_MAX)), 0);
    CHECK_EQUAL(count_of(aligner, 0, ALN_COUNT_OUT_OF_RANGE), 3);
    message.base_time_ns = limit_ns + 1;
    check_dropped(aligner, room, write_message(room, &message, 1));
    message.base_time_ns = -limit_ns - 1;
    check_dropped(aligner, room, write_message(room, &message, 1));
    message.base_time_ns = INT64_MAX;
    check_dropped(aligner, room, write_message(room, &message, 1));
    message.base_time_ns = INT64_MIN;
    check_dropped(aligner, room, write_message(room, &message, 1));
}

static void a_header_that_fits_no_stream_drops_the_message(void)
{
    static const message_t messages[] = {
        {0, 0, 2, 3, 0}, {2, 0, 2, 3, 0},  {1, 1, 2, 3, 0}, {1, 255, 2, 3, 0}, {1, 0, 1, 3, 0},
        {1, 0, 3, 3, 0}, {1, 0, 20, 2, 0}, {1, 0, 0, 3, 0}, {1, 0, 2, 0, 0},
    };
    aln_aligner_t *aligner = open_one(2, 0);

    CHECK(push_value(aligner, 0, 100, 1.0f));
    for (uint32_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        check_dropped(aligner, room, write_message(room, &messages[i], 1));
    }
}

static void any_other_length_drops_the_message(void)
{
    aln_aligner_t *aligner = open_one(2, 0);
    const message_t message = message_of(2, 3);
    const size_t size = write_message(room, &message, 10);

    for (size_t length = 0; length < size + 30; length++) {
        if (length != size) {
            check_dropped(aligner, room, length);
        }
    }
    check_dropped(aligner, NULL, 0);
    CHECK_EQUAL(push_bytes(aligner, room, size), 3);
}

static void neither_a_flush_nor_a_reset_forgets_the_malformed_messages(void)
{
    aln_aligner_t *aligner = open_one(1, 0);
    uint32_t accepted = 0;

    CHECK_EQUAL(aln_push_bytes(aligner, room, 3, &accepted), ALN_ERR_BYTES);
    flush(aligner);
    reset(aligner);
    CHECK_EQUAL(aln_malformed_count(aligner), 1);
}

void test_bytes(void)
{
    RUN(a_message_of_any_length_pushes_all_its_samples);
    RUN(every_field_of_every_record_finds_its_column);
    RUN(bytes_may_lie_anywhere);
    RUN(samples_in_any_order_within_the_lateness_come_out_in_order);
    RUN(each_sample_of_a_message_is_checked_and_counted_alone);
    RUN(a_base_time_of_2_to_the_62_is_taken_and_none_beyond);
    RUN(a_header_that_fits_no_stream_drops_the_message);
    RUN(any_other_length_drops_the_message);
    RUN(neither_a_flush_nor_a_reset_forgets_the_malformed_messages);
}
