/* Comparing texts that are spread over a column. */
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* Whether the texts at two positions are the same, for `count` pairs. */
EXPORT void cf_same_texts(const int64_t *offsets, const uint8_t *data,
                          const int64_t *first, const int64_t *second, int64_t count,
                          uint8_t *same) {
    for (int64_t i = 0; i < count; i++) {
        const int64_t *a = offsets + first[i], *b = offsets + second[i];
        int64_t size = a[1] - a[0];
        same[i] = size == b[1] - b[0] &&
                  (!size || !memcmp(data + a[0], data + b[0], (size_t)size));
    }
}
