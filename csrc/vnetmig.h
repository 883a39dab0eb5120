/*
 * vnetmig.h - the C core of vnetmig: a small interpreter that turns bytes of a QEMU migration stream
 * into a native record and back, readers of virtqueue rings in guest memory, a walker over the pages of a
 * stream, and deltas of bytes.
 *
 * What it knows: integers, byte order, counts, subsections. What it does not know: any device. A device
 * is a *program*, compiled from a description by the Python package (src/vnetmig/vmstate/compiler.py).
 *
 * Rules that hold for every function here:
 *   - no globals, no allocation, no I/O: the caller owns every buffer; functions are re-entrant;
 *   - nothing read from the wire, from a record or from a program is trusted: every offset, count and
 *     depth is checked before use (vnm_verify does not replace these checks, it finds the fault earlier);
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

#define VNM_ABI_VERSION 5
#define VNM_DEPTH 16
#define VNM_STACK 16
#define VNM_NESTING 64           /* conditions and bodies of elements inside of one another */
#define VNM_EMPTY_ELEMENTS 65536 /* elements that take no bytes of a record, all in all */

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

/* What vnm_verify refuses a program for. */
enum vnm_rule {
    VNM_RULE_KIND = 1,  /* no such op */
    VNM_RULE_RUNS = 2,  /* runs: outside of the table, of no width, or not as many bytes as their op says */
    VNM_RULE_PLACE = 3, /* bytes outside of the frame that is open */
    VNM_RULE_EXPRESSION = 4,  /* no such expression: instructions, constants, operands, its one value */
    VNM_RULE_LOAD = 5,        /* an expression reads outside of a frame, or no integer */
    VNM_RULE_NESTING = 6,     /* a body that does not end inside of the one around it, or nested too often */
    VNM_RULE_ELEMENTS = 7,    /* a node without room for its header; too many elements that take no bytes */
    VNM_RULE_MARKER = 8,      /* a list's marker is neither 1 nor 4 bytes */
    VNM_RULE_SUBSECTIONS = 9, /* entries, names, sizes or bodies outside of their tables, or out of order */
    VNM_RULE_SHARED = 10      /* an op that is reached on two ways */
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

/* A shortcut through the runs of an op: `blocks` times 16 bytes from `at` on, each put in the order of
 * `mask`. */
struct vnm_window {
    uint32_t at, blocks;
    uint8_t mask[16];
};

/* A program: const tables, owned by the caller, never changed. */
struct vnm_program {
    const struct vnm_op *ops;
    const struct vnm_run *runs;
    const struct vnm_insn *insns;
    const uint64_t *consts;
    const struct vnm_sub *subs;
    const uint8_t *names;
    const struct vnm_window *windows; /* n_windows of them; may be none */
    const uint32_t
        *first_window; /* n_ops + 1 numbers: those of op i are [first_window[i], first_window[i + 1]) */
    uint32_t n_ops, n_runs, n_insns, n_consts, n_subs, n_names;
    uint32_t record_bytes; /* fixed part of the root record */
    uint32_t n_windows;
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
    uint32_t unused0; /* an array of these is one of 64-bit words, on 32 bits too */
};

/* The version of this interface: structs and op numbers. */
uint32_t vnm_abi_version(void);

/*
 * vnm_verify - can `program` be run? VNM_OK, or VNM_BAD_PROGRAM with the op in result->op and the enum
 * vnm_rule in result->got.
 *
 * Takes any words in the tables. A program that it lets pass never gives VNM_BAD_PROGRAM, touches no byte of
 * a record outside of the frame that its op or expression names, runs each op with the frames that it was
 * verified with, and does work that its ops, the record and the input bound. Windows are not looked at: they
 * need no trust. Costs at most (ops) * (runs + instructions); memory: a few frames of stack.
 */
uint32_t vnm_verify(const struct vnm_program *program, struct vnm_result *result);

/*
 * vnm_make_windows - work out the windows of a program, to be put into it: they change speed, never bytes.
 *
 * Needs ops and runs only. `first_window` has room for n_ops + 1 numbers. Returns how many windows there are:
 * at most three per run of each op. When that is more than `capacity`, what was written must not be used.
 */
uint32_t vnm_make_windows(const struct vnm_program *program, uint32_t *first_window,
                          struct vnm_window *windows, uint32_t capacity);

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

/* A load or a save with everything given once that stays the same from call to call. */
struct vnm_bound {
    const struct vnm_program *program;
    const uint8_t *source; /* save: the record; load: the input */
    uint64_t source_length;
    uint8_t *target; /* save: the output; load: the record */
    uint64_t target_capacity;
};

/* vnm_save, vnm_load of `bound`. Return the bytes of target in use, or 0 if it failed: the plain call then
 * tells why. */
uint64_t vnm_save_bound(const struct vnm_bound *bound);
uint64_t vnm_load_bound(const struct vnm_bound *bound);

/*
 * vnm_save_batch, vnm_load_batch - vnm_save, vnm_load of each of `n_calls` calls, in their order.
 *
 * results[i] becomes what the plain call says of calls[i], so it has room for n_calls of them. Returns how
 * many failed: these do not stop the others. Calls may share programs and sources. Where targets overlap, the
 * later call wins, and a batch may load what it has saved. Threads may run batches at once if neither writes
 * what the other reads or writes.
 */
uint64_t vnm_save_batch(const struct vnm_bound *calls, uint64_t n_calls, struct vnm_result *results);
uint64_t vnm_load_batch(const struct vnm_bound *calls, uint64_t n_calls, struct vnm_result *results);

/*
 * Virtqueue rings in guest memory: the index check that QEMU makes when it loads a virtio device.
 *
 * Sources: virtio 1.3, 2.7 (split rings) and 2.8 (packed rings); qemu: hw/virtio/virtio.c:virtio_load.
 */

/* The most entries of one ring that are walked, whatever its size claims to be: QEMU has no larger ring
 * (qemu: include/hw/virtio/virtio.h:VIRTQUEUE_MAX_SIZE). */
#define VNM_RING_WALK 1024

/* What a queue is; flags of struct vnm_ring_queue. */
enum vnm_ring_flag {
    VNM_RING_PACKED = 1,     /* VIRTIO_F_RING_PACKED is negotiated */
    VNM_RING_BIG_ENDIAN = 2, /* ring fields are big-endian: a legacy device of a big-endian guest */
    VNM_RING_LEGACY = 4,     /* no VIRTIO_F_VERSION_1: avail and used follow from desc, num and align */
    VNM_RING_AVAIL_WRAP = 8, /* packed: last_avail_wrap_counter */
    VNM_RING_USED_WRAP = 16  /* packed: used_wrap_counter */
};

/* How to answer; options of vnm_rings. */
enum vnm_ring_option {
    VNM_RINGS_ABSENT_ZERO = 1, /* memory outside of the regions reads as zero; without it, it is unknown */
    VNM_RINGS_LOG_ONLY = 2     /* as QEMU 5.2: an inconsistent guest index is logged, the check goes on */
};

/* What loading the queue comes to. */
enum vnm_ring_verdict {
    VNM_RING_OK = 0,
    VNM_RING_NO_RINGS = 1,     /* no ring address, or no entries: there is nothing to check */
    VNM_RING_UNKNOWN = 2,      /* memory that the check reads is not known */
    VNM_RING_INCONSISTENT = 3, /* more new heads than entries: QEMU marks the device broken and goes on */
    VNM_RING_OVERUSED = 4,     /* more entries in use than there are: the load fails */
    VNM_RING_BAD_ADDRESS = 5   /* an index without a ring address: the load fails */
};

/* Which values of a struct vnm_ring_state were really read; its `known`. */
enum vnm_ring_known {
    VNM_RING_AVAIL_READ = 1,  /* avail_idx */
    VNM_RING_USED_READ = 2,   /* used_idx */
    VNM_RING_HEADS_READ = 4,  /* the heads in flight, all of them */
    VNM_RING_WAITING_READ = 8 /* waiting */
};

/* One queue, as the stream describes it. Nothing in it is trusted. */
struct vnm_ring_queue {
    uint64_t desc, avail,
        used; /* guest physical; with VNM_RING_LEGACY and a desc, avail and used are not read */
    uint32_t num, align, flags;
    uint32_t inuse;          /* packed: from the stream */
    uint16_t last_avail_idx; /* the one that holds: of packed_virtqueues where the stream has that */
    uint16_t used_idx;       /* packed: from the stream */
    uint16_t early_idx; /* last_avail_idx as it stands beside desc: checked before any subsection is read */
    uint16_t unused0;
};

/* A known piece of guest memory: `length` bytes at `gpa` are memory[offset ...]. */
struct vnm_ring_region {
    uint64_t gpa, length, offset;
};

/* What vnm_rings found out about one queue. */
struct vnm_ring_state {
    uint64_t avail, used; /* ring addresses, computed if legacy */
    uint32_t verdict;
    uint32_t known;
    uint32_t inuse;      /* entries (packed: descriptors) the device holds; 0 unless known */
    uint32_t in_flight;  /* inuse, or 0 when that is more than the ring has */
    uint32_t waiting;    /* heads (packed: descriptors, at most VNM_RING_WALK) not yet seen by the device */
    uint32_t first_head; /* the heads in flight are heads[first_head ... first_head + n_heads) */
    uint32_t n_heads;
    uint32_t bad_heads; /* split: those of them that name no descriptor of the ring */
    uint16_t avail_idx; /* split: the driver's index in guest memory; 0 unless known */
    uint16_t used_idx, shadow_avail_idx;
    uint16_t nheads; /* split: avail_idx - last_avail_idx modulo 2^16, the delta of QEMU's message */
};

/*
 * vnm_rings - what QEMU would find in the rings of `queues` after loading them.
 *
 * Split rings: reads both indices from guest memory, so used_idx, shadow_avail_idx and inuse come out as
 * after virtio_load; an inconsistent queue has them 0, as there. The heads in flight are the avail ring
 * entries from used_idx up to last_avail_idx: exactly those the device holds if it finishes in order.
 * Packed rings: QEMU checks nothing, and used_idx and inuse are the stream's; the heads are the buffer
 * ids of the descriptors from used_idx on, inuse of them, that are still marked available.
 *
 * `regions` are sorted by gpa, do not overlap, do not pass 2^64 and lie inside of `memory`; otherwise
 * VNM_BAD_RECORD and nothing is written. `states` has room for n_queues (more than 4,194,303 are refused:
 * VNM_LIMIT). VNM_NO_ROOM: everything is right but the list of heads, which needs room for the sum of all
 * n_heads; otherwise VNM_OK.
 */
uint32_t vnm_rings(const struct vnm_ring_queue *queues, uint32_t n_queues,
                   const struct vnm_ring_region *regions, uint32_t n_regions, const uint8_t *memory,
                   uint64_t memory_length, uint32_t options, struct vnm_ring_state *states, uint16_t *heads,
                   uint32_t heads_capacity);

/*
 * vnm_scan_ram - step over the pages of one block in the payload of the `ram` section, from `position` on.
 *
 * A page is a big-endian word, its address | 0x28 (PAGE, CONTINUE), and page_size bytes that are not looked
 * at; a zero page is its address | 0x22 (ZERO, CONTINUE) and one byte (qemu:
 * migration/ram.c:ram_load_precopy). Flags are the bits of a word below page_size, a power of two from 64 on.
 * It stops behind limit_words words, before any other word, before an address above `highest` (negative: none
 * is legal): VNM_OK; and where the data end inside a word: VNM_TRUNCATED, result->expected is the least
 * length of data with which that word is complete, as far as the bytes at hand tell, otherwise 0.
 * result->position is where it stopped, result->used the number of words. VNM_LIMIT, and nothing is read, for
 * another page_size.
 */
uint32_t vnm_scan_ram(const uint8_t *data, uint64_t length, uint64_t position, uint64_t limit_words,
                      uint64_t page_size, int64_t highest, struct vnm_result *result);

/*
 * Deltas: a byte string (a device's payload) as what changed against one that both sides have.
 *
 * A number is written 7 bits a byte, least significant first, 0x80 on every byte but the last; a mask is 8
 * bytes, little-endian, bit 0 for what comes first. A delta is
 *
 *     u8 VNM_DELTA_MAGIC, number length of the target, number of its bytes behind the split,
 *     until all blocks of the target are told (VNM_DELTA_BLOCK bytes each, the last one may be shorter):
 *         number 2 * equal blocks to go over + kind; nothing follows when no block is left, kind is 0 then
 *         kind 0, runs:   number 2 * bytes to go over + (1 if another run follows), number of bytes - 1, the
 * bytes kind 1, lines:  mask of the 64-byte lines that differ, for each of them a mask of the bytes that
 * differ, then those bytes
 *
 * Byte i of the target is base[i] in front of the split, and base[i - (target length - base length)] from it
 * on, or 0 where the base has no such byte, unless a block tells another: so one insertion or removal costs
 * itself.
 */

#define VNM_DELTA_MAGIC 0xd1 /* the format told above */
#define VNM_DELTA_BLOCK 4096
#define VNM_DELTA_GAP 4 /* so many equal bytes between two changes are not worth a run of their own */

/*
 * vnm_delta_make - write the delta that turns `base` into `target`.
 *
 * The code is VNM_OK with the size of the delta in result->used; or, with output_capacity too small,
 * VNM_NO_ROOM with the bytes needed in result->expected, and nothing is written past the capacity.
 */
uint32_t vnm_delta_make(const uint8_t *base, uint64_t base_length, const uint8_t *target,
                        uint64_t target_length, uint8_t *output, uint64_t output_capacity,
                        struct vnm_result *result);

/*
 * vnm_delta_apply - write what `delta` makes of `base`; result->used is its length.
 *
 * `limit` is the most bytes the caller wants to get, whatever the delta announces. result->position is where
 * in the delta it failed: VNM_CHECK at 0 for another magic, and at the end of the last block when bytes
 * follow it; VNM_LIMIT for a number or mask that reaches out of the limit, the target or its block;
 * VNM_TRUNCATED. VNM_NO_ROOM: the header is right, the target needs result->expected bytes of output.
 * `output` overlaps neither the base nor the delta.
 */
uint32_t vnm_delta_apply(const uint8_t *base, uint64_t base_length, const uint8_t *delta,
                         uint64_t delta_length, uint64_t limit, uint8_t *output, uint64_t output_capacity,
                         struct vnm_result *result);

/* CDEF END */

#ifdef __cplusplus
}
#endif

#endif /* VNETMIG_H */
