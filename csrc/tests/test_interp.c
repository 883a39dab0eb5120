/*
 * test_interp.c - the interpreter on a program written by hand: loading, saving, every truncation, every
 * room, hostile counts. Exit 0 when all is well; an assertion tells what is not.
 *
 * The program reads, as the Python description would be:
 *
 *     u16 version; u8 count; count x { u8 k; k x u32le }; list of { u16 } behind a marker byte;
 *     u32 flag; if flag: 6 bytes; subsections "v/a" v2 (u64) and "v/b" v1 (nothing)
 */
#include "vnetmig.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* assert() would vanish in a release build. */
#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

enum { INSN_END = 0, INSN_CONST = 1, INSN_LOAD = 2 };

enum { LIMIT = 4, ELEMENT = 9, NODE = 10, LITTLE_U32 = 0x14 };

/* Record: u16 version @0, u8 count @2, slot of the elements @3, slot of the list @11, u32 flag @19,
 * 6 bytes @23, slot of the subsections @29; 37 bytes. An element: u8 k @0, slot @1. */
static const struct vnm_op ops[] = {
    {VNM_OP_SPAN, 0, 0, 1, 0, 2, 3, 0},           /*  0: version, count */
    {VNM_OP_EACH, 0, 3, 0, 1, LIMIT, ELEMENT, 4}, /*  1: count elements, one byte each at least */
    {VNM_OP_SPAN, 0, 0, 1, 2, 1, 1, 0},           /*  2:   k */
    {VNM_OP_VSPAN, 8, 1, 2, 3, 1, 4, 0},          /*  3:   k times u32le, at most 8 */
    {VNM_OP_LIST, 1, 11, 0, 3, LIMIT, NODE, 6},   /*  4: the list */
    {VNM_OP_SPAN, 0, 8, 1, 4, 1, 2, 0},           /*  5:   u16 */
    {VNM_OP_SPAN, 0, 19, 1, 5, 1, 4, 0},          /*  6: flag */
    {VNM_OP_IF, 0, 0, 4, 0, 0, 0, 9},             /*  7: if flag */
    {VNM_OP_SPAN, 0, 23, 1, 6, 1, 6, 0},          /*  8:   6 bytes */
    {VNM_OP_CHECK, 1, 0, 6, 8, 0, 0, 0},          /*  9: version <= 7 */
    {VNM_OP_SUBSECTIONS, 0, 29, 1, 0, 2, 0, 0},   /* 10: those of "v" */
    {VNM_OP_END, 0, 0, 0, 0, 0, 0, 0},            /* 11 */
    {VNM_OP_SPAN, 0, 12, 1, 7, 1, 8, 0},          /* 12: v/a: u64 */
    {VNM_OP_END, 0, 0, 0, 0, 0, 0, 0},            /* 13 */
    {VNM_OP_END, 0, 0, 0, 0, 0, 0, 0},            /* 14: v/b */
};

static const struct vnm_run runs[] = {
    {2, 1}, {1, 1}, {1, 1}, {LITTLE_U32, 1}, {2, 1}, {4, 1}, {1, 6}, {8, 1},
};

static const struct vnm_insn insns[] = {
    {INSN_LOAD, 2, 0, 1},  {INSN_END, 0, 0, 0}, /* 0: count */
    {INSN_LOAD, 0, 0, 1},  {INSN_END, 0, 0, 0}, /* 2: k */
    {INSN_LOAD, 19, 0, 4}, {INSN_END, 0, 0, 0}, /* 4: flag */
    {INSN_LOAD, 0, 0, 2},  {INSN_END, 0, 0, 0}, /* 6: version */
    {INSN_CONST, 0, 0, 0}, {INSN_END, 0, 0, 0}, /* 8: 7 */
};

static const uint64_t consts[] = {7};

static const uint8_t names[] = {'v', 'v', '/', 'a', 'v', '/', 'b'};

static const struct vnm_sub subs[] = {
    {1, 3, 12, 20, 2, 1, 0, 0},
    {4, 3, 14, 12, 1, 0, 0, 0},
};

#define LENGTH(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

static const struct vnm_program program = {
    .ops = ops,
    .runs = runs,
    .insns = insns,
    .consts = consts,
    .subs = subs,
    .names = names,
    .n_ops = LENGTH(ops),
    .n_runs = LENGTH(runs),
    .n_insns = LENGTH(insns),
    .n_consts = LENGTH(consts),
    .n_subs = LENGTH(subs),
    .n_names = LENGTH(names),
    .record_bytes = 37,
};

