/*
 * lines.c - the bytes of a block that differ: found, taken out, put back in. In plain C, eight bytes at a
 * time, and with the byte compress and expand of AVX-512 where the processor has them: a line at a time.
 */
#include "delta.h"

/*
 * The bytes of `mask` that begin a run: no changed byte stands within VNM_DELTA_GAP + 1 bytes before them, on
 * this line or on the one before.
 */
static inline uint64_t run_starts(uint64_t mask, uint64_t before)
{
    uint64_t two = mask | mask << 1, four = two | two << 2;
    uint64_t near = four << 1 | mask << (VNM_DELTA_GAP + 1);
    uint64_t last = before >> (VNM_LINE - VNM_DELTA_GAP - 1);
    last |= last >> 1;
    last |= last >> 2;
    last |= last >> 4;
    return mask & ~(near | last);
}

_Static_assert(VNM_DELTA_GAP == 4, "run_starts is written for it");

static uint64_t plain_line(const uint8_t *old, const uint8_t *now)
{
    uint64_t mask = 0;
    for (uint32_t at = 0; at < VNM_LINE; at += 8) {
        uint64_t x = vnm_get_le64(old + at) ^ vnm_get_le64(now + at);
        /* the top bit of each byte that is not zero, then the eight of them side by side */
        x = (((x & ~(VNM_ONES << 7)) + ~(VNM_ONES << 7)) | x) & VNM_ONES << 7;
        mask |= (x >> 7) * 0x0102040810204080u >> 56 << at;
    }
    return mask;
}

static void plain_compare(const uint8_t *old, const uint8_t *now, struct vnm_lines *lines)
{
    uint64_t before = 0;
    lines->changed = 0;
    lines->n_lines = lines->n_runs = 0;
    for (uint32_t i = 0; i < VNM_LINES; i++) {
        uint64_t mask = plain_line(old + VNM_LINE * i, now + VNM_LINE * i);
        lines->mask[i] = mask;
        if (mask) {
            lines->changed |= (uint64_t)1 << i;
            lines->n_lines++;
            lines->n_runs += vnm_ones(run_starts(mask, before));
        }
        before = mask;
    }
}

static uint8_t *plain_pack(const struct vnm_lines *lines, const uint8_t *now, uint8_t *output)
{
    for (uint64_t left = lines->changed; left; left &= left - 1) {
        uint32_t i = vnm_first_bit(left);
        for (uint64_t mask = lines->mask[i]; mask; mask &= mask - 1)
            *output++ = now[VNM_LINE * i + vnm_first_bit(mask)];
    }
    return output;
}

static const uint8_t *plain_unpack(const struct vnm_lines *lines, const uint8_t *input, uint8_t *block)
{
    for (uint64_t left = lines->changed; left; left &= left - 1) {
        uint32_t i = vnm_first_bit(left);
        for (uint64_t mask = lines->mask[i]; mask; mask &= mask - 1)
            block[VNM_LINE * i + vnm_first_bit(mask)] = *input++;
    }
    return input;
}

const struct vnm_line_code vnm_plain_lines = {plain_line, plain_compare, plain_pack, plain_unpack};

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define WITH_COMPRESS __attribute__((target("avx512f,avx512bw,avx512vbmi2,avx512vpopcntdq,bmi,popcnt")))

static inline int can_compress(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2") &&
           __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("popcnt");
}

WITH_COMPRESS static inline uint64_t wide_line(const uint8_t *old, const uint8_t *now)
{
    return _mm512_cmpneq_epi8_mask(_mm512_loadu_si512(old), _mm512_loadu_si512(now));
}

WITH_COMPRESS static void wide_compare(const uint8_t *old, const uint8_t *now, struct vnm_lines *lines)
{
    uint64_t changed = 0;
    for (uint32_t i = 0; i < VNM_LINES; i++) {
        lines->mask[i] = wide_line(old + VNM_LINE * i, now + VNM_LINE * i);
        changed |= (uint64_t)(lines->mask[i] != 0) << i;
    }
    uint64_t runs = (uint64_t)__builtin_popcountll(run_starts(lines->mask[0], 0));
    for (uint32_t i = 1; i < VNM_LINES; i++)
        runs += (uint64_t)__builtin_popcountll(run_starts(lines->mask[i], lines->mask[i - 1]));
    lines->changed = changed;
    lines->n_lines = (uint32_t)__builtin_popcountll(changed);
    lines->n_runs = (uint32_t)runs;
}

WITH_COMPRESS static uint8_t *wide_pack(const struct vnm_lines *lines, const uint8_t *now, uint8_t *output)
{
    for (uint64_t left = lines->changed; left; left &= left - 1) {
        uint32_t i = vnm_first_bit(left);
        uint64_t mask = lines->mask[i];
        __m512i bytes = _mm512_maskz_compress_epi8(mask, _mm512_loadu_si512(now + VNM_LINE * i));
        _mm512_storeu_si512(output, bytes);
        output += __builtin_popcountll(mask);
    }
    return output;
}

/* The first n bits, n from 1 to 64: a masked load touches no other bytes, and cannot fault on them. */
WITH_COMPRESS static inline uint64_t first_bits(uint32_t n)
{
    return ~(uint64_t)0 >> (64 - n);
}

WITH_COMPRESS static const uint8_t *wide_unpack(const struct vnm_lines *lines, const uint8_t *input,
                                                uint8_t *block)
{
    for (uint64_t left = lines->changed; left; left &= left - 1) {
        uint32_t i = vnm_first_bit(left);
        uint64_t mask = lines->mask[i];
        if (!mask)
            continue;
        uint32_t n = (uint32_t)__builtin_popcountll(mask);
        __m512i bytes = _mm512_maskz_loadu_epi8(first_bits(n), input);
        _mm512_mask_storeu_epi8(block + VNM_LINE * i, mask, _mm512_maskz_expand_epi8(mask, bytes));
        input += n;
    }
    return input;
}

static const struct vnm_line_code wide_lines = {wide_line, wide_compare, wide_pack, wide_unpack};

const struct vnm_line_code *vnm_best_lines(void)
{
    return can_compress() ? &wide_lines : &vnm_plain_lines;
}

#else

const struct vnm_line_code *vnm_best_lines(void)
{
    return &vnm_plain_lines;
}

#endif
