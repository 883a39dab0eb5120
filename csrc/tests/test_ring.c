/* test_ring.c - rings in guest memory, by hand-made memories. Exits 0; an assert ends it otherwise. */
#undef NDEBUG
#include "vnetmig.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DESC 0x1000u
#define AVAIL 0x2000u
#define USED 0x3000u
#define RAM_BYTES 0x4000u

struct guest {
    uint8_t *ram; /* on the heap, so that ASan sees a byte read behind it */
    struct vnm_ring_region regions[2];
    uint32_t n_regions;
};

static void put16(uint8_t *ram, uint32_t at, uint32_t value)
{
    ram[at] = (uint8_t)value;
    ram[at + 1] = (uint8_t)(value >> 8);
}

static struct guest new_guest(void)
{
    struct guest g = {calloc(1, RAM_BYTES), {{0, RAM_BYTES, 0}, {0, 0, 0}}, 1};
    assert(g.ram);
    return g;
}

/* A split ring of `num` entries with its indices; entry i of the avail ring is i. */
static struct vnm_ring_queue split(struct guest *g, uint32_t num, uint16_t avail_idx, uint16_t last,
                                   uint16_t used_idx)
{
    struct vnm_ring_queue q = {.desc = DESC, .avail = AVAIL, .used = USED, .num = num, .align = 4096};
    q.last_avail_idx = q.early_idx = last;
    put16(g->ram, AVAIL + 2, avail_idx);
    put16(g->ram, USED + 2, used_idx);
    for (uint32_t i = 0; i < num && i < 512; i++)
        put16(g->ram, AVAIL + 4 + 2 * i, i);
    return q;
}

static struct vnm_ring_state check(const struct guest *g, const struct vnm_ring_queue *q, uint32_t options,
                                   uint16_t *heads, uint32_t room, uint32_t code)
{
    struct vnm_ring_state s;
    memset(&s, 0xa5, sizeof s);
    assert(vnm_rings(q, 1, g->regions, g->n_regions, g->ram, RAM_BYTES, options, &s, heads, room) == code);
    return s;
}

static void consistent_split_ring(void)
{
    struct guest g = new_guest();
    uint16_t heads[4] = {0};
    struct vnm_ring_queue q = split(&g, 8, 12, 10, 7);
    struct vnm_ring_state s = check(&g, &q, 0, heads, 4, VNM_OK);
    assert(s.verdict == VNM_RING_OK && s.known == 15);
    assert(s.avail_idx == 12 && s.shadow_avail_idx == 12 && s.used_idx == 7 && s.inuse == 3);
    assert(s.nheads == 2 && s.waiting == 2 && s.in_flight == 3);
    assert(s.n_heads == 3 && heads[0] == 7 && heads[1] == 0 && heads[2] == 1 && s.bad_heads == 0);

    s = check(&g, &q, 0, heads, 2, VNM_NO_ROOM);
    assert(s.n_heads == 3 && s.in_flight == 3);
    s = check(&g, &q, 0, NULL, 0, VNM_NO_ROOM);
    assert(s.n_heads == 3);

    put16(g.ram, AVAIL + 4, 9); /* head 9 of 8 descriptors */
    s = check(&g, &q, 0, heads, 4, VNM_OK);
    assert(s.verdict == VNM_RING_OK && s.bad_heads == 1);
    free(g.ram);
}

static void every_index_wraps(void)
{
    struct guest g = new_guest();
    uint16_t heads[8];
    for (uint32_t i = 0; i < 0x10000; i++) {
        struct vnm_ring_queue q = split(&g, 8, (uint16_t)(i + 5), (uint16_t)i, (uint16_t)(i - 3));
        struct vnm_ring_state s = check(&g, &q, 0, heads, 8, VNM_OK);
        assert(s.verdict == VNM_RING_OK && s.nheads == 5 && s.inuse == 3);
        for (uint32_t k = 0; k < 3; k++)
            assert(heads[k] == (uint16_t)(i - 3 + k) % 8);
    }
    free(g.ram);
}

