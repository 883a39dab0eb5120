/*
 * fuzz_ring.c - any queues in any memory: options, numbers of queues and regions, a capacity of heads; the
 * queues, the regions (as they are, or small ones side by side that fit), and the rest is memory.
 *
 * With too little room for heads, all else must be right; with the room asked for, the same and the heads.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

enum { QUEUES = 4, REGIONS = 5 };

/* Regions that are valid: a gap and a length each, over the memory in turn. */
static void small_regions(struct fuzz_input *in, struct vnm_ring_region *regions, uint32_t n)
{
    uint64_t gpa = 0, offset = 0;
    for (uint32_t i = 0; i < n; i++) {
        gpa += fuzz_byte(in);
        uint64_t length = (uint64_t)fuzz_u16(in) % 1024 + 1;
        regions[i] = (struct vnm_ring_region){gpa, length, offset};
        gpa += length;
        offset += length / 2; /* two regions may show the same bytes */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct vnm_ring_queue *queues;
    struct vnm_ring_region *regions;
    struct vnm_ring_state first[QUEUES], second[QUEUES];
    uint8_t options = fuzz_byte(&in), numbers = fuzz_byte(&in);
    uint32_t n_queues = numbers % (QUEUES + 1), n_regions = numbers / 8 % (REGIONS + 1),
             capacity = fuzz_byte(&in);
    size_t length;
    queues = (struct vnm_ring_queue *)(void *)fuzz_room(sizeof *queues * n_queues);
    regions = (struct vnm_ring_region *)(void *)fuzz_room(sizeof *regions * n_regions);
    fuzz_read(&in, queues, sizeof *queues * n_queues);
    if (options & 4)
        fuzz_read(&in, regions, sizeof *regions * n_regions);
    else
        small_regions(&in, regions, n_regions);
    uint8_t *memory = fuzz_piece(&in, in.left, &length);
    uint16_t *heads = (uint16_t *)(void *)fuzz_room(sizeof *heads * capacity);
    uint32_t code =
        vnm_rings(queues, n_queues, regions, n_regions, memory, length, options & 3u, first, heads, capacity);
    if (code == VNM_OK || code == VNM_NO_ROOM) {
        uint32_t n_heads = 0;
        for (uint32_t i = 0; i < n_queues; i++) {
            MUST(first[i].first_head == n_heads && first[i].n_heads <= VNM_RING_WALK);
            MUST(first[i].bad_heads <= first[i].n_heads && first[i].verdict <= VNM_RING_BAD_ADDRESS);
            n_heads += first[i].n_heads;
        }
        MUST((code == VNM_NO_ROOM) == (n_heads > capacity));
        uint16_t *all = (uint16_t *)(void *)fuzz_room(sizeof *all * n_heads);
        MUST(vnm_rings(queues, n_queues, regions, n_regions, memory, length, options & 3u, second, all,
                       n_heads) == VNM_OK);
        MUST(memcmp(first, second, sizeof *first * n_queues) == 0);
        free(all);
    }
    free(heads);
    free(memory);
    free(regions);
    free(queues);
    return 0;
}
