
static uint32_t lifted(uint32_t value, int16_t *exponent)
{
    while (value != 0 && value < 0x40000000UL) {
        value <<= 2;
        *exponent -= 2;
    }
    return value;
}
