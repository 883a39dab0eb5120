/*
 * vnetmig.h - the C core of vnetmig: a small interpreter that turns bytes of a QEMU migration stream
 * into a native record and back, and readers of virtqueue rings in guest memory.
 *
 * What it knows: integers, byte order, counts, subsections. What it does not know: any device. A device
 * is a *program*, compiled from a description by the Python package (src/vnetmig/vmstate/compiler.py).
 *
 * Rules that hold for every function here:
 *   - no globals, no allocation, no I/O: the caller owns every buffer; functions are re-entrant;
 *   - nothing read from the wire, from a record or from a program is trusted: every offset, count and
 *     depth is checked before use;
 *   - on failure the output buffer may hold partial data and must be thrown away by the caller;
 *   - the Python engine (src/vnetmig/engine/python.py) gives the same bytes, codes and offsets.
 *
 * Text between CDEF BEGIN and CDEF END is also the input of the cffi generator.
 */
#ifndef VNETMIG_H
#define VNETMIG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CDEF BEGIN */

#define VNM_ABI_VERSION 1
#define VNM_DEPTH 16
#define VNM_STACK 16

/* Kinds of op; see src/vnetmig/engine/code.py for what a, b, c mean in each. */
enum vnm_op_kind {
    VNM_OP_END = 0,         /* end of a body */
    VNM_OP_SPAN = 1,        /* fixed runs, repeated a constant number of times */
    VNM_OP_VSPAN = 2,       /* fixed runs, repeated by an expression, in the arena */
    VNM_OP_EACH = 3,        /* elements of variable size, number by an expression, in the arena */
    VNM_OP_FIXED = 4,       /* elements of variable size, constant number, inline */
    VNM_OP_LIST = 5,        /* marker != 0, element, ... marker == 0 */
    VNM_OP_IF = 6,          /* skip to next unless the expression holds */
    VNM_OP_SUBSECTIONS = 7, /* vmstate subsections that belong to this parent */
    VNM_OP_CHECK = 8        /* stop unless two expressions relate as told */
};

/* Why a run stopped. */
enum vnm_code {
    VNM_OK = 0,
    VNM_TRUNCATED = 1,          /* input ends inside this op */
    VNM_LIMIT = 2,              /* a count is over its limit */
    VNM_UNKNOWN_SUBSECTION = 3, /* parent's prefix, but no such subsection */
    VNM_TOO_NEW = 4,            /* subsection version above the described one */
    VNM_TOO_OLD = 5,            /* subsection version below the minimum */
    VNM_CHECK = 6,              /* a CHECK op did not hold */
    VNM_NO_ROOM = 7,            /* the caller's buffer is too small: see expected */
    VNM_BAD_RECORD = 8,         /* a slot points outside of the record */
    VNM_COUNT_MISMATCH = 9,     /* on save: list length and count field differ */
    VNM_TOO_DEEP = 10,          /* more than VNM_DEPTH frames */
    VNM_BAD_PROGRAM = 11        /* an op that no compiler makes */
};

/* One op: 8 words. */
struct vnm_op {
    uint32_t kind, flags, rec, expr, a, b, c, next;
};

/* A run of integers of one width: kind = 1, 2, 4 or 8 bytes, | 0x10 if little-endian on the wire. */
struct vnm_run {
    uint32_t kind, count;
};

/* One instruction of an expression (a stack machine on uint64_t). */
struct vnm_insn {
    uint32_t op, a, b, c;
};

/* A subsection that a parent knows: its name in the name table, its body, its record, its versions. */
struct vnm_sub {
    uint32_t name_offset, name_length, first_op, record_bytes, version, minimum_version, unused0, unused1;
};

/* A program: const tables, owned by the caller, never changed. */
struct vnm_program {
    const struct vnm_op *ops;
    const struct vnm_run *runs;
    const struct vnm_insn *insns;
    const uint64_t *consts;
    const struct vnm_sub *subs;
    const uint8_t *names;
    uint32_t n_ops, n_runs, n_insns, n_consts, n_subs, n_names;
    uint32_t record_bytes; /* fixed part of the root record */
    uint32_t unused0;
};

/* Where and why a run stopped. frame_op/frame_index: every open array, list or subsection. */
struct vnm_result {
    uint32_t code;
    uint32_t op;
    uint64_t position; /* stream bytes consumed, or where the failing op begins */
    uint64_t used;     /* record bytes in use (load), stream bytes written (save) */
    uint64_t expected;
    uint64_t got;
    uint32_t depth;
    uint32_t frame_op[16];
    uint32_t frame_index[16];
};

/* The version of this interface: structs and op numbers. */
uint32_t vnm_abi_version(void);

/*
 * vnm_load - run `program` over `input`, filling `record`.
 *
 * record[0 .. record_bytes) is the fixed part, the rest up to record_capacity is arena. The whole
 * record need not be cleared beforehand. Returns result->code. VNM_NO_ROOM: call again with more than
 * result->expected bytes of record. VNM_TRUNCATED: the input ends early; with more input, call again.
 */
uint32_t vnm_load(const struct vnm_program *program, const uint8_t *input, uint64_t input_length,
                  uint8_t *record, uint64_t record_capacity, struct vnm_result *result);

/*
 * vnm_save - write the stream bytes of `record` to `output`.
 *
 * With output_capacity too small nothing is written past it, counting goes on, and the code is
 * VNM_NO_ROOM with the bytes needed in result->expected. The record is not trusted: slots are checked.
 */
uint32_t vnm_save(const struct vnm_program *program, const uint8_t *record, uint64_t record_length,
                  uint8_t *output, uint64_t output_capacity, struct vnm_result *result);

/* CDEF END */

#ifdef __cplusplus
}
#endif

#endif /* VNETMIG_H */
