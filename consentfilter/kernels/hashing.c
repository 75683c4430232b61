/* Digests over whole columns: rows of netstrings, slices, HMAC.
 *
 * Buffers are Arrow's (little-endian, offsets that ascend); the caller has checked
 * types and lengths and keeps them alive. Nothing here keeps state. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"

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

/* Writes a number's decimal digits to the end of `end`; returns where they start. */
static inline uint8_t *digits_before(uint8_t *end, uint64_t number) {
    do {
        *--end = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number);
    return end;
}

/* The text of an integer, written into 24 bytes. */
static inline text decimal(int64_t value, uint8_t *room) {
    uint8_t *end = room + 24;
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint8_t *start = digits_before(end, size);
    if (value < 0) *--start = '-';
    return (text){start, end - start};
}

static inline text text_at(const column *of, int64_t row) {
    if (of->kind == TEXT32) {
        const int32_t *at = (const int32_t *)of->offsets + row;
        return (text){of->values + at[0], (int64_t)at[1] - at[0]};
    }
    const int64_t *at = (const int64_t *)of->offsets + (of->codes ? of->codes[row] : row);
    return (text){of->values + at[0], at[1] - at[0]};
}

static const char HEX_DIGITS[] = "0123456789abcdef";

static int64_t most_bytes(const column *columns, int32_t count, int64_t row) {
    int64_t most = 0;
    for (int32_t i = 0; i < count; i++) {
        const column *of = columns + i;
        if (is_null(of, row))
            most += 1;
        else if (of->kind == INTEGER)
            most += 24 + 4;
        else if (of->kind == HEX)
            most += 2 * (int64_t)of->width + 22;
        else
            most += text_at(of, row).size + 22;
    }
    return most;
}

static inline uint8_t *put(uint8_t *at, text what) {
    uint8_t room[24];
    uint8_t *length = digits_before(room + 24, (uint64_t)what.size);
    size_t digits = (size_t)(room + 24 - length);
    memcpy(at, length, digits);
    at += digits;
    *at++ = ':';
    if (what.size) memcpy(at, what.data, (size_t)what.size);
    at += what.size;
    *at++ = ',';
    return at;
}

/* Writes a row: `len:text,` per column, `~` for a null; returns its end. */
static uint8_t *put_row(uint8_t *at, const column *columns, int32_t count,
                        int64_t row) {
    for (int32_t i = 0; i < count; i++) {
        const column *of = columns + i;
        if (is_null(of, row)) {
            *at++ = '~';
        } else if (of->kind == INTEGER) {
            uint8_t room[24];
            int64_t value;
            memcpy(&value, of->values + 8 * row, 8);
            at = put(at, decimal(value, room));
        } else if (of->kind == HEX) {
            const uint8_t *bytes = of->values + row * of->width;
            uint8_t room[24], *length = digits_before(room + 24, 2 * (uint64_t)of->width);
            size_t digits = (size_t)(room + 24 - length);
            memcpy(at, length, digits);
            at += digits;
            *at++ = ':';
            for (int32_t j = 0; j < of->width; j++) {
                *at++ = (uint8_t)HEX_DIGITS[bytes[j] >> 4];
                *at++ = (uint8_t)HEX_DIGITS[bytes[j] & 15];
            }
            *at++ = ',';
        } else {
            at = put(at, text_at(of, row));
        }
    }
    return at;
}

/* Makes `room` hold at least `size` bytes; 0 when there is no memory. */
static int grow(uint8_t **room, int64_t *size, int64_t wanted) {
    if (wanted <= *size) return 1;
    int64_t larger = wanted + wanted / 2;
    uint8_t *moved = realloc(*room, (size_t)larger);
    if (!moved) return 0;
    *room = moved;
    *size = larger;
    return 1;
}

/* Hashes each row: the next `salt_size` bytes of `salts`, then its netstrings. Returns 0, or -1 when there is no memory. */
EXPORT int cf_digest_rows(const column *columns, int32_t count, int64_t rows,
                          const uint8_t *salts, int64_t salt_size, uint8_t *digests) {
    int64_t size = 0;
    uint8_t *room = NULL;
    for (int64_t row = 0; row < rows; row++) {
        if (!grow(&room, &size, salt_size + most_bytes(columns, count, row) + 1)) {
            free(room);
            return -1;
        }
        if (salt_size) memcpy(room, salts + row * salt_size, (size_t)salt_size);
        uint8_t *end = put_row(room + salt_size, columns, count, row);
        sha256(room, (size_t)(end - room), digests + row * SHA256_SIZE);
    }
    free(room);
    return 0;
}

