/* Adds the products of `count` bytes to `sum`. */
static int32_t dot(const int8_t *seen, const int8_t *weights, int count, int32_t sum)
{
#if defined(NOROSHI_DSP)
    for (; count >= 4; count -= 4, seen += 4, weights += 4) {
        const uint32_t left = four_bytes(seen), right = four_bytes(weights);
        sum = __smlad(even_bytes(left), even_bytes(right), sum);
        sum = __smlad(odd_bytes(left), odd_bytes(right), sum);
    }
#endif
    for (; count > 0; count--) {
        sum += *seen++ * *weights++;
    }
    return sum;
}

