/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "../src/layout.h"
#include "check.h"
#include "fixture.h"

enum {
    MAX_COLUMNS = 40
};

#define INFINITE (FLT_MAX * 2.0f) /* INFINITE - INFINITE is NaN */

static aln_stream_config_t stream;
static aln_quantization_t quantization;
static float means[MAX_COLUMNS];
static float stds[MAX_COLUMNS];
static int8_t codes[MAX_CELLS];

/* Windows of one row, nothing standardised, codes of 1 and no zero point. */
static aln_config_t plain(uint32_t columns)
{
    aln_config_t config;

    for (uint32_t i = 0; i < columns; i++) {
        means[i] = 0.0f;
        stds[i] = 1.0f;
    }
    quantization.means = means;
    quantization.stds = stds;
    quantization.scale = 1.0f;
    quantization.zero_point = 0;
    stream = stream_of(ALN_HOLD);
    stream.fields = columns;
    config = grid_of(&stream, 1);
    config.row_capacity = 8;
    config.quantization = &quantization;
    return config;
}

static aln_status_t read_codes(aln_aligner_t *aligner, uint8_t *flags, aln_window_info_t *info)
{
    int64_t ages_ns[MAX_AGES];

    return aln_window_read_int8(aligner, codes, flags, (size_t)aligner->rows.window * aligner->rows.columns, info,
                                ages_ns);
}

static int code_of(const aln_config_t *config, float value)
{
    aln_aligner_t *aligner = open_aligner(config);
    aln_window_info_t info;

    CHECK(push_value(aligner, 0, 0, value));
    flush(aligner);
    CHECK_EQUAL(read_codes(aligner, NULL, &info), ALN_OK);
    return codes[0];
}

/* By comparing, where the core adds. */
static int expected_code(float value, float mean, float std, float scale, int zero_point)
{
    const float inverse_scale = 1.0f / scale;
    const float centred = value - mean;
    const float standardised = centred / std;
    const float scaled = standardised * inverse_scale;
    int whole = -300;

    if (scaled < -300.0f) {
        return INT8_MIN;
    }
    while (whole < 300 && (float)whole + 0.5f < scaled) {
        whole++;
    }
    if ((float)whole + 0.5f == scaled && whole % 2 != 0) {
        whole++;
    }
    whole += zero_point;
    return whole < INT8_MIN ? INT8_MIN : whole > INT8_MAX ? INT8_MAX : whole;
}

static void halves_go_to_the_even_code(void)
{
    const aln_config_t config = plain(1);

    CHECK_EQUAL(code_of(&config, 0.5f), 0);
    CHECK_EQUAL(code_of(&config, 1.5f), 2);
    CHECK_EQUAL(code_of(&config, 2.5f), 2);
    CHECK_EQUAL(code_of(&config, -0.5f), 0);
    CHECK_EQUAL(code_of(&config, -1.5f), -2);
    CHECK_EQUAL(code_of(&config, -2.5f), -2);
    CHECK_EQUAL(code_of(&config, 0.50000006f), 1);
    CHECK_EQUAL(code_of(&config, -0.0f), 0);
    quantization.zero_point = -3; /* is added after rounding */
    CHECK_EQUAL(code_of(&config, 0.5f), -3);
    CHECK_EQUAL(code_of(&config, 1.5f), -1);
}

/* 885.5 / 7 is 126.5, 885.5 * (1 / 7) is more; 159.25 * (1 / 1.3) is 122.5, 159.25 / 1.3 is more. */
static void the_deviation_divides_and_the_inverse_scale_multiplies(void)
{
    const aln_config_t config = plain(1);

    stds[0] = 7.0f;
    CHECK_EQUAL(code_of(&config, 885.5f), 126);
    stds[0] = 1.0f;
    quantization.scale = 1.3f;
    CHECK_EQUAL(code_of(&config, 159.25f), 122);
}

static void codes_saturate(void)
{
    const aln_config_t config = plain(1);

    CHECK_EQUAL(code_of(&config, 127.0f), 127);
    CHECK_EQUAL(code_of(&config, 127.5f), 127);
    CHECK_EQUAL(code_of(&config, 1e9f), 127);
    CHECK_EQUAL(code_of(&config, FLT_MAX), 127);
    CHECK_EQUAL(code_of(&config, -128.0f), -128);
    CHECK_EQUAL(code_of(&config, -128.5f), -128);
    CHECK_EQUAL(code_of(&config, -FLT_MAX), -128);
    quantization.zero_point = -128;
    CHECK_EQUAL(code_of(&config, 254.5f), 126);
    CHECK_EQUAL(code_of(&config, 255.5f), 127);
    CHECK_EQUAL(code_of(&config, -1.0f), -128);
    quantization.zero_point = 127;
    CHECK_EQUAL(code_of(&config, 1.0f), 127);
    CHECK_EQUAL(code_of(&config, -254.5f), -127);
}

