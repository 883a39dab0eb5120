/*
 * windows.c - byte order, 16 bytes at a time, on processors that can put 16 bytes in another order at once.
 *
 * A window covers as many whole integers as fit. It reads 16 bytes, shuffles them and writes 16 bytes; what
 * it writes behind its own integers is written again by the next window. Over many passes one window goes
 * through all of them before the next one does, so that the last of a pass has to spare what is behind it.
 * Where fewer than 16 bytes are left, the window is moved back and spares what is in front. So no value of a
 * window can reach outside of the bytes of its op: windows need not be trusted.
 */
#include "interp.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

/* The shuffle came with SSSE3; in AVX's form of it, a window takes fewer instructions. */
#define WITH_SHUFFLE __attribute__((target("avx")))

WITH_SHUFFLE static inline void shuffle(const uint8_t *in, uint8_t *out, __m128i mask)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
    _mm_storeu_si128((__m128i *)(void *)out, _mm_shuffle_epi8(bytes, mask));
}

WITH_SHUFFLE static inline void shuffle_blocks(const uint8_t *in, uint8_t *out, size_t blocks, __m128i mask)
{
    size_t at = 0, size = 16 * blocks;
    for (; at + 64 <= size; at += 64) {
        shuffle(in + at, out + at, mask);
        shuffle(in + at + 16, out + at + 16, mask);
        shuffle(in + at + 32, out + at + 32, mask);
        shuffle(in + at + 48, out + at + 48, mask);
    }
    for (; at < size; at += 16)
        shuffle(in + at, out + at, mask);
}

/* As `shuffle`, for a window whose neighbours are written already: bytes that are not its own stay. */
WITH_SHUFFLE static inline void shuffle_kept(const uint8_t *in, uint8_t *out, __m128i mask)
{
    __m128i others = _mm_cmplt_epi8(mask, _mm_setzero_si128());
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
    __m128i kept = _mm_and_si128(others, _mm_loadu_si128((const __m128i *)(const void *)out));
    _mm_storeu_si128((__m128i *)(void *)out, _mm_or_si128(kept, _mm_shuffle_epi8(bytes, mask)));
}

/* A window with only `size` bytes left, fewer than 16: with its mask moved, it ends where they end. */
WITH_SHUFFLE static inline void shuffle_end(const uint8_t *in, uint8_t *out, size_t size, __m128i mask)
{
    size_t back = 16 - size;
    __m128i by = _mm_set1_epi8((char)back);
    __m128i from = _mm_sub_epi8(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), by);
    __m128i before = _mm_and_si128(from, _mm_set1_epi8((char)0x80));
    mask = _mm_or_si128(_mm_add_epi8(_mm_shuffle_epi8(mask, from), by), before);
    shuffle_kept(in - back, out - back, mask);
}

/* Bytes of one block of passes: what is read and what is written stay in the first-level cache together. */
#define BLOCK_BYTES 8192u

/* The passes of a window from `pass` on that go over the end of the op, `left` bytes from `in`. */
WITH_SHUFFLE static void shuffle_last(const struct vnm_window *w, size_t pass, size_t end, size_t step,
                                      size_t left, const uint8_t *in, uint8_t *out)
{
    __m128i mask = _mm_loadu_si128((const __m128i *)(const void *)w->mask);
    for (; pass < end && pass < left; pass += step) {
        size_t blocks = (left - pass) / 16, size = (left - pass) % 16, rest = pass + 16 * blocks;
        shuffle_blocks(in + pass, out + pass, blocks, mask);
        if (size)
            shuffle_end(in + rest, out + rest, size, mask);
    }
}

/* Of the passes that take `span` bytes, the bytes of those whose window of this end lies within `left`. */
static size_t whole_passes(size_t span, size_t step, size_t end, size_t left)
{
    while (span && span - step + end > left)
        span -= step;
    return span;
}

/*
 * One window in the passes that take the next `span` bytes; `left` bytes, and no fewer than 16 with those in
 * front, are left of the op. `keep`: what is behind the window, in the next pass, is written already.
 */
WITH_SHUFFLE static inline void shuffle_window(const struct vnm_window *w, bool keep, size_t span,
                                               size_t step, size_t left, const uint8_t *in, uint8_t *out)
{
    __m128i mask = _mm_loadu_si128((const __m128i *)(const void *)w->mask);
    size_t size = 16 * (size_t)w->blocks, pass = w->at, end = pass + span;
    bool whole = end - step + size <= left;
    if (!whole)
        end = pass + whole_passes(span, step, pass + size, left);
    if (size != 16)
        for (; pass < end; pass += step)
            shuffle_blocks(in + pass, out + pass, size / 16, mask);
    else if (keep)
        for (; pass < end; pass += step)
            shuffle_kept(in + pass, out + pass, mask);
    else
        for (; pass < end; pass += step)
            shuffle(in + pass, out + pass, mask);
    if (!whole)
        shuffle_last(w, end, w->at + span, step, left, in, out);
}

/* `span` bytes at a time, a whole number of passes; `left` bytes in all, at least 16. */
WITH_SHUFFLE static void shuffle_passes(const struct vnm_window *first, const struct vnm_window *end,
                                        size_t span, size_t step, size_t left, const uint8_t *in,
                                        uint8_t *out)
{
    const struct vnm_window *last = end - 1;
    for (; left; left -= span, in += span, out += span) {
        span = left < span ? left : span;
        for (const struct vnm_window *w = first; w < last; w++)
            shuffle_window(w, false, span, step, left, in, out);
        shuffle_window(last, last != first, span, step, left, in, out);
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
    return size >= 16 && vnm_can_shuffle() ? swap_blocks(width, in, out, size) : 0;
}

WITH_SHUFFLE void vnm_copy_windows(const struct vnm_program *p, const struct vnm_op *op, size_t repeat,
                                   const uint8_t *in, uint8_t *out)
{
    const uint32_t *range = &p->first_window[op - p->ops];
    const struct vnm_window *first = p->windows + range[0], *end = p->windows + range[1];
    size_t step = op->c, size = repeat * step;
    if (size >= 16) {
        shuffle_passes(first, end, step < BLOCK_BYTES ? BLOCK_BYTES / step * step : step, step, size, in,
                       out);
    } else if (size) {
        uint8_t from[16] = {0}, to[16] = {0};
        memcpy(from, in, size);
        for (const struct vnm_window *w = first; w < end; w++)
            shuffle_window(w, true, size, step, sizeof from, from, to);
        memcpy(out, to, size);
    }
}

#else

size_t vnm_swap_blocks(uint32_t width, const uint8_t *in, uint8_t *out, size_t size)
{
    (void)width, (void)in, (void)out, (void)size;
    return 0;
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
    if (m->filled == 16 && last && memcmp(last->mask, m->open.mask, sizeof last->mask) == 0) {
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
            vnm_way_of(p, op) == VNM_WAY_NONE)
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
