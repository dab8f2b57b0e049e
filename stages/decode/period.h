// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of a MariaDB table WITH SYSTEM VERSIONING whose period is hidden.
 *
 * The log holds the history too. As MariaDB 10.11 and 11.8 write it:
 *   INSERT          WRITE of the current row
 *   UPDATE          UPDATE from the current row to the new one, then WRITE of the history row
 *   DELETE          UPDATE that sets row_end: the current row becomes the history row
 *   DELETE HISTORY  DELETE of history rows
 * A row is current while its row_end is the largest TIMESTAMP(6): of 2038, or of 2106 since 11.5.
 * What comes out is what happens to the current rows: create, update, delete.
 * @thread the decoder that owns the row
 */
#ifndef TR_STAGES_DECODE_PERIOD_H
#define TR_STAGES_DECODE_PERIOD_H

#include "stages/decode/row.h"

/*
 * Looks over the row at row->run.in, which stays there, and sets row->op. `*is_current`: false when
 * the row is of the history alone, to be passed over. OK; BAD and LACKING: see row->run.
 */
enum tr_write_outcome tr_period_judge(struct tr_row *row, bool *is_current);

#endif
