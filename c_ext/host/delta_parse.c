/* SPDX-License-Identifier: Apache-2.0 */
#include "delta_parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    HASH_BITS = 16,
    HASHED = 4,       /* bytes */
    MAX_TRIED = 16,   /* places with one hash */
    LONG_ENOUGH = 64, /* a match that is taken as it is */
    EVERY_LENGTH = 12 /* up to it shorter lengths than the match's are tried, too */
};

static const uint32_t none = UINT32_MAX;

/* Costs in bits, and how often each was used. */
typedef struct {
    float ops[DLT_OPS][DLT_OPS];
    float differences[256];
    float literals[256];
    float lengths[DLT_NUMBERS][DLT_LENGTH_LEAVES + 1];
} table_t;

/* The cheapest way to a place of the stretch. */
typedef struct {
    float cost;
    uint32_t before; /* place that it comes from */
    uint32_t shift;  /* cursor - position, modulo 2^32 */
    dlt_item_t item;
} node_t;

struct dlt_parse {
    const uint8_t *base;
    const uint8_t *result;
    uint32_t base_bytes;
    uint32_t result_bytes;
    uint32_t *heads; /* newest place of each hash; places of the result follow those of the base */
    uint32_t *older; /* of each place, the one before with its hash */
    node_t *nodes;
    dlt_item_t *items;
    table_t costs;
    table_t used;
};

static uint32_t hash_of(const uint8_t *bytes)
{
    uint32_t word;

    memcpy(&word, bytes, sizeof(word));
    return word * 2654435761u >> (32 - HASH_BITS); /* Knuth's multiplicative hashing */
}

static void insert(dlt_parse_t *parse, const uint8_t *bytes, uint32_t place)
{
    uint32_t *head = &parse->heads[hash_of(bytes)];

    parse->older[place] = *head;
    *head = place;
}

dlt_parse_t *dlt_parse_open(const uint8_t *base, uint32_t base_bytes, const uint8_t *result, uint32_t result_bytes)
{
    dlt_parse_t *parse = calloc(1, sizeof(*parse));

    if (parse == NULL) {
        return NULL;
    }
    parse->base = base;
    parse->result = result;
    parse->base_bytes = base_bytes;
    parse->result_bytes = result_bytes;
    parse->heads = malloc(sizeof(uint32_t) << HASH_BITS);
    parse->older = malloc(sizeof(uint32_t) * ((size_t)base_bytes + result_bytes + 1));
    parse->nodes = malloc(sizeof(node_t) * ((size_t)result_bytes + 1));
    parse->items = malloc(sizeof(dlt_item_t) * ((size_t)result_bytes + 1));
    if (parse->heads == NULL || parse->older == NULL || parse->nodes == NULL || parse->items == NULL) {
        dlt_parse_close(parse);
        return NULL;
    }
    return parse;
}

void dlt_parse_close(dlt_parse_t *parse)
{
    if (parse != NULL) {
        free(parse->items);
        free(parse->nodes);
        free(parse->older);
        free(parse->heads);
        free(parse);
    }
}

static void index_base(dlt_parse_t *parse)
{
    memset(parse->heads, 0xff, sizeof(uint32_t) << HASH_BITS);
    for (uint32_t i = 0; i + HASHED <= parse->base_bytes; i++) {
        insert(parse, &parse->base[i], i);
    }
}

void dlt_parse_reset(dlt_parse_t *parse)
{
    for (unsigned op = 0; op < DLT_OPS; op++) {
        for (unsigned next = 0; next < DLT_OPS; next++) {
            parse->costs.ops[op][next] = next == DLT_OP_COPY ? 1.0f : 2.5f;
        }
    }
    for (unsigned i = 0; i < 256; i++) {
        parse->costs.differences[i] = 5.5f;
        parse->costs.literals[i] = 6.5f;
    }
    for (unsigned kind = 0; kind < DLT_NUMBERS; kind++) {
        for (unsigned i = 0; i <= DLT_LENGTH_LEAVES; i++) {
            parse->costs.lengths[kind][i] = 3.0f;
        }
    }
    memset(&parse->used, 0, sizeof(parse->used));
    index_base(parse);
}

