// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/shortest.h"

#include <charconv>

extern "C" size_t tr_shortest_double(double value, char *out)
{
    return static_cast<size_t>(
        std::to_chars(out, out + TR_SHORTEST_BYTES_MAX, value, std::chars_format::scientific).ptr -
        out);
}

extern "C" size_t tr_shortest_float(float value, char *out)
{
    return static_cast<size_t>(
        std::to_chars(out, out + TR_SHORTEST_BYTES_MAX, value, std::chars_format::scientific).ptr -
        out);
}

extern "C" size_t tr_two_digits_double(double value, char *out)
{
    return static_cast<size_t>(
        std::to_chars(out, out + TR_SHORTEST_BYTES_MAX, value, std::chars_format::scientific, 1)
            .ptr -
        out);
}

extern "C" size_t tr_two_digits_float(float value, char *out)
{
    return static_cast<size_t>(
        std::to_chars(out, out + TR_SHORTEST_BYTES_MAX, value, std::chars_format::scientific, 1)
            .ptr -
        out);
}

extern "C" size_t tr_fixed_double(double value, int fraction_digits, char *out)
{
    return static_cast<size_t>(std::to_chars(out, out + TR_FIXED_BYTES_MAX, value,
                                             std::chars_format::fixed, fraction_digits)
                                   .ptr -
                               out);
}