/* Writes the end of each row's netstrings into ends[1 ... rows], from ends[0] on. At
 * most `size` bytes go to `data`; NULL writes nothing. Returns 0, or -1 when there is
 * no memory. */
EXPORT int cf_netstrings(const column *columns, int32_t count, int64_t rows,
                         int64_t *ends, uint8_t *data) {
    int64_t size = 0, at = ends[0];
    uint8_t *room = NULL;
    for (int64_t row = 0; row < rows; row++) {
        if (!grow(&room, &size, most_bytes(columns, count, row) + 1)) {
            free(room);
            return -1;
        }
        int64_t wrote = put_row(room, columns, count, row) - room;
        if (data && wrote) memcpy(data + at, room, (size_t)wrote);
        at += wrote;
        ends[row + 1] = at;
    }
    free(room);
    return 0;
}

/* Hashes data[offsets[i] ... offsets[i + 1]), each with `lead` bytes in front (at
 * most 64). */
EXPORT void cf_digest_slices(const uint8_t *lead, int64_t lead_size, const uint8_t *data,
                             const int64_t *offsets, int64_t count, uint8_t *digests) {
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *at = data + offsets[i];
        size_t left = (size_t)(offsets[i + 1] - offsets[i]);
        sha256_state state;
        uint8_t first[SHA256_BLOCK];
        sha256_start(&state);
        if (!lead_size) {
            sha256(at, left, digests + i * SHA256_SIZE);
            continue;
        }
        size_t fill = SHA256_BLOCK - (size_t)lead_size;
        memcpy(first, lead, (size_t)lead_size);
        if (left < fill) {
            if (left) memcpy(first + lead_size, at, left);
            sha256_end(&state, 0, first, (size_t)lead_size + left,
                       digests + i * SHA256_SIZE);
            continue;
        }
        memcpy(first + lead_size, at, fill);
        sha256_blocks(&state, first, 1);
        sha256_end(&state, SHA256_BLOCK, at + fill, left - fill,
                   digests + i * SHA256_SIZE);
    }
}

/* HMAC-SHA256 (RFC 2104) of `lead`, then the text, with a key of one block. Returns
 * 0, or -1 when there is no memory. */
EXPORT int cf_hmac(const uint8_t *key, const uint8_t *lead, int64_t lead_size,
                   const column *texts, int64_t rows, uint8_t *digests) {
    uint8_t pad[SHA256_BLOCK];
    sha256_state inner, outer;
    int64_t size = 0;
    uint8_t *room = NULL;
    for (int i = 0; i < SHA256_BLOCK; i++) pad[i] = key[i] ^ 0x36;
    sha256_start(&inner);
    sha256_blocks(&inner, pad, 1);
    for (int i = 0; i < SHA256_BLOCK; i++) pad[i] = key[i] ^ 0x5c;
    sha256_start(&outer);
    sha256_blocks(&outer, pad, 1);
    for (int64_t row = 0; row < rows; row++) {
        text message = text_at(texts, row);
        uint8_t digest[SHA256_SIZE];
        sha256_state state = inner;
        if (!grow(&room, &size, lead_size + message.size + 1)) {
            free(room);
            return -1;
        }
        if (lead_size) memcpy(room, lead, (size_t)lead_size);
        if (message.size) memcpy(room + lead_size, message.data, (size_t)message.size);
        sha256_end(&state, SHA256_BLOCK, room, (size_t)(lead_size + message.size),
                   digest);
        state = outer;
        sha256_end(&state, SHA256_BLOCK, digest, SHA256_SIZE,
                   digests + row * SHA256_SIZE);
    }
    free(room);
    return 0;
}

/* Must equal `_VERSION` of native.py. Chooses how SHA-256 is computed. */
EXPORT int cf_start(int use_instructions) {
    sha256_choose(use_instructions);
    return 1;
}

EXPORT int cf_uses_instructions(void) { return sha256_uses_instructions(); }