/* From counts to costs; some of each is taken to be there from the start. */
static void learn(float *costs, float *used, unsigned count, float taken)
{
    float sum = 0;

    for (unsigned i = 0; i < count; i++) {
        sum += used[i] + taken;
    }
    for (unsigned i = 0; i < count; i++) {
        costs[i] = log2f(sum / (used[i] + taken));
        used[i] = 0;
    }
}

void dlt_parse_learn(dlt_parse_t *parse)
{
    for (unsigned op = 0; op < DLT_OPS; op++) {
        learn(parse->costs.ops[op], parse->used.ops[op], DLT_OPS, 0.3f);
    }
    learn(parse->costs.differences, parse->used.differences, 256, 0.1f);
    learn(parse->costs.literals, parse->used.literals, 256, 0.2f);
    for (unsigned kind = 0; kind < DLT_NUMBERS; kind++) {
        learn(parse->costs.lengths[kind], parse->used.lengths[kind], DLT_LENGTH_LEAVES + 1, 0.2f);
    }
    index_base(parse);
}

static float number_cost(const dlt_parse_t *parse, dlt_number_t kind, uint32_t number)
{
    const unsigned length = dlt_bit_length(number + 1);

    return parse->costs.lengths[kind][length] + (float)(length - 1);
}

static uint32_t match(const uint8_t *first, const uint8_t *second, uint32_t limit)
{
    uint32_t length = 0;

    while (length < limit && first[length] == second[length]) {
        length++;
    }
    return length;
}

static void offer(node_t *nodes, uint32_t at, const dlt_item_t *item, float cost, uint32_t shift)
{
    node_t *node = &nodes[at + item->length];

    if (cost < node->cost) {
        node->cost = cost;
        node->before = at;
        node->shift = shift;
        node->item = *item;
    }
}

static void offer_lengths(dlt_parse_t *parse, uint32_t at, dlt_item_t item, float cost, uint32_t shift)
{
    const dlt_number_t kind = item.op == DLT_OP_COPY ? DLT_NUMBER_COPY : DLT_NUMBER_LENGTH;
    const uint32_t longest = item.length;

    for (uint32_t length = 1; length <= longest; length++) {
        if (length > EVERY_LENGTH && length < longest) {
            length = longest;
        }
        item.length = length;
        offer(parse->nodes, at, &item, cost + number_cost(parse, kind, length - 1), shift);
    }
}

/* Offer what leads on from the place at position; returns the longest match. */
static uint32_t extend(dlt_parse_t *parse, uint32_t at, uint32_t position, uint32_t limit)
{
    const node_t node = parse->nodes[at];
    const float *ops = parse->costs.ops[node.item.op];
    const uint8_t *bytes = &parse->result[position];
    const uint32_t cursor = position + node.shift;
    dlt_item_t item = {DLT_OP_LITERAL, 1, 0};
    uint32_t longest = 0;
    uint32_t place;
    float least = INFINITY; /* cost of the cheapest distance */

    offer(parse->nodes, at, &item, node.cost + ops[DLT_OP_LITERAL] + parse->costs.literals[*bytes], node.shift);
    if (cursor < parse->base_bytes) {
        const uint32_t room = parse->base_bytes - cursor;

        item.op = DLT_OP_DIFFERENCE;
        offer(parse->nodes, at, &item,
              node.cost + ops[DLT_OP_DIFFERENCE] + parse->costs.differences[(uint8_t)(*bytes - parse->base[cursor])],
              node.shift);
        longest = match(&parse->base[cursor], bytes, room < limit ? room : limit);
        if (longest > 0) {
            item.op = DLT_OP_COPY;
            item.length = longest;
            offer_lengths(parse, at, item, node.cost + ops[DLT_OP_COPY], node.shift);
        }
    }
    if (limit < HASHED || longest >= LONG_ENOUGH) {
        return longest;
    }
    place = parse->heads[hash_of(bytes)];
    for (unsigned tried = 0; tried < MAX_TRIED && place != none && longest < LONG_ENOUGH;
         tried++, place = parse->older[place]) {
        float cost = node.cost;
        uint32_t shift = node.shift;
        uint32_t length;

        if (place < parse->base_bytes) {
            const uint32_t room = parse->base_bytes - place;

            length = match(&parse->base[place], bytes, room < limit ? room : limit);
            item.op = DLT_OP_JUMP;
            item.distance = place - cursor;
            shift = place - position;
            cost += number_cost(parse, DLT_NUMBER_DISTANCE, dlt_fold(item.distance));
        } else {
            const uint32_t source = place - parse->base_bytes;

            length = match(&parse->result[source], bytes, limit);
            item.op = DLT_OP_SELF;
            item.distance = position - 1 - source;
            cost += number_cost(parse, DLT_NUMBER_DISTANCE, item.distance);
        }
        item.length = length;
        if (length >= HASHED && (length > longest || cost < least)) {
            offer_lengths(parse, at, item, cost + ops[item.op], shift);
            least = cost < least ? cost : least;
        }
        longest = length > longest ? length : longest;
    }
    return longest;
}

