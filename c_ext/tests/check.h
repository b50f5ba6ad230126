/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_TESTS_CHECK_H
#define FERRULE_TESTS_CHECK_H

/* The harness: everything that prints is in main.c, so that the suite also runs where only semihosting does. */

#include <stdbool.h>
#include <stdint.h>

#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(actual, expected) \
    check_equal((int64_t)(actual), (int64_t)(expected), #actual " == " #expected, __FILE__, __LINE__)
#define RUN(test) check_run(test, #test)

void check_that(bool holds, const char *condition, const char *file, int line);
void check_equal(int64_t actual, int64_t expected, const char *condition, const char *file, int line);

/* Run one test and count whether it passed. */
void check_run(void (*test)(void), const char *name);

/* True once a check of the running test has failed. */
bool check_has_failed(void);

/* Say with a random test's failures how to find them again. */
void check_set_case(uint32_t configuration, uint32_t seed);

/* One per subject. */
void test_config(void);
void test_push(void);
void test_bytes(void);
void test_quantize(void);
void test_ring(void);
void test_rows(void);
void test_staging(void);
void test_time(void);
void test_windows(void);
void test_golden(void);
void test_stress(void);
void test_delta(void);
void test_fuzz(void);
void test_fuzz_delta(void);

#endif
