/*
 * fuzz_save.c - any bytes as the record of a real device: a byte that says which, then the record.
 *
 * What saves fine must load again from what was written, all of it, to a record that saves to the same bytes.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    const struct vnm_program *p = fuzz_device(fuzz_byte(&in));
    struct vnm_result result, loaded;
    size_t length;
    uint8_t *output, *again, *back, *record = fuzz_piece(&in, in.left, &length);
    uint32_t code = fuzz_save(p, record, length, &output, &result);
    MUST(code != VNM_BAD_PROGRAM);
    if (code == VNM_OK) {
        size_t written = (size_t)result.used;
        /* Marks of subsections in values, versions and order are the loader's to refuse. */
        if (fuzz_load(p, output, written, MOST, &back, &loaded) == VNM_OK && loaded.position == written) {
            MUST(fuzz_save(p, back, (size_t)loaded.used, &again, &result) == VNM_OK);
            MUST(result.used == written && memcmp(again, output, written) == 0);
            free(again);
        }
        free(back);
    }
    free(output);
    free(record);
    return 0;
}

/* Now and then, a word of the record becomes an offset or a count that a slot could hold. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    uint32_t word = seed / 4096 % 2 ? seed / 8192 % (uint32_t)(size + 1) : seed / 8192 % 5;
    if (seed % 4 || size < 5)
        return LLVMFuzzerMutate(data, size, max_size);
    memcpy(data + 1 + seed / 4 % 1024 * 4 % (size - 4), &word, sizeof word);
    return size;
}
