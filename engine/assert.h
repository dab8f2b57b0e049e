// SPDX-License-Identifier: Apache-2.0
/*
 * Assertions: for our own bugs only, never for input from outside, never with an effect inside.
 *
 * TR_ASSERT stays on in release builds: a wrong offset is worse than a restart.
 * TR_ASSERT_HOT is compiled into debug, test and simulation builds only.
 * One condition per assertion.
 */
#ifndef TR_ENGINE_ASSERT_H
#define TR_ENGINE_ASSERT_H

#include "engine/error.h"

/* Prints the condition and the place on stderr and ends the process (SIGILL/SIGTRAP, a core for the debugger). */
TR_NORETURN void tr_assert_failed(const char *condition, const char *file, int line);

#define TR_ASSERT(cond)                                                                            \
    do {                                                                                           \
        if (TR_UNLIKELY(!(cond))) {                                                                \
            tr_assert_failed(#cond, __FILE__, __LINE__);                                           \
        }                                                                                          \
    } while (0)

#ifdef TR_DEBUG
#define TR_ASSERT_HOT(cond) TR_ASSERT(cond)
#else
#define TR_ASSERT_HOT(cond) ((void)0)
#endif

/* Objects that travel as void * begin with a magic word, checked on arrival, destroyed on release. */
#define TR_CHECK_MAGIC(object, magic_value)                                                        \
    TR_ASSERT((object) != NULL && (object)->magic == (magic_value))

#endif
