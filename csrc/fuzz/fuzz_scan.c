/*
 * fuzz_scan.c - any bytes as pages, against a plain walk, a word at a time: options, page size, limit of
 * words, position and highest address, then the pages.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 1 + 8 + 1 + 2 + 8, ODD_SIZE = 1, NO_LIMIT = 2, ANY_POSITION = 4, ANY_ADDRESS = 8 };

struct scan {
    uint64_t page_size, limit, position;
    int64_t highest;
};

static uint64_t read_number(struct fuzz_input *in)
{
    uint64_t value;
    fuzz_read(in, &value, sizeof value);
    return value;
}

static struct scan read_head(struct fuzz_input *in)
{
    uint8_t options = fuzz_byte(in);
    uint64_t size = read_number(in);
    uint8_t limit = fuzz_byte(in);
    uint16_t position = fuzz_u16(in);
    uint64_t highest = read_number(in);
    struct scan s = {
        .page_size = options & ODD_SIZE ? size : (uint64_t)64 << size % 7,
        .limit = options & NO_LIMIT ? UINT64_MAX : limit,
        .position = options & ANY_POSITION ? position : 0,
        .highest = options & ANY_ADDRESS ? INT64_MAX : (int64_t)highest,
    };
    return s;
}

/* As csrc/vnetmig.h tells it, nothing in it thought of speed. */
static struct vnm_result walk(const uint8_t *data, uint64_t length, const struct scan *s)
{
    struct vnm_result r = {.code = VNM_OK, .position = s->position};
    bool known = false;
    for (unsigned shift = 6; shift <= 32; shift++)
        known = known || s->page_size == (uint64_t)1 << shift;
    if (!known) {
        r.code = VNM_LIMIT;
        return r;
    }
    while (r.used < s->limit) {
        uint64_t word = 0, left = r.position < length ? length - r.position : 0;
        if (left < 8) {
            r.code = VNM_TRUNCATED;
            r.expected = r.position + 8;
            return r;
        }
        for (size_t i = 0; i < 8; i++)
            word = word * 256 + data[r.position + i];
        uint64_t flags = word % s->page_size, address = word - flags;
        if ((flags != 0x28 && flags != 0x22) || s->highest < 0 || address > (uint64_t)s->highest)
            return r;
        uint64_t takes = flags == 0x22 ? 9 : 8 + s->page_size;
        if (left < takes) {
            r.code = VNM_TRUNCATED;
            r.expected = r.position + takes;
            return r;
        }
        r.position += takes;
        r.used++;
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct scan s = read_head(&in);
    struct vnm_result got;
    size_t length;
    uint8_t *pages = fuzz_piece(&in, in.left, &length);
    struct vnm_result want = walk(pages, length, &s);
    memset(&got, 0xa5, sizeof got);
    MUST(vnm_scan_ram(pages, length, s.position, s.limit, s.page_size, s.highest, &got) == got.code);
    MUST(got.code == want.code && got.position == want.position && got.used == want.used);
    MUST(got.expected == want.expected && got.got == 0 && got.depth == 0);
    free(pages);
    return 0;
}

/* Mostly, a word is put in between two, or another stands in place of it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    static const uint8_t flags[] = {0x28, 0x22, 0x22, 0x22, 0x08, 0x02, 0x2a, 0x68};
    if (seed % 3 == 0 || size < HEAD)
        return LLVMFuzzerMutate(data, size, max_size);
    struct fuzz_input in = {data, size};
    struct scan s = read_head(&in);
    s.limit = seed / 32 % 64;
    s.position = 0;
    size_t at = HEAD + (size_t)walk(data + HEAD, size - HEAD, &s).position;
    uint64_t word = ((uint64_t)(seed >> 20 & 15) << (seed & 32 ? 12 : 6)) | flags[seed >> 24 & 7];
    size_t n = word & 2 ? 9 : 8;
    if ((word & 8) && s.page_size <= 4096 && seed >> 28)
        n += (size_t)s.page_size;
    if (at > size || size + n > max_size)
        return LLVMFuzzerMutate(data, size, max_size);
    bool between = seed >> 31 || size - at < n;
    if (between) {
        memmove(data + at + n, data + at, size - at);
        memset(data + at, 0xee, n);
    }
    for (size_t i = 0; i < 8; i++)
        data[at + i] = (uint8_t)(word >> (56 - 8 * i));
    return between ? size + n : size;
}
