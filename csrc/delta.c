/*
 * delta.c - a byte string as what changed against another: made, and applied. The format stands in vnetmig.h.
 */
#include "delta.h"

#include <stdbool.h>

#define BLOCK VNM_DELTA_BLOCK
#define HEADER_ROOM 21u            /* the magic, and two numbers */
#define BLOCK_ROOM (BLOCK + 1024u) /* more than a block can come to (see use_lines), and a line behind it */
#define RUN_COST 3u                /* bytes that a run takes beside its content: 2 to 4 */

_Static_assert(VNM_LINES == VNM_LINE, "a bit per line, a bit per byte of a line");

/*
 * What is expected in place of a target: base[0 .. prefix), then zeros up to `suffix`, then the base `shift`
 * bytes before (to the left of) where it stands there.
 */
struct prediction {
    const uint8_t *base;
    uint64_t prefix, suffix; /* where the first ends, where the second begins */
    uint64_t shift;          /* modulo 2^64 */
};

static struct prediction predict(const uint8_t *base, uint64_t base_length, uint64_t length, uint64_t split)
{
    uint64_t longer = length > base_length ? length - base_length : 0;
    return (struct prediction){.base = base,
                               .prefix = split < base_length ? split : base_length,
                               .suffix = split > longer ? split : longer,
                               .shift = length - base_length};
}

/* Write the predicted bytes [at, at + size) to `output`. */
static void write_predicted(const struct prediction *p, uint64_t at, uint64_t size, uint8_t *output)
{
    uint64_t end = at + size;
    if (at < p->prefix) {
        uint64_t n = (end < p->prefix ? end : p->prefix) - at;
        memcpy(output, p->base + at, (size_t)n);
        output += n;
        at += n;
    }
    if (at < end && at < p->suffix) {
        uint64_t n = (end < p->suffix ? end : p->suffix) - at;
        memset(output, 0, (size_t)n);
        output += n;
        at += n;
    }
    if (at < end)
        memcpy(output, p->base + (at - p->shift), (size_t)(end - at));
}

/* The predicted bytes [at, at + size): where they stand in the base, or put together in `room`. */
static const uint8_t *predicted(const struct prediction *p, uint64_t at, uint64_t size, uint8_t *room)
{
    if (at + size <= p->prefix)
        return p->base + at;
    if (at >= p->suffix)
        return p->base + (at - p->shift);
    write_predicted(p, at, size, room);
    return room;
}

static uint32_t finish(struct vnm_result *result, uint32_t code, uint64_t position, uint64_t used,
                       uint64_t expected, uint64_t got)
{
    *result = (struct vnm_result){
        .code = code, .position = position, .used = used, .expected = expected, .got = got};
    return code;
}

/* making */

static uint8_t *put_number(uint8_t *output, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *output++ = (uint8_t)(value | 0x80);
    *output++ = (uint8_t)value;
    return output;
}

/* Bytes from `data` on as a whole block: where they are, or filled up with zeros in `room`. */
static const uint8_t *whole_block(const uint8_t *data, uint64_t size, uint8_t *room)
{
    if (size == BLOCK)
        return data;
    memmove(room, data, (size_t)size);
    memset(room + size, 0, (size_t)(BLOCK - size));
    return room;
}

/* `score`: how many more bytes up to here the base predicts wrongly in its place than it does moved. */
struct split {
    const struct vnm_line_code *code;
    uint64_t best;
    int64_t score, least;
};

static void split_in_block(struct split *s, uint64_t at, const uint8_t *now, const uint8_t *kept,
                           const uint8_t *moved)
{
    for (uint32_t line = 0; line < BLOCK; line += VNM_LINE) {
        uint64_t worse = s->code->line(kept + line, now + line),
                 better = s->code->line(moved + line, now + line);
        for (uint64_t left = worse ^ better; left; left &= left - 1) {
            uint32_t k = vnm_first_bit(left);
            s->score += worse >> k & 1 ? 1 : -1;
            if (s->score < s->least) {
                s->least = s->score;
                s->best = at + line + k + 1;
            }
        }
    }
}

/* The split that predicts the most bytes rightly; the first of several. */
static uint64_t find_split(const struct vnm_line_code *code, const uint8_t *base, uint64_t base_length,
                           const uint8_t *target, uint64_t length)
{
    if (base_length == length)
        return length;
    struct prediction kept = predict(base, base_length, length, length),
                      moved = predict(base, base_length, length, 0);
    struct split s = {.code = code};
    uint8_t rooms[3][BLOCK];
    for (uint64_t at = 0; at < length; at += BLOCK) {
        uint64_t size = length - at < BLOCK ? length - at : BLOCK;
        split_in_block(&s, at, whole_block(target + at, size, rooms[0]),
                       whole_block(predicted(&kept, at, size, rooms[1]), size, rooms[1]),
                       whole_block(predicted(&moved, at, size, rooms[2]), size, rooms[2]));
    }
    return s.best;
}

