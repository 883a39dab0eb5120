/*
 * common.h - what the fuzz targets share: inputs cut into pieces, programs as bytes, buffers of exact size.
 *
 * A program as bytes (an image): seven u32 (n_ops, n_runs, n_insns, n_consts, n_subs, n_names, record_bytes),
 * then the tables in that order, native. tools/fuzz_seeds.py writes them.
 */
#ifndef VNM_FUZZ_COMMON_H
#define VNM_FUZZ_COMMON_H

#include "vnetmig.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What does not hold is a finding, like what a sanitizer sees. */
#define MUST(condition) ((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))

_Noreturn void fuzz_broken(const char *condition, const char *file, int line);

/* The rest of an input. Reading behind its end gives zeros. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

void fuzz_read(struct fuzz_input *in, void *to, size_t size);
uint8_t fuzz_byte(struct fuzz_input *in);
uint16_t fuzz_u16(struct fuzz_input *in);

/* A buffer of exactly `size` bytes, so that a sanitizer sees one byte too many; free() it. */
uint8_t *fuzz_room(size_t size);

/* The next `size` bytes, or as many as are left, in such a buffer; *got is how many. */
uint8_t *fuzz_piece(struct fuzz_input *in, size_t size, size_t *got);

/* A program and the memory of its tables. */
struct fuzz_program {
    struct vnm_program program;
    void *tables[8];
};

/* Read an image; tables that the input is too short for are cut. Windows are made. */
void fuzz_program_read(struct fuzz_input *in, struct fuzz_program *p);
void fuzz_program_free(struct fuzz_program *p);

/* The programs of real devices, read once from the folder VNM_FUZZ_PROGRAMS; at least one. */
const struct vnm_program *fuzz_device(uint8_t number);

/* As vnm_load, with about twice the memory it asks for, asked for up to `most`. The record is in *record:
 * free() it. */
uint32_t fuzz_load(const struct vnm_program *p, const uint8_t *input, size_t length, size_t most,
                   uint8_t **record, struct vnm_result *result);

/* As vnm_save, into a buffer of exactly as many bytes as it takes: free() *output. */
uint32_t fuzz_save(const struct vnm_program *p, const uint8_t *record, size_t length, uint8_t **output,
                   struct vnm_result *result);

/* What loads fine must save to the bytes that were taken, and load again, in exactly the memory it takes, to
 * the same record; with and without windows alike. */
void fuzz_load_holds(const struct vnm_program *p, const uint8_t *input, size_t length);

/* libFuzzer's own mutation. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

#endif
