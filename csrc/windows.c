/*
 * windows.c - byte order, 16 bytes at a time, on processors that can put 16 bytes in another order at once.
 *
 * A window covers as many whole integers as fit. It reads 16 bytes, shuffles them and writes 16 bytes; what
 * it writes behind its own integers is written again by the next window. Where fewer than 16 bytes are left,
 * a copy of them is shuffled instead. So no value of a window can reach outside of the bytes of its op:
 * windows need not be trusted.
 */
#include "interp.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <tmmintrin.h>

#define WITH_SHUFFLE __attribute__((target("ssse3")))

static inline bool can_shuffle(void)
{
    return __builtin_cpu_supports("ssse3");
}

WITH_SHUFFLE static inline void shuffle(const uint8_t *in, uint8_t *out, __m128i mask)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
    _mm_storeu_si128((__m128i *)(void *)out, _mm_shuffle_epi8(bytes, mask));
}

WITH_SHUFFLE static inline void shuffle_blocks(const uint8_t *in, uint8_t *out, size_t blocks, __m128i mask)
{
    for (size_t i = 0; i < blocks; i++)
        shuffle(in + 16 * i, out + 16 * i, mask);
}

WITH_SHUFFLE static void shuffle_rest(const uint8_t *in, uint8_t *out, size_t size, __m128i mask)
{
    uint8_t some[16] = {0};
    memcpy(some, in, size);
    shuffle(some, some, mask);
    memcpy(out, some, size);
}

WITH_SHUFFLE static void shuffle_passes(const struct vnm_window *first, const struct vnm_window *end,
                                        size_t repeat, size_t step, const uint8_t *in, uint8_t *out)
{
    if (step == 16 && end - first == 1) {
        shuffle_blocks(in, out, repeat, _mm_loadu_si128((const __m128i *)(const void *)first->mask));
        return;
    }
    for (size_t left = repeat * step; left; left -= step) {
        for (const struct vnm_window *w = first; w < end; w++) {
            __m128i mask = _mm_loadu_si128((const __m128i *)(const void *)w->mask);
            size_t at = w->at, size = 16 * (size_t)w->blocks;
            if (vnm_inside(at, size, left))
                shuffle_blocks(in + at, out + at, w->blocks, mask);
            else if (at < left)
                shuffle_rest(in + at, out + at, left - at < 16 ? left - at : 16, mask);
        }
        in += step;
        out += step;
    }
}

WITH_SHUFFLE static size_t swap_blocks(uint32_t width, const uint8_t *in, uint8_t *out, size_t size)
{
    __m128i mask;
    if (width == 2)
        mask = _mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    else if (width == 4)
        mask = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    else
        mask = _mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
    shuffle_blocks(in, out, size / 16, mask);
    return size / 16 * 16;
}

size_t vnm_swap_blocks(uint32_t width, const uint8_t *in, uint8_t *out, size_t size)
{
    return size >= 16 && can_shuffle() ? swap_blocks(width, in, out, size) : 0;
}

bool vnm_has_windows(const struct vnm_program *p, const struct vnm_op *op)
{
    if (!p->n_windows || !can_shuffle())
        return false;
    const uint32_t *range = &p->first_window[op - p->ops];
    return range[0] < range[1] && range[1] <= p->n_windows;
}

void vnm_copy_windows(const struct vnm_program *p, const struct vnm_op *op, size_t repeat, const uint8_t *in,
                      uint8_t *out)
{
    const uint32_t *range = &p->first_window[op - p->ops];
    shuffle_passes(p->windows + range[0], p->windows + range[1], repeat, op->c, in, out);
}

#else

size_t vnm_swap_blocks(uint32_t width, const uint8_t *in, uint8_t *out, size_t size)
{
    (void)width, (void)in, (void)out, (void)size;
    return 0;
}

bool vnm_has_windows(const struct vnm_program *p, const struct vnm_op *op)
{
    (void)p, (void)op;
    return false;
}

void vnm_copy_windows(const struct vnm_program *p, const struct vnm_op *op, size_t repeat, const uint8_t *in,
                      uint8_t *out)
{
    (void)p, (void)op, (void)repeat, (void)in, (void)out;
}

#endif

/* Longer passes have no windows: making them goes over every integer, and long runs are quick without. */
#define LONG_PASS 65536u

struct maker {
    struct vnm_window *windows;
    uint32_t capacity, made, first; /* first: of the op at hand */
    struct vnm_window open;
    uint32_t filled; /* bytes of the open window that are spoken for */
};

/* Keep the open window, or let the last one go over its bytes too when it does the same. */
static void close_window(struct maker *m)
{
    struct vnm_window *last = m->made > m->first && m->made <= m->capacity ? &m->windows[m->made - 1] : NULL;
    if (m->filled == 16 && last && memcmp(last->mask, m->open.mask, sizeof last->mask) == 0 &&
        last->at + 16 * last->blocks == m->open.at) {
        last->blocks++;
    } else if (m->filled) {
        if (m->made < m->capacity)
            m->windows[m->made] = m->open;
        m->made++;
    }
    m->open.at += m->filled;
    m->filled = 0;
    memset(m->open.mask, 0x80, sizeof m->open.mask); /* gives zeros */
}

static void add_integer(struct maker *m, uint32_t width, bool swap)
{
    if (m->filled + width > 16)
        close_window(m);
    for (uint32_t i = 0; i < width; i++)
        m->open.mask[m->filled + i] = (uint8_t)(m->filled + (swap ? width - 1 - i : i));
    m->filled += width;
}

uint32_t vnm_make_windows(const struct vnm_program *p, uint32_t *first_window, struct vnm_window *windows,
                          uint32_t capacity)
{
    struct maker m = {.windows = windows, .capacity = capacity};
    for (uint32_t pc = 0; pc < p->n_ops; pc++) {
        const struct vnm_op *op = &p->ops[pc];
        first_window[pc] = m.first = m.made;
        if ((op->kind != VNM_OP_SPAN && op->kind != VNM_OP_VSPAN) || op->b < 2 || op->c > LONG_PASS ||
            !vnm_runs_valid(p, op))
            continue;
        m.open = (struct vnm_window){.blocks = 1};
        close_window(&m);
        for (const struct vnm_run *run = &p->runs[op->a]; run < &p->runs[op->a] + op->b; run++)
            for (uint32_t i = 0; i < run->count; i++)
                add_integer(&m, run->kind & ~VNM_LITTLE, vnm_needs_swap(run->kind));
        close_window(&m);
    }
    first_window[p->n_ops] = m.made;
    return m.made;
}
