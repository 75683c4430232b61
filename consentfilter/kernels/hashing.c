/* Digests over whole columns: rows of netstrings, slices, HMAC. Nothing here keeps
 * state. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "sha256.h"

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

/* Room for two messages, which are hashed side by side. */
typedef struct {
    uint8_t *room[2];
    int64_t size[2];
    size_t blocks[2];
} pair;

/* Makes room for a message and its padding; NULL when there is no memory. */
static uint8_t *room_for(pair *of, int lane, int64_t wanted) {
    wanted += SHA256_PADDING;
    if (wanted > of->size[lane]) {
        int64_t larger = wanted + wanted / 2;
        uint8_t *moved = realloc(of->room[lane], (size_t)larger);
        if (!moved) return NULL;
        of->room[lane] = moved;
        of->size[lane] = larger;
    }
    return of->room[lane];
}

static void close_pair(pair *of) {
    free(of->room[0]);
    free(of->room[1]);
}

/* Hashes both padded messages from `start` on. */
static void hash_pair(const pair *of, const sha256_state *start, sha256_state *found) {
    size_t a = of->blocks[0], b = of->blocks[1], both = a < b ? a : b;
    found[0] = found[1] = *start;
    sha256_two(found, of->room[0], found + 1, of->room[1], both);
    sha256_blocks(found, of->room[0] + both * SHA256_BLOCK, a - both);
    sha256_blocks(found + 1, of->room[1] + both * SHA256_BLOCK, b - both);
}

/* Hashes each row: the next `salt_size` bytes of `salts`, then its netstrings.
 * Returns 0, or -1 when there is no memory. */
EXPORT int cf_digest_rows(const column *columns, int32_t count, int64_t rows,
                          const uint8_t *salts, int64_t salt_size, uint8_t *digests) {
    pair two = {0};
    sha256_state start, found[2];
    sha256_start(&start);
    for (int64_t row = 0; row < rows; row += 2) {
        int lanes = rows - row > 1 ? 2 : 1;
        two.blocks[1] = 0;
        for (int i = 0; i < lanes; i++) {
            int64_t most = salt_size + most_bytes(columns, count, row + i);
            uint8_t *room = room_for(&two, i, most);
            if (!room) {
                close_pair(&two);
                return -1;
            }
            if (salt_size) memcpy(room, salts + (row + i) * salt_size, (size_t)salt_size);
            uint8_t *end = put_row(room + salt_size, columns, count, row + i);
            two.blocks[i] = sha256_pad(room, (size_t)(end - room), 0);
        }
        hash_pair(&two, &start, found);
        for (int i = 0; i < lanes; i++)
            sha256_write(found + i, digests + (row + i) * SHA256_SIZE);
    }
    close_pair(&two);
    return 0;
}

/* Writes the end of each row's netstrings into ends[1 ... rows], from ends[0] on, and
 * the netstrings to `data` unless that is NULL. Returns 0, or -1 when there is no
 * memory. */
EXPORT int cf_netstrings(const column *columns, int32_t count, int64_t rows,
                         int64_t *ends, uint8_t *data) {
    pair two = {0};
    int64_t at = ends[0];
    for (int64_t row = 0; row < rows; row++) {
        uint8_t *room = room_for(&two, 0, most_bytes(columns, count, row));
        if (!room) {
            close_pair(&two);
            return -1;
        }
        int64_t wrote = put_row(room, columns, count, row) - room;
        if (data && wrote) memcpy(data + at, room, (size_t)wrote);
        at += wrote;
        ends[row + 1] = at;
    }
    close_pair(&two);
    return 0;
}

/* Hashes data[offsets[i] ... offsets[i + 1]), each with `lead` bytes in front (at
 * most 64). Returns 0, or -1 when there is no memory. */
