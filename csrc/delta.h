/*
 * delta.h - two blocks side by side: which of their bytes differ, line by line. What delta.c asks of lines.c.
 *
 * A block is 64 lines of 64 bytes, so that one bit per line and one bit per byte of a line fill a uint64_t.
 */
#ifndef VNM_DELTA_H
#define VNM_DELTA_H

#include "vnetmig.h"

#include <string.h>

#define VNM_LINE 64u
#define VNM_LINES (VNM_DELTA_BLOCK / VNM_LINE)

/* Where two blocks differ. */
struct vnm_lines {
    uint64_t changed;         /* bit i: line i differs */
    uint64_t mask[VNM_LINES]; /* bit k of mask[i]: byte k of line i differs */
    uint32_t n_lines, n_runs; /* lines that differ; runs, with gaps of VNM_DELTA_GAP bytes taken in */
};

/* One way to go over lines; every way gives the same bytes. */
struct vnm_line_code {
    /* bit k: byte k of the two lines differs */
    uint64_t (*line)(const uint8_t *old, const uint8_t *now);
    void (*compare)(const uint8_t *old, const uint8_t *now, struct vnm_lines *lines);
    /* Write the bytes that differ; returns their end. Up to a line behind it is overwritten, too. */
    uint8_t *(*pack)(const struct vnm_lines *lines, const uint8_t *now, uint8_t *output);
    /* Put the bytes of the masks in; returns the end of what it read. Only `changed` and `mask` are used;
     * `input` has all the bytes, and the masks reach no byte outside of `block`. */
    const uint8_t *(*unpack)(const struct vnm_lines *lines, const uint8_t *input, uint8_t *block);
};

extern const struct vnm_line_code vnm_plain_lines;

/* The quickest way on this processor. */
const struct vnm_line_code *vnm_best_lines(void);

static inline uint32_t vnm_first_bit(uint64_t bits)
{
    return (uint32_t)__builtin_ctzll(bits);
}

#define VNM_ONES 0x0101010101010101u

/* How many bits are set. __builtin_popcountll is a library call where the processor's own is not assumed. */
static inline uint32_t vnm_ones(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)(bits * VNM_ONES >> 56);
}

static inline uint64_t vnm_get_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline void vnm_put_le64(uint8_t *p, uint64_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof v);
}

#endif
