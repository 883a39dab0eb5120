/*
 * test_unverified.c - programs that vnm_verify refuses, or that only run too deep, run all the same: each
 * ends with its own code, and reaches nothing. Exits 0; an assert ends it otherwise.
 */
#undef NDEBUG
#include "interp.h"

#include <assert.h>

#define LENGTH(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))
#define DEEPER (VNM_DEPTH + 1)

/* Load and save with one program, of bytes and of a record that are all ones. */
static void both(const struct vnm_program *p, uint32_t loading, uint32_t saving)
{
    uint8_t input[64], record[256], output[64];
    struct vnm_result result;
    memset(input, 1, sizeof input);
    assert(vnm_load(p, input, sizeof input, record, sizeof record, &result) == loading);
    memset(record, 1, sizeof record);
    assert(vnm_save(p, record, sizeof record, output, sizeof output, &result) == saving);
}

static void bad_expressions(void)
{
    static const struct vnm_insn load = {VNM_I_LOAD, 0, 0, 1}, constant = {VNM_I_CONST, 0, 0, 0};
    static const struct vnm_op ops[] = {{.kind = VNM_OP_CHECK}, {.kind = VNM_OP_END}};
    static const uint64_t consts[] = {1};
    struct vnm_insn insns[VNM_STACK + 2];
    struct vnm_program p = {.ops = ops,
                            .n_ops = LENGTH(ops),
                            .insns = insns,
                            .n_insns = LENGTH(insns),
                            .consts = consts,
                            .n_consts = LENGTH(consts),
                            .record_bytes = 8};
    for (uint32_t i = 0; i < LENGTH(insns); i++)
        insns[i] = load;
    both(&p, VNM_BAD_PROGRAM, VNM_BAD_PROGRAM); /* more operands than the stack has room for */
    for (uint32_t i = 0; i < LENGTH(insns); i++)
        insns[i] = constant;
    both(&p, VNM_BAD_PROGRAM, VNM_BAD_PROGRAM);
    insns[0].a = 1;
    both(&p, VNM_BAD_PROGRAM, VNM_BAD_PROGRAM); /* a constant that is none */
    insns[0] = (struct vnm_insn){VNM_I_NOT, 0, 0, 0};
    both(&p, VNM_BAD_PROGRAM, VNM_BAD_PROGRAM); /* of nothing */
    insns[0] = (struct vnm_insn){VNM_I_ADD, 0, 0, 0};
    both(&p, VNM_BAD_PROGRAM, VNM_BAD_PROGRAM);
    insns[0] = insns[1] = load;
    insns[2] = (struct vnm_insn){VNM_I_NOT + 1, 0, 0, 0};
    both(&p, VNM_BAD_PROGRAM, VNM_BAD_PROGRAM); /* no such instruction */
    insns[1] = (struct vnm_insn){VNM_I_END, 0, 0, 0};
    both(&p, VNM_OK, VNM_OK);
}

static void bodies_behind_the_end(void)
{
    static const struct vnm_op ops[] = {{.kind = VNM_OP_FIXED, .expr = 1, .c = 1, .next = 9},
                                        {.kind = VNM_OP_CHECK}};
    static const struct vnm_insn insns[] = {{VNM_I_LOAD, 0, 0, 1}, {VNM_I_END, 0, 0, 0}};
    struct vnm_program p = {.ops = ops, .n_ops = 2, .insns = insns, .n_insns = 2, .record_bytes = 1};
    both(&p, VNM_OK, VNM_OK);
}

static void elements_outside_of_the_record(void)
{
    static const struct vnm_op ops[] = {{.kind = VNM_OP_FIXED, .rec = 1, .expr = 255, .c = 2, .next = 1}};
    struct vnm_program p = {.ops = ops, .n_ops = 1, .record_bytes = 8};
    both(&p, VNM_BAD_PROGRAM, VNM_BAD_RECORD);
}

