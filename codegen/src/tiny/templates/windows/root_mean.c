
static int16_t root_mean(uint32_t sum, int16_t exponent)
{
    if (sum == 0) {
        return 0;
    }
    uint32_t value = lifted(sum, &exponent) / @length@UL;
    value = root(lifted(value, &exponent));
    const int16_t down = (int16_t)-(exponent / 2);
    if (down <= 0) {
        return 32767;
    }
    if (down > 17) {
        return 0;
    }
    value = (value + (1UL << (down - 1))) >> down;
    return value > 32767 ? 32767 : (int16_t)value;
}
