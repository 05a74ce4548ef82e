
static uint16_t root(uint32_t value)
{
    uint32_t root = 0;
    for (uint32_t bit = 0x40000000UL; bit != 0; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (uint16_t)root;
}
