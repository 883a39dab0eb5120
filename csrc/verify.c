/*
 * verify.c - is this a program? Walks every body that can ever run, once, with the frames that will be open
 * there, so that what an op and its expressions reach is known before anything runs.
 *
 * The bodies of a program form a tree: elements lie inside of the op that opens them, a subsection is known
 * to one SUBSECTIONS op. So one walk sees every op with the only frames it can have; a program that leads to
 * an op on two ways is refused, which also bounds the walk. The engines still check all that depends on
 * bytes.
 */
#include "interp.h"

struct verifier {
    const struct vnm_program *program;
    struct vnm_result *result;
    uint64_t bytes[VNM_DEPTH + 1]; /* sizes of the open frames, outermost first */
    uint64_t
        empty[VNM_DEPTH + 1]; /* elements of no bytes: how often the body may run for one byte around it */
    uint32_t depth, open;     /* frames; bodies and conditions */
    uint32_t visited;
};

/* What an instruction takes off the stack; each but END puts one value there. */
static const uint8_t OPERANDS[VNM_I_NOT + 1] = {
    [VNM_I_END] = 1, [VNM_I_CONST] = 0, [VNM_I_LOAD] = 0, [VNM_I_ADD] = 2, [VNM_I_SUB] = 2,
    [VNM_I_MUL] = 2, [VNM_I_DIV] = 2,   [VNM_I_AND] = 2,  [VNM_I_OR] = 2,  [VNM_I_EQ] = 2,
    [VNM_I_NE] = 2,  [VNM_I_LT] = 2,    [VNM_I_LE] = 2,   [VNM_I_NOT] = 1,
};

static bool refuse(struct verifier *v, uint32_t pc, enum vnm_rule rule)
{
    v->result->code = VNM_BAD_PROGRAM;
    v->result->op = pc;
    v->result->got = rule;
    return false;
}

static bool check_load(const struct verifier *v, const struct vnm_insn *i)
{
    uint32_t width = i->c & 0xffu;
    bool known =
        (width == 1 || width == 2 || width == 4 || width == 8) && (i->c & ~(VNM_SIGNED | 0xffu)) == 0;
    return known && i->b <= v->depth && vnm_inside(i->a, width, v->bytes[v->depth - i->b]);
}

static bool check_expression(struct verifier *v, uint32_t pc, uint32_t first)
{
    const struct vnm_program *p = v->program;
    uint32_t n = 0;
    for (uint32_t at = first; at < p->n_insns; at++) {
        const struct vnm_insn *i = &p->insns[at];
        if (i->op > VNM_I_NOT || n < OPERANDS[i->op])
            return refuse(v, pc, VNM_RULE_EXPRESSION);
        if (i->op == VNM_I_END)
            return n == 1 || refuse(v, pc, VNM_RULE_EXPRESSION);
        if (i->op == VNM_I_LOAD && !check_load(v, i))
            return refuse(v, pc, VNM_RULE_LOAD);
        if (i->op == VNM_I_CONST && i->a >= p->n_consts)
            return refuse(v, pc, VNM_RULE_EXPRESSION);
        n = n - OPERANDS[i->op] + 1;
        if (n > VNM_STACK)
            return refuse(v, pc, VNM_RULE_EXPRESSION);
    }
    return refuse(v, pc, VNM_RULE_EXPRESSION);
}

/* `size` bytes of the op at hand lie in the frame that is open. */
static bool check_place(struct verifier *v, uint32_t pc, uint64_t size)
{
    return vnm_inside(v->program->ops[pc].rec, size, v->bytes[v->depth]) || refuse(v, pc, VNM_RULE_PLACE);
}

static bool check_runs(struct verifier *v, uint32_t pc)
{
    return vnm_runs_fill(v->program, &v->program->ops[pc]) || refuse(v, pc, VNM_RULE_RUNS);
}

static bool check_body(struct verifier *v, uint32_t pc, uint32_t end, bool whole);

/* The ops behind `pc`, up to its next: what it skips or repeats. */
static bool check_inner(struct verifier *v, uint32_t pc, uint32_t end)
{
    uint32_t next = v->program->ops[pc].next;
    if (next <= pc || next > end || v->open >= VNM_NESTING)
        return refuse(v, pc, VNM_RULE_NESTING);
    v->open++;
    bool fine = check_body(v, pc + 1, next, false);
    v->open--;
    return fine;
}

/* Open a frame of `bytes` for as many as `count` elements; false when none so deep can ever open. */
static bool open_frame(struct verifier *v, uint64_t bytes, uint64_t empty)
{
    if (v->depth == VNM_DEPTH)
        return false;
    v->depth++;
    v->bytes[v->depth] = bytes;
    v->empty[v->depth] = empty;
    return true;
}

