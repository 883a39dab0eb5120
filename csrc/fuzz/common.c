/* common.c - see common.h. */
#include "common.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VNM_FUZZ_PROGRAMS
#error "VNM_FUZZ_PROGRAMS is the folder of the programs of real devices"
#endif

enum { MOST_DEVICES = 32, MOST_OUTPUT = 1 << 24, MOST_RECORD = 1 << 22 };

void fuzz_broken(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

uint8_t *fuzz_room(size_t size)
{
    uint8_t *room = malloc(size ? size : 1);
    MUST(room != NULL);
    return room;
}

void fuzz_read(struct fuzz_input *in, void *to, size_t size)
{
    size_t n = size < in->left ? size : in->left;
    memset(to, 0, size);
    if (n)
        memcpy(to, in->at, n);
    in->at += n;
    in->left -= n;
}

uint8_t fuzz_byte(struct fuzz_input *in)
{
    uint8_t value;
    fuzz_read(in, &value, sizeof value);
    return value;
}

uint16_t fuzz_u16(struct fuzz_input *in)
{
    uint16_t value;
    fuzz_read(in, &value, sizeof value);
    return value;
}

uint8_t *fuzz_piece(struct fuzz_input *in, size_t size, size_t *got)
{
    *got = size < in->left ? size : in->left;
    uint8_t *piece = fuzz_room(*got);
    fuzz_read(in, piece, *got);
    return piece;
}

static void *table(struct fuzz_input *in, uint32_t *number, size_t width)
{
    size_t got, most = in->left / width;
    if (*number > most)
        *number = (uint32_t)most;
    return fuzz_piece(in, *number * width, &got);
}

static void make_windows(struct fuzz_program *p)
{
    struct vnm_program *q = &p->program;
    uint32_t *first = (uint32_t *)(void *)fuzz_room(sizeof(uint32_t) * ((size_t)q->n_ops + 1));
    uint32_t most = vnm_make_windows(q, first, NULL, 0);
    struct vnm_window *windows = (struct vnm_window *)(void *)fuzz_room(sizeof *windows * most);
    q->n_windows = vnm_make_windows(q, first, windows, most);
    MUST(q->n_windows <= most);
    q->windows = p->tables[6] = windows;
    q->first_window = p->tables[7] = first;
}

void fuzz_program_read(struct fuzz_input *in, struct fuzz_program *p)
{
    struct vnm_program *q = &p->program;
    uint32_t head[7];
    fuzz_read(in, head, sizeof head);
    *p = (struct fuzz_program){.program = {.n_ops = head[0],
                                           .n_runs = head[1],
                                           .n_insns = head[2],
                                           .n_consts = head[3],
                                           .n_subs = head[4],
                                           .n_names = head[5],
                                           .record_bytes = head[6]}};
    q->ops = p->tables[0] = table(in, &q->n_ops, sizeof *q->ops);
    q->runs = p->tables[1] = table(in, &q->n_runs, sizeof *q->runs);
    q->insns = p->tables[2] = table(in, &q->n_insns, sizeof *q->insns);
    q->consts = p->tables[3] = table(in, &q->n_consts, sizeof *q->consts);
    q->subs = p->tables[4] = table(in, &q->n_subs, sizeof *q->subs);
    q->names = p->tables[5] = table(in, &q->n_names, 1);
    make_windows(p);
}

void fuzz_program_free(struct fuzz_program *p)
{
    for (size_t i = 0; i < sizeof p->tables / sizeof *p->tables; i++)
        free(p->tables[i]);
}

static bool read_device(const char *name, struct fuzz_program *p)
{
    static uint8_t image[1 << 20];
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", VNM_FUZZ_PROGRAMS, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    struct fuzz_input in = {image, fread(image, 1, sizeof image, file)};
    fclose(file);
    fuzz_program_read(&in, p);
    MUST(in.left == 0);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const struct vnm_program *fuzz_device(uint8_t number)
{
    static struct fuzz_program devices[MOST_DEVICES];
    static uint32_t n;
    if (n)
        return &devices[number % n].program;
    char *names[MOST_DEVICES];
    size_t n_names = 0;
    DIR *folder = opendir(VNM_FUZZ_PROGRAMS);
    MUST(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL && n_names < MOST_DEVICES;)
        if (strstr(entry->d_name, ".program"))
            names[n_names++] = strdup(entry->d_name);
    closedir(folder);
    qsort(names, n_names, sizeof *names, by_name);
    for (size_t i = 0; i < n_names; i++) {
        struct vnm_result result;
        MUST(read_device(names[i], &devices[n]));
        MUST(vnm_verify(&devices[n].program, &result) == VNM_OK);
        n++;
        free(names[i]);
    }
    MUST(n > 0);
    return fuzz_device(number);
}

uint32_t fuzz_load(const struct vnm_program *p, const uint8_t *input, size_t length, size_t most,
                   uint8_t **record, struct vnm_result *result)
{
    size_t room = (size_t)p->record_bytes + length;
    for (;;) {
        *record = fuzz_room(room);
        uint32_t code = vnm_load(p, input, length, *record, room, result);
        MUST(code == result->code && result->used <= room && result->position <= length);
        if (code != VNM_NO_ROOM || result->expected > most)
            return code;
        MUST(result->expected > room);
        room = 2 * (size_t)result->expected;
        free(*record);
    }
}

uint32_t fuzz_save(const struct vnm_program *p, const uint8_t *record, size_t length, uint8_t **output,
                   struct vnm_result *result)
{
    *output = fuzz_room(0);
    uint32_t code = vnm_save(p, record, length, *output, 0, result);
    MUST(code == result->code);
    if (code != VNM_NO_ROOM || result->expected > MOST_OUTPUT)
        return code;
    uint64_t size = result->expected;
    free(*output);
    *output = fuzz_room((size_t)size);
    code = vnm_save(p, record, length, *output, size, result);
    MUST(code == VNM_OK && result->position == size && result->used == size);
    return code;
}

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

void fuzz_load_holds(const struct vnm_program *p, const uint8_t *input, size_t length)
{
    struct vnm_result result, saved;
    uint8_t *record, *output;
    uint32_t code = fuzz_load(p, input, length, MOST_RECORD, &record, &result);
    MUST(code != VNM_BAD_PROGRAM && code != VNM_BAD_RECORD);
    if (code == VNM_OK) {
        MUST(fuzz_save(p, record, (size_t)result.used, &output, &saved) == VNM_OK);
        MUST(saved.used == result.position && memcmp(output, input, (size_t)saved.used) == 0);
        free(output);
        same_again(p, input, length, record, &result);
    }
    free(record);
}
