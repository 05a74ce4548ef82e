/* value * multiplier / 2^shift, rounded to the nearest integer, a tie to the even one.
   Shifts of negative numbers keep the sign, as every compiler for the targets does it. */
static int32_t rescale(int32_t value, int32_t multiplier, unsigned shift)
{
    const int64_t half = (int64_t)1 << (shift - 1);
    const int64_t sum = (int64_t)value * multiplier + half;
    const int32_t rounded = (int32_t)(sum >> shift);
    const int is_tie = (sum & (half + half - 1)) == 0;
    return is_tie ? rounded & ~1 : rounded;
}

static int8_t bounded(int32_t level, int8_t low, int8_t high)
{
    if (level < low) {
        return low;
    }
    return level > high ? high : (int8_t)level;
}