/* Lists in lists: the wire, and the record, go on for ever. */
static void lists_too_deep(void)
{
    struct vnm_op ops[DEEPER];
    for (uint32_t i = 0; i < DEEPER; i++)
        ops[i] = (struct vnm_op){VNM_OP_LIST, 1, i ? 8 : 0, 0, 0, 1, 16, DEEPER};
    struct vnm_program p = {.ops = ops, .n_ops = DEEPER, .record_bytes = 8};
    struct vnm_result result;
    uint8_t input[DEEPER], record[8 + 16 * DEEPER], output[2 * DEEPER];
    memset(input, 1, sizeof input);
    assert(vnm_load(&p, input, sizeof input, record, sizeof record, &result) == VNM_TOO_DEEP);
    assert(result.depth == VNM_DEPTH && result.op == VNM_DEPTH);
    memset(record, 0, sizeof record);
    for (uint32_t i = 0; i < DEEPER; i++) { /* a slot leads to a node, in which the next slot stands */
        uint32_t slot = 16 * i;
        vnm_put32(record + slot, slot + 8);
        vnm_put32(record + slot + 4, 1);
        vnm_put32(record + slot + 12, 1);
    }
    assert(vnm_save(&p, record, sizeof record, output, sizeof output, &result) == VNM_TOO_DEEP);
    assert(result.depth == VNM_DEPTH && result.op == VNM_DEPTH);
}

/* As deep as frames go there are subsections. Too deep for any engine, which the verifier leaves to them. */
static void subsections_too_deep(void)
{
    struct vnm_op ops[VNM_DEPTH + 3];
    static const struct vnm_sub subs[] = {{0, 1, VNM_DEPTH + 1, 12, 1, 1, 0, 0}};
    static const uint8_t names[] = {'a'}, wire[] = {VNM_SUBSECTION_MARK, 1, 'a', 0, 0, 0, 1};
    for (uint32_t i = 0; i < VNM_DEPTH; i++)
        ops[i] = (struct vnm_op){VNM_OP_FIXED, 0, 0, 1, 0, 0, 8, VNM_DEPTH + 1};
    ops[VNM_DEPTH] = (struct vnm_op){.kind = VNM_OP_SUBSECTIONS, .b = 1};
    ops[VNM_DEPTH + 1] = (struct vnm_op){.kind = VNM_OP_END};
    struct vnm_program p = {.ops = ops,
                            .n_ops = VNM_DEPTH + 2,
                            .subs = subs,
                            .n_subs = 1,
                            .names = names,
                            .n_names = sizeof names,
                            .record_bytes = 8};
    struct vnm_result result;
    uint8_t record[64];
    assert(vnm_verify(&p, &result) == VNM_OK);
    assert(vnm_load(&p, wire, sizeof wire, record, sizeof record, &result) == VNM_TOO_DEEP);
}

/* The table has a subsection in front of those that the op may have. */
static void a_subsection_of_another_op(void)
{
    static const struct vnm_op ops[] = {{.kind = VNM_OP_SUBSECTIONS, .a = 1, .b = 1}, {.kind = VNM_OP_END}};
    static const struct vnm_sub subs[] = {{0, 1, 1, 12, 1, 1, 0, 0}, {0, 1, 1, 12, 1, 1, 0, 0}};
    static const uint8_t names[] = {'a'};
    struct vnm_program p = {.ops = ops,
                            .n_ops = LENGTH(ops),
                            .subs = subs,
                            .n_subs = LENGTH(subs),
                            .names = names,
                            .n_names = sizeof names,
                            .record_bytes = 8};
    struct vnm_result result;
    uint8_t record[20] = {0}, output[16];
    vnm_put32(record, 8);
    vnm_put32(record + 4, 1);
    for (uint32_t index = 0; index < 3; index++) {
        vnm_put32(record + 12, index);
        assert(vnm_save(&p, record, sizeof record, output, sizeof output, &result) ==
               (index == 1 ? VNM_OK : VNM_BAD_RECORD));
    }
    vnm_put32(record + 12, 1);
    assert(vnm_save(&p, record, sizeof record, NULL, sizeof output, &result) == VNM_NO_ROOM);
    assert(result.expected == 7); /* no output: it is counted only */
}

int main(void)
{
    bad_expressions();
    bodies_behind_the_end();
    elements_outside_of_the_record();
    lists_too_deep();
    subsections_too_deep();
    a_subsection_of_another_op();
    return 0;
}
