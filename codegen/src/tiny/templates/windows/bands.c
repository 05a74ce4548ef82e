
static void part_@part@(uint8_t channel, const struct measures *measures)
{
    transform(sines_@part@, @points@, hann_@part@, @samples@, @thin@, first(channel), &measures->spread);
    uint16_t bin = WORD(&edges_@part@[0]);
    for (uint8_t band = 1; band < @edges@; band++) {
        const uint16_t end = WORD(&edges_@part@[band]);
        uint32_t sum = 0;
        for (; bin < end; bin++) {
            sum += power(sines_@part@, @points@, bin);
        }
        put(logarithm(sum, (int16_t)(8 + 2 * exponent), 32767));
    }
}
