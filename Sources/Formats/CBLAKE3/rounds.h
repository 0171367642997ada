// The seven rounds of the compression function (specification, section 2.2), over any type that has +, ^, << and >>:
// uint32_t, or a vector of one word of each of several inputs. Macros rather than functions, because a vector type
// wider than the baseline cannot be passed between functions without its target attribute.

#define ROTR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))

#define G(v, a, b, c, d, x, y)       \
    do {                             \
        v[a] = v[a] + v[b] + (x);    \
        v[d] = ROTR(v[d] ^ v[a], 16); \
        v[c] = v[c] + v[d];          \
        v[b] = ROTR(v[b] ^ v[c], 12); \
        v[a] = v[a] + v[b] + (y);    \
        v[d] = ROTR(v[d] ^ v[a], 8); \
        v[c] = v[c] + v[d];          \
        v[b] = ROTR(v[b] ^ v[c], 7); \
    } while (0)

#define ROUND(v, m, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
    do {                                                                                 \
        G(v, 0, 4, 8, 12, m[s0], m[s1]);                                                 \
        G(v, 1, 5, 9, 13, m[s2], m[s3]);                                                 \
        G(v, 2, 6, 10, 14, m[s4], m[s5]);                                                \
        G(v, 3, 7, 11, 15, m[s6], m[s7]);                                                \
        G(v, 0, 5, 10, 15, m[s8], m[s9]);                                                \
        G(v, 1, 6, 11, 12, m[s10], m[s11]);                                              \
        G(v, 2, 7, 8, 13, m[s12], m[s13]);                                               \
        G(v, 3, 4, 9, 14, m[s14], m[s15]);                                               \
    } while (0)

// Each line is the line before it, permuted by the specification's table 2, so that no word is moved at run time.
#define SEVEN_ROUNDS(v, m)                                                      \
    do {                                                                        \
        ROUND(v, m, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);      \
        ROUND(v, m, 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8);      \
        ROUND(v, m, 3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1);      \
        ROUND(v, m, 10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6);      \
        ROUND(v, m, 12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4);      \
        ROUND(v, m, 9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7);      \
        ROUND(v, m, 11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13);      \
    } while (0)