EXPORT int cf_digest_slices(const uint8_t *lead, int64_t lead_size, const uint8_t *data,
                            const int64_t *offsets, int64_t count, uint8_t *digests) {
    enum { LARGE = 1 << 16 };
    pair two = {0};
    sha256_state start, found[2];
    sha256_start(&start);
    int64_t waiting[2];
    int lanes = 0;
    for (int64_t i = 0; i <= count; i++) {
        if (lanes == 2 || (i == count && lanes)) {
            if (lanes == 1) two.blocks[1] = 0;
            hash_pair(&two, &start, found);
            for (int lane = 0; lane < lanes; lane++)
                sha256_write(found + lane, digests + waiting[lane] * SHA256_SIZE);
            lanes = 0;
        }
        if (i == count) break;
        const uint8_t *at = data + offsets[i];
        int64_t size = offsets[i + 1] - offsets[i];
        uint8_t *room = room_for(&two, lanes, lead_size + (size < LARGE ? size : SHA256_BLOCK));
        if (!room) {
            close_pair(&two);
            return -1;
        }
        if (lead_size) memcpy(room, lead, (size_t)lead_size);
        if (size < LARGE) {
            if (size) memcpy(room + lead_size, at, (size_t)size);
            two.blocks[lanes] = sha256_pad(room, (size_t)(lead_size + size), 0);
            waiting[lanes++] = i;
            continue;
        }
        /* Large ones are hashed where they lie, after the block that `lead` begins. */
        size_t fill = lead_size ? SHA256_BLOCK - (size_t)lead_size : 0;
        found[0] = start;
        if (lead_size) {
            memcpy(room + lead_size, at, fill);
            sha256_blocks(found, room, 1);
        }
        sha256_end(found, lead_size ? SHA256_BLOCK : 0, at + fill, (size_t)size - fill,
                   digests + i * SHA256_SIZE);
    }
    close_pair(&two);
    return 0;
}

static void start_with(sha256_state *state, const uint8_t *key, uint8_t mask) {
    uint8_t block[SHA256_BLOCK];
    for (int i = 0; i < SHA256_BLOCK; i++) block[i] = key[i] ^ mask;
    sha256_start(state);
    sha256_blocks(state, block, 1);
}

/* HMAC-SHA256 (RFC 2104) of `lead`, then the text, with a key of one block. Returns
 * 0, or -1 when there is no memory. */
EXPORT int cf_hmac(const uint8_t *key, const uint8_t *lead, int64_t lead_size,
                   const column *texts, int64_t rows, uint8_t *digests) {
    pair two = {0};
    sha256_state inner, outer, found[2];
    start_with(&inner, key, 0x36);
    start_with(&outer, key, 0x5c);
    for (int64_t row = 0; row < rows; row += 2) {
        int lanes = rows - row > 1 ? 2 : 1;
        two.blocks[1] = 0;
        for (int i = 0; i < lanes; i++) {
            text message = text_at(texts, row + i);
            int64_t size = lead_size + message.size;
            uint8_t *room = room_for(&two, i, size + SHA256_SIZE);
            if (!room) {
                close_pair(&two);
                return -1;
            }
            if (lead_size) memcpy(room, lead, (size_t)lead_size);
            if (message.size) memcpy(room + lead_size, message.data, (size_t)message.size);
            two.blocks[i] = sha256_pad(room, (size_t)size, SHA256_BLOCK);
        }
        hash_pair(&two, &inner, found);
        for (int i = 0; i < lanes; i++) {
            sha256_write(found + i, two.room[i]);
            two.blocks[i] = sha256_pad(two.room[i], SHA256_SIZE, SHA256_BLOCK);
        }
        hash_pair(&two, &outer, found);
        for (int i = 0; i < lanes; i++)
            sha256_write(found + i, digests + (row + i) * SHA256_SIZE);
    }
    close_pair(&two);
    return 0;
}

/* Must equal `_VERSION` of native.py. Chooses how SHA-256 is computed. */
EXPORT int cf_start(int use_instructions) {
    sha256_choose(use_instructions);
    return 2;
}

EXPORT int cf_uses_instructions(void) { return sha256_uses_instructions(); }
