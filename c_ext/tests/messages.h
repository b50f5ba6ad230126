/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_TESTS_MESSAGES_H
#define FERRULE_TESTS_MESSAGES_H

/* SAMPLES messages of the wire (docs/PROTOCOL.md), written and read in a way of their own. */

#include <stddef.h>
#include <stdint.h>

enum {
    MESSAGE_HEADER = 16,
    MESSAGE_ROOM = MESSAGE_HEADER + 255 * 8
};

typedef struct {
    uint8_t type;
    uint8_t stream;
    uint8_t fields;
    uint8_t count;
    int64_t base_time_ns;
} message_t;

size_t message_record_size(const message_t *message);
size_t message_size(const message_t *message);

void message_write_header(uint8_t *bytes, const message_t *message);
void message_write_offset(uint8_t *bytes, const message_t *message, uint32_t record, uint32_t offset_ns);
void message_write_value(uint8_t *bytes, const message_t *message, uint32_t record, uint32_t field, float value);

uint64_t message_read_number(const uint8_t *bytes, size_t size);
float message_read_value(const uint8_t *bytes);

#endif