static const uint8_t wire[] = {
    0x00, 0x05,                                     /* version */
    0x02,                                           /* count */
    0x02, 1,    0,    0,    0,    2,    0,    0, 0, /* element 0: two u32le */
    0x00,                                           /* element 1: none */
    0x01, 0x12, 0x34, 0xff, 0x56, 0x78, 0x00,       /* list of two, the second behind 0xff */
    0x00, 0x00, 0x00, 0x01,                         /* flag */
    'a',  'b',  'c',  'd',  'e',  'f',              /* there because of it */
    0x05, 3,    'v',  '/',  'b',  0,    0,    0, 1, /* v/b before v/a: order is kept */
    0x05, 3,    'v',  '/',  'a',  0,    0,    0, 2, 1, 2, 3, 4, 5, 6, 7, 8,
};

enum { SUBSECTIONS_AT = 30, SECOND_AT = 39 };

/* A copy on the heap of exactly `length` bytes, so that a sanitizer sees one byte too many. */
static uint8_t *exactly(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);
    CHECK(copy != NULL);
    memcpy(copy, bytes, length);
    return copy;
}

static uint32_t load(const uint8_t *bytes, size_t length, uint8_t *record, size_t room,
                     struct vnm_result *result)
{
    uint8_t *input = exactly(bytes, length);
    uint32_t code = vnm_load(&program, input, length, record, room, result);
    CHECK(code == result->code);
    free(input);
    return code;
}

static uint32_t load_alone(const uint8_t *bytes, size_t length, struct vnm_result *result)
{
    uint8_t record[512];
    memset(record, 0xa5, sizeof record);
    return load(bytes, length, record, sizeof record, result);
}

static uint64_t native(const uint8_t *at, size_t width)
{
    uint64_t value = 0;
    uint32_t u32;
    uint16_t u16;
    switch (width) {
    case 2:
        memcpy(&u16, at, sizeof u16);
        return u16;
    case 4:
        memcpy(&u32, at, sizeof u32);
        return u32;
    default:
        memcpy(&value, at, sizeof value);
        return value;
    }
}

static void values_are_native(void)
{
    struct vnm_result result;
    uint8_t record[512];
    memset(record, 0xa5, sizeof record);
    CHECK(load(wire, sizeof wire, record, sizeof record, &result) == VNM_OK);
    CHECK(result.position == sizeof wire);
    CHECK(native(record, 2) == 5);
    CHECK(record[2] == 2);
    const uint8_t *elements = record + native(record + 3, 4);
    CHECK(native(record + 7, 4) == 2);
    CHECK(elements[0] == 2);
    CHECK(native(elements + 5, 4) == 2);
    const uint8_t *integers = record + native(elements + 1, 4);
    CHECK(native(integers, 4) == 1 && native(integers + 4, 4) == 2);
    CHECK(elements[ELEMENT] == 0 && native(elements + ELEMENT + 5, 4) == 0);
    const uint8_t *node = record + native(record + 11, 4);
    CHECK(native(record + 15, 4) == 2);
    CHECK(native(node + 4, 4) == 1 && native(node + 8, 2) == 0x1234);
    node = record + native(node, 4);
    CHECK(native(node + 4, 4) == 0xff && native(node + 8, 2) == 0x5678 && native(node, 4) == 0);
    CHECK(native(record + 19, 4) == 1);
    CHECK(memcmp(record + 23, "abcdef", 6) == 0);
    const uint8_t *sub = record + native(record + 29, 4);
    CHECK(native(sub + 4, 4) == 1 && native(sub + 8, 4) == 1);
    sub = record + native(sub, 4);
    CHECK(native(sub + 4, 4) == 0 && native(sub + 8, 4) == 2);
    CHECK(native(sub + 12, 8) == UINT64_C(0x0102030405060708));
}

static void what_was_loaded_is_saved_byte_for_byte(void)
{
    struct vnm_result result;
    uint8_t record[512], output[sizeof wire];
    CHECK(load(wire, sizeof wire, record, sizeof record, &result) == VNM_OK);
    uint8_t *held = exactly(record, (size_t)result.used);
    uint64_t used = result.used;
    CHECK(vnm_save(&program, held, used, output, sizeof output, &result) == VNM_OK);
    CHECK(result.position == sizeof wire && memcmp(output, wire, sizeof wire) == 0);
    for (size_t room = 0; room < sizeof wire; room++) {
        uint8_t *small = exactly(wire, room);
        CHECK(vnm_save(&program, held, used, small, room, &result) == VNM_NO_ROOM);
        CHECK(result.expected == sizeof wire);
        free(small);
    }
    for (size_t length = 0; length < used; length++) {
        uint8_t *cut = exactly(held, length);
        CHECK(vnm_save(&program, cut, length, output, sizeof output, &result) == VNM_BAD_RECORD);
        free(cut);
    }
    free(held);
}

