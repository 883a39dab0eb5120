/* interp.c - frames, expressions and the byte-order copy: shared by load.c and save.c. */
#include "interp.h"

uint32_t vnm_abi_version(void)
{
    return VNM_ABI_VERSION;
}

uint32_t vnm_fail(struct vnm_run_state *s, uint32_t code, uint32_t op, uint64_t position, uint64_t expected,
                  uint64_t got)
{
    s->result->code = code;
    s->result->op = op;
    s->result->position = position;
    s->result->expected = expected;
    s->result->got = got;
    s->result->depth = s->depth;
    return code;
}

uint32_t vnm_push(struct vnm_run_state *s, uint32_t op, uint32_t index, uint64_t base)
{
    if (s->depth >= VNM_DEPTH)
        return VNM_TOO_DEEP;
    s->result->frame_op[s->depth] = op;
    s->result->frame_index[s->depth] = index;
    s->depth++;
    s->frame[s->depth] = base;
    return VNM_OK;
}

static uint32_t load_native(const struct vnm_run_state *s, const struct vnm_insn *i, uint64_t *value)
{
    uint32_t width = i->c & 0xffu;
    if (i->b > s->depth)
        return VNM_BAD_PROGRAM;
    uint64_t at = s->frame[s->depth - i->b] + i->a;
    if (!vnm_inside(at, width, s->record_length))
        return VNM_BAD_RECORD;
    const uint8_t *p = s->record + at;
    bool is_signed = (i->c & VNM_SIGNED) != 0;
    switch (width) {
    case 1:
        *value = is_signed ? (uint64_t)(int64_t)(int8_t)*p : *p;
        return VNM_OK;
    case 2: {
        uint16_t v;
        memcpy(&v, p, sizeof v);
        *value = is_signed ? (uint64_t)(int64_t)(int16_t)v : v;
        return VNM_OK;
    }
    case 4: {
        uint32_t v = vnm_get32(p);
        *value = is_signed ? (uint64_t)(int64_t)(int32_t)v : v;
        return VNM_OK;
    }
    case 8:
        memcpy(value, p, sizeof *value);
        return VNM_OK;
    default:
        return VNM_BAD_PROGRAM;
    }
}

static uint64_t combine(uint32_t op, uint64_t x, uint64_t y)
{
    switch (op) {
    case VNM_I_ADD:
        return x + y;
    case VNM_I_SUB:
        return x - y;
    case VNM_I_MUL:
        return x * y;
    case VNM_I_DIV:
        return y ? x / y : 0;
    case VNM_I_AND:
        return x & y;
    case VNM_I_OR:
        return x | y;
    case VNM_I_EQ:
        return x == y;
    case VNM_I_NE:
        return x != y;
    case VNM_I_LT:
        return x < y;
    default:
        return x <= y;
    }
}

uint32_t vnm_eval(struct vnm_run_state *s, uint32_t first, uint64_t *value)
{
    const struct vnm_program *p = s->program;
    uint64_t stack[VNM_STACK];
    uint32_t n = 0;
    for (uint32_t at = first; at < p->n_insns; at++) {
        const struct vnm_insn *i = &p->insns[at];
        switch (i->op) {
        case VNM_I_END:
            if (n != 1)
                return VNM_BAD_PROGRAM;
            *value = stack[0];
            return VNM_OK;
        case VNM_I_CONST:
            if (n >= VNM_STACK || i->a >= p->n_consts)
                return VNM_BAD_PROGRAM;
            stack[n++] = p->consts[i->a];
            break;
        case VNM_I_LOAD: {
            if (n >= VNM_STACK)
                return VNM_BAD_PROGRAM;
            uint32_t code = load_native(s, i, &stack[n]);
            if (code != VNM_OK)
                return code;
            n++;
            break;
        }
        case VNM_I_NOT:
            if (n < 1)
                return VNM_BAD_PROGRAM;
            stack[n - 1] = !stack[n - 1];
            break;
        default:
            if (n < 2 || i->op > VNM_I_LE)
                return VNM_BAD_PROGRAM;
            stack[n - 2] = combine(i->op, stack[n - 2], stack[n - 1]);
            n--;
            break;
        }
    }
    return VNM_BAD_PROGRAM;
}

static bool run_kind_valid(uint32_t kind)
{
    uint32_t width = kind & ~VNM_LITTLE;
    return width == 1 || width == 2 || width == 4 || width == 8;
}

bool vnm_runs_valid(const struct vnm_program *p, const struct vnm_op *op)
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

static inline bool needs_swap(uint32_t kind)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (kind & VNM_LITTLE) != 0;
#else
    return (kind & VNM_LITTLE) == 0;
#endif
}

/* Bytes of one pass block: what is read and what is written stay in the first-level cache together. */
#define BLOCK_BYTES 8192u

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
    if (width == 1 || !needs_swap(kind))
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
    if (width == 1 || !needs_swap(run->kind)) {
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

void vnm_copy_runs(const struct vnm_program *p, const struct vnm_op *op, uint64_t repeat, const uint8_t *in,
                   uint8_t *out)
{
    const struct vnm_run *first = &p->runs[op->a], *end = first + op->b;
    size_t step = op->c;
    if (op->b == 1) {
        copy_neighbours(first->kind, in, out, (size_t)repeat * first->count);
        return;
    }
    size_t block = step < BLOCK_BYTES ? BLOCK_BYTES / (step ? step : 1) : 1;
    for (size_t left = (size_t)repeat; left;) {
        size_t n = left < block ? left : block;
        size_t at = 0;
        for (const struct vnm_run *run = first; run < end; run++) {
            copy_strided(run, in + at, out + at, n, step);
            at += (size_t)(run->kind & ~VNM_LITTLE) * run->count;
        }
        left -= n;
        in += n * step;
        out += n * step;
    }
}
