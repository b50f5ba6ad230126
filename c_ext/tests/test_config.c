/* SPDX-License-Identifier: Apache-2.0 */
#include "../src/layout.h"
#include "check.h"
#include "fixture.h"

static aln_stream_config_t stream;

static aln_config_t good(void)
{
    stream = stream_of(ALN_HOLD);
    return grid_of(&stream, 1);
}

static void check_refused(const aln_config_t *config, aln_status_t status)
{
    aln_aligner_t *aligner = NULL;
    size_t room = 0;
    void *memory = fixture_memory(&room);
    size_t bytes = 77;

    CHECK_EQUAL(aln_memory_bytes(config, &bytes), status);
    CHECK_EQUAL(aln_init(memory, room, config, &aligner), status);
    CHECK(bytes == 77 && aligner == NULL);
}

static void every_status_has_its_own_text(void)
{
    for (int a = ALN_ERR_BYTES; a <= ALN_OK; a++) {
        CHECK(aln_strerror((aln_status_t)a)[0] != '\0');
        CHECK(aln_strerror((aln_status_t)a) != aln_strerror((aln_status_t)1));
        for (int b = ALN_ERR_BYTES; b < a; b++) {
            const char *left = aln_strerror((aln_status_t)a);
            const char *right = aln_strerror((aln_status_t)b);

            while (*left != '\0' && *left == *right) {
                left++;
                right++;
            }
            CHECK(*left != *right);
        }
    }
}

static void a_status_out_of_the_enum_is_called_unknown(void)
{
    CHECK(aln_strerror((aln_status_t)1)[0] == 'u');
    CHECK(aln_strerror((aln_status_t)1) == aln_strerror((aln_status_t)(ALN_ERR_BYTES - 1)));
}

static void a_good_configuration_is_taken(void)
{
    const aln_config_t config = good();

    CHECK(open_aligner(&config) != NULL);
}

static void a_count_of_streams_out_of_range_is_refused(void)
{
    aln_config_t config = good();

    config.stream_count = 0;
    check_refused(&config, ALN_ERR_STREAMS);
    config.stream_count = ALN_MAX_STREAMS + 1;
    check_refused(&config, ALN_ERR_STREAMS);
}

static void a_count_of_fields_out_of_range_is_refused(void)
{
    const aln_config_t config = good();

    stream.fields = 0;
    check_refused(&config, ALN_ERR_FIELDS);
    stream.fields = ALN_MAX_FIELDS + 1;
    check_refused(&config, ALN_ERR_FIELDS);
}

static void an_unknown_mode_is_refused(void)
{
    const aln_config_t config = good();

    stream.mode = (aln_mode_t)(ALN_MAX + 1);
    check_refused(&config, ALN_ERR_MODE);
    stream.mode = (aln_mode_t)-1;
    check_refused(&config, ALN_ERR_MODE);
}

static void an_unknown_fill_is_refused(void)
{
    const aln_config_t config = good();

    stream.fill = (aln_fill_t)(ALN_FILL_PREVIOUS + 1);
    check_refused(&config, ALN_ERR_MODE);
    stream.fill = (aln_fill_t)-1;
    check_refused(&config, ALN_ERR_MODE);
}

static void a_sample_capacity_that_is_no_power_of_two_within_the_limits_is_refused(void)
{
    static const uint32_t bad[] = {0, 1, 3, 24, ALN_MAX_CAPACITY * 2u, UINT32_MAX};
    const aln_config_t config = good();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        stream.capacity = bad[i];
        check_refused(&config, ALN_ERR_CAPACITY);
    }
}

static void a_row_capacity_that_is_no_power_of_two_or_holds_no_window_is_refused(void)
{
    static const uint32_t bad[] = {0, 4, 12, ALN_MAX_CAPACITY * 2u, UINT32_MAX};
    aln_config_t config = good();

    config.window = 5;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        config.row_capacity = bad[i];
        check_refused(&config, ALN_ERR_CAPACITY);
    }
}

