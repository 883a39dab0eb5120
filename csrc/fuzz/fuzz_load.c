/*
 * fuzz_load.c - any bytes as the payload of a real device: a byte that says which, then the payload. What
 * must hold is told at common.h:fuzz_load_holds.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    const struct vnm_program *p = fuzz_device(fuzz_byte(&in));
    size_t length;
    uint8_t *input = fuzz_piece(&in, in.left, &length);
    fuzz_load_holds(p, input, length);
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
