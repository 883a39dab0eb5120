/* load.c - the load side of the interpreter: stream bytes into a record. */
#include "interp.h"

struct loader {
    struct vnm_run_state s;
    const uint8_t *input;
    uint64_t length;
    uint8_t *record;
    uint64_t capacity;
    uint64_t used; /* arena top */
};

static uint64_t remaining(const struct loader *l)
{
    return l->length - l->s.position;
}

static uint32_t truncated(struct loader *l, uint32_t pc, uint64_t wanted)
{
    return vnm_fail(&l->s, VNM_TRUNCATED, pc, l->s.position, wanted, remaining(l));
}

/* Take `size` zeroed bytes of arena. */
static uint32_t take(struct loader *l, uint32_t pc, uint64_t size, uint64_t *offset)
{
    if (size > l->capacity - l->used)
        return vnm_fail(&l->s, VNM_NO_ROOM, pc, l->s.position, l->used + size, l->capacity);
    memset(l->record + l->used, 0, (size_t)size);
    *offset = l->used;
    l->used += size;
    l->s.record_length = l->used;
    return VNM_OK;
}

/* The record offset of `size` bytes that `op` owns in the open frame. */
static uint32_t place(struct loader *l, uint32_t pc, uint64_t size, uint64_t *at)
{
    *at = l->s.frame[l->s.depth] + l->s.program->ops[pc].rec;
    if (!vnm_inside(*at, size, l->used))
        return vnm_stop(&l->s, VNM_BAD_PROGRAM, pc);
    return VNM_OK;
}

static void set_slot(struct loader *l, uint64_t slot, uint64_t offset, uint64_t count)
{
    vnm_put32(l->record + slot, (uint32_t)offset);
    vnm_put32(l->record + slot + 4, (uint32_t)count);
}

static uint32_t load_span(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct loader *l = (struct loader *)s;
    uint64_t total = (uint64_t)op->c * op->expr, at;
    enum vnm_way way = vnm_way_of(l->s.program, op);
    if (way == VNM_WAY_NONE)
        return vnm_stop(&l->s, VNM_BAD_PROGRAM, pc);
    if (remaining(l) < total)
        return truncated(l, pc, total);
    uint32_t code = place(l, pc, total, &at);
    if (code != VNM_OK)
        return code;
    vnm_copy_runs(l->s.program, op, way, op->expr, l->input + l->s.position, l->record + at);
    l->s.position += total;
    return VNM_OK;
}

/* Evaluate the count of `op`, refuse it over `limit` or when `least` bytes each are not there. */
static uint32_t load_count(struct loader *l, uint32_t pc, const struct vnm_op *op, uint32_t limit,
                           uint32_t least, uint64_t *count)
{
    uint32_t code = vnm_eval(&l->s, op->expr, count);
    if (code != VNM_OK)
        return vnm_stop(&l->s, code, pc);
    if (*count > limit)
        return vnm_fail(&l->s, VNM_LIMIT, pc, l->s.position, limit, *count);
    if (*count * least > remaining(l))
        return truncated(l, pc, *count * least);
    return VNM_OK;
}

static uint32_t load_vspan(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct loader *l = (struct loader *)s;
    uint64_t count, slot, at = 0;
    enum vnm_way way = vnm_way_of(l->s.program, op);
    if (way == VNM_WAY_NONE)
        return vnm_stop(&l->s, VNM_BAD_PROGRAM, pc);
    uint32_t code = load_count(l, pc, op, op->flags, op->c, &count);
    if (code != VNM_OK)
        return code;
    code = place(l, pc, VNM_SLOT_BYTES, &slot);
    if (code == VNM_OK && count)
        code = take(l, pc, count * op->c, &at);
    if (code != VNM_OK)
        return code;
    set_slot(l, slot, at, count);
    vnm_copy_runs(l->s.program, op, way, count, l->input + l->s.position, l->record + at);
    l->s.position += count * op->c;
    return VNM_OK;
}

static uint32_t load_each(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct loader *l = (struct loader *)s;
    uint64_t count, slot, at = 0;
    uint32_t code = load_count(l, pc, op, op->b, op->a, &count);
    if (code == VNM_OK)
        code = place(l, pc, VNM_SLOT_BYTES, &slot);
    if (code == VNM_OK && count)
        code = take(l, pc, count * op->c, &at);
    if (code != VNM_OK)
        return code;
    set_slot(l, slot, at, count);
    return vnm_elements(&l->s, pc, op, count, at);
}

static uint32_t load_fixed(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct loader *l = (struct loader *)s;
    uint64_t at;
    uint32_t code = place(l, pc, (uint64_t)op->expr * op->c, &at);
    return code != VNM_OK ? code : vnm_elements(&l->s, pc, op, op->expr, at);
}

/* Link a new node of `size` bytes behind the last one of the list whose slot is at `slot`. */
static uint32_t append_node(struct loader *l, uint32_t pc, uint64_t size, uint64_t slot, uint64_t *last,
                            uint64_t *node)
{
    uint32_t count = vnm_get32(l->record + slot + 4);
    uint32_t code = take(l, pc, size, node);
    if (code != VNM_OK)
        return code;
    vnm_put32(l->record + (count ? *last : slot), (uint32_t)*node);
    vnm_put32(l->record + slot + 4, count + 1);
    *last = *node;
    if (vnm_push(&l->s, pc, count, *node) != VNM_OK)
        return vnm_stop(&l->s, VNM_TOO_DEEP, pc);
    return VNM_OK;
}