static void a_period_out_of_range_is_refused(void)
{
    static const int64_t bad[] = {0, -1, INT64_MIN, ALN_TIME_LIMIT / 2 + 1, INT64_MAX};
    aln_config_t config = good();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        config.period_ns = bad[i];
        check_refused(&config, ALN_ERR_PERIOD);
    }
}

static void a_phase_beyond_the_time_limit_is_refused(void)
{
    aln_config_t config = good();

    config.phase_ns = ALN_TIME_LIMIT + 1;
    check_refused(&config, ALN_ERR_TIME);
    config.phase_ns = INT64_MIN;
    check_refused(&config, ALN_ERR_TIME);
}

static void a_window_or_hop_out_of_range_is_refused(void)
{
    static const uint32_t bad[] = {0, ALN_MAX_WINDOW + 1, UINT32_MAX};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        aln_config_t config = good();

        config.window = bad[i];
        check_refused(&config, ALN_ERR_WINDOW);
        config = good();
        config.hop = bad[i];
        check_refused(&config, ALN_ERR_WINDOW);
    }
}

static void a_duration_out_of_range_is_refused(void)
{
    static const int64_t bad[] = {-1, INT64_MIN, ALN_TIME_LIMIT / 2 + 1, INT64_MAX - 1};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        aln_config_t config = good();

        config.lateness_ns = bad[i];
        check_refused(&config, ALN_ERR_SPAN);
        config = good();
        config.deadline_ns = bad[i];
        check_refused(&config, ALN_ERR_SPAN);
        config = good();
        config.max_jump_ns = bad[i];
        check_refused(&config, ALN_ERR_SPAN);
        config = good();
        stream.max_gap_ns = bad[i];
        check_refused(&config, ALN_ERR_SPAN);
        config = good();
        stream.timeout_ns = bad[i];
        check_refused(&config, ALN_ERR_SPAN);
    }
}

static void an_unlimited_lateness_is_refused(void)
{
    aln_config_t config = good();

    config.lateness_ns = INT64_MAX;
    check_refused(&config, ALN_ERR_SPAN);
}

static void a_deadline_below_the_lateness_is_refused(void)
{
    aln_config_t config = good();

    config.lateness_ns = 20;
    config.deadline_ns = 19;
    check_refused(&config, ALN_ERR_SPAN);
    config.deadline_ns = 20;
    CHECK(open_aligner(&config) != NULL);
}

static void every_stream_is_looked_at(void)
{
    static aln_stream_config_t streams[3];
    aln_config_t config;

    for (uint32_t i = 0; i < 3; i++) {
        streams[i] = stream_of(ALN_LINEAR);
    }
    streams[2].fields = 0;
    config = grid_of(streams, 3);
    check_refused(&config, ALN_ERR_FIELDS);
}

static void memory_that_is_too_small_is_refused(void)
{
    const aln_config_t config = good();
    aln_aligner_t *aligner = NULL;
    size_t room = 0;
    size_t bytes = 0;
    void *memory = fixture_memory(&room);

    CHECK_EQUAL(aln_memory_bytes(&config, &bytes), ALN_OK);
    CHECK_EQUAL(aln_init(memory, bytes - 1, &config, &aligner), ALN_ERR_MEMORY);
    CHECK_EQUAL(aln_init(memory, 0, &config, &aligner), ALN_ERR_MEMORY);
    CHECK_EQUAL(aln_init(NULL, bytes, &config, &aligner), ALN_ERR_MEMORY);
    CHECK(aligner == NULL);
    CHECK_EQUAL(aln_init(memory, bytes, &config, &aligner), ALN_OK);
    CHECK(aligner != NULL);
}