/* virtio_load's own example: size 0x100, guest 0x0, host 0xc, delta 0xfff4. */
static void inconsistent_index(void)
{
    struct guest g = new_guest();
    uint16_t heads[512];
    struct vnm_ring_queue q = split(&g, 0x100, 0, 0xc, 0xc);
    struct vnm_ring_state s = check(&g, &q, 0, NULL, 0, VNM_OK);
    assert(s.verdict == VNM_RING_INCONSISTENT && s.nheads == 0xfff4);
    assert(s.used_idx == 0 && s.shadow_avail_idx == 0 && s.inuse == 0);
    s = check(&g, &q, VNM_RINGS_LOG_ONLY, NULL, 0, VNM_OK);
    assert(s.verdict == VNM_RING_INCONSISTENT && s.used_idx == 0xc && s.known == 7);

    q = split(&g, 0x100, 0x100, 0x3ee, 6);
    s = check(&g, &q, VNM_RINGS_LOG_ONLY, heads, 512, VNM_OK);
    assert(s.verdict == VNM_RING_OVERUSED && s.inuse == 0x3e8 && s.in_flight == 0);
    q = split(&g, 0x100, 0x100, 0x100, 0); /* as many as there are: still right */
    assert(check(&g, &q, 0, heads, 512, VNM_OK).verdict == VNM_RING_OK);
    q = split(&g, 0x100, 0x101, 0x101, 0);
    assert(check(&g, &q, 0, heads, 512, VNM_OK).verdict == VNM_RING_OVERUSED);
    q = split(&g, 100, 0x100, 6, 6); /* not a power of two */
    assert(check(&g, &q, 0, heads, 512, VNM_OK).nheads == 0xfa);
    free(g.ram);
}

static void queues_without_rings(void)
{
    struct guest g = new_guest();
    struct vnm_ring_queue q = {.num = 256};
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).verdict == VNM_RING_NO_RINGS);
    q.early_idx = 1;
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).verdict == VNM_RING_BAD_ADDRESS);
    q = split(&g, 0, 1, 2, 3);
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).verdict == VNM_RING_NO_RINGS);
    assert(vnm_rings(NULL, 0, NULL, 0, NULL, 0, 0, NULL, NULL, 0) == VNM_OK);
    free(g.ram);
}

static void legacy_addresses(void)
{
    struct guest g = new_guest();
    struct vnm_ring_queue q = {.desc = 0x5ae6000, .num = 256, .align = 4096, .flags = VNM_RING_LEGACY};
    struct vnm_ring_state s = check(&g, &q, VNM_RINGS_ABSENT_ZERO, NULL, 0, VNM_OK);
    assert(s.avail == 0x5ae7000 && s.used == 0x5ae8000 && s.verdict == VNM_RING_OK);
    q.align = 64;
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).used == 0x5ae7240);
    q.align = 0; /* the driver has not set it: nothing is computed */
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).used == 0);
    q.align = 4096;
    q.num = 0; /* a queue that is not there */
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).used == 0);
    q.num = 256;
    q.desc = 0;
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).used == 0);
    q.desc = UINT64_MAX - 15; /* addresses wrap as they do in QEMU */
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).avail == 16 * 256 - 16);
    free(g.ram);
}

static void big_endian_rings(void)
{
    struct guest g = new_guest();
    struct vnm_ring_queue q = split(&g, 256, 0x0500, 4, 0x0400);
    q.flags = VNM_RING_BIG_ENDIAN;
    struct vnm_ring_state s = check(&g, &q, 0, NULL, 0, VNM_OK);
    assert(s.avail_idx == 5 && s.used_idx == 4 && s.nheads == 1);
    free(g.ram);
}