static void every_truncation_is_told(void)
{
    struct vnm_result result;
    for (size_t length = 0; length < sizeof wire; length++) {
        uint32_t code = load_alone(wire, length, &result);
        if (length == SUBSECTIONS_AT || length == SECOND_AT) {
            CHECK(code == VNM_OK && result.position == length);
            continue;
        }
        CHECK(code == VNM_TRUNCATED);
        CHECK(result.position <= length && result.got == length - result.position);
        CHECK(result.expected > result.got);
    }
    /* In the second integer of element 0: which op, which element. */
    CHECK(load_alone(wire, 9, &result) == VNM_TRUNCATED);
    CHECK(result.op == 3 && result.depth == 1 && result.frame_op[0] == 1 && result.frame_index[0] == 0);
}

static void every_room_is_enough_or_told(void)
{
    struct vnm_result result;
    uint8_t record[512];
    CHECK(load(wire, sizeof wire, record, sizeof record, &result) == VNM_OK);
    size_t needed = (size_t)result.used;
    for (size_t room = 0; room < needed; room++) {
        uint8_t *small = exactly(record, room);
        CHECK(load(wire, sizeof wire, small, room, &result) == VNM_NO_ROOM);
        CHECK(result.expected > room && result.expected <= needed);
        free(small);
    }
    uint8_t *fitting = exactly(record, needed);
    CHECK(load(wire, sizeof wire, fitting, needed, &result) == VNM_OK);
    CHECK(result.used == needed && memcmp(fitting, record, needed) == 0);
    free(fitting);
}

static void a_wrong_byte_is_told(size_t at, uint8_t byte, uint32_t code, uint64_t position)
{
    struct vnm_result result;
    uint8_t damaged[sizeof wire];
    memcpy(damaged, wire, sizeof wire);
    damaged[at] = byte;
    CHECK(load_alone(damaged, sizeof damaged, &result) == code);
    CHECK(result.position == position);
}

static void hostile_bytes_are_refused(void)
{
    struct vnm_result result;
    a_wrong_byte_is_told(2, 5, VNM_LIMIT, 3); /* five elements */
    a_wrong_byte_is_told(2, 0xff, VNM_LIMIT, 3);
    a_wrong_byte_is_told(3, 9, VNM_LIMIT, 4);              /* nine integers */
    a_wrong_byte_is_told(1, 8, VNM_CHECK, SUBSECTIONS_AT); /* version 8 */
    a_wrong_byte_is_told(SUBSECTIONS_AT + 4, 'c', VNM_UNKNOWN_SUBSECTION, SUBSECTIONS_AT);
    a_wrong_byte_is_told(SUBSECTIONS_AT + 8, 2, VNM_TOO_NEW, SUBSECTIONS_AT);
    a_wrong_byte_is_told(SECOND_AT + 8, 0, VNM_TOO_OLD, SECOND_AT);
    a_wrong_byte_is_told(SECOND_AT + 2, 'w', VNM_OK, SECOND_AT); /* another parent's */
    a_wrong_byte_is_told(SECOND_AT, 0x7e, VNM_OK, SECOND_AT);    /* a footer */
    uint8_t endless[64];
    memset(endless, 1, sizeof endless);
    endless[0] = endless[1] = endless[2] = 0;
    CHECK(load_alone(endless, sizeof endless, &result) == VNM_LIMIT); /* a list without end */
    CHECK(result.op == 4 && result.got == LIMIT + 1);
}

static void every_flipped_bit_is_read_or_refused(void)
{
    struct vnm_result result;
    uint8_t record[512], output[512];
    for (size_t bit = 0; bit < 8 * sizeof wire; bit++) {
        uint8_t damaged[sizeof wire];
        memcpy(damaged, wire, sizeof wire);
        damaged[bit / 8] = (uint8_t)(damaged[bit / 8] ^ (1u << bit % 8));
        if (load(damaged, sizeof damaged, record, sizeof record, &result) != VNM_OK)
            continue;
        uint64_t size = result.position;
        CHECK(vnm_save(&program, record, result.used, output, sizeof output, &result) == VNM_OK);
        CHECK(result.position == size && memcmp(output, damaged, (size_t)size) == 0);
    }
}

static void every_damaged_record_is_saved_or_refused(void)
{
    struct vnm_result result;
    uint8_t record[512], output[512];
    CHECK(load(wire, sizeof wire, record, sizeof record, &result) == VNM_OK);
    size_t used = (size_t)result.used;
    static const uint32_t wrong[] = {0, 1, 2, 36, 37, 0x7fffffff, 0xffffffff};
    for (size_t at = 0; at + 4 <= used; at++) {
        for (size_t i = 0; i < LENGTH(wrong); i++) {
            uint8_t *damaged = exactly(record, used);
            memcpy(damaged + at, &wrong[i], sizeof wrong[i]);
            uint32_t code = vnm_save(&program, damaged, used, output, sizeof output, &result);
            CHECK(code == result.code && code != VNM_BAD_PROGRAM && result.position <= 100000);
            free(damaged);
        }
    }
}

