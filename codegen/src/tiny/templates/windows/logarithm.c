
static int16_t logarithm(uint32_t value, int16_t exponent, int16_t most)
{
    if (value == 0) {
        return 0;
    }
    int16_t whole = 31;
    while (value < 0x80000000UL) {
        value <<= 1;
        whole--;
    }
    uint16_t part = (uint16_t)(value >> 16);
    uint16_t bits = 0;
    for (uint8_t left = 8; left != 0; left--) {
        uint32_t square = (uint32_t)part * part;
        bits = (uint16_t)(bits << 1);
        if (square >= 0x80000000UL) {
            bits |= 1;
        } else {
            square <<= 1;
        }
        part = (uint16_t)(square >> 16);
    }
    const int16_t value_of_all = (int16_t)((whole + exponent) * 256 + (int16_t)bits);
    return value_of_all < 0 ? 0 : value_of_all > most ? most : value_of_all;
}
