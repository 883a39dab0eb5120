/*
 * test_threads.c - one program, one input, many threads: every call gives what it gives alone. Meant for
 * TSan (-DVNETMIG_SANITIZE_THREADS=ON), which sees two threads at the same memory even where nothing goes
 * wrong; exits 0 without it too.
 */
#undef NDEBUG
#include "vnetmig.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 200, PASSES = 40, PASS = 15, WIRE = PASSES * PASS, BASE = 9000, DELTA = 20000 };

static const struct vnm_run runs[] = {{1, 1}, {2, 1}, {4, 1}, {8, 1}};
static const struct vnm_op ops[] = {
    {VNM_OP_SPAN, 0, 0, PASSES, 0, 4, PASS, 0},
    {VNM_OP_END, 0, 0, 0, 0, 0, 0, 0},
};
static uint32_t first_window[3];
static struct vnm_window windows[12];
static struct vnm_program program = {.ops = ops, .runs = runs, .n_ops = 2, .n_runs = 4, .record_bytes = WIRE};

static uint8_t wire[WIRE], base[BASE], target[BASE];

/* All that one thread writes. */
struct found {
    uint8_t record[WIRE], output[WIRE], delta[DELTA], made[BASE];
    uint8_t batch[2][WIRE];
    struct vnm_result results[7];
};

static struct found alone;

static void all_calls(struct found *f)
{
    memset(f, 0, sizeof *f);
    struct vnm_result *r = f->results;
    vnm_verify(&program, &r[0]);
    vnm_load(&program, wire, WIRE, f->record, WIRE, &r[1]);
    vnm_save(&program, f->record, WIRE, f->output, WIRE, &r[2]);
    vnm_delta_make(base, BASE, target, BASE, f->delta, DELTA, &r[3]);
    vnm_delta_apply(base, BASE, f->delta, r[3].used, BASE, f->made, BASE, &r[4]);
    vnm_scan_ram(wire, WIRE, 0, UINT64_MAX, 4096, INT64_MAX, &r[5]);
    struct vnm_bound calls[2] = {{&program, alone.record, WIRE, f->batch[0], WIRE},
                                 {&program, alone.record, WIRE, f->batch[1], WIRE}};
    struct vnm_result results[2];
    if (f != &alone)
        assert(vnm_save_batch(calls, 2, results) == 0 && memcmp(f->batch[0], wire, WIRE) == 0 &&
               memcmp(f->batch[1], wire, WIRE) == 0);
}

static void *thread(void *unused)
{
    (void)unused;
    struct found *f = malloc(sizeof *f);
    assert(f);
    for (int i = 0; i < ROUNDS; i++) {
        all_calls(f);
        assert(memcmp(f->record, alone.record, WIRE) == 0 && memcmp(f->output, wire, WIRE) == 0);
        assert(memcmp(f->delta, alone.delta, DELTA) == 0 && memcmp(f->made, target, BASE) == 0);
        for (int k = 0; k < 6; k++)
            assert(f->results[k].code == alone.results[k].code &&
                   f->results[k].used == alone.results[k].used &&
                   f->results[k].position == alone.results[k].position);
    }
    free(f);
    return NULL;
}

int main(void)
{
    for (int i = 0; i < WIRE; i++)
        wire[i] = (uint8_t)(i * 37 + i / 256);
    for (int i = 0; i < BASE; i++) {
        base[i] = (uint8_t)(i * 11 + i / 128);
        target[i] = (uint8_t)(base[i] ^ (i % 97 == 0));
    }
    uint32_t made = vnm_make_windows(&program, first_window, windows, 12);
    assert(made <= 12);
    program.first_window = first_window;
    program.windows = windows;
    program.n_windows = made;
    all_calls(&alone);
    assert(alone.results[0].code == VNM_OK && memcmp(alone.output, wire, WIRE) == 0);
    assert(memcmp(alone.made, target, BASE) == 0);

    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert(pthread_create(&threads[i], NULL, thread, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        assert(pthread_join(threads[i], NULL) == 0);
    return 0;
}
