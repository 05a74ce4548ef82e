#if defined(__ARM_FEATURE_DSP) && !defined(NOROSHI_PLAIN_C)
#include <arm_acle.h>
#define NOROSHI_DSP 1

/* Four bytes, wherever they lie. */
static inline uint32_t four_bytes(const int8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Bytes 0 and 2 as two signed halves. */
static inline int16x2_t even_bytes(uint32_t word)
{
    return __sxtb16((int8x4_t)word);
}

/* Bytes 1 and 3 as two signed halves. */
static inline int16x2_t odd_bytes(uint32_t word)
{
    int16x2_t halves;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
    return halves;
}
#endif