static void memory_that_is_misaligned_is_refused(void)
{
    const aln_config_t config = good();
    aln_aligner_t *aligner = NULL;
    size_t room = 0;
    unsigned char *memory = fixture_memory(&room);

    for (size_t i = 1; i < 8; i++) {
        CHECK_EQUAL(aln_init(memory + i, room - i, &config, &aligner), ALN_ERR_MEMORY);
    }
    CHECK(aligner == NULL);
    CHECK_EQUAL(aln_init(memory + 8, room - 8, &config, &aligner), ALN_OK);
}

static void memory_beyond_the_address_space_is_refused_or_measured_without_wrapping(void)
{
    aln_config_t config = good();
    size_t bytes = 0;
    aln_status_t status;

    stream.fields = ALN_MAX_FIELDS;
    stream.capacity = ALN_MAX_CAPACITY;
    config.row_capacity = ALN_MAX_CAPACITY;
    status = aln_memory_bytes(&config, &bytes);
#if SIZE_MAX > UINT32_MAX
    CHECK_EQUAL(status, ALN_OK);
    CHECK((uint64_t)bytes > (uint64_t)ALN_MAX_CAPACITY * ALN_MAX_FIELDS * sizeof(float) * 2);
#else
    CHECK_EQUAL(status, ALN_ERR_MEMORY);
    CHECK_EQUAL(bytes, 0);
#endif
}

static void the_memory_is_what_the_document_says(void)
{
    static aln_stream_config_t streams[2];
    aln_config_t config;
    size_t bytes = 0;
    size_t expected;

    streams[0] = stream_of(ALN_HOLD);
    streams[1] = stream_of(ALN_LINEAR);
    streams[1].fields = 3;
    config = grid_of(streams, 2);
    config.window = 4;
    config.hop = 2;
    expected = sizeof(aln_aligner_t) + 2 * sizeof(aln_stream_t);
    expected += 16 * (8 + 4 * 1) + 16 * (8 + 4 * 3); /* samples */
    expected += 16 * (4 * 4 + 2); /* rows */
    expected += 8 * (sizeof(aln_window_t) + 8 * 2); /* windows: 16 rows / 2 */
    expected += 4 * 32 * 3; /* decoded at a time */
    CHECK_EQUAL(aln_memory_bytes(&config, &bytes), ALN_OK);
    CHECK_EQUAL(bytes, expected);
}

static void the_configuration_is_copied(void)
{
    const aln_config_t config = good();
    aln_aligner_t *aligner = open_aligner(&config);

    stream.fields = 99;
    stream.mode = ALN_MAX;
    (void)push_value(aligner, 0, 10, 1.0f);
    (void)push_value(aligner, 0, 11, 2.0f);
    CHECK_CELL(aligner, 10, 1.0f, ALN_FLAG_MEASURED);
}

void test_config(void)
{
    RUN(every_status_has_its_own_text);
    RUN(a_status_out_of_the_enum_is_called_unknown);
    RUN(a_good_configuration_is_taken);
    RUN(a_count_of_streams_out_of_range_is_refused);
    RUN(a_count_of_fields_out_of_range_is_refused);
    RUN(an_unknown_mode_is_refused);
    RUN(an_unknown_fill_is_refused);
    RUN(a_sample_capacity_that_is_no_power_of_two_within_the_limits_is_refused);
    RUN(a_row_capacity_that_is_no_power_of_two_or_holds_no_window_is_refused);
    RUN(a_period_out_of_range_is_refused);
    RUN(a_phase_beyond_the_time_limit_is_refused);
    RUN(a_window_or_hop_out_of_range_is_refused);
    RUN(a_duration_out_of_range_is_refused);
    RUN(an_unlimited_lateness_is_refused);
    RUN(a_deadline_below_the_lateness_is_refused);
    RUN(every_stream_is_looked_at);
    RUN(memory_that_is_too_small_is_refused);
    RUN(memory_that_is_misaligned_is_refused);
    RUN(memory_beyond_the_address_space_is_refused_or_measured_without_wrapping);
    RUN(the_memory_is_what_the_document_says);
    RUN(the_configuration_is_copied);
}