static uint32_t load_list(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct loader *l = (struct loader *)s;
    uint64_t slot, last = 0, node;
    if ((op->flags != 1 && op->flags != 4) || op->c < VNM_NODE_HEADER)
        return vnm_stop(&l->s, VNM_BAD_PROGRAM, pc);
    uint32_t code = place(l, pc, VNM_SLOT_BYTES, &slot);
    for (uint32_t n = 0; code == VNM_OK; n++) {
        if (remaining(l) < op->flags)
            return truncated(l, pc, op->flags);
        const uint8_t *in = l->input + l->s.position;
        uint32_t marker = in[0];
        if (op->flags == 4)
            marker = (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
        if (marker && n >= op->b)
            return vnm_fail(&l->s, VNM_LIMIT, pc, l->s.position, op->b, (uint64_t)n + 1);
        l->s.position += op->flags;
        if (!marker)
            return VNM_OK;
        code = append_node(l, pc, op->c, slot, &last, &node);
        if (code != VNM_OK)
            return code;
        vnm_put32(l->record + node + 4, marker);
        code = vnm_body(&l->s, pc + 1, op->next);
        if (code == VNM_OK)
            vnm_pop(&l->s);
    }
    return code;
}

static uint32_t find_subsection(const struct vnm_program *p, const struct vnm_op *op, const uint8_t *name,
                                uint32_t length)
{
    for (uint32_t i = op->a; i < op->a + op->b; i++) {
        const struct vnm_sub *sub = &p->subs[i];
        if (sub->name_length == length && vnm_inside(sub->name_offset, length, p->n_names) &&
            memcmp(p->names + sub->name_offset, name, length) == 0)
            return i;
    }
    return p->n_subs;
}

/*
 * qemu: migration/vmstate.c:vmstate_subsection_load. A name that is too short or has another prefix
 * belongs to an outer description: stop, no error.
 */
static uint32_t load_subsections(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct loader *l = (struct loader *)s;
    const struct vnm_program *p = l->s.program;
    uint64_t slot, last = 0, node;
    if (!vnm_inside(op->a, op->b, p->n_subs) || !vnm_inside(op->c, op->expr, p->n_names))
        return vnm_stop(&l->s, VNM_BAD_PROGRAM, pc);
    uint32_t code = place(l, pc, VNM_SLOT_BYTES, &slot);
    while (code == VNM_OK && remaining(l) > 0 && l->input[l->s.position] == VNM_SUBSECTION_MARK) {
        const uint8_t *in = l->input + l->s.position;
        if (remaining(l) < 2)
            return truncated(l, pc, 2);
        uint32_t length = in[1];
        if (length < op->expr + 1)
            return VNM_OK;
        if (remaining(l) < 2 + (uint64_t)length)
            return truncated(l, pc, 2 + (uint64_t)length);
        if (memcmp(in + 2, p->names + op->c, op->expr) != 0)
            return VNM_OK;
        uint32_t index = find_subsection(p, op, in + 2, length);
        if (index == p->n_subs)
            return vnm_fail(&l->s, VNM_UNKNOWN_SUBSECTION, pc, l->s.position, 0, length);
        if (remaining(l) < 6 + (uint64_t)length)
            return truncated(l, pc, 6 + (uint64_t)length);
        const struct vnm_sub *sub = &p->subs[index];
        const uint8_t *v = in + 2 + length;
        uint32_t version = (uint32_t)v[0] << 24 | (uint32_t)v[1] << 16 | (uint32_t)v[2] << 8 | v[3];
        if (version > sub->version)
            return vnm_fail(&l->s, VNM_TOO_NEW, pc, l->s.position, sub->version, version);
        if (version < sub->minimum_version)
            return vnm_fail(&l->s, VNM_TOO_OLD, pc, l->s.position, sub->minimum_version, version);
        if (sub->record_bytes < VNM_SUBSECTION_HEADER || sub->first_op <= pc)
            return vnm_stop(&l->s, VNM_BAD_PROGRAM, pc);
        code = append_node(l, pc, sub->record_bytes, slot, &last, &node);
        if (code != VNM_OK)
            return code;
        vnm_put32(l->record + node + 4, index);
        vnm_put32(l->record + node + 8, version);
        l->s.position += 6 + (uint64_t)length;
        code = vnm_body(&l->s, sub->first_op, p->n_ops);
        if (code == VNM_OK)
            vnm_pop(&l->s);
    }
    return code;
}

static const struct vnm_side LOAD = {
    .step =
        {
            [VNM_OP_SPAN] = load_span,
            [VNM_OP_VSPAN] = load_vspan,
            [VNM_OP_EACH] = load_each,
            [VNM_OP_FIXED] = load_fixed,
            [VNM_OP_LIST] = load_list,
            [VNM_OP_SUBSECTIONS] = load_subsections,
        },
};

uint32_t vnm_load(const struct vnm_program *program, const uint8_t *input, uint64_t input_length,
                  uint8_t *record, uint64_t record_capacity, struct vnm_result *result)
{
    struct loader l;
    vnm_begin(&l.s, program, &LOAD, record, 0, result);
    l.input = input;
    l.length = input_length;
    l.record = record;
    l.capacity = record_capacity > UINT32_MAX ? UINT32_MAX : record_capacity;
    l.used = 0;
    uint64_t root;
    uint32_t code = take(&l, 0, program->record_bytes, &root);
    if (code == VNM_OK)
        code = vnm_body(&l.s, 0, program->n_ops);
    if (code == VNM_OK)
        result->position = l.s.position;
    result->used = l.used;
    return code;
}

uint64_t vnm_load_bound(const struct vnm_bound *bound)
{
    struct vnm_result result;
    uint32_t code = vnm_load(bound->program, bound->source, bound->source_length, bound->target,
                             bound->target_capacity, &result);
    return code == VNM_OK ? result.used : 0;
}