static void unknown_and_absent_memory(void)
{
    struct guest g = new_guest();
    struct vnm_ring_queue q = split(&g, 8, 3, 3, 3);
    g.regions[0].length = USED; /* the used ring is not known */
    struct vnm_ring_state s = check(&g, &q, 0, NULL, 0, VNM_OK);
    assert(s.verdict == VNM_RING_UNKNOWN && s.known == (VNM_RING_AVAIL_READ | VNM_RING_WAITING_READ));
    uint16_t heads[8];
    s = check(&g, &q, VNM_RINGS_ABSENT_ZERO, heads, 8, VNM_OK);
    assert(s.verdict == VNM_RING_OK && s.used_idx == 0 && s.inuse == 3);
    g.n_regions = 0;
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).known == 0);

    /* an index that lies across two regions, whose bytes stand elsewhere in the buffer */
    q.avail = 0x7ffd;
    g.n_regions = 2;
    g.regions[0] = (struct vnm_ring_region){0x7000, 0x1000, 0};
    g.regions[1] = (struct vnm_ring_region){0x8000, 0x1000, 0x3000};
    g.ram[0xfff] = 0x34;
    g.ram[0x3000] = 0x12;
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).avail_idx == 0x1234);

    /* across the end of what is known, and in a region of one byte */
    g.n_regions = 1;
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).known == 0);
    g.regions[0] = (struct vnm_ring_region){0x7fff, 1, 0xfff};
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).known == 0);
    assert(check(&g, &q, VNM_RINGS_ABSENT_ZERO, NULL, 0, VNM_OK).avail_idx == 0x34);

    /* too much in use, whatever the guest has made available */
    q = split(&g, 8, 3, 3, 100);
    g.regions[0] = (struct vnm_ring_region){USED, 0x1000, USED};
    s = check(&g, &q, 0, NULL, 0, VNM_OK);
    assert(s.verdict == VNM_RING_UNKNOWN && s.inuse == (uint16_t)(3 - 100) && s.in_flight == 0);
    q.avail = 0x7ffd;
    g.n_regions = 2;
    g.regions[0] = (struct vnm_ring_region){0x7000, 0x1000, 0};

    /* the end of the address space */
    q.avail = UINT64_MAX - 2;
    assert(check(&g, &q, VNM_RINGS_ABSENT_ZERO, NULL, 0, VNM_OK).verdict == VNM_RING_UNKNOWN);
    q.avail = UINT64_MAX - 3;
    g.regions[1] = (struct vnm_ring_region){UINT64_MAX - 0xfff, 0x1000, 0x3000};
    put16(g.ram, 0x3ffe, 77);
    assert(check(&g, &q, 0, NULL, 0, VNM_OK).avail_idx == 77);
    free(g.ram);
}

static void hostile_regions(void)
{
    static const struct vnm_ring_region bad[][2] = {
        {{0x2000, 0x1000, 0}, {0x1000, 0x1000, 0}}, /* not sorted */
        {{0x1000, 0x1001, 0}, {0x2000, 0x1000, 0}}, /* overlap */
        {{0x1000, 0x1000, 0}, {0x1000, 0x1000, 0}}, /* twice */
        {{0x1000, 0, 0}, {0x2000, 0x1000, 0}},      /* empty */
        {{0, RAM_BYTES, 1}, {0x9000, 1, 0}},        /* outside of the buffer */
        {{0, 1, UINT64_MAX}, {0x9000, 1, 0}},       /* offset wraps */
        {{0, 1, 0}, {UINT64_MAX - 1, 3, 0}},        /* passes 2^64 */
        {{0, UINT64_MAX, 0}, {UINT64_MAX, 1, 0}},   /* longer than the buffer */
    };
    struct guest g = new_guest();
    struct vnm_ring_queue q = split(&g, 8, 1, 1, 1);
    struct vnm_ring_state s;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert(vnm_rings(&q, 1, bad[i], 2, g.ram, RAM_BYTES, 0, &s, NULL, 0) == VNM_BAD_RECORD);
    assert(vnm_rings(NULL, UINT32_MAX, NULL, 0, NULL, 0, 0, NULL, NULL, 0) == VNM_LIMIT);
    free(g.ram);
}

