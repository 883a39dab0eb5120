/* save.c - the save side of the interpreter: a record into stream bytes. */
#include "interp.h"

struct saver {
    struct vnm_run_state s;
    uint8_t *output;
    uint64_t capacity;
    uint64_t unseen; /* bytes of the arena that no slot or link has led to yet */
};

/*
 * A slot or a link leads to `size` bytes of the arena. Every piece has one owner, so all of them together are
 * no more than the arena: where chains and slots lead to the same bytes again, a few of them would be written
 * without end.
 */
static bool lead_to(struct saver *w, uint64_t size)
{
    if (size > w->unseen)
        return false;
    w->unseen -= size;
    return true;
}

/* Where the next `size` bytes go, or NULL when they do not fit any more. */
static uint8_t *room(struct saver *w, uint64_t size)
{
    uint8_t *at = NULL;
    if (vnm_inside(w->s.position, size, w->capacity))
        at = w->output + w->s.position;
    w->s.position += size;
    return at;
}

static void put_be(struct saver *w, uint32_t value, uint32_t width)
{
    uint8_t *out = room(w, width);
    for (uint32_t i = 0; out && i < width; i++)
        out[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
}

static void put_bytes(struct saver *w, const uint8_t *bytes, uint64_t size)
{
    uint8_t *out = room(w, size);
    if (out)
        memcpy(out, bytes, (size_t)size);
}

static uint32_t place(struct saver *w, uint32_t pc, uint64_t size, uint64_t *at)
{
    *at = w->s.frame[w->s.depth] + w->s.program->ops[pc].rec;
    if (!vnm_inside(*at, size, w->s.record_length))
        return vnm_stop(&w->s, VNM_BAD_RECORD, pc);
    return VNM_OK;
}

static uint32_t save_runs(struct saver *w, uint32_t pc, const struct vnm_op *op, enum vnm_way way,
                          uint64_t repeat, uint64_t at)
{
    uint64_t total = (uint64_t)op->c * repeat;
    if (!vnm_inside(at, total, w->s.record_length))
        return vnm_stop(&w->s, VNM_BAD_RECORD, pc);
    uint8_t *out = room(w, total);
    if (out)
        vnm_copy_runs(w->s.program, op, way, repeat, w->s.record + at, out);
    return VNM_OK;
}

static uint32_t save_span(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct saver *w = (struct saver *)s;
    enum vnm_way way = vnm_way_of(w->s.program, op);
    if (way == VNM_WAY_NONE)
        return vnm_stop(&w->s, VNM_BAD_PROGRAM, pc);
    return save_runs(w, pc, op, way, op->expr, w->s.frame[w->s.depth] + op->rec);
}

/* The slot of `op`: its offset and its count, which must be what the count expression says. */
static uint32_t save_slot(struct saver *w, uint32_t pc, const struct vnm_op *op, uint32_t limit,
                          uint64_t *offset, uint64_t *count)
{
    uint64_t slot;
    uint32_t code = vnm_eval(&w->s, op->expr, count);
    if (code != VNM_OK)
        return vnm_stop(&w->s, code, pc);
    code = place(w, pc, VNM_SLOT_BYTES, &slot);
    if (code != VNM_OK)
        return code;
    *offset = vnm_get32(w->s.record + slot);
    uint64_t held = vnm_get32(w->s.record + slot + 4);
    if (held != *count)
        return vnm_fail(&w->s, VNM_COUNT_MISMATCH, pc, w->s.position, *count, held);
    if (*count > limit)
        return vnm_fail(&w->s, VNM_LIMIT, pc, w->s.position, limit, *count);
    if (!vnm_inside(*offset, *count * op->c, w->s.record_length) || !lead_to(w, *count * op->c))
        return vnm_stop(&w->s, VNM_BAD_RECORD, pc);
    return VNM_OK;
}

static uint32_t save_vspan(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct saver *w = (struct saver *)s;
    uint64_t offset, count;
    enum vnm_way way = vnm_way_of(w->s.program, op);
    if (way == VNM_WAY_NONE)
        return vnm_stop(&w->s, VNM_BAD_PROGRAM, pc);
    uint32_t code = save_slot(w, pc, op, op->flags, &offset, &count);
    return code != VNM_OK ? code : save_runs(w, pc, op, way, count, offset);
}

static uint32_t save_each(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct saver *w = (struct saver *)s;
    uint64_t offset, count;
    uint32_t code = save_slot(w, pc, op, op->b, &offset, &count);
    return code != VNM_OK ? code : vnm_elements(&w->s, pc, op, count, offset);
}

static uint32_t save_fixed(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct saver *w = (struct saver *)s;
    uint64_t at;
    uint32_t code = place(w, pc, (uint64_t)op->expr * op->c, &at);
    return code != VNM_OK ? code : vnm_elements(&w->s, pc, op, op->expr, at);
}

/* Follow a list's chain: `link` is where the offset of the next node stands, of `size` bytes at least. Opens
 * the node's frame. */
static uint32_t next_node(struct saver *w, uint32_t pc, uint32_t index, uint64_t size, uint64_t *link,
                          uint64_t *node)
{
    *node = vnm_get32(w->s.record + *link);
    if (*node == 0 || !vnm_inside(*node, size, w->s.record_length))
        return vnm_stop(&w->s, VNM_BAD_RECORD, pc);
    *link = *node;
    if (vnm_push(&w->s, pc, index, *node) != VNM_OK)
        return vnm_stop(&w->s, VNM_TOO_DEEP, pc);
    return VNM_OK;
}

static uint32_t save_list(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct saver *w = (struct saver *)s;
    uint64_t link, node;
    if ((op->flags != 1 && op->flags != 4) || op->c < VNM_NODE_HEADER)
        return vnm_stop(&w->s, VNM_BAD_PROGRAM, pc);
    uint32_t code = place(w, pc, VNM_SLOT_BYTES, &link);
    if (code != VNM_OK)
        return code;
    uint32_t count = vnm_get32(w->s.record + link + 4);
    if (count > op->b)
        return vnm_fail(&w->s, VNM_LIMIT, pc, w->s.position, op->b, count);
    for (uint32_t i = 0; i < count; i++) {
        code = next_node(w, pc, i, op->c, &link, &node);
        if (code != VNM_OK)
            return code;
        if (!lead_to(w, op->c))
            return vnm_stop(&w->s, VNM_BAD_RECORD, pc);
        uint32_t marker = vnm_get32(w->s.record + node + 4);
        if (marker == 0 || (op->flags == 1 && marker > 0xff))
            return vnm_stop(&w->s, VNM_BAD_RECORD, pc);
        put_be(w, marker, op->flags);
        code = vnm_body(&w->s, pc + 1, op->next);
        if (code != VNM_OK)
            return code;
        vnm_pop(&w->s);
    }
    put_be(w, 0, op->flags);
    return VNM_OK;
}

static uint32_t save_subsections(struct vnm_run_state *s, uint32_t pc, const struct vnm_op *op)
{
    struct saver *w = (struct saver *)s;
    const struct vnm_program *p = w->s.program;
    uint64_t link, node;
    if (!vnm_inside(op->a, op->b, p->n_subs))
        return vnm_stop(&w->s, VNM_BAD_PROGRAM, pc);
    uint32_t code = place(w, pc, VNM_SLOT_BYTES, &link);
    if (code != VNM_OK)
        return code;
    uint32_t count = vnm_get32(w->s.record + link + 4);
    if (count > w->s.record_length / VNM_SUBSECTION_HEADER)
        return vnm_stop(&w->s, VNM_BAD_RECORD, pc);
    for (uint32_t i = 0; i < count; i++) {
        code = next_node(w, pc, i, VNM_SUBSECTION_HEADER, &link, &node);
        if (code != VNM_OK)
            return code;
        uint32_t index = vnm_get32(w->s.record + node + 4);
        if (index < op->a || index >= op->a + op->b)
            return vnm_stop(&w->s, VNM_BAD_RECORD, pc);
        const struct vnm_sub *sub = &p->subs[index];
        if (sub->name_length > 0xff || !vnm_inside(sub->name_offset, sub->name_length, p->n_names) ||
            sub->first_op <= pc)
            return vnm_stop(&w->s, VNM_BAD_PROGRAM, pc);
        if (!lead_to(w, sub->record_bytes))
            return vnm_stop(&w->s, VNM_BAD_RECORD, pc);
        put_be(w, VNM_SUBSECTION_MARK, 1);
        put_be(w, sub->name_length, 1);
        put_bytes(w, p->names + sub->name_offset, sub->name_length);
        put_be(w, vnm_get32(w->s.record + node + 8), 4);
        code = vnm_body(&w->s, sub->first_op, p->n_ops);
        if (code != VNM_OK)
            return code;
        vnm_pop(&w->s);
    }
    return VNM_OK;
}

static const struct vnm_side SAVE = {
    .step =
        {
            [VNM_OP_SPAN] = save_span,
            [VNM_OP_VSPAN] = save_vspan,
            [VNM_OP_EACH] = save_each,
            [VNM_OP_FIXED] = save_fixed,
            [VNM_OP_LIST] = save_list,
            [VNM_OP_SUBSECTIONS] = save_subsections,
        },
};

uint32_t vnm_save(const struct vnm_program *program, const uint8_t *record, uint64_t record_length,
                  uint8_t *output, uint64_t output_capacity, struct vnm_result *result)
{
    struct saver w;
    vnm_begin(&w.s, program, &SAVE, record, record_length, result);
    w.output = output;
    w.capacity = output ? output_capacity : 0;
    w.unseen = record_length - program->record_bytes; /* checked below */
    uint32_t code = VNM_OK;
    if (record_length < program->record_bytes)
        code = vnm_stop(&w.s, VNM_BAD_RECORD, 0);
    if (code == VNM_OK)
        code = vnm_body(&w.s, 0, program->n_ops);
    result->used = w.s.position;
    if (code != VNM_OK)
        return code;
    result->position = w.s.position;
    if (w.s.position > w.capacity)
        return vnm_fail(&w.s, VNM_NO_ROOM, 0, w.s.position, w.s.position, w.capacity);
    return VNM_OK;
}

uint64_t vnm_save_bound(const struct vnm_bound *bound)
{
    struct vnm_result result;
    uint32_t code = vnm_save(bound->program, bound->source, bound->source_length, bound->target,
                             bound->target_capacity, &result);
    return code == VNM_OK ? result.used : 0;
}
