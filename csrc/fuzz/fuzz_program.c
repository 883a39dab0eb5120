/*
 * fuzz_program.c - any words as a program, against the verifier: an image (see common.h), then the data that
 * it loads and saves.
 *
 * What vnm_verify lets pass is run, finds no fault in the program, and gives the same with and without
 * windows. What it refuses is run too, where its work is bounded: nothing relies on the verifier.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 16, HEAD = 28 };

static bool work_is_bounded(const struct vnm_program *p)
{
    for (uint32_t i = 0; i < p->n_ops; i++)
        if (p->ops[i].kind == VNM_OP_FIXED || (p->ops[i].kind == VNM_OP_EACH && p->ops[i].c == 0))
            return false;
    for (uint32_t i = 0; i < p->n_subs; i++)
        if (p->subs[i].record_bytes < 12)
            return false;
    return true;
}

static void run(const struct vnm_program *p, bool passes, const uint8_t *data, size_t length)
{
    struct vnm_program plain = *p;
    struct vnm_result result, other;
    uint8_t *record, *again, *output;
    plain.n_windows = 0;
    uint32_t code = fuzz_load(p, data, length, MOST, &record, &result);
    MUST(!passes || (code != VNM_BAD_PROGRAM && code != VNM_BAD_RECORD));
    if (passes) {
        MUST(fuzz_load(&plain, data, length, MOST, &again, &other) == code);
        MUST(other.used == result.used && memcmp(record, again, (size_t)result.used) == 0);
        free(again);
    }
    if (passes && code == VNM_OK) {
        MUST(fuzz_save(p, record, (size_t)result.used, &output, &other) != VNM_BAD_PROGRAM);
        free(output);
    }
    free(record);
    code = fuzz_save(p, data, length, &output, &result);
    MUST(!passes || code != VNM_BAD_PROGRAM);
    free(output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct fuzz_program p;
    struct vnm_result result;
    size_t length;
    fuzz_program_read(&in, &p);
    uint8_t *rest = fuzz_piece(&in, in.left, &length);
    bool passes = vnm_verify(&p.program, &result) == VNM_OK;
    if (p.program.record_bytes <= MOST && (passes || work_is_bounded(&p.program)))
        run(&p.program, passes, rest, length);
    free(rest);
    fuzz_program_free(&p);
    return 0;
}

/* Mostly, one word of a table becomes another number, a small one or a neighbour. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    if (seed % 4 == 0 || size < HEAD + 4)
        return LLVMFuzzerMutate(data, size, max_size);
    uint32_t word;
    uint8_t *at = data + seed / 16 % (size / 4) * 4;
    memcpy(&word, at, sizeof word);
    uint32_t number = seed >> 24;
    switch (seed / 4 % 4) {
    case 0:
        word = number % 24;
        break;
    case 1:
        word += number % 2 ? 1u : ~0u;
        break;
    case 2:
        word ^= (uint32_t)1 << number % 32;
        break;
    default:
        word = number % 3 ? word * 2 : ~0u;
        break;
    }
    memcpy(at, &word, sizeof word);
    return size;
}