static void hostile_sizes(void)
{
    struct guest g = new_guest();
    uint16_t *heads = malloc(VNM_RING_WALK * sizeof *heads);
    assert(heads);
    struct vnm_ring_queue q = split(&g, UINT32_MAX, 0xffff, 0xffff, 0);
    struct vnm_ring_state s = check(&g, &q, VNM_RINGS_ABSENT_ZERO, heads, VNM_RING_WALK, VNM_OK);
    assert(s.verdict == VNM_RING_OK && s.in_flight == 0xffff && s.n_heads == VNM_RING_WALK);
    assert(!(s.known & VNM_RING_HEADS_READ));
    q.flags = VNM_RING_PACKED | VNM_RING_AVAIL_WRAP;
    q.inuse = UINT32_MAX;
    q.last_avail_idx = 0xffff;
    s = check(&g, &q, VNM_RINGS_ABSENT_ZERO, heads, VNM_RING_WALK, VNM_OK);
    assert(s.verdict == VNM_RING_OK && s.in_flight == UINT32_MAX && s.n_heads == 0 && s.waiting == 0);
    free(heads);
    free(g.ram);
}

static void packed_ring(void)
{
    enum { AVAILABLE = 0x0080, USED_FLAG = 0x8000, NEXT = 1 };
    /* Lap 2 (wrap counter 1) has come to entry 2; used: 1; entry 3 is of lap 1, used. */
    static const uint16_t flags[4] = {AVAILABLE | USED_FLAG, AVAILABLE | NEXT, AVAILABLE,
                                      USED_FLAG | AVAILABLE};
    struct guest g = new_guest();
    for (uint32_t i = 0; i < 4; i++) {
        put16(g.ram, DESC + 16 * i + 12, 40 + i);
        put16(g.ram, DESC + 16 * i + 14, flags[i]);
    }
    struct vnm_ring_queue q = {.desc = DESC, .avail = AVAIL, .used = USED, .num = 4, .inuse = 2};
    q.flags = VNM_RING_PACKED | VNM_RING_AVAIL_WRAP | VNM_RING_USED_WRAP;
    q.used_idx = 1;
    q.last_avail_idx = 3;
    uint16_t heads[4] = {0};
    struct vnm_ring_state s = check(&g, &q, 0, heads, 4, VNM_OK);
    assert(s.verdict == VNM_RING_OK && s.inuse == 2 && s.used_idx == 1 && s.shadow_avail_idx == 3);
    assert(s.n_heads == 1 && heads[0] == 42 && s.waiting == 0);
    assert(s.known == (VNM_RING_HEADS_READ | VNM_RING_WAITING_READ));

    q.last_avail_idx = 1; /* nothing taken yet: two descriptors wait */
    q.inuse = 0;
    s = check(&g, &q, 0, heads, 4, VNM_OK);
    assert(s.waiting == 2 && s.n_heads == 0);
    q.last_avail_idx = q.used_idx = 4; /* indices behind the ring: nothing is read */
    s = check(&g, &q, 0, heads, 4, VNM_OK);
    assert(s.known == 0 && s.waiting == 0);

    q.last_avail_idx = 3;
    q.used_idx = 1;
    q.inuse = 5; /* more than the ring has: nothing is looked for */
    s = check(&g, &q, 0, heads, 4, VNM_OK);
    assert(s.inuse == 5 && s.n_heads == 0 && s.in_flight == 0);
    q.inuse = 2;
    g.regions[0].length = DESC + 16 * 3 + 14; /* the flags of the last entry are not known */
    s = check(&g, &q, 0, heads, 4, VNM_OK);
    assert(s.n_heads == 1 && s.known == VNM_RING_HEADS_READ);
    g.regions[0].length = DESC;
    assert(check(&g, &q, 0, heads, 4, VNM_OK).known == 0);
    g.regions[0].length = RAM_BYTES;
    q.used_idx = 4;
    q.inuse = 0;

    for (uint32_t i = 0; i < 4; i++) /* the wrap counter turns at the end of the ring */
        put16(g.ram, DESC + 16 * i + 14, i < 2 ? USED_FLAG : AVAILABLE);
    q.last_avail_idx = 2;
    s = check(&g, &q, 0, heads, 4, VNM_OK);
    assert(s.waiting == 4);
    free(g.ram);
}

int main(void)
{
    consistent_split_ring();
    every_index_wraps();
    inconsistent_index();
    queues_without_rings();
    legacy_addresses();
    big_endian_rings();
    unknown_and_absent_memory();
    hostile_regions();
    hostile_sizes();
    packed_ring();
    return 0;
}