static void what_float32_cannot_hold_saturates(void)
{
    const aln_config_t config = plain(1);

    means[0] = -FLT_MAX;
    CHECK_EQUAL(code_of(&config, FLT_MAX), 127);
    means[0] = FLT_MAX;
    CHECK_EQUAL(code_of(&config, -FLT_MAX), -128);
    means[0] = 0.0f;
    stds[0] = FLT_MIN;
    CHECK_EQUAL(code_of(&config, -4.0f), -128);
    stds[0] = 1.0f;
    quantization.scale = ALN_SCALE_LEAST;
    CHECK_EQUAL(code_of(&config, FLT_MAX), 127);
    CHECK_EQUAL(code_of(&config, 0.0f), 0);
    quantization.scale = ALN_SCALE_MOST;
    CHECK_EQUAL(code_of(&config, FLT_MAX), 127);
    CHECK_EQUAL(code_of(&config, 1e9f), 0);
}

/* The same for the same seed: -1 to 1. */
static float random_float(uint32_t seed)
{
    uint32_t bits = (seed + 1) * 2654435761u;

    bits = (bits ^ (bits >> 15)) * 2246822519u;
    bits ^= bits >> 13;
    return (float)(bits >> 8) / 8388608.0f - 1.0f;
}

static float value_of(int row, uint32_t column)
{
    return 30.0f * random_float((uint32_t)row * MAX_COLUMNS + column);
}

static void check_codes(aln_aligner_t *aligner)
{
    const int rows = (int)aligner->rows.window;
    const uint32_t columns = aligner->rows.columns;
    aln_window_info_t info;

    while (read_codes(aligner, NULL, &info) == ALN_OK) {
        for (int row = 0; row < rows; row++) {
            for (uint32_t i = 0; i < columns; i++) {
                const float value = value_of((int)(info.t0_ns / 10) + row, i);
                const int expected =
                    expected_code(value, means[i], stds[i], quantization.scale, quantization.zero_point);

                CHECK_EQUAL(codes[(uint32_t)row * columns + i], expected);
            }
        }
    }
}

/* Blocks of cells begin anywhere in a row, and windows wrap. */
static void every_column_has_its_own_mean_and_deviation(void)
{
    for (uint32_t columns = 1; columns <= MAX_COLUMNS; columns++) {
        aln_config_t config = plain(columns);
        aln_aligner_t *aligner;

        for (uint32_t i = 0; i < columns; i++) {
            means[i] = 10.0f * random_float(columns * 100 + i);
            stds[i] = 6.0f + 5.0f * random_float(columns * 200 + i);
        }
        quantization.scale = 0.05f + 0.04f * random_float(columns);
        quantization.zero_point = (int)(columns * 37 % 256) - 128;
        config.window = 5;
        config.hop = 3;
        aligner = open_aligner(&config);
        for (int row = 0; row < 30; row++) {
            const int64_t t_ns = row * 10;
            float values[MAX_COLUMNS];
            uint32_t accepted = 0;

            for (uint32_t i = 0; i < columns; i++) {
                values[i] = value_of(row, i);
            }
            CHECK_EQUAL(aln_push(aligner, 0, &t_ns, values, 1, &accepted), ALN_OK);
            CHECK_EQUAL(accepted, 1);
            check_codes(aligner);
        }
        flush(aligner);
        check_codes(aligner);
        CHECK_EQUAL(ready(aligner), 0);
        CHECK(aligner->rows.seq == 9);
    }
}

static void values_and_codes_are_read_in_turn(void)
{
    const aln_config_t config = plain(1);
    aln_aligner_t *aligner = open_aligner(&config);
    aln_window_info_t info;
    const window_t *window;
    uint8_t flag = 0;

    for (int i = 0; i < 3; i++) {
        CHECK(push_value(aligner, 0, i * 10, (float)i));
    }
    flush(aligner);
    CHECK_EQUAL(read_codes(aligner, &flag, &info), ALN_OK);
    CHECK_EQUAL(codes[0], 0);
    CHECK_EQUAL(flag, ALN_FLAG_MEASURED);
    window = read_window(aligner);
    CHECK(window != NULL && window->values[0] == 1.0f);
    CHECK_EQUAL(read_codes(aligner, &flag, &info), ALN_OK);
    CHECK_EQUAL(codes[0], 2);
    CHECK_EQUAL(info.seq, 2);
    CHECK_EQUAL(info.t0_ns, 20);
    CHECK_EQUAL(read_codes(aligner, &flag, &info), ALN_ERR_EMPTY);
}

static void a_missing_cell_has_the_code_of_its_fill(void)
{
    const aln_config_t config = plain(1);
    aln_aligner_t *aligner;
    aln_window_info_t info;
    uint8_t flag = 0;

    stream.fill_value = -7.0f;
    stream.max_gap_ns = 5;
    aligner = open_aligner(&config);
    CHECK(push_value(aligner, 0, 0, 3.0f));
    CHECK(push_value(aligner, 0, 20, 3.0f));
    flush(aligner);
    CHECK_EQUAL(read_codes(aligner, NULL, &info), ALN_OK);
    CHECK_EQUAL(read_codes(aligner, &flag, &info), ALN_OK);
    CHECK_EQUAL(codes[0], -7);
    CHECK_EQUAL(flag, ALN_FLAG_MISSING);
}

