/* SPDX-License-Identifier: Apache-2.0 */
#include "ferrule/aligner.h"

const char *aln_strerror(aln_status_t status)
{
    switch (status) {
    case ALN_OK:
        return "ok";
    case ALN_ERR_EMPTY:
        return "no window is complete";
    case ALN_ERR_STREAM:
        return "no such stream, or one with several fields where one is needed";
    case ALN_ERR_BUFFER:
        return "the buffer has another size than the window";
    case ALN_ERR_MEMORY:
        return "the memory is too small or misaligned";
    case ALN_ERR_STREAMS:
        return "the number of streams is out of range";
    case ALN_ERR_FIELDS:
        return "the number of fields is out of range";
    case ALN_ERR_MODE:
        return "no such mode or fill";
    case ALN_ERR_CAPACITY:
        return "the capacity is no power of two within the limits, or holds no window";
    case ALN_ERR_PERIOD:
        return "the period is out of range";
    case ALN_ERR_WINDOW:
        return "the window or the hop is out of range";
    case ALN_ERR_SPAN:
        return "a duration is out of range, or the deadline is below the lateness";
    case ALN_ERR_TIME:
        return "a time is out of range";
    case ALN_ERR_FULL:
        return "the ring is full";
    case ALN_ERR_QUANTIZATION:
        return "there is no quantization, it is out of range, or a fill is NaN";
    case ALN_ERR_BYTES:
        return "the bytes are no SAMPLES message for one of the streams";
    }
    return "unknown status";
}
