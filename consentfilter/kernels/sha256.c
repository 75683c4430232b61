/* SHA-256 (FIPS 180-4). Two compression functions, which tests compare: one in plain
 * C, one with the x86 SHA extensions. */
#include "sha256.h"

#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAS_X86 1
#include <cpuid.h>
#include <immintrin.h>
#else
#define HAS_X86 0
#endif

/* FIPS 180-4, section 4.2.2. */
static const uint32_t K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
};

static inline uint32_t rotated(uint32_t word, int by) {
    return (word >> by) | (word << (32 - by));
}

static inline uint32_t big_endian(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void put_big_endian(uint8_t *at, uint32_t word) {
    uint8_t bytes[4] = {(uint8_t)(word >> 24), (uint8_t)(word >> 16), (uint8_t)(word >> 8),
                        (uint8_t)word};
    memcpy(at, bytes, 4);
}

/* FIPS 180-4, section 6.2.2. */
static void compress_plain(uint32_t *words, const uint8_t *data, size_t count) {
    for (; count; count--, data += SHA256_BLOCK) {
        uint32_t w[64], a = words[0], b = words[1], c = words[2], d = words[3],
                        e = words[4], f = words[5], g = words[6], h = words[7];
        for (int t = 0; t < 16; t++) w[t] = big_endian(data + 4 * t);
        for (int t = 16; t < 64; t++) {
            uint32_t x = w[t - 15], y = w[t - 2];
            uint32_t s0 = rotated(x, 7) ^ rotated(x, 18) ^ (x >> 3);
            uint32_t s1 = rotated(y, 17) ^ rotated(y, 19) ^ (y >> 10);
            w[t] = w[t - 16] + s0 + w[t - 7] + s1;
        }
        for (int t = 0; t < 64; t++) {
            uint32_t s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
            uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + K[t] + w[t];
            uint32_t s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
            uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
            h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
        }
        words[0] += a, words[1] += b, words[2] += c, words[3] += d;
        words[4] += e, words[5] += f, words[6] += g, words[7] += h;
    }
}

#if HAS_X86
/* Intel 64 manual, SHA256RNDS2, SHA256MSG1, SHA256MSG2: four rounds a step, the
 * schedule in four registers. */
#define X86 __attribute__((target("sha,sse4.1,ssse3")))
#define X86_INLINE X86 __attribute__((always_inline)) static inline

typedef struct {
    __m128i abef, cdgh, abef_before, cdgh_before, m[4];
} x86_state;

X86_INLINE void x86_load(x86_state *s, const uint32_t *words) {
    __m128i dcba = _mm_loadu_si128((const __m128i *)words);
    __m128i hgfe = _mm_loadu_si128((const __m128i *)(words + 4));
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1);
    __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
    s->abef = _mm_alignr_epi8(cdab, efgh, 8);
    s->cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
}

X86_INLINE void x86_store(const x86_state *s, uint32_t *words) {
    __m128i feba = _mm_shuffle_epi32(s->abef, 0x1B);
    __m128i dchg = _mm_shuffle_epi32(s->cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)words, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(words + 4), _mm_alignr_epi8(dchg, feba, 8));
}

X86_INLINE void x86_begin(x86_state *s, const uint8_t *data) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    s->abef_before = s->abef, s->cdgh_before = s->cdgh;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m128i raw = _mm_loadu_si128((const __m128i *)(data + 16 * i));
        s->m[i] = _mm_shuffle_epi8(raw, swap);
    }
}

/* Rounds 4 i to 4 i + 3. */
X86_INLINE void x86_rounds(x86_state *s, int i) {
    __m128i k = _mm_load_si128((const __m128i *)(K + 4 * i));
    __m128i wk = _mm_add_epi32(s->m[i & 3], k);
    s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, wk);
    if (i >= 3 && i < 15) {
        __m128i w7 = _mm_alignr_epi8(s->m[i & 3], s->m[(i - 1) & 3], 4);
        __m128i sum = _mm_add_epi32(s->m[(i + 1) & 3], w7);
        s->m[(i + 1) & 3] = _mm_sha256msg2_epu32(sum, s->m[i & 3]);
    }
    s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(wk, 0x0E));
    if (i >= 1 && i < 13)
        s->m[(i - 1) & 3] = _mm_sha256msg1_epu32(s->m[(i - 1) & 3], s->m[i & 3]);
}

