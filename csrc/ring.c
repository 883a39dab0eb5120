/* ring.c - virtqueue rings in guest memory: indices, consistency, heads in flight. */
#include "vnetmig.h"

#include <stdbool.h>

/* Layout of a split ring: flags, idx, ring[] (virtio 1.3, 2.7.6 and 2.7.8). */
#define INDEX_OFFSET 2u
#define ENTRIES_OFFSET 4u
#define ENTRY_BYTES 2u
#define SPLIT_DESC_BYTES 16u

/* A packed descriptor: addr, len, id, flags (virtio 1.3, 2.8: struct pvirtq_desc). */
#define PACKED_DESC_BYTES 16u
#define PACKED_ID_OFFSET 12u
#define PACKED_FLAGS_OFFSET 14u
#define PACKED_NEXT 0x0001u
#define PACKED_AVAIL_BIT 7u
#define PACKED_USED_BIT 15u

struct guest {
    const struct vnm_ring_region *regions;
    uint32_t n_regions;
    const uint8_t *memory;
    bool absent_zero;
    bool big_endian;
};

struct head_list {
    uint16_t *heads;
    uint32_t capacity;
    uint32_t used; /* may pass capacity: the number that would be needed */
};

/* The last region that begins at or below gpa, or NULL. */
static const struct vnm_ring_region *region_of(const struct guest *g, uint64_t gpa)
{
    uint32_t low = 0, high = g->n_regions;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (g->regions[middle].gpa <= gpa)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &g->regions[low - 1] : NULL;
}

static bool read8(const struct guest *g, uint64_t gpa, uint8_t *value)
{
    const struct vnm_ring_region *r = region_of(g, gpa);
    if (r && gpa - r->gpa < r->length) {
        *value = g->memory[r->offset + (gpa - r->gpa)];
        return true;
    }
    *value = 0;
    return g->absent_zero;
}

/* The u16 at base + offset. Memory ends at 2^64: what would lie behind it is never known. */
static bool read16(const struct guest *g, uint64_t base, uint64_t offset, uint16_t *value)
{
    uint8_t first, second;
    *value = 0;
    if (base > UINT64_MAX - offset - 1)
        return false;
    uint64_t gpa = base + offset;
    const struct vnm_ring_region *r = region_of(g, gpa);
    if (r && r->length >= 2 && gpa - r->gpa <= r->length - 2) {
        const uint8_t *p = g->memory + (r->offset + (gpa - r->gpa));
        first = p[0];
        second = p[1];
    } else if (!read8(g, gpa, &first) || !read8(g, gpa + 1, &second)) {
        return false;
    }
    *value = (uint16_t)(g->big_endian ? first << 8 | second : second << 8 | first);
    return true;
}

static void add_head(struct head_list *list, struct vnm_ring_state *s, uint16_t head)
{
    if (list->used < list->capacity)
        list->heads[list->used] = head;
    list->used++;
    s->n_heads++;
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
    return value < limit ? value : limit;
}

static void split_heads(const struct guest *g, const struct vnm_ring_queue *q, struct vnm_ring_state *s,
                        struct head_list *list)
{
    uint32_t count = at_most(s->in_flight, VNM_RING_WALK);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t head, index = (uint16_t)(s->used_idx + i);
        if (!read16(g, s->avail, ENTRIES_OFFSET + (uint64_t)ENTRY_BYTES * (index % q->num), &head))
            return;
        add_head(list, s, head);
        if (head >= q->num)
            s->bad_heads++;
    }
    if (count == s->in_flight)
        s->known |= VNM_RING_HEADS_READ;
}

/* qemu: hw/virtio/virtio.c:virtio_load, once guest memory and all subsections are there. */
static void check_split(const struct guest *g, const struct vnm_ring_queue *q, uint32_t options,
                        struct vnm_ring_state *s, struct head_list *list)
{
    uint16_t used_idx;
    if (read16(g, s->avail, INDEX_OFFSET, &s->avail_idx)) {
        s->known |= VNM_RING_AVAIL_READ;
        s->nheads = (uint16_t)(s->avail_idx - q->last_avail_idx);
        if (s->nheads > q->num) {
            s->verdict = VNM_RING_INCONSISTENT;
            if (!(options & VNM_RINGS_LOG_ONLY))
                return;
        } else {
            s->waiting = s->nheads;
            s->known |= VNM_RING_WAITING_READ;
        }
        s->shadow_avail_idx = s->avail_idx;
    } else {
        s->verdict = VNM_RING_UNKNOWN;
    }
    if (!read16(g, s->used, INDEX_OFFSET, &used_idx)) {
        if (s->verdict == VNM_RING_OK)
            s->verdict = VNM_RING_UNKNOWN;
        return;
    }
    s->known |= VNM_RING_USED_READ;
    s->used_idx = used_idx;
    s->inuse = (uint16_t)(q->last_avail_idx - used_idx);
    if (s->inuse > q->num) {
        if (s->verdict != VNM_RING_UNKNOWN)
            s->verdict = VNM_RING_OVERUSED;
        return;
    }
    s->in_flight = s->inuse;
    split_heads(g, q, s, list);
}

struct packed_place {
    uint32_t at;
    bool wrap;
};

static void step(struct packed_place *place, uint32_t num)
{
    if (++place->at >= num) {
        place->at = 0;
        place->wrap = !place->wrap;
    }
}

