/* Texts at random places of memory: a table of them, and taking them by position.
 *
 * Such a read waits for memory several times in a row (the slot, the offsets, the
 * bytes). Rows are therefore done by the block, one step for all rows of it at a
 * time, and each step asks for what the next one reads. */
#include <stddef.h>
#include <string.h>

#include "columns.h"

enum { BLOCK = 32 };

#define EMPTY UINT64_MAX
/* What may not be looked up: null. */
#define NOTHING (-1)

static inline int64_t block_size(int64_t first, int64_t rows) {
    return rows - first < BLOCK ? rows - first : BLOCK;
}

static inline uint64_t word(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

static inline uint32_t half_word(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

/* Differs from process to process, so that nobody can choose ids that all have one
 * hash and make every lookup slow. */
static uint64_t seed;

/* Sets the seed of tables that are made from now on; returns the one before. */
EXPORT uint64_t cf_seed(uint64_t value) {
    uint64_t before = seed;
    seed = value;
    return before;
}

/* Both halves of the product with a secret number: no change of a word has the same
 * effect for every secret. */
static inline uint64_t mixed(uint64_t state, uint64_t word) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(state ^ word) * ((seed ^ 0x9e3779b97f4a7c15) | 1);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A hash for use within this process: nothing that is written depends on it. Words of
 * 8 bytes; the last ones overlap, which the size keeps unambiguous. */
static inline uint64_t hash(text of) {
    const uint8_t *at = of.data, *end = of.data + of.size;
    uint64_t state = (uint64_t)of.size * 0xd6e8feb86659fd93;
    if (of.size >= 8) {
        for (; end - at > 8; at += 8) state = mixed(state, word(at));
        state = mixed(state, word(end - 8));
    } else if (of.size >= 4) {
        state = mixed(state, half_word(at) | (uint64_t)half_word(end - 4) << 32);
    } else if (of.size) {
        uint64_t ends = at[0] | (uint64_t)at[of.size - 1] << 8;
        state = mixed(state, ends | (uint64_t)at[of.size / 2] << 16);
    }
    state = mixed(state, 0xbf58476d1ce4e5b9);
    return mixed(state, 0x94d049bb133111eb);
}

/* A table of texts: open addressing. A slot holds the leading bits of a text's hash,
 * and in those of `low` its position; a text stands at the slot that the leading
 * `bits` of its hash name, or at one of the next, with no empty one between. There
 * are more slots than texts. No position has all bits of `low`, so none is EMPTY. */
typedef struct {
    uint64_t *slots;
    uint64_t low;
    int32_t bits;
} table;

static inline uint64_t slot_of(const table *in, uint64_t hashed) {
    return hashed >> (64 - in->bits);
}

static inline uint64_t slot_after(const table *in, uint64_t slot) {
    return (slot + 1) & (((uint64_t)1 << in->bits) - 1);
}

/* The hash of one text, for tests, which make texts of the same. */
EXPORT uint64_t cf_hash(const uint8_t *data, int64_t size) {
    return hash((text){data, size});
}

/* Writes the hash of each text to `hashes`. */
EXPORT void cf_hash_texts(const column *texts, int64_t rows, uint64_t *hashes) {
    for (int64_t i = 0; i < rows; i++) hashes[i] = hash(text_at(texts, i));
}

/* Fills a table, whose slots are all EMPTY, with distinct texts. */
EXPORT void cf_fill_table(uint64_t *slots, uint64_t low, int32_t bits,
                          const column *keys, int64_t count) {
    const table made = {slots, low, bits}, *in = &made;
    uint64_t hashes[BLOCK];
    for (int64_t first = 0; first < count; first += BLOCK) {
        int64_t size = block_size(first, count);
        for (int64_t i = 0; i < size; i++) {
            hashes[i] = hash(text_at(keys, first + i));
            __builtin_prefetch(in->slots + slot_of(in, hashes[i]), 1);
        }
        for (int64_t i = 0; i < size; i++) {
            uint64_t slot = slot_of(in, hashes[i]);
            while (in->slots[slot] != EMPTY) slot = slot_after(in, slot);
            in->slots[slot] = (hashes[i] & ~in->low) | (uint64_t)(first + i);
        }
    }
}

/* Looks from `*slot` on for a hash that begins alike; moves `*slot` to it. Returns the
 * position that stands there, NOTHING where an empty slot comes first. */
static inline int64_t probe(const table *in, uint64_t hashed, uint64_t *slot) {
    for (;; *slot = slot_after(in, *slot)) {
        uint64_t entry = in->slots[*slot];
        if (entry == EMPTY) return NOTHING;
        if (((entry ^ hashed) & ~in->low) == 0) return (int64_t)(entry & in->low);
    }
}

static inline void prefetch_offsets(const column *of, int64_t row) {
    int64_t width = of->kind == TEXT32 ? 4 : 8;
    const uint8_t *at = (const uint8_t *)of->offsets + row * width;
    __builtin_prefetch(at);
    __builtin_prefetch(at + width);
}

static inline void prefetch_bytes(text of) {
    if (!of.size) return;
    __builtin_prefetch(of.data);
    __builtin_prefetch(of.data + of.size - 1);
}

/* Writes the position of each wanted text to `found`, -1 where it is null or not in
 * the table. Texts are compared in full. */
EXPORT void cf_find(uint64_t *slots, uint64_t low, int32_t bits, const column *keys,
                    const column *wanted, int64_t rows, int32_t *found) {
    const table made = {slots, low, bits}, *in = &made;
    text asked[BLOCK];
    uint64_t hashes[BLOCK], at[BLOCK];
    int64_t places[BLOCK];
    for (int64_t first = 0; first < rows; first += BLOCK) {
        int64_t size = block_size(first, rows);
        for (int64_t i = 0; i < size; i++) {
            places[i] = is_null(wanted, first + i) ? NOTHING : 0;
            if (places[i] == NOTHING) continue;
            asked[i] = text_at(wanted, first + i);
            hashes[i] = hash(asked[i]);
            at[i] = slot_of(in, hashes[i]);
            __builtin_prefetch(in->slots + at[i]);
        }
        for (int64_t i = 0; i < size; i++) {
            if (places[i] == NOTHING) continue;
            places[i] = probe(in, hashes[i], at + i);
            if (places[i] != NOTHING) prefetch_offsets(keys, places[i]);
        }
        for (int64_t i = 0; i < size; i++)
            if (places[i] != NOTHING) prefetch_bytes(text_at(keys, places[i]));
        for (int64_t i = 0; i < size; i++) {
            while (places[i] != NOTHING) {
                text key = text_at(keys, places[i]);
                if (key.size == asked[i].size &&
                    (!key.size || !memcmp(key.data, asked[i].data, (size_t)key.size)))
                    break;
                at[i] = slot_after(in, at[i]);
                places[i] = probe(in, hashes[i], at + i);
            }
            found[first + i] = (int32_t)places[i];
        }
    }
}

/* Copies without a call where the text is short. */
static inline void copy(uint8_t *to, const uint8_t *from, int64_t size) {
    if (size > 16) {
        memcpy(to, from, (size_t)size);
    } else if (size >= 8) {
        uint64_t start = word(from), end = word(from + size - 8);
        memcpy(to, &start, 8);
        memcpy(to + size - 8, &end, 8);
    } else if (size >= 4) {
        uint32_t start = half_word(from), end = half_word(from + size - 4);
        memcpy(to, &start, 4);
        memcpy(to + size - 4, &end, 4);
    } else if (size) {
        uint8_t middle = from[size / 2], end = from[size - 1];
        to[0] = from[0];
        to[size / 2] = middle;
        to[size - 1] = end;
    }
}

/* What `cf_take_sizes` and `cf_subject_keys` return instead of a number of bytes. */
enum { TOO_LARGE = -1, OUT_OF_BOUNDS = -2, NOT_ASCII = -3 };

/* Prepares taking `values` (there are `count`) by position, negative: null. Writes
 * offsets[0 ... rows], the bits of `valid`, all of them 0 before, and into `starts`
 * where each text lies. Returns how many bytes all texts have, or less than 0. */
EXPORT int64_t cf_take_sizes(const column *values, int64_t count,
                             const int64_t *positions, int64_t rows, int32_t *offsets,
                             uint8_t *valid, const uint8_t **starts) {
    int64_t end = 0;
    offsets[0] = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (i + BLOCK < rows) {
            int64_t ahead = positions[i + BLOCK];
            if (ahead >= count) return OUT_OF_BOUNDS;
            if (ahead >= 0) prefetch_offsets(values, ahead);
        }
        int64_t at = positions[i];
        if (at >= count) return OUT_OF_BOUNDS;
        starts[i] = NULL;
        if (at >= 0 && !is_null(values, at)) {
            text found = text_at(values, at);
            starts[i] = found.data;
            end += found.size;
            if (end > INT32_MAX) return TOO_LARGE;
            valid[i >> 3] |= (uint8_t)(1 << (i & 7));
        }
        offsets[i + 1] = (int32_t)end;
    }
    return end;
}

/* Copies the texts that `cf_take_sizes` has found. */
EXPORT void cf_take_bytes(const uint8_t *const *starts, const int32_t *offsets,
                          int64_t rows, uint8_t *data) {
    for (int64_t i = 0; i < rows; i++) {
        if (i + BLOCK < rows) {
            int32_t size = offsets[i + BLOCK + 1] - offsets[i + BLOCK];
            if (size) prefetch_bytes((text){starts[i + BLOCK], size});
        }
        copy(data + offsets[i], starts[i], offsets[i + 1] - offsets[i]);
    }
}

/* White space of ASCII as Unicode has it: with the four separators. */
static inline int is_space(uint8_t byte) {
    return byte == ' ' || (byte >= 9 && byte <= 13) || (byte >= 28 && byte <= 31);
}

static inline text trimmed(text of) {
    while (of.size && is_space(of.data[0])) of.data++, of.size--;
    while (of.size && is_space(of.data[of.size - 1])) of.size--;
    return of;
}

static inline uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

static inline int is_one_of(const column *names, int64_t count, text of) {
    for (int64_t i = 0; i < count; i++) {
        text name = text_at(names, i);
        int64_t same = 0;
        if (name.size != of.size) continue;
        while (same < of.size && lower(of.data[same]) == name.data[same]) same++;
        if (same == of.size) return 1;
    }
    return 0;
}

/* Writes the subject key of each id: `lead`, then the id without white space around
 * it, in lower case if `folds`; null for a null and for a placeholder (`nobody`, in
 * lower case). Writes offsets[0 ... rows], the bits of `valid`, all of them 0 before,
 * and of `data` at most rows * lead_size bytes and those that the ids have. Returns
 * how many, or NOT_ASCII. */
EXPORT int64_t cf_subject_keys(const column *ids, int64_t rows, const uint8_t *lead,
                               int64_t lead_size, int32_t folds, const column *nobody,
                               int64_t nobody_count, int32_t *offsets, uint8_t *valid,
                               uint8_t *data) {
    uint8_t *end = data;
    if (rows) {
        text last = text_at(ids, rows - 1);
        const uint8_t *first = text_at(ids, 0).data;
        uint8_t bits = 0;
        for (int64_t i = 0; i < last.data + last.size - first; i++) bits |= first[i];
        if (bits & 0x80) return NOT_ASCII;
    }
    offsets[0] = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (!is_null(ids, i)) {
            text id = trimmed(text_at(ids, i));
            if (!is_one_of(nobody, nobody_count, id)) {
                copy(end, lead, lead_size);
                end += lead_size;
                copy(end, id.data, id.size);
                if (folds)
                    for (int64_t j = 0; j < id.size; j++) end[j] = lower(end[j]);
                end += id.size;
                valid[i >> 3] |= (uint8_t)(1 << (i & 7));
            }
        }
        offsets[i + 1] = (int32_t)(end - data);
    }
    return end - data;
}
