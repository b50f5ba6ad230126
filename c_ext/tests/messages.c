/* SPDX-License-Identifier: Apache-2.0 */
#include "messages.h"

typedef union {
    uint32_t bits;
    float value;
} float_bits_t;

static void write_number(uint8_t *bytes, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(number & 0xff);
        number /= 256;
    }
}

uint64_t message_read_number(const uint8_t *bytes, size_t size)
{
    uint64_t number = 0;

    while (size > 0) {
        size--;
        number = number * 256 + bytes[size];
    }
    return number;
}

float message_read_value(const uint8_t *bytes)
{
    float_bits_t view;

    view.bits = (uint32_t)message_read_number(bytes, 4);
    return view.value;
}

size_t message_record_size(const message_t *message)
{
    return 4 + 4 * (size_t)message->fields;
}

size_t message_size(const message_t *message)
{
    return MESSAGE_HEADER + message->count * message_record_size(message);
}

void message_write_header(uint8_t *bytes, const message_t *message)
{
    bytes[0] = message->type;
    bytes[1] = message->stream;
    bytes[2] = message->fields;
    bytes[3] = message->count;
    write_number(&bytes[4], 7, 4);
    write_number(&bytes[8], (uint64_t)message->base_time_ns, 8);
}

static uint8_t *record_at(uint8_t *bytes, const message_t *message, uint32_t record)
{
    return &bytes[MESSAGE_HEADER + record * message_record_size(message)];
}

void message_write_offset(uint8_t *bytes, const message_t *message, uint32_t record, uint32_t offset_ns)
{
    write_number(record_at(bytes, message, record), offset_ns, 4);
}

void message_write_value(uint8_t *bytes, const message_t *message, uint32_t record, uint32_t field, float value)
{
    float_bits_t view;

    view.value = value;
    write_number(record_at(bytes, message, record) + 4 + 4 * (size_t)field, view.bits, 4);
}
