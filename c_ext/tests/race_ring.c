/* SPDX-License-Identifier: Apache-2.0 */

/* One thread pushes numbered samples into a ring while another drains it into an aligner and reads windows; for hosts
 * with threads, built with ThreadSanitizer. Sample i is at the time of row i, in turn of either stream, so that a row
 * tells of one sample whether it came. Usage: race_ring SAMPLES */

#define _POSIX_C_SOURCE 200112L

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "ferrule/aligner_port.h"
#include "ferrule/ring.h"

enum {
    PERIOD_NS = 10,
    STREAMS = 2, /* of one field and of two */
    COLUMNS = 3,
    CAPACITY = 64,
    PLACE_BYTES = 12 + 4 * 2,
    BEFORE_WRAP = 1000, /* samples before the indices wrap */
    GIVE_UP_EVERY = 16, /* refusals: then the sample is lost, else it is pushed again */
    MODULUS = 1 << 20   /* of the values; exact in a float */
};

typedef struct {
    aln_ring_t ring;
    uint32_t sample_count;
    uint32_t refused_count; /* the producer's until it is joined, as the next */
    uint32_t lost_count;
    uint32_t is_done;       /* shared */
} race_t;

static int64_t ring_memory[CAPACITY * PLACE_BYTES / 8];
static int64_t aligner_memory[1 << 15];

static void *produce(void *argument)
{
    race_t *race = argument;

    for (uint32_t i = 0; i < race->sample_count; i++) {
        const float value = (float)(i % MODULUS);
        const float values[2] = {value, -value};
        const uint16_t stream = (uint16_t)(i % STREAMS);

        while (aln_ring_push(&race->ring, stream, (int64_t)i * PERIOD_NS, values, stream + 1u) == ALN_ERR_FULL) {
            race->refused_count++;
            (void)sched_yield(); /* where there is one core the other thread has to run too */
            if (race->refused_count % GIVE_UP_EVERY == 0) {
                race->lost_count++;
                break;
            }
        }
    }
    ALN_STORE_RELEASE(&race->is_done, 1u);
    return NULL;
}

static aln_aligner_t *open_aligner(void)
{
    static aln_stream_config_t streams[STREAMS];
    aln_config_t config = {
        .streams = streams,
        .stream_count = STREAMS,
        .window = 1,
        .hop = 1,
        .row_capacity = 4 * CAPACITY,
        .period_ns = PERIOD_NS,
        .deadline_ns = INT64_MAX,
        .max_jump_ns = INT64_MAX,
    };
    aln_aligner_t *aligner = NULL;

    for (uint32_t i = 0; i < STREAMS; i++) {
        streams[i].fields = i + 1;
        streams[i].capacity = 4 * CAPACITY;
        streams[i].mode = ALN_HOLD;
        streams[i].max_gap_ns = 0; /* a sample shows in its own row and in no other */
        streams[i].timeout_ns = INT64_MAX;
    }
    return aln_init(aligner_memory, sizeof(aligner_memory), &config, &aligner) == ALN_OK ? aligner : NULL;
}

/* Samples seen in the rows that are ready; ends the program where one is not what was pushed. */
static uint32_t read_rows(aln_aligner_t *aligner)
{
    float values[COLUMNS];
    uint8_t flags[COLUMNS];
    int64_t ages_ns[STREAMS];
    aln_window_info_t info;
    uint32_t seen = 0;

    while (aln_window_read(aligner, values, flags, COLUMNS, &info, ages_ns) == ALN_OK) {
        const uint32_t number = (uint32_t)(info.t0_ns / PERIOD_NS);
        const float value = (float)(number % MODULUS);
        const uint32_t column = number % STREAMS; /* its stream's first */
        const bool is_there = flags[column] == ALN_FLAG_MEASURED;
        const bool is_alone = flags[number % STREAMS == 0 ? 1 : 0] == ALN_FLAG_MISSING;

        if (!is_alone || (is_there && (values[column] != value || (column == 1 && values[2] != -value)))) {
            printf("row %" PRIu32 ": not the sample that was pushed\n", number);
            exit(1);
        }
        seen += is_there;
    }
    return seen;
}

int main(int argc, char **argv)
{
    static race_t race;
    aln_aligner_t *aligner = open_aligner();
    uint64_t counters[ALN_COUNTERS];
    uint64_t accepted_count = 0;
    uint32_t seen = 0;
    uint32_t overruns = 0;
    bool is_done = false;
    pthread_t producer;

    race.sample_count = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    if (race.sample_count == 0 || aligner == NULL ||
        aln_ring_init(&race.ring, ring_memory, sizeof(ring_memory), CAPACITY, 2) != ALN_OK) {
        return 2;
    }
    race.ring.head = race.ring.tail = UINT32_MAX - BEFORE_WRAP;
    if (pthread_create(&producer, NULL, produce, &race) != 0) {
        return 2;
    }
    while (!is_done) { /* what was pushed before the end is in the ring of the last drain */
        uint32_t accepted = 0;

        is_done = ALN_LOAD_ACQUIRE(&race.is_done) != 0;
        aln_ring_drain(&race.ring, aligner, &accepted);
        accepted_count += accepted;
        seen += read_rows(aligner);
        if (aln_ring_overruns(&race.ring) < overruns) {
            printf("overruns: %" PRIu32 " before, fewer now\n", overruns);
            return 1;
        }
        overruns = aln_ring_overruns(&race.ring);
    }
    (void)pthread_join(producer, NULL);
    aln_flush(aligner);
    seen += read_rows(aligner);
    for (uint32_t i = 0; i < STREAMS; i++) {
        (void)aln_counters(aligner, i, counters);
        accepted_count -= counters[ALN_COUNT_ACCEPTED];
        if (counters[ALN_COUNT_LATE] != 0 || counters[ALN_COUNT_DUPLICATE] != 0 || counters[ALN_COUNT_OVERRUN] != 0) {
            printf("stream %" PRIu32 ": out of order, twice, or without room\n", i);
            return 1;
        }
    }
    printf("%" PRIu32 " samples, %" PRIu32 " seen, %" PRIu32 " overruns\n", race.sample_count, seen,
           race.refused_count);
    return accepted_count == 0 && seen + race.lost_count == race.sample_count &&
                   aln_ring_overruns(&race.ring) == race.refused_count && race.ring.misfit_count == 0
               ? 0
               : 1;
}
