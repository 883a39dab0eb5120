/* scan.c - stepping over the pages of a stream with guest RAM, without reading what is in them. */
#include "vnetmig.h"

/* qemu: migration/ram.c:RAM_SAVE_FLAG_*: PAGE | CONTINUE, ZERO | CONTINUE */
#define PAGE_CONTINUE 0x28u
#define ZERO_CONTINUE 0x22u
#define WORD_BYTES 8u
#define ZERO_BYTES 9u

/* Flags must fit below the smallest; a word and the largest must not overflow. */
#define PAGE_SIZE_MIN 64u
#define PAGE_SIZE_MAX ((uint64_t)1 << 32)

static uint64_t read64(const uint8_t *p)
{
    /* Written out: compilers make one load of it, but none of a loop. */
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 |
           (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

static uint32_t stopped(struct vnm_result *result, uint32_t code, uint64_t position, uint64_t words,
                        uint64_t wanted)
{
    result->code = code;
    result->op = 0;
    result->position = position;
    result->used = words;
    result->expected = wanted;
    result->got = 0;
    result->depth = 0;
    return code;
}

uint32_t vnm_scan_ram(const uint8_t *data, uint64_t length, uint64_t position, uint64_t limit_words,
                      uint64_t page_size, int64_t highest, struct vnm_result *result)
{
    const uint64_t mask = page_size - 1;
    uint64_t words = 0;
    if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX || (page_size & mask) != 0)
        return stopped(result, VNM_LIMIT, position, 0, 0);
    for (; words < limit_words; words++) {
        if (position > length || length - position < WORD_BYTES)
            return stopped(result, VNM_TRUNCATED, position, words, position + WORD_BYTES);
        uint64_t word = read64(data + position), size;
        switch (word & mask) {
        case PAGE_CONTINUE:
            size = WORD_BYTES + page_size;
            break;
        case ZERO_CONTINUE:
            size = ZERO_BYTES;
            break;
        default:
            return stopped(result, VNM_OK, position, words, 0);
        }
        if (highest < 0 || (word & ~mask) > (uint64_t)highest)
            break;
        if (length - position < size)
            return stopped(result, VNM_TRUNCATED, position, words, position + size);
        position += size;
    }
    return stopped(result, VNM_OK, position, words, 0);
}