static void count_use(dlt_parse_t *parse, uint32_t op, const dlt_item_t *item, const uint8_t *byte, uint32_t cursor)
{
    parse->used.ops[op][item->op]++;
    switch ((dlt_op_t)item->op) {
    case DLT_OP_LITERAL:
        parse->used.literals[*byte]++;
        break;
    case DLT_OP_DIFFERENCE:
        parse->used.differences[(uint8_t)(*byte - parse->base[cursor])]++;
        break;
    case DLT_OP_COPY:
        parse->used.lengths[DLT_NUMBER_COPY][dlt_bit_length(item->length)]++;
        break;
    case DLT_OP_JUMP:
        parse->used.lengths[DLT_NUMBER_LENGTH][dlt_bit_length(item->length)]++;
        parse->used.lengths[DLT_NUMBER_DISTANCE][dlt_bit_length(dlt_fold(item->distance) + 1)]++;
        break;
    case DLT_OP_SELF:
        parse->used.lengths[DLT_NUMBER_LENGTH][dlt_bit_length(item->length)]++;
        parse->used.lengths[DLT_NUMBER_DISTANCE][dlt_bit_length(item->distance + 1)]++;
        break;
    case DLT_OP_REGION:
    case DLT_OPS:
        break;
    }
}

const dlt_item_t *dlt_parse_run(dlt_parse_t *parse, uint32_t from, uint32_t to, uint32_t cursor, uint32_t op,
                                size_t *count)
{
    const uint32_t size = to - from;
    node_t *nodes = parse->nodes;
    uint32_t at;

    for (uint32_t i = 0; i <= size; i++) {
        nodes[i].cost = INFINITY;
    }
    nodes[0].cost = 0;
    nodes[0].shift = cursor - from;
    nodes[0].item.op = op;
    for (at = 0; at < size;) {
        const uint32_t length = extend(parse, at, from + at, size - at);
        const uint32_t next = length >= LONG_ENOUGH ? at + length : at + 1;

        for (; at < next; at++) {
            if (from + at + HASHED <= parse->result_bytes) {
                insert(parse, &parse->result[from + at], parse->base_bytes + from + at);
            }
        }
    }
    *count = 0;
    for (at = size; at > 0; at = nodes[at].before) {
        parse->items[*count] = nodes[at].item;
        (*count)++;
    }
    for (size_t i = 0; i < *count / 2; i++) {
        const dlt_item_t item = parse->items[i];

        parse->items[i] = parse->items[*count - 1 - i];
        parse->items[*count - 1 - i] = item;
    }
    for (size_t i = 0; i < *count; i++) {
        count_use(parse, op, &parse->items[i], &parse->result[from], cursor);
        op = parse->items[i].op;
        cursor += op == DLT_OP_JUMP ? parse->items[i].distance : 0;
        cursor += parse->items[i].length;
        from += parse->items[i].length;
    }
    return parse->items;
}