static bool check_elements(struct verifier *v, uint32_t pc, uint32_t end, uint64_t count)
{
    const struct vnm_op *op = &v->program->ops[pc];
    /* Elements that take no bytes are bounded by nothing else. */
    uint64_t empty = op->c ? 1 : v->empty[v->depth] * count;
    if (empty > VNM_EMPTY_ELEMENTS)
        return refuse(v, pc, VNM_RULE_ELEMENTS);
    if (op->next <= pc || op->next > end)
        return refuse(v, pc, VNM_RULE_NESTING);
    if (!open_frame(v, op->c, empty))
        return true;
    bool fine = check_inner(v, pc, end);
    v->depth--;
    return fine;
}

static bool check_list(struct verifier *v, uint32_t pc, uint32_t end)
{
    const struct vnm_op *op = &v->program->ops[pc];
    if (op->flags != 1 && op->flags != 4)
        return refuse(v, pc, VNM_RULE_MARKER);
    if (op->c < VNM_NODE_HEADER)
        return refuse(v, pc, VNM_RULE_ELEMENTS);
    return check_place(v, pc, VNM_SLOT_BYTES) && check_elements(v, pc, end, op->b);
}

static bool check_subsections(struct verifier *v, uint32_t pc)
{
    const struct vnm_program *p = v->program;
    const struct vnm_op *op = &p->ops[pc];
    if (!vnm_inside(op->a, op->b, p->n_subs) || !vnm_inside(op->c, op->expr, p->n_names))
        return refuse(v, pc, VNM_RULE_SUBSECTIONS);
    if (!check_place(v, pc, VNM_SLOT_BYTES))
        return false;
    for (uint32_t i = op->a; i < op->a + op->b; i++) {
        const struct vnm_sub *sub = &p->subs[i];
        if (sub->name_length > 0xff || !vnm_inside(sub->name_offset, sub->name_length, p->n_names))
            return refuse(v, pc, VNM_RULE_SUBSECTIONS);
        if (sub->record_bytes < VNM_SUBSECTION_HEADER || sub->first_op <= pc || sub->first_op >= p->n_ops)
            return refuse(v, pc, VNM_RULE_SUBSECTIONS);
        if (!open_frame(v, sub->record_bytes, 1))
            continue;
        bool fine = check_body(v, sub->first_op, p->n_ops, true);
        v->depth--;
        if (!fine)
            return false;
    }
    return true;
}

static bool check_op(struct verifier *v, uint32_t pc, uint32_t end)
{
    const struct vnm_op *op = &v->program->ops[pc];
    switch (op->kind) {
    case VNM_OP_SPAN:
        return check_runs(v, pc) && check_place(v, pc, (uint64_t)op->c * op->expr);
    case VNM_OP_VSPAN:
        return check_runs(v, pc) && check_expression(v, pc, op->expr) && check_place(v, pc, VNM_SLOT_BYTES);
    case VNM_OP_EACH:
        return check_expression(v, pc, op->expr) && check_place(v, pc, VNM_SLOT_BYTES) &&
               check_elements(v, pc, end, op->b);
    case VNM_OP_FIXED:
        return check_place(v, pc, (uint64_t)op->c * op->expr) && check_elements(v, pc, end, op->expr);
    case VNM_OP_LIST:
        return check_list(v, pc, end);
    case VNM_OP_IF:
        return check_expression(v, pc, op->expr) && check_inner(v, pc, end);
    case VNM_OP_SUBSECTIONS:
        return check_subsections(v, pc);
    case VNM_OP_CHECK:
        return check_expression(v, pc, op->expr) && check_expression(v, pc, op->a);
    default:
        return refuse(v, pc, VNM_RULE_KIND);
    }
}

/* The ops from `pc` to `end`; `whole`: the body of the root or of a subsection, which an END may end. */
static bool check_body(struct verifier *v, uint32_t pc, uint32_t end, bool whole)
{
    const struct vnm_program *p = v->program;
    while (pc < end) {
        const struct vnm_op *op = &p->ops[pc];
        if (v->visited++ >= p->n_ops)
            return refuse(v, pc, VNM_RULE_SHARED);
        if (op->kind == VNM_OP_END)
            return whole || refuse(v, pc, VNM_RULE_NESTING);
        if (!check_op(v, pc, end))
            return false;
        bool inner = op->kind >= VNM_OP_EACH && op->kind <= VNM_OP_IF;
        pc = inner ? op->next : pc + 1;
    }
    return true;
}

uint32_t vnm_verify(const struct vnm_program *program, struct vnm_result *result)
{
    struct verifier v = {
        .program = program, .result = result, .bytes = {program->record_bytes}, .empty = {1}};
    *result = (struct vnm_result){.code = VNM_OK};
    check_body(&v, 0, program->n_ops, true);
    return result->code;
}
