/*
 * fuzz_delta.c - any bytes as a delta, and any two byte strings as a pair to make one of: a byte that says
 * which, the length of the base (u16), the base, then the delta or the target.
 *
 * What was made must apply to exactly the target, and a delta that applies must make the same target again
 * through the delta made of it.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 16 };

static void make_and_apply(const uint8_t *base, size_t base_length, const uint8_t *target, size_t length)
{
    struct vnm_result result;
    uint8_t *none = fuzz_room(0), *back = fuzz_room(length);
    MUST(vnm_delta_make(base, base_length, target, length, none, 0, &result) == VNM_NO_ROOM);
    size_t size = (size_t)result.expected;
    uint8_t *delta = fuzz_room(size);
    MUST(vnm_delta_make(base, base_length, target, length, delta, size, &result) == VNM_OK);
    MUST(result.used == size);
    MUST(vnm_delta_apply(base, base_length, delta, size, length, back, length, &result) == VNM_OK);
    MUST(result.used == length && memcmp(back, target, length) == 0);
    free(none);
    free(back);
    free(delta);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct vnm_result result;
    bool made = fuzz_byte(&in) & 1;
    size_t base_length, length;
    uint8_t *base = fuzz_piece(&in, fuzz_u16(&in), &base_length);
    uint8_t *rest = fuzz_piece(&in, in.left, &length);
    if (made) {
        make_and_apply(base, base_length, rest, length);
    } else {
        uint8_t *target = fuzz_room(0);
        uint32_t code = vnm_delta_apply(base, base_length, rest, length, MOST, target, 0, &result);
        if (code == VNM_NO_ROOM) {
            size_t room = (size_t)result.expected;
            MUST(room <= MOST);
            free(target);
            target = fuzz_room(room);
            code = vnm_delta_apply(base, base_length, rest, length, MOST, target, room, &result);
        }
        MUST(code != VNM_NO_ROOM && result.position <= length);
        if (code == VNM_OK)
            make_and_apply(base, base_length, target, (size_t)result.used);
        free(target);
    }
    free(base);
    free(rest);
    return 0;
}
