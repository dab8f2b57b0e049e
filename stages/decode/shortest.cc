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

template <typename Real> static bool read_real(const unsigned char *text, size_t bytes, Real *value)
{
    const char *first = reinterpret_cast<const char *>(text);
    const std::from_chars_result result = std::from_chars(first, first + bytes, *value);

    return result.ec == std::errc() && result.ptr == first + bytes;
}

extern "C" bool tr_read_double(const unsigned char *text, size_t bytes, double *value)
{
    return read_real(text, bytes, value);
}

extern "C" bool tr_read_float(const unsigned char *text, size_t bytes, float *value)
{
    return read_real(text, bytes, value);
}
