/* test_copy.c - the byte-order copy, with windows and without, against one integer at a time. Exits 0; an
 * assert ends it. */
#undef NDEBUG
#include "interp.h"

#include <assert.h>
#include <stdlib.h>

#define RUNS_MAX 12u
#define ROUNDS 4000u

static uint32_t state = 1;

static uint32_t below(uint32_t limit)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % limit;
}

static uint8_t *filled(size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1); /* exact, so that ASan sees a byte behind it */
    assert(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)below(256);
    return bytes;
}

static void reference(const struct vnm_run *runs, uint32_t n_runs, uint32_t repeat, const uint8_t *in,
                      uint8_t *out)
{
    for (uint32_t pass = 0; pass < repeat; pass++)
        for (const struct vnm_run *r = runs; r < runs + n_runs; r++)
            for (uint32_t i = 0; i < r->count; i++) {
                uint32_t width = r->kind & ~VNM_LITTLE;
                for (uint32_t k = 0; k < width; k++)
                    out[k] = in[vnm_needs_swap(r->kind) ? width - 1 - k : k];
                in += width;
                out += width;
            }
}

static void some_copy(void)
{
    static const uint32_t widths[] = {1, 2, 4, 8};
    struct vnm_run runs[RUNS_MAX];
    struct vnm_op op = {.kind = VNM_OP_SPAN, .expr = below(9) ? below(20) : 300, .b = 1 + below(RUNS_MAX)};
    for (uint32_t i = 0; i < op.b; i++) {
        runs[i].kind = widths[below(4)] | (below(4) ? 0 : VNM_LITTLE);
        runs[i].count = below(8) ? below(6) : below(70) ? below(70) : 5000;
        op.c += (runs[i].kind & ~VNM_LITTLE) * runs[i].count;
    }
    struct vnm_program p = {.ops = &op, .runs = runs, .n_ops = 1, .n_runs = op.b};
    uint32_t first[2];
    struct vnm_window windows[3 * RUNS_MAX];
    uint32_t made = vnm_make_windows(&p, first, windows, 3 * RUNS_MAX);
    assert(made <= 3 * op.b && first[0] == 0 && first[1] == made);

    size_t size = (size_t)op.c * op.expr;
    uint8_t *in = filled(size), *out = filled(size), *wanted = filled(size);
    reference(runs, op.b, op.expr, in, wanted);
    vnm_copy_runs(&p, &op, vnm_way_of(&p, &op), op.expr, in, out);
    assert(memcmp(out, wanted, size) == 0);

    memset(out, 0xa5, size);
    p.windows = windows;
    p.first_window = first;
    p.n_windows = made;
    vnm_copy_runs(&p, &op, vnm_way_of(&p, &op), op.expr, in, out);
    assert(memcmp(out, wanted, size) == 0);

    /* with a table that ends early, the runs are used; a maker without room counts on */
    p.n_windows = made ? made - 1 : 0;
    assert(vnm_way_of(&p, &op) == VNM_WAY_RUNS);
    p.n_windows = made;
    uint32_t fewer = made ? below(made) : 0;
    struct vnm_window *little = malloc(fewer ? fewer * sizeof *little : 1);
    assert(little && vnm_make_windows(&p, first, little, fewer) >= made);
    free(little);

    /* windows that no maker makes must stay inside of the op's bytes all the same */
    for (uint32_t i = 0; i < made; i++) {
        windows[i].at = below(2 * op.c + 1);
        windows[i].blocks = below(3) ? below(4) : 0xffffffffu;
    }
    vnm_copy_runs(&p, &op, vnm_way_of(&p, &op), op.expr, in, out);
    free(in);
    free(out);
    free(wanted);
}

/* A pass that takes minutes to go over, integer by integer, has no windows. */
static void a_long_pass(void)
{
    const struct vnm_run runs[] = {{1, 0x40000000}, {2, 0x20000000}};
    const struct vnm_op op = {VNM_OP_VSPAN, 1, 0, 0, 0, 2, 0x80000000, 0};
    const struct vnm_program p = {.ops = &op, .runs = runs, .n_ops = 1, .n_runs = 2};
    uint32_t first[2];
    assert(vnm_make_windows(&p, first, NULL, 0) == 0 && first[1] == 0);
}

int main(void)
{
    a_long_pass();
    for (uint32_t i = 0; i < ROUNDS; i++)
        some_copy();
    return 0;
}
