
static int16_t energy(uint8_t channel, const struct spread *spread)
{
    int16_t exponent = (int16_t)(@shift@ + 2 * spread->exponent);
    const uint32_t sum = lifted(squares(channel, spread), &exponent);
    return logarithm(sum / @length@UL, exponent, 32767);
}
