/* interp.h - what the load and the save side of the interpreter share: frames, expressions, results. */
#ifndef VNM_INTERP_H
#define VNM_INTERP_H

#include "vnetmig.h"

#include <stdbool.h>
#include <string.h>

#define VNM_SLOT_BYTES 8u         /* u32 offset or first node, u32 count */
#define VNM_NODE_HEADER 8u        /* u32 next, u32 marker */
#define VNM_SUBSECTION_HEADER 12u /* u32 next, u32 entry, u32 version */
#define VNM_SUBSECTION_MARK 0x05u /* qemu: migration/migration.h:QEMU_VM_SUBSECTION */
#define VNM_LITTLE 0x10u
#define VNM_SIGNED 0x100u

enum vnm_insn_op {
    VNM_I_END = 0,
    VNM_I_CONST,
    VNM_I_LOAD,
    VNM_I_ADD,
    VNM_I_SUB,
    VNM_I_MUL,
    VNM_I_DIV,
    VNM_I_AND,
    VNM_I_OR,
    VNM_I_EQ,
    VNM_I_NE,
    VNM_I_LT,
    VNM_I_LE,
    VNM_I_NOT
};

struct vnm_run_state;

/* What one side of the interpreter, loading or saving, does for an op. Returns a vnm_code. */
typedef uint32_t vnm_step(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op);

/* The steps of one side, by kind of op; NULL where vnm_body does the op itself. */
struct vnm_side {
    vnm_step *step[VNM_OP_CHECK + 1];
};

/* One run of the interpreter: the open frames and the record they lie in. */
struct vnm_run_state {
    const struct vnm_program *program;
    const struct vnm_side *side;
    const uint8_t *record;
    uint64_t record_length; /* bytes of the record that may be read */
    uint64_t position;      /* stream bytes read or written so far (on saving, also what did not fit) */
    uint64_t frame[VNM_DEPTH + 1];
    uint32_t depth;
    struct vnm_result *result;
};

/* Native integers at any alignment. */
static inline uint32_t vnm_get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void vnm_put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

/* A run with nothing done yet and no result. Not an initializer, which would clear every frame. */
static inline void vnm_begin(struct vnm_run_state *s, const struct vnm_program *program,
                             const struct vnm_side *side, const uint8_t *record, uint64_t record_length,
                             struct vnm_result *result)
{
    s->program = program;
    s->side = side;
    s->record = record;
    s->record_length = record_length;
    s->position = 0;
    s->frame[0] = 0;
    s->depth = 0;
    s->result = result;
    result->code = VNM_OK;
    result->depth = 0;
}

/* Stop with `code`; position, expected and got go into the result. Returns code. */
uint32_t vnm_fail(struct vnm_run_state *s, uint32_t code, uint32_t op, uint64_t position, uint64_t expected,
                  uint64_t got);

/* Stop with `code` where the run stands. */
static inline uint32_t vnm_stop(struct vnm_run_state *s, uint32_t code, uint32_t pc)
{
    return vnm_fail(s, code, pc, s->position, 0, 0);
}

/* Run the ops from `pc` up to `end` or an END. */
uint32_t vnm_body(struct vnm_run_state *s, uint32_t pc, uint32_t end);

/* Run the body of `op` for `count` elements of op->c record bytes each, the first at `at`. */
uint32_t vnm_elements(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op, uint64_t count,
                      uint64_t at);

/* Evaluate the expression that begins at insns[first]. */
uint32_t vnm_eval(struct vnm_run_state *s, uint32_t first, uint64_t *value);

/* Open a frame for element `index` of `op` at record offset `base`. */
uint32_t vnm_push(struct vnm_run_state *s, uint32_t op, uint32_t index, uint64_t base);

static inline void vnm_pop(struct vnm_run_state *s)
{
    s->depth--;
}

/* true when [offset, offset + size) lies in [0, length). */
static inline bool vnm_inside(uint64_t offset, uint64_t size, uint64_t length)
{
    return offset <= length && size <= length - offset;
}

static inline bool vnm_needs_swap(uint32_t kind)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (kind & VNM_LITTLE) != 0 && kind != (1 | VNM_LITTLE);
#else
    return (kind & VNM_LITTLE) == 0 && kind != 1;
#endif
}

/* Can this processor put 16 bytes in another order at once? */
static inline bool vnm_can_shuffle(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    return __builtin_cpu_supports("avx");
#else
    return false;
#endif
}

/* Are there windows for the runs of `op`, and can this processor use them? */
static inline bool vnm_has_windows(const struct vnm_program *p, const struct vnm_op *op)
{
    if (!p->n_windows || !vnm_can_shuffle())
        return false;
    const uint32_t *range = &p->first_window[op - p->ops];
    return range[0] < range[1] && range[1] <= p->n_windows;
}

/* One op's runs are inside the program's table and fill its pass. */
bool vnm_runs_fill(const struct vnm_program *p, const struct vnm_op *op);

/* How the runs of `op` are copied; an op with windows does not use its runs. Asked before it copies. */
enum vnm_way { VNM_WAY_NONE, VNM_WAY_WINDOWS, VNM_WAY_RUNS };

static inline enum vnm_way vnm_way_of(const struct vnm_program *p, const struct vnm_op *op)
{
    if (vnm_has_windows(p, op))
        return VNM_WAY_WINDOWS;
    return vnm_runs_fill(p, op) ? VNM_WAY_RUNS : VNM_WAY_NONE;
}

/* vnm_copy_runs by windows, for an op that has them. */
void vnm_copy_windows(const struct vnm_program *p, const struct vnm_op *op, size_t repeat, const uint8_t *in,
                      uint8_t *out);

/* vnm_copy_runs run by run. */
void vnm_copy_plainly(const struct vnm_program *p, const struct vnm_op *op, uint64_t repeat,
                      const uint8_t *in, uint8_t *out);

/*
 * Copy `repeat` passes over the runs of `op` from `in` to `out`, turning wire order into host order (or
 * back: the operation is its own inverse). Both sides hold repeat * op->c bytes.
 */
static inline void vnm_copy_runs(const struct vnm_program *p, const struct vnm_op *op, enum vnm_way way,
                                 uint64_t repeat, const uint8_t *in, uint8_t *out)
{
    if (way == VNM_WAY_WINDOWS)
        vnm_copy_windows(p, op, (size_t)repeat, in, out);
    else
        vnm_copy_plainly(p, op, repeat, in, out);
}

/* Exchange the byte order of integers of 2, 4 or 8 bytes, 16 bytes at a time. Returns how many bytes it did.
 */
size_t vnm_swap_blocks(uint32_t width, const uint8_t *in, uint8_t *out, size_t size);

#endif
