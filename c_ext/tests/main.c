/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "check.h"

enum {
    MAX_SHOWN = 5
}; /* failures of one test that are printed */

static struct {
    const char *name;
    unsigned failures;
    bool has_case;
    uint32_t configuration;
    uint32_t seed;
} running;

static unsigned passed_count;
static unsigned failed_count;

static bool begin_failure(const char *condition, const char *file, int line)
{
    running.failures++;
    if (running.failures > MAX_SHOWN) {
        return false;
    }
    printf("%s:%d: %s: not so: %s", file, line, running.name, condition);
    if (running.has_case) {
        printf(" (configuration %u, seed %u)", (unsigned)running.configuration, (unsigned)running.seed);
    }
    return true;
}

void check_that(bool holds, const char *condition, const char *file, int line)
{
    if (!holds && begin_failure(condition, file, line)) {
        printf("\n");
    }
}

void check_equal(int64_t actual, int64_t expected, const char *condition, const char *file, int line)
{
    if (actual != expected && begin_failure(condition, file, line)) {
        printf(": %lld, %lld\n", (long long)actual, (long long)expected);
    }
}

void check_run(void (*test)(void), const char *name)
{
    running.name = name;
    running.failures = 0;
    running.has_case = false;
    test();
    if (running.failures == 0) {
        passed_count++;
    } else {
        failed_count++;
    }
}

bool check_has_failed(void)
{
    return running.failures != 0;
}

void check_set_case(uint32_t configuration, uint32_t seed)
{
    running.has_case = true;
    running.configuration = configuration;
    running.seed = seed;
}

int main(void)
{
#ifdef SUITE_SUBJECT /* one alone, where there is no memory for all */
    SUITE_SUBJECT();
#else
    test_config();
    test_push();
    test_bytes();
    test_quantize();
    test_ring();
    test_rows();
    test_staging();
    test_time();
    test_windows();
    test_golden();
    test_stress();
    test_delta();
    test_fuzz();
    test_fuzz_delta();
#endif
    printf("%u passed, %u failed\n", passed_count, failed_count);
    return failed_count == 0 ? 0 : 1;
}
