/* Arrow columns as the library takes them (`native.Columns` describes them).
 *
 * Buffers are Arrow's (little-endian, offsets that ascend); the caller has checked
 * types and lengths and keeps them alive. */
#ifndef COLUMNS_H
#define COLUMNS_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

enum { TEXT32, TEXT64, INTEGER, HEX, DICTIONARY };

/* One column. `values` are bytes of text, int64, or fixed-size bytes (`width`);
 * `offsets` those of text; `codes` int32 into the texts of a dictionary. `valid` is
 * a bitmap whose bit `valid_at` is the first row's, or NULL: no nulls. */
typedef struct {
    int32_t kind;
    int32_t width;
    const uint8_t *values;
    const void *offsets;
    const int32_t *codes;
    const uint8_t *valid;
    int64_t valid_at;
} column;

typedef struct {
    const uint8_t *data;
    int64_t size;
} text;

static inline int is_null(const column *of, int64_t row) {
    int64_t bit = of->valid_at + row;
    return of->valid && !(of->valid[bit >> 3] >> (bit & 7) & 1);
}

static inline text text_at(const column *of, int64_t row) {
    if (of->kind == TEXT32) {
        const int32_t *at = (const int32_t *)of->offsets + row;
        return (text){of->values + at[0], (int64_t)at[1] - at[0]};
    }
    const int64_t *at = (const int64_t *)of->offsets + (of->codes ? of->codes[row] : row);
    return (text){of->values + at[0], at[1] - at[0]};
}

#endif
