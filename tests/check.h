// SPDX-License-Identifier: Apache-2.0
/* cmocka with what it wants included before it, in the one order that works. */
#ifndef TR_TESTS_CHECK_H
#define TR_TESTS_CHECK_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#endif
