/* test_delta.c - deltas there and back, by each way over lines, in buffers of exact size; broken ones. Exits
 * 0; an assert ends it. */
#undef NDEBUG
#include "delta.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#define ROUNDS 600u
#define LONGEST 20000u

static uint32_t state = 1;

static uint32_t below(uint32_t limit)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % limit;
}

/* Memory of exact size, so that ASan sees a byte behind it. */
static uint8_t *bytes_of(uint64_t size)
{
    uint8_t *bytes = malloc(size ? (size_t)size : 1);
    assert(bytes);
    return bytes;
}

static uint8_t *copy_of(const uint8_t *bytes, uint64_t size)
{
    uint8_t *copy = bytes_of(size);
    memcpy(copy, bytes, (size_t)size);
    return copy;
}

/* What `changes` single bytes, and one run, make of it. */
static void change(uint8_t *bytes, uint32_t size, uint32_t changes)
{
    if (!size)
        return;
    for (uint32_t i = 0; i < changes; i++)
        bytes[below(size)] = (uint8_t)below(256);
    uint32_t at = below(size), n = below(3) ? below(10) : below(6000);
    for (; n && at < size; n--, at++)
        bytes[at] = (uint8_t)below(256);
}

/* Apply with just the room needed, then with one byte less. */
static void check_apply(const uint8_t *base, uint32_t base_length, const uint8_t *delta,
                        uint64_t delta_length, const uint8_t *target, uint32_t length)
{
    struct vnm_result result;
    uint8_t *output = bytes_of(length);
    assert(vnm_delta_apply(base, base_length, delta, delta_length, length, output, length, &result) ==
           VNM_OK);
    assert(result.used == length && result.position == delta_length);
    assert(memcmp(output, target, length) == 0);
    if (length) {
        assert(vnm_delta_apply(base, base_length, delta, delta_length, length, output, length - 1, &result) ==
               VNM_NO_ROOM);
        assert(result.expected == length && result.got == length - 1);
        assert(vnm_delta_apply(base, base_length, delta, delta_length, length - 1, output, length, &result) ==
               VNM_LIMIT);
        assert(result.position == 1 && result.expected == length - 1 && result.got == length);
    }
    free(output);
}

/* Every way of cutting it short fails where it was cut, or before; nonsense fails, or gives some bytes. */
static void check_broken(const uint8_t *base, uint32_t base_length, const uint8_t *delta,
                         uint64_t delta_length, uint32_t length)
{
    struct vnm_result result;
    uint8_t *output = bytes_of(length);
    for (uint64_t size = 0; size < delta_length; size += 1 + (delta_length > 400 ? below(200) : 0)) {
        uint8_t *cut = copy_of(delta, size);
        assert(vnm_delta_apply(base, base_length, cut, size, length, output, length, &result) ==
               VNM_TRUNCATED);
        assert(result.position <= size && result.got == size - result.position &&
               result.expected > result.got);
        free(cut);
    }
    for (uint32_t i = 0; i < 40; i++) {
        uint8_t *broken = copy_of(delta, delta_length);
        broken[below((uint32_t)(delta_length < 40 || below(2) ? delta_length : 40))] ^=
            (uint8_t)(1u << below(8));
        vnm_delta_apply(base, base_length, broken, delta_length, length, output, length, &result);
        assert(result.position <= delta_length &&
               (result.code == VNM_OK ? result.used <= length : !result.used));
        free(broken);
    }
    uint8_t *longer = bytes_of(delta_length + 1);
    memcpy(longer, delta, (size_t)delta_length);
    longer[delta_length] = 0;
    assert(vnm_delta_apply(base, base_length, longer, delta_length + 1, length, output, length, &result) ==
           VNM_CHECK);
    assert(result.position == delta_length && result.got == delta_length + 1);
    free(longer);
    free(output);
}

static void some_delta(void)
{
    uint32_t base_length = below(3) ? below(LONGEST) : below(70);
    uint8_t *base = bytes_of(base_length);
    bool zeros = below(2) != 0;
    for (uint32_t i = 0; i < base_length; i++)
        base[i] = (uint8_t)(zeros ? 0 : below(256));

    /* the base, perhaps with bytes put in or taken out, and then changed */
    uint32_t length = base_length, at = below(base_length + 1), other = below(4) ? below(100) : below(9000);
    uint32_t how = below(3), cut = base_length - at < other ? base_length - at : other;
    if (how)
        length = how == 1 ? base_length + other : base_length - cut;
    uint8_t *target = bytes_of(length);
    memcpy(target, base, at);
    for (uint32_t i = at; how == 1 && i < at + other; i++)
        target[i] = (uint8_t)below(256);
    if (how == 1)
        memcpy(target + at + other, base + at, base_length - at);
    else
        memcpy(target + at, base + base_length - (length - at), length - at);
    change(target, length, below(3) ? below(20) : below(3000));

    struct vnm_result result;
    assert(vnm_delta_make(base, base_length, target, length, NULL, 0, &result) == VNM_NO_ROOM);
    uint64_t size = result.expected;
    uint8_t *delta = bytes_of(size);
    assert(vnm_delta_make(base, base_length, target, length, delta, size - 1, &result) == VNM_NO_ROOM);
    assert(result.expected == size && result.got == size - 1);
    assert(vnm_delta_make(base, base_length, target, length, delta, size, &result) == VNM_OK);
    assert(result.used == size);
    check_apply(base, base_length, delta, size, target, length);
    check_broken(base, base_length, delta, size, length);
    free(delta);
    free(target);
    free(base);
}