/* What passes vnm_verify is run, and finds no fault in the program; what does not is run too: both must stay
 * within their buffers. */
static void a_damaged_program_is_run(const struct vnm_program *damaged, const uint8_t *record, size_t used)
{
    struct vnm_result result;
    uint8_t output[256];
    if (damaged->record_bytes > 4096)
        return;
    bool passes = vnm_verify(damaged, &result) == VNM_OK;
    size_t room = used + damaged->record_bytes;
    uint8_t *input = exactly(wire, sizeof wire), *loaded = malloc(room), *held = exactly(record, used);
    CHECK(loaded != NULL);
    uint32_t code = vnm_load(damaged, input, sizeof wire, loaded, room, &result);
    CHECK(!passes || (code != VNM_BAD_PROGRAM && code != VNM_BAD_RECORD));
    code = vnm_save(damaged, held, used, output, sizeof output, &result);
    CHECK(!passes || code != VNM_BAD_PROGRAM);
    free(input);
    free(loaded);
    free(held);
}

static void every_damaged_program_is_refused_or_run(void)
{
    struct vnm_result result;
    uint8_t record[512];
    CHECK(vnm_verify(&program, &result) == VNM_OK);
    CHECK(load(wire, sizeof wire, record, sizeof record, &result) == VNM_OK);
    size_t used = (size_t)result.used;
    static const uint32_t wrong[] = {0, 1, 2, 3, 5, 9, 12, 37, 0x100, 0x7fffffff, 0xffffffff};
    struct vnm_op own_ops[LENGTH(ops)];
    struct vnm_insn own_insns[LENGTH(insns)];
    struct vnm_run own_runs[LENGTH(runs)];
    struct vnm_sub own_subs[LENGTH(subs)];
    const struct {
        void *own;
        const void *good;
        size_t size;
    } tables[] = {
        {own_ops, ops, sizeof ops},
        {own_insns, insns, sizeof insns},
        {own_runs, runs, sizeof runs},
        {own_subs, subs, sizeof subs},
    };
    struct vnm_program damaged = program;
    damaged.ops = own_ops, damaged.insns = own_insns, damaged.runs = own_runs, damaged.subs = own_subs;
    for (size_t t = 0; t < LENGTH(tables); t++)
        memcpy(tables[t].own, tables[t].good, tables[t].size);
    for (size_t t = 0; t < LENGTH(tables); t++) {
        for (size_t at = 0; at < tables[t].size; at += 4) {
            for (size_t i = 0; i < LENGTH(wrong); i++) {
                memcpy((uint8_t *)tables[t].own + at, &wrong[i], sizeof wrong[i]);
                a_damaged_program_is_run(&damaged, record, used);
            }
            memcpy(tables[t].own, tables[t].good, tables[t].size);
        }
    }
}

static void a_batch_is_its_calls(void)
{
    enum { CALLS = 4, ROOM = 512, SHORT = 7 };
    uint8_t records[CALLS][ROOM], outputs[CALLS][sizeof wire];
    struct vnm_result loaded[CALLS], saved[CALLS];
    struct vnm_bound loads[CALLS], saves[CALLS];
    for (size_t i = 0; i < CALLS; i++) {
        loads[i] = (struct vnm_bound){&program, wire, i == 1 ? SHORT : sizeof wire, records[i], ROOM};
        loaded[i].code = VNM_BAD_PROGRAM;
    }
    CHECK(vnm_load_batch(loads, 0, loaded) == 0 && loaded[0].code == VNM_BAD_PROGRAM);
    CHECK(vnm_load_batch(loads, CALLS, loaded) == 1);
    CHECK(loaded[1].code == VNM_TRUNCATED && loaded[1].op == 3);
    for (size_t i = 0; i < CALLS; i++)
        saves[i] = (struct vnm_bound){&program, records[i == 1 ? 0 : i], loaded[i == 1 ? 0 : i].used,
                                      outputs[i], i == 2 ? SHORT : sizeof wire};
    CHECK(vnm_save_batch(saves, CALLS, saved) == 1);
    CHECK(saved[2].code == VNM_NO_ROOM && saved[2].expected == sizeof wire);
    for (size_t i = 0; i < CALLS; i++)
        CHECK(i == 2 || (saved[i].used == sizeof wire && memcmp(outputs[i], wire, sizeof wire) == 0));
}

int main(void)
{
    CHECK(vnm_abi_version() == VNM_ABI_VERSION);
    values_are_native();
    what_was_loaded_is_saved_byte_for_byte();
    every_truncation_is_told();
    every_room_is_enough_or_told();
    hostile_bytes_are_refused();
    every_flipped_bit_is_read_or_refused();
    every_damaged_record_is_saved_or_refused();
    every_damaged_program_is_refused_or_run();
    a_batch_is_its_calls();
    puts("interp: fine");
    return 0;
}
