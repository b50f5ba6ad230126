/* SPDX-License-Identifier: Apache-2.0 */
#include "ferrule/ring.h"

#include "../src/layout.h"
#include "check.h"
#include "fixture.h"
#include "invariants.h"

enum {
    CAPACITY = 8,
    FIELDS = 2,
    BYTES = CAPACITY * (12 + 4 * FIELDS),
    NARROW = 0, /* streams: one field, two fields, and one that is not there */
    WIDE = 1,
    UNKNOWN = 2
};

static union {
    int64_t alignment;
    unsigned char bytes[BYTES + 8];
} memory;

static aln_stream_config_t streams[2];
static aln_ring_t ring;

/* An empty ring whose indices start at first, and an aligner of a narrow and a wide stream. */
static aln_aligner_t *open_ring(uint32_t first)
{
    aln_config_t config;

    for (size_t i = 0; i < sizeof(memory.bytes); i++) {
        memory.bytes[i] = 0xa5; /* nothing may count on zeros */
    }
    CHECK_EQUAL(aln_ring_init(&ring, memory.bytes, BYTES, CAPACITY, FIELDS), ALN_OK);
    CHECK_EQUAL(memory.bytes[BYTES], 0xa5);
    ring.head = first;
    ring.tail = first;
    streams[NARROW] = stream_of(ALN_HOLD);
    streams[WIDE] = stream_of(ALN_HOLD);
    streams[WIDE].fields = FIELDS;
    config = grid_of(streams, 2);
    return open_aligner(&config);
}

/* Push a sample with the values value, value + 0.5, ... */
static aln_status_t push_of(uint16_t stream, uint32_t fields, int64_t time_ns, float value)
{
    const uint32_t tail = ring.tail;
    const uint32_t misfit_count = ring.misfit_count;
    const float values[FIELDS + 1] = {value, value + 0.5f, value + 1.0f};
    const aln_status_t status = aln_ring_push(&ring, stream, time_ns, values, fields);

    CHECK(ring.tail == tail && ring.misfit_count == misfit_count); /* R2 */
    CHECK(ring.head - ring.tail <= CAPACITY);                      /* R1 */
    return status;
}

static aln_status_t push_narrow(int64_t time_ns, float value)
{
    return push_of(NARROW, 1, time_ns, value);
}

static uint32_t drain(aln_aligner_t *aligner)
{
    const uint32_t head = ring.head;
    const uint32_t overruns = aln_ring_overruns(&ring);
    uint32_t accepted = 99;

    invariants_before(aligner);
    aln_ring_drain(&ring, aligner, &accepted);
    invariants_after(aligner);
    CHECK(ring.head == head && aln_ring_overruns(&ring) == overruns); /* R2 */
    CHECK_EQUAL(ring.tail, head);
    return accepted;
}

static void a_size_out_of_range_is_refused(void)
{
    static const uint32_t bad_capacities[] = {0, 1, 3, 24, ALN_MAX_CAPACITY * 2u, UINT32_MAX};
    static const uint32_t bad_fields[] = {0, ALN_MAX_FIELDS + 1, UINT32_MAX};
    size_t bytes = 77;

    for (size_t i = 0; i < sizeof(bad_capacities) / sizeof(bad_capacities[0]); i++) {
        CHECK_EQUAL(aln_ring_bytes(bad_capacities[i], 1, &bytes), ALN_ERR_CAPACITY);
        CHECK_EQUAL(aln_ring_init(&ring, memory.bytes, BYTES, bad_capacities[i], 1), ALN_ERR_CAPACITY);
    }
    for (size_t i = 0; i < sizeof(bad_fields) / sizeof(bad_fields[0]); i++) {
        CHECK_EQUAL(aln_ring_bytes(CAPACITY, bad_fields[i], &bytes), ALN_ERR_FIELDS);
        CHECK_EQUAL(aln_ring_init(&ring, memory.bytes, BYTES, CAPACITY, bad_fields[i]), ALN_ERR_FIELDS);
    }
    CHECK_EQUAL(bytes, 77);
}