/* Is the block shorter as lines than as runs? Both take the changed bytes beside this; it bounds the runs,
 * too: no block has more than (8 + 8 * 64) / RUN_COST of them. */
static bool use_lines(const struct vnm_lines *lines)
{
    return RUN_COST * lines->n_runs > 8 + 8 * lines->n_lines;
}

/* The first byte at or after `at` that differs; BLOCK if there is none. */
static uint32_t next_changed(const struct vnm_lines *lines, uint32_t at)
{
    uint32_t i = at / VNM_LINE;
    if (i >= VNM_LINES)
        return BLOCK;
    uint64_t mask = lines->mask[i] >> at % VNM_LINE;
    if (mask)
        return at + vnm_first_bit(mask);
    uint64_t following = lines->changed & ~(uint64_t)1 << i;
    if (!following)
        return BLOCK;
    i = vnm_first_bit(following);
    return VNM_LINE * i + vnm_first_bit(lines->mask[i]);
}

/* The first byte at or after `at` that does not differ. */
static uint32_t next_equal(const struct vnm_lines *lines, uint32_t at)
{
    for (uint32_t i = at / VNM_LINE; i < VNM_LINES; i++, at = VNM_LINE * i) {
        uint64_t mask = ~lines->mask[i] >> at % VNM_LINE;
        if (mask)
            return at + vnm_first_bit(mask);
    }
    return BLOCK;
}

static uint8_t *put_runs(const struct vnm_lines *lines, const uint8_t *now, uint8_t *output)
{
    uint32_t at = 0, start = next_changed(lines, 0);
    while (start < BLOCK) {
        uint32_t end = next_equal(lines, start), next = next_changed(lines, end);
        while (next < BLOCK && next - end <= VNM_DELTA_GAP) {
            end = next_equal(lines, next);
            next = next_changed(lines, end);
        }
        output = put_number(output, (start - at) << 1 | (next < BLOCK));
        output = put_number(output, end - start - 1);
        if (end - start == 1)
            *output = now[start];
        else
            memcpy(output, now + start, end - start);
        output += end - start;
        at = end;
        start = next;
    }
    return output;
}

static uint8_t *put_lines(const struct vnm_line_code *code, const struct vnm_lines *lines, const uint8_t *now,
                          uint8_t *output)
{
    vnm_put_le64(output, lines->changed);
    output += 8;
    for (uint64_t left = lines->changed; left; left &= left - 1, output += 8)
        vnm_put_le64(output, lines->mask[vnm_first_bit(left)]);
    return code->pack(lines, now, output);
}

/* The delta as it grows; `used` counts what did not fit, too. */
struct writer {
    uint8_t *output;
    uint64_t capacity, used;
};

/* Where up to `size` bytes may be written: the output, or `spare` where it could be too short. */
static uint8_t *place(const struct writer *w, uint64_t size, uint8_t *spare)
{
    return w->used <= w->capacity && size <= w->capacity - w->used ? w->output + w->used : spare;
}

/* What was written at `start`, up to `end`, is part of the delta. */
static void keep(struct writer *w, const uint8_t *start, const uint8_t *end)
{
    uint64_t size = (uint64_t)(end - start);
    uint8_t *at = place(w, size, NULL);
    if (at && at != start)
        memcpy(at, start, (size_t)size);
    w->used += size;
}

uint32_t vnm_delta_make(const uint8_t *base, uint64_t base_length, const uint8_t *target,
                        uint64_t target_length, uint8_t *output, uint64_t output_capacity,
                        struct vnm_result *result)
{
    const struct vnm_line_code *code = vnm_best_lines();
    struct writer w = {.output = output, .capacity = output_capacity};
    uint8_t old_room[BLOCK], now_room[BLOCK], spare[BLOCK_ROOM];
    struct vnm_lines lines;

    uint64_t split = find_split(code, base, base_length, target, target_length);
    struct prediction p = predict(base, base_length, target_length, split);
    uint8_t *start = place(&w, HEADER_ROOM, spare);
    start[0] = VNM_DELTA_MAGIC;
    keep(&w, start, put_number(put_number(start + 1, target_length), target_length - split));

    uint64_t equal = 0; /* blocks since the last one written */
    for (uint64_t at = 0; at < target_length; at += BLOCK) {
        uint64_t size = target_length - at < BLOCK ? target_length - at : BLOCK;
        const uint8_t *old = predicted(&p, at, size, old_room);
        const uint8_t *now = target + at;
        if (memcmp(old, now, (size_t)size) == 0) {
            equal++;
            continue;
        }
        old = whole_block(old, size, old_room);
        now = whole_block(now, size, now_room);
        code->compare(old, now, &lines);
        bool as_lines = use_lines(&lines);
        start = place(&w, BLOCK_ROOM, spare);
        uint8_t *end = put_number(start, equal << 1 | as_lines);
        keep(&w, start, as_lines ? put_lines(code, &lines, now, end) : put_runs(&lines, now, end));
        equal = 0;
    }
    if (equal) {
        start = place(&w, HEADER_ROOM, spare);
        keep(&w, start, put_number(start, equal << 1));
    }
    if (w.used > output_capacity)
        return finish(result, VNM_NO_ROOM, w.used, w.used, w.used, output_capacity);
    return finish(result, VNM_OK, w.used, w.used, 0, 0);
}

