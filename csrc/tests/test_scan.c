/* test_scan.c - stepping over pages, at every end of the data. Exits 0; an assert ends it otherwise. */
#undef NDEBUG
#include "vnetmig.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE 4096u
#define PAGE_WORD (8u + PAGE_SIZE)
#define ZERO_WORD 9u
#define SIZE (2 * ZERO_WORD + PAGE_WORD) /* a zero page, a page, a zero page */

/* `size` bytes of the three words, on the heap, so that ASan sees a byte read behind them. */
static uint8_t *words(uint64_t size)
{
    static uint8_t whole[SIZE];
    memset(whole, 0xff, sizeof whole); /* a page that is read as words would end the walk */
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t *word = whole + (i > 0 ? ZERO_WORD : 0) + (i > 1 ? PAGE_WORD : 0);
        memset(word, 0, 8);
        word[6] = (uint8_t)((i + 1) << 4);
        word[7] = i == 1 ? 0x28 : 0x22;
    }
    uint8_t *data = malloc(size ? (size_t)size : 1);
    assert(data);
    memcpy(data, whole, (size_t)size);
    return data;
}

static struct vnm_result scan(const uint8_t *data, uint64_t size, uint64_t limit, int64_t highest,
                              uint32_t code)
{
    struct vnm_result result;
    memset(&result, 0xa5, sizeof result);
    assert(vnm_scan_ram(data, size, 0, limit, PAGE_SIZE, highest, &result) == code && result.code == code);
    return result;
}

static void every_end(void)
{
    for (uint64_t size = 0; size <= SIZE; size++) {
        uint8_t *data = words(size);
        struct vnm_result r = scan(data, size, UINT64_MAX, INT64_MAX, VNM_TRUNCATED);
        uint64_t n = size < ZERO_WORD ? 0 : size < ZERO_WORD + PAGE_WORD ? 1 : size < SIZE ? 2 : 3;
        uint64_t at = n == 0 ? 0 : n == 1 ? ZERO_WORD : n == 2 ? ZERO_WORD + PAGE_WORD : SIZE;
        uint64_t whole = n == 1 ? PAGE_WORD : ZERO_WORD;
        assert(r.used == n && r.position == at);
        assert(r.expected == at + (size - at < 8 ? 8 : whole));
        free(data);
    }
}

static void every_reason(void)
{
    uint8_t *data = words(SIZE);
    struct vnm_result r = scan(data, SIZE, 2, INT64_MAX, VNM_OK);
    assert(r.used == 2 && r.position == ZERO_WORD + PAGE_WORD && r.expected == 0);
    r = scan(data, SIZE, 0, INT64_MAX, VNM_OK);
    assert(r.used == 0 && r.position == 0 && r.expected == 0);
    r = scan(data, SIZE, 9, 0x1000, VNM_OK);
    assert(r.used == 1 && r.position == ZERO_WORD);
    r = scan(data, SIZE, 9, -1, VNM_OK);
    assert(r.used == 0);
    r = scan(data, SIZE, 9, INT64_MIN, VNM_OK);
    assert(r.used == 0);
    data[ZERO_WORD + 7] = 0x08; /* a page that names its block is for others */
    r = scan(data, SIZE, 9, INT64_MAX, VNM_OK);
    assert(r.used == 1 && r.position == ZERO_WORD);
    free(data);
}

static void what_no_caller_gives(void)
{
    static const uint64_t sizes[] = {0,         1, 32, 65, 4095, ((uint64_t)1 << 32) + 1, (uint64_t)1 << 33,
                                     UINT64_MAX};
    struct vnm_result r;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert(vnm_scan_ram(NULL, 0, 0, 1, sizes[i], 0, &r) == VNM_LIMIT);
    assert(vnm_scan_ram(NULL, 0, UINT64_MAX, 1, PAGE_SIZE, 0, &r) == VNM_TRUNCATED &&
           r.position == UINT64_MAX);
}

int main(void)
{
    every_end();
    every_reason();
    what_no_caller_gives();
    return 0;
}
