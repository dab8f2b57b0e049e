// SPDX-License-Identifier: Apache-2.0
#include "engine/app/version.h"

#include <stdio.h>

#include "stages/source/mysql_link.h"

#ifdef __clang__
#define COMPILER "Clang " __clang_version__
#else
#define COMPILER "GCC " __VERSION__
#endif

void tr_version_print(void)
{
    (void)printf("tailrace %s\n"
                 "Debezium format: %s\n"
                 "MySQL client library: %s\n"
                 "Build: %s, %s\n",
                 TAILRACE_VERSION, TR_DEBEZIUM_FORMAT, tr_mysql_library_name(), TAILRACE_BUILD_TYPE,
                 COMPILER);
}
