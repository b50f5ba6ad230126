/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FERRULE_DELTA_REGION_H
#define FERRULE_DELTA_REGION_H

#include "delta.h"
#include "range_reader.h"

/* Read the next parameter of a region; with the last one the region is checked, and begins. */
dlt_status_t dlt_read_parameter(dlt_decoder_t *decoder, dlt_reader_t *reader);

/* Read the ratio of the next run. */
dlt_status_t dlt_read_ratio(dlt_decoder_t *decoder, dlt_reader_t *reader);

/* Read numbers of one byte, as many as have one ratio, and as there is input and room for. */
void dlt_read_narrow_numbers(dlt_decoder_t *decoder, dlt_io_t *io, dlt_reader_t *reader);

/* Read one number of two or four bytes. */
dlt_status_t dlt_read_wide_number(dlt_decoder_t *decoder, dlt_io_t *io, dlt_reader_t *reader);

#endif
