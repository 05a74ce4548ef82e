
static int16_t correlation(int32_t products, uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0) {
        return 0;
    }
    int16_t exponent = 0;
    const uint16_t root_a = root(lifted(a, &exponent));
    const uint16_t root_b = root(lifted(b, &exponent));
    const uint32_t product = (uint32_t)root_a * root_b;
    uint32_t size = products < 0 ? 0UL - (uint32_t)products : (uint32_t)products;
    for (int16_t bits = (int16_t)-(exponent / 2); bits > 0; bits--) {
        size = size >= 0x80000000UL ? 0xffffffffUL : size << 1;
    }
    size /= product >> 14;
    const int16_t ratio = size > 16384 ? 16384 : (int16_t)size;
    return products < 0 ? (int16_t)-ratio : ratio;
}

static void correlate(void)
{
    static struct spread spreads[@channels@];
    static uint32_t sums[@channels@];
    for (uint8_t channel = 0; channel < @channels@; channel++) {
        struct measures measures;
        measure(&measures, channel);
        spreads[channel] = measures.spread;
        sums[channel] = squares(channel, &measures.spread);
    }
    for (uint8_t a = 0; a < @channels@ - 1; a++) {
        for (uint8_t b = (uint8_t)(a + 1); b < @channels@; b++) {
            int32_t products = 0;
            uint16_t place = first(a);
            for (uint16_t left = @length@; left != 0; left--) {
                const int16_t one = SPREAD(&spreads[a], ring[place]);
                const int16_t other = SPREAD(&spreads[b], ring[place + (b - a)]);
                products += ((int32_t)one * other + @half@L) >> @shift@;
                place = NEXT(place);
            }
            put(correlation(products, sums[a], sums[b]));
        }
    }
}