static void a_place_takes_twelve_bytes_and_four_per_field(void)
{
    size_t bytes = 0;

    CHECK_EQUAL(aln_ring_bytes(2, 1, &bytes), ALN_OK);
    CHECK_EQUAL(bytes, 32);
    CHECK_EQUAL(aln_ring_bytes(CAPACITY, FIELDS, &bytes), ALN_OK);
    CHECK_EQUAL(bytes, BYTES);
}

static void a_ring_beyond_the_address_space_is_refused(void)
{
    size_t bytes = 77;
    const aln_status_t status = aln_ring_bytes(ALN_MAX_CAPACITY, ALN_MAX_FIELDS, &bytes);

    CHECK_EQUAL(status, sizeof(size_t) > 4 ? ALN_OK : ALN_ERR_MEMORY);
}

static void memory_that_is_absent_too_small_or_misaligned_is_refused(void)
{
    CHECK_EQUAL(aln_ring_init(&ring, NULL, BYTES, CAPACITY, FIELDS), ALN_ERR_MEMORY);
    CHECK_EQUAL(aln_ring_init(&ring, memory.bytes, BYTES - 1, CAPACITY, FIELDS), ALN_ERR_MEMORY);
    CHECK_EQUAL(aln_ring_init(&ring, memory.bytes + 4, BYTES, CAPACITY, FIELDS), ALN_ERR_MEMORY);
}

static void an_empty_ring_drains_nothing(void)
{
    aln_aligner_t *aligner = open_ring(0);

    CHECK_EQUAL(drain(aligner), 0);
    CHECK_EQUAL(count_all(aligner, NARROW), 0);
}

static void a_sample_with_no_field_or_more_than_a_place_has_is_refused(void)
{
    (void)open_ring(0);
    CHECK_EQUAL(push_of(WIDE, 0, 0, 1.0f), ALN_ERR_FIELDS);
    CHECK_EQUAL(push_of(WIDE, FIELDS + 1, 0, 1.0f), ALN_ERR_FIELDS);
    CHECK_EQUAL(ring.head, 0);
    CHECK_EQUAL(aln_ring_overruns(&ring), 0);
}

