/*
 * kernels.c - call one C kernel a number of times, for tools/count_instructions.py.
 *
 *     kernels save|load|scan|delta TIMES FILE
 *
 * FILE holds pieces, each a u64 length in front: the tables of a program (ops, runs, insns, consts, subs,
 * names), its record_bytes, a record and its stream bytes; or the bytes to scan; or base and target.
 */
#include "vnetmig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 9

struct piece {
    uint8_t *data;
    uint64_t length;
};

static void *memory(uint64_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p)
        exit(2);
    return p;
}

static int read_pieces(const char *path, struct piece *pieces)
{
    FILE *file = fopen(path, "rb");
    int n = 0;
    uint64_t length;
    if (!file)
        exit(2);
    while (n < PIECES && fread(&length, sizeof length, 1, file) == 1) {
        pieces[n].length = length;
        pieces[n].data = memory(length);
        if (fread(pieces[n].data, 1, length, file) != length)
            exit(2);
        n++;
    }
    fclose(file);
    return n;
}

static struct vnm_program program_of(const struct piece *p)
{
    struct vnm_program program = {.ops = (const void *)p[0].data,
                                  .runs = (const void *)p[1].data,
                                  .insns = (const void *)p[2].data,
                                  .consts = (const void *)p[3].data,
                                  .subs = (const void *)p[4].data,
                                  .names = p[5].data};
    program.n_ops = (uint32_t)(p[0].length / sizeof *program.ops);
    program.n_runs = (uint32_t)(p[1].length / sizeof *program.runs);
    program.n_insns = (uint32_t)(p[2].length / sizeof *program.insns);
    program.n_consts = (uint32_t)(p[3].length / sizeof *program.consts);
    program.n_subs = (uint32_t)(p[4].length / sizeof *program.subs);
    program.n_names = (uint32_t)p[5].length;
    memcpy(&program.record_bytes, p[6].data, sizeof program.record_bytes);
    uint32_t room = 3 * program.n_runs * program.n_ops;
    struct vnm_window *windows = memory(room * sizeof *windows);
    uint32_t *first = memory((program.n_ops + 1) * sizeof *first);
    program.n_windows = vnm_make_windows(&program, first, windows, room);
    program.windows = windows;
    program.first_window = first;
    return program;
}

int main(int argc, char **argv)
{
    struct piece p[PIECES];
    struct vnm_result result;
    if (argc != 4)
        return 2;
    const char *kernel = argv[1];
    long times = strtol(argv[2], NULL, 10);
    int n = read_pieces(argv[3], p);
    if (n == PIECES) {
        struct vnm_program program = program_of(p);
        int saves = strcmp(kernel, "save") == 0;
        const struct piece *source = saves ? &p[7] : &p[8], *wanted = saves ? &p[8] : &p[7];
        uint8_t *target = memory(wanted->length);
        struct vnm_bound bound = {&program, source->data, source->length, target, wanted->length};
        for (long i = 0; i < times; i++)
            if ((saves ? vnm_save_bound(&bound) : vnm_load_bound(&bound)) != wanted->length)
                return 1;
        return times && memcmp(target, wanted->data, wanted->length) != 0;
    }
    if (n == 1) {
        for (long i = 0; i < times; i++)
            if (vnm_scan_ram(p[0].data, p[0].length, 0, UINT64_MAX, 4096, INT64_MAX, &result) !=
                    VNM_TRUNCATED ||
                result.position != p[0].length)
                return 1;
        return 0;
    }
    if (n == 2) {
        uint64_t room = 2 * p[1].length + 4096;
        uint8_t *output = memory(room);
        for (long i = 0; i < times; i++)
            if (vnm_delta_make(p[0].data, p[0].length, p[1].data, p[1].length, output, room, &result) !=
                VNM_OK)
                return 1;
        return 0;
    }
    return 2;
}
