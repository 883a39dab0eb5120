/*
 * fuzz_whole.c - fuzz_load.c on whole sections: no mutation changes the length, so that inputs stay as long
 * as the sections they come from, tens of KB with their queue arrays.
 *
 * Libfuzzer's report does not tell how long inputs were: this target counts them by length.
 */
#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTHS = 64, SLICE = 64 };

static struct {
    size_t length;
    uint64_t executions;
} counted[LENGTHS];

static void tell_lengths(void)
{
    for (size_t i = 0; i < LENGTHS && counted[i].executions; i++)
        fprintf(stderr, "stat::length: %zu %" PRIu64 "\n", counted[i].length, counted[i].executions);
}

/* Lengths beyond the table are counted with its last. */
static void count_length(size_t length)
{
    size_t i = 0;
    if (!counted[0].executions)
        atexit(tell_lengths);
    while (i < LENGTHS - 1 && counted[i].executions && counted[i].length != length)
        i++;
    counted[i].length = length;
    counted[i].executions++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    const struct vnm_program *p = fuzz_device(fuzz_byte(&in));
    size_t length;
    uint8_t *input = fuzz_piece(&in, in.left, &length);
    count_length(length);
    fuzz_load_holds(p, input, length);
    free(input);
    return 0;
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Every scale alike, from both ends: arrays in the middle would else get nearly all. */
static size_t place(uint32_t *state, size_t size)
{
    size_t bits = 1, from_end = next(state) % 2;
    while ((size_t)1 << bits < size)
        bits++;
    size_t at = next(state) % ((size_t)1 << (1 + next(state) % bits)) % size;
    return from_end ? size - 1 - at : at;
}

static void put(uint8_t *to, size_t room, uint32_t *state)
{
    static const uint64_t values[] = {0,          1,          2,          64,         1024,      1025,
                                      0x7fffffff, 0x80000000, 0xffffffff, 0x80000000, UINT64_MAX};
    size_t width = (size_t)1 << next(state) % 4, n = sizeof values / sizeof *values;
    uint64_t value = next(state) % 4 ? values[next(state) % n] : next(state);
    for (size_t i = 0; i < width && i < room; i++)
        to[i] = (uint8_t)(value >> 8 * (width - 1 - i));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    uint32_t state = seed;
    (void)max_size;
    if (size < 2)
        return size;
    for (uint32_t times = 1 + next(&state) % 3; times > 0; times--) {
        /* not the byte that says which device: a length belongs to one */
        size_t at = 1 + place(&state, size - 1), room = size - at;
        switch (next(&state) % 4) {
        case 0:
            data[at] ^= (uint8_t)(1u << next(&state) % 8);
            break;
        case 1:
            put(data + at, room, &state);
            break;
        case 2:
            memmove(data + at, data + 1 + next(&state) % (size - room), room < SLICE ? room : SLICE);
            break;
        default:
            room = room < SLICE ? room : SLICE;
            LLVMFuzzerMutate(data + at, room, room);
            break;
        }
    }
    return size;
}