static void codes_without_a_quantization_are_refused_and_take_nothing(void)
{
    aln_config_t config = plain(1);
    aln_aligner_t *aligner;
    aln_window_info_t info;

    config.quantization = NULL;
    aligner = open_aligner(&config);
    CHECK(push_value(aligner, 0, 0, 1.0f));
    flush(aligner);
    CHECK_EQUAL(read_codes(aligner, NULL, &info), ALN_ERR_QUANTIZATION);
    CHECK_EQUAL(ready(aligner), 1);
}

static void a_buffer_of_another_size_is_refused(void)
{
    const aln_config_t config = plain(2);
    aln_aligner_t *aligner = open_aligner(&config);
    aln_window_info_t info;
    int64_t age_ns;

    CHECK(push_value(aligner, 0, 0, 1.0f));
    flush(aligner);
    CHECK_EQUAL(aln_window_read_int8(aligner, codes, NULL, 1, &info, &age_ns), ALN_ERR_BUFFER);
    CHECK_EQUAL(aln_window_read_int8(aligner, codes, NULL, 3, &info, &age_ns), ALN_ERR_BUFFER);
    CHECK_EQUAL(ready(aligner), 1);
}

static void check_status(const aln_config_t *config, aln_status_t expected)
{
    size_t bytes = 0;

    CHECK_EQUAL(aln_memory_bytes(config, &bytes), expected);
}

static void a_scale_or_zero_point_out_of_range_is_refused(void)
{
    static const float bad_scales[] = {0.0f, -1.0f, ALN_SCALE_LEAST / 2, ALN_SCALE_MOST * 2};
    const aln_config_t config = plain(1);

    for (uint32_t i = 0; i < sizeof(bad_scales) / sizeof(bad_scales[0]); i++) {
        quantization.scale = bad_scales[i];
        check_status(&config, ALN_ERR_QUANTIZATION);
    }
    quantization.scale = INFINITE - INFINITE;
    check_status(&config, ALN_ERR_QUANTIZATION);
    quantization.scale = ALN_SCALE_LEAST;
    quantization.zero_point = -128;
    check_status(&config, ALN_OK);
    quantization.scale = ALN_SCALE_MOST;
    quantization.zero_point = 127;
    check_status(&config, ALN_OK);
    quantization.zero_point = 128;
    check_status(&config, ALN_ERR_QUANTIZATION);
    quantization.zero_point = -129;
    check_status(&config, ALN_ERR_QUANTIZATION);
}

static void a_mean_that_is_not_finite_is_refused(void)
{
    const aln_config_t config = plain(3);

    means[2] = INFINITE;
    check_status(&config, ALN_ERR_QUANTIZATION);
    means[2] = -INFINITE;
    check_status(&config, ALN_ERR_QUANTIZATION);
    means[2] = INFINITE - INFINITE;
    check_status(&config, ALN_ERR_QUANTIZATION);
    means[2] = -FLT_MAX;
    check_status(&config, ALN_OK);
}

static void a_deviation_that_is_not_positive_and_finite_is_refused(void)
{
    static const float bad_stds[] = {0.0f, -0.0f, -1.0f, INFINITE};
    const aln_config_t config = plain(3);

    for (uint32_t i = 0; i < sizeof(bad_stds) / sizeof(bad_stds[0]); i++) {
        stds[2] = bad_stds[i];
        check_status(&config, ALN_ERR_QUANTIZATION);
    }
    stds[2] = INFINITE - INFINITE;
    check_status(&config, ALN_ERR_QUANTIZATION);
    stds[2] = FLT_MIN;
    check_status(&config, ALN_OK);
}

static void a_fill_that_has_no_code_is_refused(void)
{
    aln_config_t config = plain(1);

    stream.fill_value = INFINITE - INFINITE;
    check_status(&config, ALN_ERR_QUANTIZATION);
    stream.fill = ALN_FILL_PREVIOUS;
    check_status(&config, ALN_ERR_QUANTIZATION);
    config.quantization = NULL;
    check_status(&config, ALN_OK);
}

void test_quantize(void)
{
    RUN(halves_go_to_the_even_code);
    RUN(the_deviation_divides_and_the_inverse_scale_multiplies);
    RUN(codes_saturate);
    RUN(what_float32_cannot_hold_saturates);
    RUN(every_column_has_its_own_mean_and_deviation);
    RUN(values_and_codes_are_read_in_turn);
    RUN(a_missing_cell_has_the_code_of_its_fill);
    RUN(codes_without_a_quantization_are_refused_and_take_nothing);
    RUN(a_buffer_of_another_size_is_refused);
    RUN(a_scale_or_zero_point_out_of_range_is_refused);
    RUN(a_mean_that_is_not_finite_is_refused);
    RUN(a_deviation_that_is_not_positive_and_finite_is_refused);
    RUN(a_fill_that_has_no_code_is_refused);
}