X86_INLINE void x86_add(x86_state *s) {
    s->abef = _mm_add_epi32(s->abef, s->abef_before);
    s->cdgh = _mm_add_epi32(s->cdgh, s->cdgh_before);
}

X86 static void compress_x86(uint32_t *words, const uint8_t *data, size_t count) {
    x86_state s;
    x86_load(&s, words);
    for (; count; count--, data += SHA256_BLOCK) {
        x86_begin(&s, data);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) x86_rounds(&s, i);
        x86_add(&s);
    }
    x86_store(&s, words);
}

X86 static void compress_two_x86(uint32_t *words_a, const uint8_t *a, uint32_t *words_b,
                                 const uint8_t *b, size_t count) {
    x86_state s, t;
    x86_load(&s, words_a);
    x86_load(&t, words_b);
    for (; count; count--, a += SHA256_BLOCK, b += SHA256_BLOCK) {
        x86_begin(&s, a);
        x86_begin(&t, b);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            x86_rounds(&s, i);
            x86_rounds(&t, i);
        }
        x86_add(&s);
        x86_add(&t);
    }
    x86_store(&s, words_a);
    x86_store(&t, words_b);
}

static int has_instructions(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b >> 29 & 1)) return 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    return (c >> 9 & 1) && (c >> 19 & 1); /* SSSE3, SSE4.1 */
}
#endif

static void compress_two_plain(uint32_t *words_a, const uint8_t *a, uint32_t *words_b,
                               const uint8_t *b, size_t count) {
    compress_plain(words_a, a, count);
    compress_plain(words_b, b, count);
}

static void (*compress)(uint32_t *, const uint8_t *, size_t) = compress_plain;
static void (*compress_two)(uint32_t *, const uint8_t *, uint32_t *, const uint8_t *,
                            size_t) = compress_two_plain;

void sha256_choose(int use_instructions) {
    compress = compress_plain, compress_two = compress_two_plain;
#if HAS_X86
    if (use_instructions && has_instructions())
        compress = compress_x86, compress_two = compress_two_x86;
#else
    (void)use_instructions;
#endif
}

int sha256_uses_instructions(void) { return compress != compress_plain; }

void sha256_start(sha256_state *state) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(state->words, start, sizeof start);
}

void sha256_blocks(sha256_state *state, const uint8_t *data, size_t count) {
    if (count) compress(state->words, data, count);
}

void sha256_two(sha256_state *a, const uint8_t *data_a, sha256_state *b,
                const uint8_t *data_b, size_t count) {
    if (count) compress_two(a->words, data_a, b->words, data_b, count);
}

size_t sha256_pad(uint8_t *message, size_t size, uint64_t before) {
    size_t blocks = (size + 9 + SHA256_BLOCK - 1) / SHA256_BLOCK;
    uint8_t *end = message + blocks * SHA256_BLOCK;
    uint64_t bits = (before + size) * 8;
    message[size] = 0x80;
    memset(message + size + 1, 0, (size_t)(end - 8 - (message + size + 1)));
    put_big_endian(end - 8, (uint32_t)(bits >> 32));
    put_big_endian(end - 4, (uint32_t)bits);
    return blocks;
}

void sha256_write(const sha256_state *state, uint8_t *digest) {
    for (int i = 0; i < 8; i++) put_big_endian(digest + 4 * i, state->words[i]);
}

void sha256_end(sha256_state *state, uint64_t before, const uint8_t *rest, size_t size,
                uint8_t *digest) {
    uint8_t last[SHA256_BLOCK + SHA256_PADDING];
    size_t whole = size & ~(size_t)(SHA256_BLOCK - 1), left = size - whole;
    sha256_blocks(state, rest, whole / SHA256_BLOCK);
    if (left) memcpy(last, rest + whole, left);
    sha256_blocks(state, last, sha256_pad(last, left, before + whole));
    sha256_write(state, digest);
}