/* applying */

struct reader {
    const uint8_t *data;
    uint64_t length, at;
    struct vnm_result *result;
};

static bool stop(struct reader *r, uint32_t code, uint64_t position, uint64_t expected, uint64_t got)
{
    finish(r->result, code, position, 0, expected, got);
    return false;
}

static bool need(struct reader *r, uint64_t size)
{
    uint64_t left = r->length - r->at;
    return size <= left || stop(r, VNM_TRUNCATED, r->at, size, left);
}

/* A number of at most `limit`. */
static bool get_number(struct reader *r, uint64_t limit, uint64_t *value)
{
    uint64_t start = r->at, number = 0;
    for (uint32_t shift = 0;; shift += 7) {
        if (r->at == r->length)
            return stop(r, VNM_TRUNCATED, start, r->at - start + 1, r->at - start);
        if (shift == 63) /* more bytes than any number needs */
            return stop(r, VNM_LIMIT, start, limit, UINT64_MAX);
        uint8_t byte = r->data[r->at++];
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    *value = number;
    return number <= limit || stop(r, VNM_LIMIT, start, limit, number);
}

static bool get_runs(struct reader *r, uint8_t *block, uint64_t size)
{
    uint64_t at = 0, gap, more;
    do {
        if (at == size)
            return stop(r, VNM_LIMIT, r->at, 0, 1);
        if (!get_number(r, (size - at) * 2 - 1, &gap))
            return false;
        more = gap & 1;
        at += gap >> 1;
        if (!get_number(r, size - at - 1, &gap) || !need(r, gap + 1))
            return false;
        memcpy(block + at, r->data + r->at, (size_t)(gap + 1));
        r->at += gap + 1;
        at += gap + 1;
    } while (more);
    return true;
}

/* A mask that has none but the first `bits` bits. */
static bool get_mask(struct reader *r, uint64_t bits, uint64_t *mask)
{
    uint64_t all = bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    if (!need(r, 8))
        return false;
    *mask = vnm_get_le64(r->data + r->at);
    if (*mask & ~all)
        return stop(r, VNM_LIMIT, r->at, all, *mask);
    r->at += 8;
    return true;
}

static bool get_lines(struct reader *r, const struct vnm_line_code *code, uint8_t *block, uint64_t size)
{
    struct vnm_lines lines;
    uint64_t n_bytes = 0;
    if (!get_mask(r, (size + VNM_LINE - 1) / VNM_LINE, &lines.changed))
        return false;
    for (uint64_t left = lines.changed; left; left &= left - 1) {
        uint32_t i = vnm_first_bit(left);
        if (!get_mask(r, size - VNM_LINE * i, &lines.mask[i]))
            return false;
        n_bytes += vnm_ones(lines.mask[i]);
    }
    if (!need(r, n_bytes))
        return false;
    code->unpack(&lines, r->data + r->at, block);
    r->at += n_bytes;
    return true;
}

static bool get_blocks(struct reader *r, uint8_t *output, uint64_t length)
{
    const struct vnm_line_code *code = vnm_best_lines();
    uint64_t n_blocks = length / BLOCK + (length % BLOCK != 0), head;
    for (uint64_t block = 0; block < n_blocks; block++) {
        if (!get_number(r, 2 * (n_blocks - block), &head))
            return false;
        block += head >> 1;
        if (block == n_blocks)
            break;
        uint64_t at = block * BLOCK, size = length - at < BLOCK ? length - at : BLOCK;
        if (!(head & 1 ? get_lines(r, code, output + at, size) : get_runs(r, output + at, size)))
            return false;
    }
    return r->at == r->length || stop(r, VNM_CHECK, r->at, r->at, r->length);
}

uint32_t vnm_delta_apply(const uint8_t *base, uint64_t base_length, const uint8_t *delta,
                         uint64_t delta_length, uint64_t limit, uint8_t *output, uint64_t output_capacity,
                         struct vnm_result *result)
{
    struct reader r = {.data = delta, .length = delta_length, .result = result};
    uint64_t length, after_split;
    if (!need(&r, 1))
        return result->code;
    if (delta[0] != VNM_DELTA_MAGIC)
        return finish(result, VNM_CHECK, 0, 0, VNM_DELTA_MAGIC, delta[0]);
    r.at = 1;
    if (!get_number(&r, limit, &length) || !get_number(&r, length, &after_split))
        return result->code;
    if (length > output_capacity)
        return finish(result, VNM_NO_ROOM, r.at, 0, length, output_capacity);
    struct prediction p = predict(base, base_length, length, length - after_split);
    write_predicted(&p, 0, length, output);
    if (!get_blocks(&r, output, length))
        return result->code;
    return finish(result, VNM_OK, r.at, length, 0, 0);
}
