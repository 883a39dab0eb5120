/* interp.c - frames and expressions: shared by load.c and save.c. */
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

static uint32_t check(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    uint64_t got, expected;
    uint32_t code = vnm_eval(s, op->expr, &got);
    if (code == VNM_OK)
        code = vnm_eval(s, op->a, &expected);
    if (code != VNM_OK)
        return vnm_stop(s, code, pc);
    if (op->flags ? got <= expected : got == expected)
        return VNM_OK;
    return vnm_fail(s, VNM_CHECK, pc, s->position, expected, got);
}

uint32_t vnm_body(struct vnm_run_state *s, uint32_t pc, uint32_t end)
{
    const struct vnm_program *p = s->program;
    while (pc < end && pc < p->n_ops) {
        const struct vnm_op *op = &p->ops[pc];
        uint32_t code = VNM_OK, next = pc + 1;
        uint64_t holds;
        switch (op->kind) {
        case VNM_OP_END:
            return VNM_OK;
        case VNM_OP_IF:
            code = vnm_eval(s, op->expr, &holds);
            if (code != VNM_OK)
                return vnm_stop(s, code, pc);
            next = holds ? next : op->next;
            break;
        case VNM_OP_CHECK:
            code = check(s, pc, op);
            break;
        case VNM_OP_EACH:
        case VNM_OP_FIXED:
        case VNM_OP_LIST:
            next = op->next; /* behind the body, which the step runs */
            code = s->side->step[op->kind](s, pc, op);
            break;
        case VNM_OP_SPAN:
        case VNM_OP_VSPAN:
        case VNM_OP_SUBSECTIONS:
            code = s->side->step[op->kind](s, pc, op);
            break;
        default:
            return vnm_stop(s, VNM_BAD_PROGRAM, pc);
        }
        if (code != VNM_OK)
            return code;
        if (next <= pc)
            return vnm_stop(s, VNM_BAD_PROGRAM, pc);
        pc = next;
    }
    return VNM_OK;
}

uint32_t vnm_elements(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op, uint64_t count,
                      uint64_t at)
{
    for (uint64_t i = 0; i < count; i++) {
        if (vnm_push(s, pc, (uint32_t)i, at + i * op->c) != VNM_OK)
            return vnm_stop(s, VNM_TOO_DEEP, pc);
        uint32_t code = vnm_body(s, pc + 1, op->next);
        if (code != VNM_OK)
            return code;
        vnm_pop(s);
    }
    return VNM_OK;
}