/* What compare says, one byte at a time. */
static void check_lines(const struct vnm_lines *lines, const uint8_t *old, const uint8_t *now)
{
    uint32_t n_lines = 0, n_runs = 0, equal = VNM_DELTA_GAP + 1;
    for (uint32_t i = 0; i < VNM_DELTA_BLOCK; i++) {
        bool differs = old[i] != now[i];
        assert((lines->mask[i / VNM_LINE] >> i % VNM_LINE & 1) == differs);
        n_runs += differs && equal > VNM_DELTA_GAP;
        equal = differs ? 0 : equal + 1;
        if (i % VNM_LINE == VNM_LINE - 1) {
            uint64_t mask = lines->mask[i / VNM_LINE];
            assert((lines->changed >> i / VNM_LINE & 1) == (mask != 0));
            n_lines += mask != 0;
        }
    }
    assert(lines->n_lines == n_lines && lines->n_runs == n_runs);
}

static void some_lines(const struct vnm_line_code *code)
{
    struct vnm_lines lines;
    uint8_t *old = bytes_of(VNM_DELTA_BLOCK);
    for (uint32_t i = 0; i < VNM_DELTA_BLOCK; i++)
        old[i] = (uint8_t)below(256);
    uint8_t *now = copy_of(old, VNM_DELTA_BLOCK);
    change(now, VNM_DELTA_BLOCK, below(3) ? below(20) : below(3000));
    for (uint32_t i = 0; i < VNM_LINES; i++) {
        uint64_t mask = code->line(old + VNM_LINE * i, now + VNM_LINE * i);
        assert(mask == vnm_plain_lines.line(old + VNM_LINE * i, now + VNM_LINE * i));
    }
    code->compare(old, now, &lines);
    check_lines(&lines, old, now);

    uint8_t packed[VNM_DELTA_BLOCK + VNM_LINE];
    uint64_t size = (uint64_t)(code->pack(&lines, now, packed) - packed);
    uint8_t *exact = copy_of(packed, size);
    assert(code->unpack(&lines, exact, old) == exact + size);
    assert(memcmp(old, now, VNM_DELTA_BLOCK) == 0);
    free(exact);
    free(now);
    free(old);
}

struct broken {
    const char *bytes;
    uint32_t length, code, position;
};

static void hostile_deltas(void)
{
    static const uint8_t base[100];
    static const struct broken cases[] = {
        {"", 0, VNM_TRUNCATED, 0},
        {"\xd2\0\0", 3, VNM_CHECK, 0},
        {"\xd1\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, VNM_LIMIT, 1}, /* too long a number */
        {"\xd1\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, VNM_LIMIT, 1},     /* the largest number */
        {"\xd1\x64\x65", 3, VNM_LIMIT, 2},                                  /* split before the target */
        {"\xd1\x64\0\x03", 4, VNM_LIMIT, 3},                  /* kind of a block behind the last */
        {"\xd1\x64\0\0\xc8\x01", 6, VNM_LIMIT, 4},            /* a run behind the end */
        {"\xd1\x64\0\0\xc6\x01\x01xx", 9, VNM_LIMIT, 6},      /* a run over the end */
        {"\xd1\x64\0\0\xc7\x01\0xx", 9, VNM_LIMIT, 8},        /* another run at the end */
        {"\xd1\x64\0\x01\4\0\0\0\0\0\0\0", 12, VNM_LIMIT, 4}, /* the third line of two */
        {"\xd1\x64\0\x01\2\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0", 20, VNM_LIMIT, 12}, /* byte 36 of 36 */
        {"\xd1\x64\0\x01\2\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0", 20, VNM_TRUNCATED, 20},
        {"\xd1\x64\0\x02x", 5, VNM_CHECK, 4},
    };
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vnm_result result;
        uint8_t *delta = copy_of((const uint8_t *)cases[i].bytes, cases[i].length), *output = bytes_of(100);
        assert(vnm_delta_apply(base, 100, delta, cases[i].length, 100, output, 100, &result) ==
               cases[i].code);
        assert(result.code == cases[i].code && result.position == cases[i].position);
        free(output);
        free(delta);
    }
}

/* A line that is said to differ, in no byte of it. */
static void a_line_without_changes(void)
{
    static const uint8_t delta[] = {VNM_DELTA_MAGIC,
                                    128,
                                    1,
                                    0,
                                    1,
                                    3,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    2,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    'x'};
    uint8_t base[128] = {0}, output[128];
    struct vnm_result result;
    assert(vnm_delta_apply(base, sizeof base, delta, sizeof delta, 128, output, 128, &result) == VNM_OK);
    assert(result.used == 128 && output[VNM_LINE + 1] == 'x');
    output[VNM_LINE + 1] = 0;
    assert(memcmp(output, base, sizeof base) == 0);
}

int main(void)
{
    a_line_without_changes();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        some_delta();
        some_lines(&vnm_plain_lines);
        some_lines(vnm_best_lines());
    }
    hostile_deltas();
    return 0;
}
