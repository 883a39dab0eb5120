/*
 * copy.c - bytes of the wire into bytes of a record and back: the same copy, since exchanging the order of an
 * integer's bytes is its own inverse. A run is one loop over all passes; with windows (windows.c) it is
 * quicker.
 */
#include "interp.h"

/* Bytes of one block of passes: what is read and what is written stay in the first-level cache together. */
#define BLOCK_BYTES 8192u

/* Up to so many neighbours are gone through one by one. */
#define FEW 4u

static bool run_kind_valid(uint32_t kind)
{
    uint32_t width = kind & ~VNM_LITTLE;
    return width == 1 || width == 2 || width == 4 || width == 8;
}

bool vnm_runs_fill(const struct vnm_program *p, const struct vnm_op *op)
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
 * n integers, `step` bytes apart on both sides. Inline, so that a constant step gives a loop of its own;
 * through memcpy, since neither side is aligned.
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
    if (!vnm_needs_swap(kind)) {
        memcpy(out, in, n * width);
        return;
    }
    size_t done = vnm_swap_blocks(width, in, out, n * width);
    in += done;
    out += done;
    n -= done / width;
    if (width == 2)
        swap16(in, out, n, 2);
    else if (width == 4)
        swap32(in, out, n, 4);
    else
        swap64(in, out, n, 8);
}

/* One run in each of n passes that are `step` bytes apart: what it is, is asked once and not n times. */
static void copy_strided(const struct vnm_run *run, const uint8_t *restrict in, uint8_t *restrict out,
                         size_t n, size_t step)
{
    uint32_t width = run->kind & ~VNM_LITTLE;
    size_t bytes = (size_t)width * run->count;
    if (!vnm_needs_swap(run->kind)) {
        if (bytes == 1)
            move(in, out, n, step, 1);
        else if (bytes == 2)
            move(in, out, n, step, 2);
        else if (bytes == 4)
            move(in, out, n, step, 4);
        else
            move(in, out, n, step, bytes);
    } else if (run->count > FEW) {
        for (size_t i = 0; i < n; i++)
            copy_neighbours(run->kind, in + i * step, out + i * step, run->count);
    } else {
        for (size_t at = 0; at < bytes; at += width) {
            if (width == 2)
                swap16(in + at, out + at, n, step);
            else if (width == 4)
                swap32(in + at, out + at, n, step);
            else
                swap64(in + at, out + at, n, step);
        }
    }
}

static void copy_passes(const struct vnm_run *first, const struct vnm_run *end, size_t repeat, size_t step,
                        const uint8_t *restrict in, uint8_t *restrict out)
{
    size_t block = step < BLOCK_BYTES ? BLOCK_BYTES / step : 1;
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

void vnm_copy_plainly(const struct vnm_program *p, const struct vnm_op *op, uint64_t repeat,
                      const uint8_t *in, uint8_t *out)
{
    if (repeat == 0 || op->c == 0)
        return;
    const struct vnm_run *first = &p->runs[op->a];
    if (op->b == 1)
        copy_neighbours(first->kind, in, out, (size_t)repeat * first->count);
    else
        copy_passes(first, first + op->b, (size_t)repeat, op->c, in, out);
}
