/*
 * fuzz_load.c - any bytes as the payload of a real device: a byte that says which, then the payload.
 *
 * What loads fine must save to the bytes that were taken, and load again, in exactly the memory it takes, to
 * the same record; with and without windows alike.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 22 };

static void same_again(const struct vnm_program *p, const uint8_t *input, size_t length,
                       const uint8_t *record, const struct vnm_result *first)
{
    struct vnm_program plain = *p;
    struct vnm_result result;
    uint8_t *again = fuzz_room((size_t)first->used);
    plain.n_windows = 0;
    MUST(vnm_load(&plain, input, length, again, first->used, &result) == VNM_OK);
    MUST(result.used == first->used && memcmp(again, record, (size_t)result.used) == 0);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    const struct vnm_program *p = fuzz_device(fuzz_byte(&in));
    struct vnm_result result, saved;
    size_t length;
    uint8_t *record, *output, *input = fuzz_piece(&in, in.left, &length);
    uint32_t code = fuzz_load(p, input, length, MOST, &record, &result);
    MUST(code != VNM_BAD_PROGRAM && code != VNM_BAD_RECORD);
    if (code == VNM_OK) {
        MUST(fuzz_save(p, record, (size_t)result.used, &output, &saved) == VNM_OK);
        MUST(saved.used == result.position && memcmp(output, input, (size_t)saved.used) == 0);
        free(output);
        same_again(p, input, length, record, &result);
    }
    free(record);
    free(input);
    return 0;
}

/* Now and then, the header of a subsection that the device knows is put somewhere. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    const struct vnm_program *p = fuzz_device(size ? data[0] : 0);
    if (seed % 8 || !p->n_subs || !size)
        return LLVMFuzzerMutate(data, size, max_size);
    const struct vnm_sub *sub = &p->subs[seed / 8 % p->n_subs];
    uint8_t header[2 + 255 + 4];
    size_t n = 2 + (size_t)sub->name_length + 4, at = 1 + seed / 64 % size;
    header[0] = 5;
    header[1] = (uint8_t)sub->name_length;
    memcpy(header + 2, p->names + sub->name_offset, sub->name_length);
    memset(header + n - 4, 0, 3);
    header[n - 1] = (uint8_t)sub->version;
    if (at > size || size + n > max_size)
        return LLVMFuzzerMutate(data, size, max_size);
    memmove(data + at + n, data + at, size - at);
    memcpy(data + at, header, n);
    return size + n;
}
