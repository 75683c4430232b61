/* SHA-256 (FIPS 180-4), of one message at a time. */
#ifndef CONSENTFILTER_SHA256_H
#define CONSENTFILTER_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BLOCK = 64, SHA256_SIZE = 32, SHA256_PADDING = 72 };

typedef struct {
    uint32_t words[8];
} sha256_state;

/* Chooses the processor's own instructions where it has them; once, before use. */
void sha256_choose(int use_instructions);
/* Whether the processor's own instructions were chosen. */
int sha256_uses_instructions(void);

void sha256_start(sha256_state *state);
/* Takes whole blocks. */
void sha256_blocks(sha256_state *state, const uint8_t *data, size_t count);
/* Takes whole blocks of two messages side by side: the processor's instructions wait
 * for each other, and two streams fill each other's pauses. */
void sha256_two(sha256_state *a, const uint8_t *data_a, sha256_state *b,
                const uint8_t *data_b, size_t count);
/* Pads a message in place; `before` bytes (whole blocks) were taken already. Needs
 * room for `SHA256_PADDING` bytes behind it; returns how many blocks it has now. */
size_t sha256_pad(uint8_t *message, size_t size, uint64_t before);
/* Writes a digest. */
void sha256_write(const sha256_state *state, uint8_t *digest);
/* Takes the rest of a message; `before` bytes (whole blocks) were taken already. */
void sha256_end(sha256_state *state, uint64_t before, const uint8_t *rest,
                size_t size, uint8_t *digest);

/* The digest of a whole message. */
static inline void sha256(const uint8_t *data, size_t size, uint8_t *digest) {
    sha256_state state;
    size_t whole = size & ~(size_t)(SHA256_BLOCK - 1);
    sha256_start(&state);
    sha256_blocks(&state, data, whole / SHA256_BLOCK);
    sha256_end(&state, whole, data + whole, size - whole, digest);
}

#endif