static void a_full_ring_refuses_the_newest_and_counts_it(void)
{
    aln_aligner_t *aligner = open_ring(0);

    for (uint32_t i = 0; i < CAPACITY; i++) {
        CHECK_EQUAL(push_narrow((int64_t)i, (float)i), ALN_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQUAL(push_narrow(100, 100.0f), ALN_ERR_FULL); /* R4 */
        CHECK_EQUAL(aln_ring_overruns(&ring), i + 1);
    }
    for (uint32_t i = 0; i < CAPACITY; i++) { /* R3 */
        CHECK(ring.times_ns[i] == (int64_t)i && ring.values[i * FIELDS] == (float)i);
    }
    CHECK_EQUAL(drain(aligner), CAPACITY);
    CHECK_EQUAL(push_narrow(100, 100.0f), ALN_OK);
    CHECK_EQUAL(drain(aligner), 1);
    CHECK_EQUAL(aln_ring_overruns(&ring), 3);
}

static void the_count_of_overruns_wraps(void)
{
    (void)open_ring(0);
    ring.head = CAPACITY;
    ring.overrun_count = UINT32_MAX;
    CHECK_EQUAL(push_narrow(0, 0.0f), ALN_ERR_FULL);
    CHECK_EQUAL(aln_ring_overruns(&ring), 0);
}

static void every_sample_arrives_once_where_the_indices_wrap(void)
{
    aln_aligner_t *aligner = open_ring(UINT32_MAX - 3 * CAPACITY);
    int64_t pushed = 0;
    int64_t read = 0;

    aligner->streams[WIDE].live = false; /* it has nothing to say here */
    for (uint32_t batch = 0; batch < 4 * CAPACITY; batch++) {
        const uint32_t count = batch % (CAPACITY + 1);

        for (uint32_t i = 0; i < count; i++, pushed++) {
            CHECK_EQUAL(push_narrow(10 * pushed, (float)pushed), ALN_OK);
        }
        CHECK_EQUAL(drain(aligner), count); /* R4 */
        for (; read + 1 < pushed; read++) {
            CHECK_CELL(aligner, 10 * read, (float)read, ALN_FLAG_MEASURED);
        }
    }
    CHECK(ring.head < 3 * CAPACITY * CAPACITY);
    CHECK_EQUAL(aln_ring_overruns(&ring), 0);
}

static void samples_are_pushed_in_the_order_of_the_ring(void)
{
    aln_aligner_t *aligner = open_ring(CAPACITY - 2);

    CHECK_EQUAL(push_narrow(10, 1.0f), ALN_OK);
    CHECK_EQUAL(push_narrow(10, 2.0f), ALN_OK); /* a conflict: the later arrival wins */
    CHECK_EQUAL(push_of(WIDE, 2, 10, 3.0f), ALN_OK);
    CHECK_EQUAL(push_narrow(20, 4.0f), ALN_OK);
    CHECK_EQUAL(push_narrow(15, 5.0f), ALN_OK); /* late: behind 20 */
    CHECK_EQUAL(push_of(WIDE, 2, 20, 6.0f), ALN_OK);
    CHECK_EQUAL(drain(aligner), 5);
    CHECK_EQUAL(count_of(aligner, NARROW, ALN_COUNT_CONFLICT), 1);
    CHECK_EQUAL(count_of(aligner, NARROW, ALN_COUNT_LATE), 1);
    CHECK_EQUAL(count_all(aligner, WIDE), 2);
    {
        const window_t *window = read_window(aligner);

        CHECK(window != NULL && window->info.t0_ns == 10);
        CHECK(window != NULL && window->values[0] == 2.0f && window->values[1] == 3.0f && window->values[2] == 3.5f);
    }
}

static void samples_that_no_stream_takes_are_dropped_and_counted(void)
{
    aln_aligner_t *aligner = open_ring(CAPACITY - 1);

    CHECK_EQUAL(push_of(UNKNOWN, 1, 0, 1.0f), ALN_OK);
    CHECK_EQUAL(push_narrow(0, 1.0f), ALN_OK);
    CHECK_EQUAL(push_of(NARROW, 2, 1, 1.0f), ALN_OK); /* the wide stream's fields */
    CHECK_EQUAL(push_of(NARROW, 2, 2, 1.0f), ALN_OK);
    CHECK_EQUAL(push_of(WIDE, 1, 0, 1.0f), ALN_OK);
    CHECK_EQUAL(push_of(WIDE, 2, 0, 1.0f), ALN_OK);
    CHECK_EQUAL(push_of(UINT16_MAX, 2, 0, 1.0f), ALN_OK);
    CHECK_EQUAL(drain(aligner), 2);
    CHECK_EQUAL(ring.misfit_count, 5); /* R4 */
    CHECK_EQUAL(count_all(aligner, NARROW), 1);
    CHECK_EQUAL(count_all(aligner, WIDE), 1);
}

void test_ring(void)
{
    RUN(a_size_out_of_range_is_refused);
    RUN(a_place_takes_twelve_bytes_and_four_per_field);
    RUN(a_ring_beyond_the_address_space_is_refused);
    RUN(memory_that_is_absent_too_small_or_misaligned_is_refused);
    RUN(an_empty_ring_drains_nothing);
    RUN(a_sample_with_no_field_or_more_than_a_place_has_is_refused);
    RUN(a_full_ring_refuses_the_newest_and_counts_it);
    RUN(the_count_of_overruns_wraps);
    RUN(every_sample_arrives_once_where_the_indices_wrap);
    RUN(samples_are_pushed_in_the_order_of_the_ring);
    RUN(samples_that_no_stream_takes_are_dropped_and_counted);
}
