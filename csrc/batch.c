/* batch.c - many saves or loads in one call. */
#include "vnetmig.h"

uint64_t vnm_save_batch(const struct vnm_bound *calls, uint64_t n_calls, struct vnm_result *results)
{
    uint64_t failed = 0;
    for (uint64_t i = 0; i < n_calls; i++) {
        const struct vnm_bound *call = &calls[i];
        failed += vnm_save(call->program, call->source, call->source_length, call->target,
                           call->target_capacity, &results[i]) != VNM_OK;
    }
    return failed;
}

uint64_t vnm_load_batch(const struct vnm_bound *calls, uint64_t n_calls, struct vnm_result *results)
{
    uint64_t failed = 0;
    for (uint64_t i = 0; i < n_calls; i++) {
        const struct vnm_bound *call = &calls[i];
        failed += vnm_load(call->program, call->source, call->source_length, call->target,
                           call->target_capacity, &results[i]) != VNM_OK;
    }
    return failed;
}