/* virtio 1.3, 2.8.1: available when the AVAIL bit is the wrap counter and the USED bit is not. */
static bool is_available(uint16_t flags, bool wrap)
{
    bool avail = (flags >> PACKED_AVAIL_BIT & 1) != 0, used = (flags >> PACKED_USED_BIT & 1) != 0;
    return avail == wrap && used != wrap;
}

static bool read_packed(const struct guest *g, const struct vnm_ring_queue *q, uint32_t at, uint16_t *id,
                        uint16_t *flags)
{
    uint64_t desc = (uint64_t)PACKED_DESC_BYTES * at;
    return read16(g, q->desc, desc + PACKED_ID_OFFSET, id) &&
           read16(g, q->desc, desc + PACKED_FLAGS_OFFSET, flags);
}

static void packed_heads(const struct guest *g, const struct vnm_ring_queue *q, struct vnm_ring_state *s,
                         struct head_list *list)
{
    uint32_t count = at_most(s->in_flight, VNM_RING_WALK);
    struct packed_place place = {q->used_idx, (q->flags & VNM_RING_USED_WRAP) != 0};
    if (q->used_idx >= q->num)
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t id, flags;
        if (!read_packed(g, q, place.at, &id, &flags))
            return;
        /* Only the last descriptor of a chain carries the buffer id (virtio 1.3, 2.8.6). */
        if (is_available(flags, place.wrap) && !(flags & PACKED_NEXT))
            add_head(list, s, id);
        step(&place, q->num);
    }
    if (count == s->in_flight)
        s->known |= VNM_RING_HEADS_READ;
}

static void packed_waiting(const struct guest *g, const struct vnm_ring_queue *q, struct vnm_ring_state *s)
{
    uint32_t limit = at_most(q->num, VNM_RING_WALK);
    struct packed_place place = {q->last_avail_idx, (q->flags & VNM_RING_AVAIL_WRAP) != 0};
    if (q->last_avail_idx >= q->num)
        return;
    for (uint32_t i = 0; i < limit; i++) {
        uint16_t id, flags;
        if (!read_packed(g, q, place.at, &id, &flags))
            return;
        if (!is_available(flags, place.wrap))
            break;
        s->waiting++;
        step(&place, q->num);
    }
    s->known |= VNM_RING_WAITING_READ;
}

static void look_packed(const struct guest *g, const struct vnm_ring_queue *q, struct vnm_ring_state *s,
                        struct head_list *list)
{
    s->shadow_avail_idx = q->last_avail_idx;
    s->used_idx = q->used_idx;
    s->inuse = q->inuse;
    s->in_flight = q->inuse > q->num ? 0 : q->inuse;
    packed_heads(g, q, s, list);
    packed_waiting(g, q, s);
}

/* Addresses are modulo 2^64, as in qemu: hw/virtio/virtio.c:virtio_queue_update_rings. */
static void place_rings(const struct vnm_ring_queue *q, struct vnm_ring_state *s)
{
    s->avail = q->avail;
    s->used = q->used;
    if (!(q->flags & VNM_RING_LEGACY) || !q->desc || !q->num || !q->align)
        return;
    s->avail = q->desc + (uint64_t)SPLIT_DESC_BYTES * q->num;
    uint64_t end = s->avail + ENTRIES_OFFSET + (uint64_t)ENTRY_BYTES * q->num;
    s->used = (end + q->align - 1) & ~((uint64_t)q->align - 1);
}

static bool regions_valid(const struct vnm_ring_region *regions, uint32_t n, uint64_t memory_length)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct vnm_ring_region *r = &regions[i];
        if (r->length == 0 || r->length - 1 > UINT64_MAX - r->gpa)
            return false;
        if (r->offset > memory_length || r->length > memory_length - r->offset)
            return false;
        /* The one before ends at or below this one, written so that nothing overflows. */
        if (i && (r->gpa <= r[-1].gpa || r->gpa - r[-1].gpa < r[-1].length))
            return false;
    }
    return true;
}

uint32_t vnm_rings(const struct vnm_ring_queue *queues, uint32_t n_queues,
                   const struct vnm_ring_region *regions, uint32_t n_regions, const uint8_t *memory,
                   uint64_t memory_length, uint32_t options, struct vnm_ring_state *states, uint16_t *heads,
                   uint32_t heads_capacity)
{
    struct guest g = {regions, n_regions, memory, (options & VNM_RINGS_ABSENT_ZERO) != 0, false};
    struct head_list list = {heads, heads_capacity, 0};
    if (n_queues > UINT32_MAX / VNM_RING_WALK)
        return VNM_LIMIT;
    if (!regions_valid(regions, n_regions, memory_length))
        return VNM_BAD_RECORD;
    for (uint32_t i = 0; i < n_queues; i++) {
        const struct vnm_ring_queue *q = &queues[i];
        struct vnm_ring_state *s = &states[i];
        *s = (struct vnm_ring_state){.verdict = VNM_RING_OK, .first_head = list.used};
        g.big_endian = (q->flags & VNM_RING_BIG_ENDIAN) != 0;
        place_rings(q, s);
        if (!q->desc || !q->num)
            s->verdict = !q->desc && q->early_idx ? VNM_RING_BAD_ADDRESS : VNM_RING_NO_RINGS;
        else if (q->flags & VNM_RING_PACKED)
            look_packed(&g, q, s, &list);
        else
            check_split(&g, q, options, s, &list);
    }
    return list.used > list.capacity ? VNM_NO_ROOM : VNM_OK;
}
