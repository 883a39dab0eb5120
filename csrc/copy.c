/*
 * copy.c - bytes of the wire into bytes of a record and back: the same copy, since exchanging the order of an
 * integer's bytes is its own inverse. One loop per run over all passes; on a processor that can shuffle 16 bytes at
 * once, windows instead, which a program's owner has made beforehand (vnm_make_windows).
 */
#include "interp.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define VNM_HAVE_SHUFFLE 1
#include <tmmintrin.h>
#endif

/* Bytes of one block of passes: what is read and what is written stay in the first-level cache together. */
#define BLOCK_BYTES 8192u

static bool run_kind_valid(uint32_t kind)
{
    uint32_t width = kind & ~VNM_LITTLE;
    return width == 1 || width == 2 || width == 4 || width == 8;
}

static inline bool needs_swap(uint32_t kind)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (kind & VNM_LITTLE) != 0;
#else
    return (kind & VNM_LITTLE) == 0 && kind != 1;
#endif
}

static bool runs_valid(const struct vnm_program *p, const struct vnm_op *op)
{
    if (!vnm_inside(op->a, op->b, p->n_runs))
        return false;
    uint64_t total = 0;
    for (uint32_t i = 0; i < op->b; i++) {
        const struct vnm_run *r = &p->runs[op->a + i];
        if (!run_kind_valid(r->kind))
            return false;
        total += (uint64_t)(r->kind & ~VNM_LITTLE) * r->count;
    }
    return total == op->c;
}

/*
 * n integers, `step` bytes apart on both sides. Inline, so that a constant step gives a loop of its own; through
 * memcpy, since neither side is aligned.
 */
static inline void swap16(const uint8_t *restrict in, uint8_t *restrict out, size_t n, size_t step)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t v;
        memcpy(&v, in + i * step, sizeof v);
        v = (uint16_t)((v >> 8) | (v << 8));
        memcpy(out + i * step, &v, sizeof v);
    }
}

static inline void swap32(const uint8_t *restrict in, uint8_t *restrict out, size_t n, size_t step)
{
    for (size_t i = 0; i < n; i++)
        vnm_put32(out + i * step, __builtin_bswap32(vnm_get32(in + i * step)));
}

static inline void swap64(const uint8_t *restrict in, uint8_t *restrict out, size_t n, size_t step)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t v;
        memcpy(&v, in + i * step, sizeof v);
        v = __builtin_bswap64(v);
        memcpy(out + i * step, &v, sizeof v);
    }
}

/* n groups of `size` bytes, `step` bytes apart, as they are. */
static inline void move(const uint8_t *restrict in, uint8_t *restrict out, size_t n, size_t step, size_t size)
{
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * step, in + i * step, size);
}

/* n neighbours of one kind. */
static void copy_neighbours(uint32_t kind, const uint8_t *restrict in, uint8_t *restrict out, size_t n)
{
    uint32_t width = kind & ~VNM_LITTLE;
    if (!needs_swap(kind))
        memcpy(out, in, n * width);
    else if (width == 2)
        swap16(in, out, n, 2);
    else if (width == 4)
        swap32(in, out, n, 4);
    else
        swap64(in, out, n, 8);
}

/* One run in each of n passes that are `step` bytes apart: the kind is looked at once, not n times. */
static void copy_strided(const struct vnm_run *run, const uint8_t *restrict in, uint8_t *restrict out, size_t n,
                         size_t step)
{
    uint32_t width = run->kind & ~VNM_LITTLE;
    size_t bytes = (size_t)width * run->count;
    if (!needs_swap(run->kind)) {
        if (bytes == 1)
            move(in, out, n, step, 1);
        else if (bytes == 2)
            move(in, out, n, step, 2);
        else if (bytes == 4)
            move(in, out, n, step, 4);
        else
            move(in, out, n, step, bytes);
    } else if (run->count > 1) {
        for (size_t i = 0; i < n; i++)
            copy_neighbours(run->kind, in + i * step, out + i * step, run->count);
    } else if (width == 2) {
        swap16(in, out, n, step);
    } else if (width == 4) {
        swap32(in, out, n, step);
    } else {
        swap64(in, out, n, step);
    }
}

static void copy_passes(const struct vnm_run *first, const struct vnm_run *end, size_t repeat, size_t step,
                        const uint8_t *restrict in, uint8_t *restrict out)
{
    size_t block = step && step < BLOCK_BYTES ? BLOCK_BYTES / step : 1;
    while (repeat) {
        size_t n = repeat < block ? repeat : block;
        size_t at = 0;
        for (const struct vnm_run *run = first; run < end; run++) {
            copy_strided(run, in + at, out + at, n, step);
            at += (size_t)(run->kind & ~VNM_LITTLE) * run->count;
        }
        repeat -= n;
        in += n * step;
        out += n * step;
    }
}

/*
 * Windows. Each takes 16 bytes, puts them in another order and writes 16 bytes; it covers as many whole integers as
 * fit, and what it writes behind them is written again by the next. Where fewer than 16 bytes are left, a copy of them
 * is shuffled instead. No value of a window can read or write outside of the pass bytes at hand.
 */

uint32_t vnm_make_windows(const struct vnm_program *p, uint32_t *first, struct vnm_window *windows, uint32_t capacity)
{
    uint32_t made = 0;
    for (uint32_t pc = 0; pc < p->n_ops; pc++) {
        const struct vnm_op *op = &p->ops[pc];
        first[pc] = made;
        if ((op->kind != VNM_OP_SPAN && op->kind != VNM_OP_VSPAN) || op->b < 2 || !runs_valid(p, op))
            continue;
        struct vnm_window open = {.at = 0}, last = {.at = 0};
        uint32_t filled = 0, at = 0;
        for (const struct vnm_run *run = &p->runs[op->a]; run < &p->runs[op->a + op->b]; run++) {
            uint32_t width = run->kind & ~VNM_LITTLE;
            for (uint32_t i = 0; i < run->count; i++) {
                if (filled + width > 16) {
                    add_window(&open, ...);
                }
            }
        }
    }
    first[p->n_ops] = made;
    return made;
}
